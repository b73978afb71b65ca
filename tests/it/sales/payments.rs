//! Money is booked once for each movement, and the order follows it.

use balcao_domain::{
    OrderId, PaymentId,
    order::Status,
    payment::{CommissionTerms, Fact, FactKind, Lifecycle, State},
};
use balcao_store::{
    StoreError,
    sales::{
        books,
        payments::{self, Applied, NewPayment},
    },
};
use futures::future::join_all;
use serde_json::json;

use super::shop::{Shop, order, product};

fn terms() -> CommissionTerms {
    order("", &[]).commission
}

fn receipt(key: &str, minor: i64) -> Fact {
    Fact { key: key.into(), kind: FactKind::Receipt { minor, fee_minor: 99 } }
}

fn refund(key: &str, minor: i64) -> Fact {
    Fact { key: key.into(), kind: FactKind::RefundSettled { minor, of_excess: false } }
}

/// A shop with ten mugs at 35 reais, an order of two of them and its charge.
async fn charged() -> (Shop, OrderId, PaymentId) {
    let shop = Shop::open().await;
    shop.put(&[product("1", "Caneca", 3500, 10)]).await;
    let mug = shop.offer("Caneca").await.variant_id;
    let id = shop.placed(&order("a", &[(mug, 2, 3500)])).await;
    let payment = charge(&shop, id, "tx1").await.expect("a charge");
    (shop, id, payment)
}

async fn charge(shop: &Shop, order_id: OrderId, reference: &str) -> Result<PaymentId, StoreError> {
    let mut tx = shop.store.tenant_tx(&shop.ctx).await?;
    let new = NewPayment {
        order_id,
        provider: "pix".into(),
        method: "pix".into(),
        reference: reference.into(),
        account_id: None,
        terms: terms(),
        instructions: json!({}),
        expires_at: None,
    };
    let id = payments::create(&mut tx, &new).await?;
    tx.commit().await?;
    Ok(id)
}

async fn apply(shop: &Shop, id: PaymentId, fact: &Fact) -> Result<Applied, StoreError> {
    let mut tx = shop.store.tenant_tx(&shop.ctx).await?;
    let applied = payments::apply(&mut tx, id, fact, &json!({ "test": true })).await?;
    tx.commit().await?;
    Ok(applied)
}

async fn applied(shop: &Shop, id: PaymentId, fact: &Fact) -> Applied {
    apply(shop, id, fact).await.expect("the database is there")
}

async fn balance(shop: &Shop, account: &str) -> i64 {
    let mut tx = shop.store.tenant_tx(&shop.ctx).await.expect("a transaction");
    let balances = books::balances(&mut tx).await.expect("balances");
    balances.iter().find(|balance| balance.account == account).map_or(0, |balance| balance.minor)
}

#[tokio::test]
async fn a_movement_reported_by_many_at_once_is_booked_once_and_the_stock_is_sold() {
    let (shop, order_id, payment) = charged().await;
    let fact = receipt("pix:E1", 7000);
    let all = join_all((0..16).map(|_| apply(&shop, payment, &fact))).await;
    let now = all.iter().filter(|applied| matches!(applied, Ok(Applied::Now(State::Paid)))).count();
    assert_eq!(now, 1);
    assert!(all.iter().all(|applied| matches!(applied, Ok(Applied::Now(_) | Applied::Known))));
    assert_eq!(shop.order(order_id).await.status, Status::Paid);
    assert_eq!(shop.available("Caneca").await, 8);
    // 10 % of 70 reais, two parts to one: 466.67 and 233.33 centavos.
    assert_eq!(balance(&shop, "commission:vendedor").await, -467);
    assert_eq!(balance(&shop, "commission:balcao").await, -233);
    assert_eq!(balance(&shop, "psp_clearing").await, 7000 - 99);
    assert_eq!(balance(&shop, "merchant_payable").await, -(7000 - 700 - 99));
    shop.is_sound().await;
    shop.time_passes().await;
    assert_eq!(shop.order(order_id).await.status, Status::Paid, "what is paid does not expire");
    shop.is_sound().await;
}

#[tokio::test]
async fn half_the_money_leaves_the_order_waiting_and_the_rest_completes_it() {
    let (shop, order_id, payment) = charged().await;
    assert_eq!(applied(&shop, payment, &receipt("pix:E1", 3000)).await, Applied::Now(State::PartiallyPaid));
    assert_eq!(shop.order(order_id).await.status, Status::AwaitingPayment);
    assert_eq!(applied(&shop, payment, &receipt("pix:E2", 4500)).await, Applied::Now(State::Paid));
    assert_eq!(balance(&shop, "customer_credit").await, -500, "five reais too much are the customer's");
    assert_eq!(shop.order(order_id).await.status, Status::Paid);
    shop.is_sound().await;
}

#[tokio::test]
async fn a_refund_is_booked_takes_the_commission_back_and_ends_the_order() {
    let (shop, order_id, payment) = charged().await;
    apply(&shop, payment, &receipt("pix:E1", 7000)).await.expect("paid");
    assert_eq!(
        applied(&shop, payment, &refund("pix:D1", 3500)).await,
        Applied::Now(State::PartiallyRefunded)
    );
    assert_eq!(shop.order(order_id).await.status, Status::Paid);
    assert_eq!(applied(&shop, payment, &refund("pix:D2", 3500)).await, Applied::Now(State::Refunded));
    assert_eq!(shop.order(order_id).await.status, Status::Refunded);
    assert_eq!(balance(&shop, "commission:vendedor").await, 0);
    assert!(matches!(applied(&shop, payment, &refund("pix:D3", 1)).await, Applied::Refused(_)));
    shop.is_sound().await;
}

#[tokio::test]
async fn what_contradicts_itself_changes_nothing() {
    let (shop, _, payment) = charged().await;
    apply(&shop, payment, &receipt("pix:E1", 7000)).await.expect("paid");
    let before = balance(&shop, "psp_clearing").await;
    assert_eq!(applied(&shop, payment, &receipt("pix:E1", 9000)).await, Applied::Conflict);
    assert!(matches!(applied(&shop, payment, &receipt("pix:E9", -5)).await, Applied::Refused(_)));
    // The same movement of the bank cannot pay another order too.
    let mug = shop.offer("Caneca").await.variant_id;
    let second = shop.placed(&order("b", &[(mug, 1, 3500)])).await;
    let other = charge(&shop, second, "tx2").await.expect("a charge");
    let conflict = apply(&shop, other, &receipt("pix:E1", 7000)).await;
    assert!(
        matches!(conflict, Err(StoreError::Conflict { constraint }) if constraint == "payment_fact_key_unique")
    );
    assert!(
        matches!(charge(&shop, second, "tx2").await, Err(StoreError::Conflict { .. })),
        "a txid is used once"
    );
    assert_eq!(balance(&shop, "psp_clearing").await, before);
    shop.is_sound().await;
}

#[tokio::test]
async fn money_that_comes_late_takes_the_stock_again_or_calls_a_person() {
    let (shop, first, payment) = charged().await;
    let mug = shop.offer("Caneca").await.variant_id;
    shop.time_passes().await;
    assert_eq!(shop.available("Caneca").await, 10);
    let expired = Fact {
        key: "clock".into(),
        kind: FactKind::Lifecycle { to: Lifecycle::Expired, new_attempt: false },
    };
    assert_eq!(applied(&shop, payment, &expired).await, Applied::Now(State::Expired));
    apply(&shop, payment, &receipt("pix:E1", 7000)).await.expect("late money");
    let order_now = shop.order(first).await;
    assert_eq!((order_now.status, order_now.attention), (Status::Paid, None));
    assert_eq!(shop.available("Caneca").await, 8);

    let second = shop.placed(&order("b", &[(mug, 5, 3500)])).await;
    let late = charge(&shop, second, "tx2").await.expect("a charge");
    shop.time_passes().await;
    shop.placed(&order("c", &[(mug, 6, 3500)])).await;
    apply(&shop, late, &receipt("pix:E2", 17_500)).await.expect("late money");
    let order_now = shop.order(second).await;
    assert_eq!(order_now.status, Status::Paid);
    assert!(order_now.attention.expect("a reason").contains("stock is gone"));
    assert_eq!(shop.available("Caneca").await, 2);
}

#[tokio::test]
async fn books_that_do_not_balance_cannot_be_written_and_broken_ones_are_named() {
    let (shop, order_id, payment) = charged().await;
    apply(&shop, payment, &receipt("pix:E1", 7000)).await.expect("paid");
    let mut admin = shop.db.admin().await;
    let tenant = shop.ctx.tenant_id.as_uuid();
    let lopsided = format!(
        "with e as (insert into ledger_entry (tenant_id, entry_id, reference, currency)
                    values ('{tenant}', new_id(), 'x', 'BRL') returning entry_id)
         insert into ledger_line select '{tenant}', e.entry_id, n, 'psp_clearing', 5 from e, generate_series(1, 2) n"
    );
    let refused = admin.execute(&lopsided).await.expect_err("it does not balance");
    assert!(refused.message.contains("does not balance"), "{}", refused.message);
    let order_uuid = order_id.as_uuid();
    let short =
        format!("update sales_order set items_minor = 1, total_minor = 1 where order_id = '{order_uuid}'");
    assert!(admin.execute(&short).await.expect_err("lines of 70 reais").message.contains("has lines of"));

    for wrong in [
        "update payment set captured_minor = 6999",
        "update variant set reserved = 1",
        "update commission set minor = minor + 1",
    ] {
        admin.execute(wrong).await.expect("the owner may do anything");
    }
    let mut tx = shop.store.tenant_tx(&shop.ctx).await.expect("a transaction");
    let breaches = books::verify(&mut tx).await.expect("a check");
    let names: Vec<_> = breaches.iter().map(|breach| breach.invariant.as_str()).collect();
    let expected = [
        "captured minus refunded is what the ledger says",
        "stock is the sum of its movements",
        "the commission booked is the commission of the order",
        "the commission booked is the commission of the order",
    ];
    assert_eq!(names, expected, "{breaches:?}");
    // The server's own role cannot touch what is booked.
    drop(tx);
    let mut runtime = shop.db.runtime().await;
    for touch in ["update ledger_line set minor = 1", "delete from payment_fact", "delete from sales_order"] {
        assert_eq!(runtime.execute(touch).await.expect_err("no permission").code, "42501", "{touch}");
    }
}
