//! A customer buys in a shop without a model: with words, with numbers and with buttons. Every amount that is said comes
//! from the shop's books, and an order is placed once.

use balcao_domain::tenant::{DeliveryOption, PixReceiver, Settings};
use balcao_payments::brcode;
use balcao_store::sales::products::{self, NewProduct};
use balcao_tests::counter::{Counter, Setup, Shop};
use serde_json::{Value, json};

use super::scene::{Customer, until, value, word, words};
use crate::sales::shop::{product, variant};

pub fn settings() -> Settings {
    let way = |name: &str, price_minor, needs_address| DeliveryOption {
        name: name.into(),
        price_minor,
        needs_address,
        free_from_minor: None,
    };
    Settings {
        quiet_ms: 60,
        quiet_cap_ms: 500,
        pix: Some(PixReceiver {
            key: "pix@loja-aurora.example".into(),
            name: "Loja Aurora".into(),
            city: "Curitiba".into(),
            discount_bps: 0,
        }),
        delivery: vec![way("Retirada na loja", 0, false), way("Entrega em casa", 1_490, true)],
        ..Settings::default()
    }
}

pub async fn open(settings: Settings) -> Counter {
    let counter = Counter::with(Setup { shops: Some(settings), ..Setup::default() }).await;
    let mut shirt = product("camiseta", "Camiseta básica azul", 0, 0);
    shirt.variants = vec![variant("P", 5_990, 3), variant("M", 6_490, 5)];
    put(&counter, &counter.aurora, &[shirt, product("bone", "Boné preto", 3_990, 1)]).await;
    counter
}

async fn put(counter: &Counter, shop: &Shop, all: &[NewProduct]) {
    let mut tx = counter.store.tenant_tx(&shop.ctx).await.expect("a transaction");
    products::put(&mut tx, all).await.expect("products");
    tx.commit().await.expect("a commit");
}

/// Says one thing after another; gives all that was heard.
pub async fn talk(customer: &Customer<'_>, said: &[&str]) -> Vec<String> {
    let mut heard = customer.history().await.len();
    let before = heard;
    for text in said {
        customer.writes(text).await;
        customer.settles().await;
        let now = customer.history().await.len();
        assert!(now >= heard + 2, "`{text}` was answered");
        heard = now;
    }
    let all = customer.history().await.split_off(before);
    all.into_iter().filter(|(author, _)| author == "agent").map(|(_, text)| text).collect()
}

/// The conversation exists once something was said.
pub async fn greeted<'a>(counter: &'a Counter, phone: &str) -> Customer<'a> {
    let customer = Customer::new(counter, &counter.aurora, phone);
    customer.writes("oi").await;
    customer.settles().await;
    customer
}

/// The buttons and rows of the last message on the phone that has any, by title.
async fn buttons(customer: &Customer<'_>) -> Vec<Value> {
    let heard = customer.hears(1).await;
    let shown = |message: &Value| {
        let action = &message["body"]["interactive"]["action"];
        let buttons = action["buttons"].as_array().into_iter().flatten().map(|b| b["reply"].clone());
        let rows = action["sections"][0]["rows"].as_array().into_iter().flatten().cloned();
        buttons.chain(rows).collect::<Vec<Value>>()
    };
    heard.iter().rev().map(shown).find(|shown| !shown.is_empty()).expect("something to tap")
}

async fn taps(customer: &Customer<'_>, title: &str) -> Value {
    let buttons = buttons(customer).await;
    let found = buttons.iter().find(|button| word(&button["title"]).starts_with(title));
    let button = found.unwrap_or_else(|| panic!("no `{title}` in {buttons:?}")).clone();
    customer.sends(json!({ "button": button })).await;
    customer.settles().await;
    button
}

async fn count(counter: &Counter, what: &str) -> String {
    value(counter, &format!("select count(*) from {what}")).await
}

const TO_THE_SUMMARY: [&str; 6] =
    ["tem camiseta azul?", "2", "duas", "fechar pedido", "2", "Rua das Flores 123, Centro, Curitiba"];

#[tokio::test]
async fn a_customer_buys_with_short_words_and_gets_a_pix_code_of_the_very_total() {
    let counter = open(settings()).await;
    let ana = greeted(&counter, "5511900007001").await;
    let heard = talk(&ana, &TO_THE_SUMMARY).await;
    assert!(heard[0].contains("1. Camiseta básica azul (P) — R$ 59,90"), "{}", heard[0]);
    assert!(heard[0].contains("2. Camiseta básica azul (M) — R$ 64,90"), "{}", heard[0]);
    assert!(heard[2].contains("2 × Camiseta básica azul (M) — R$ 129,80"), "{}", heard[2]);
    assert!(heard[3].contains("Entrega em casa — R$ 14,90") && heard[3].contains("grátis"), "{}", heard[3]);
    assert!(heard[5].contains("Total: R$ 144,70") && heard[5].contains("Rua das Flores 123"), "{}", heard[5]);
    assert_eq!(count(&counter, "sales_order").await, "0", "nothing is placed before the yes");

    let heard = talk(&ana, &["sim"]).await;
    assert!(heard[0].contains("144,70") && heard[0].contains("PIX"), "{}", heard[0]);
    let code = brcode::read(&heard[1]).expect("the code stands alone in its message");
    assert_eq!(code.amount.map(|amount| amount.minor()), Some(14_470));
    let order = "select status || ' ' || total_minor || ' ' || (delivery ->> 'address') from sales_order";
    assert_eq!(value(&counter, order).await, "awaiting_payment 14470 Rua das Flores 123, Centro, Curitiba");
    assert_eq!(value(&counter, "select reserved::text from variant where title = 'M'").await, "2");
    let (path, reason) = ana.last_path().await;
    assert_eq!((path.as_str(), reason.as_str()), ("rules", "rule_first"));

    // Asked again, and asked whether the money is there.
    let heard = talk(&ana, &["cadê meu pedido?", "já paguei"]).await;
    assert!(heard[0].contains("aguardando pagamento"), "{}", heard[0]);
    assert!(heard.iter().any(|text| text.contains("ainda não apareceu")), "{heard:?}");
    counter.close().await;
}

#[tokio::test]
async fn a_customer_who_writes_by_ear_buys_the_very_size_they_named() {
    let counter = open(settings()).await;
    let leo = greeted(&counter, "5511900007009").await;
    let heard = talk(&leo, &["tem camizeta azul M?", "quero", "1", "fexar pedido"]).await;
    assert!(heard[0].contains("Camiseta básica azul (M)* — R$ 64,90"), "{}", heard[0]);
    assert!(!heard[0].contains("(P)"), "only the size that was named: {}", heard[0]);
    assert!(heard[2].contains("1 × Camiseta básica azul (M)"), "{}", heard[2]);
    counter.close().await;
}

#[tokio::test]
async fn a_customer_buys_with_buttons_alone_and_a_second_tap_places_nothing() {
    let counter = open(settings()).await;
    let bia = greeted(&counter, "5511900007002").await;
    talk(&bia, &["quero um boné"]).await;
    taps(&bia, "Quero").await;
    taps(&bia, "1").await;
    taps(&bia, "Fechar").await;
    taps(&bia, "Retirada").await;
    let yes = taps(&bia, "Confirmar").await;
    bia.sends(json!({ "button": yes })).await;
    bia.settles().await;
    assert_eq!(count(&counter, "sales_order").await, "1");
    assert_eq!(value(&counter, "select total_minor::text from sales_order").await, "3990");
    let last = bia.hears(1).await;
    assert!(words(&last[last.len() - 2]).contains("anotado"), "the same order is told again");
    counter.close().await;
}

#[tokio::test]
async fn a_yes_to_a_summary_that_has_changed_shows_the_present_one() {
    let counter = open(settings()).await;
    let caio = greeted(&counter, "5511900007003").await;
    talk(&caio, &TO_THE_SUMMARY).await;
    let old = buttons(&caio).await[0].clone();
    // The shop raises the price, and somebody else takes all but one.
    let mut shirt = product("camiseta", "Camiseta básica azul", 0, 0);
    shirt.variants = vec![variant("P", 5_990, 3), variant("M", 6_990, 1)];
    put(&counter, &counter.aurora, &[shirt]).await;
    let heard = talk(&caio, &["sim"]).await;
    assert!(heard[0].contains("agora custa R$ 69,90") && heard[0].contains("só há 1"), "{}", heard[0]);
    assert!(heard[0].contains("Total: R$ 84,80"), "{}", heard[0]);
    assert_eq!(count(&counter, "sales_order").await, "0");

    caio.sends(json!({ "button": old })).await;
    caio.settles().await;
    assert_eq!(count(&counter, "sales_order").await, "0", "the old button confirms nothing");
    taps(&caio, "Confirmar").await;
    assert_eq!(value(&counter, "select total_minor::text from sales_order").await, "8480");
    counter.close().await;
}

#[tokio::test]
async fn more_than_there_is_is_not_promised() {
    let counter = open(settings()).await;
    let davi = greeted(&counter, "5511900007004").await;
    let heard = talk(&davi, &["boné", "sim", "7"]).await;
    assert!(heard[2].contains("só temos 1 unidade"), "{}", heard[2]);
    let heard = talk(&davi, &["1", "carrinho"]).await;
    assert!(heard[1].contains("1 × Boné preto — R$ 39,90"), "{}", heard[1]);
    counter.close().await;
}

#[tokio::test]
async fn an_order_that_is_called_off_gives_its_stock_back() {
    let counter = open(settings()).await;
    let eva = greeted(&counter, "5511900007005").await;
    let heard = talk(&eva, &["boné", "quero", "1", "fechar", "1", "sim", "cancelar", "sim"]).await;
    let last = heard.last().expect("an answer");
    assert!(last.contains("cancelado"), "{heard:?}");
    assert_eq!(value(&counter, "select status from sales_order").await, "canceled");
    assert_eq!(value(&counter, "select reserved::text from variant where title = ''").await, "0");
    counter.close().await;
}

#[tokio::test]
async fn a_shop_without_a_pix_key_gets_the_order_and_a_person_arranges_the_payment() {
    let counter = open(Settings { pix: None, delivery: vec![], ..settings() }).await;
    let fabio = greeted(&counter, "5511900007006").await;
    let heard = talk(&fabio, &["boné", "sim", "1", "pagar", "sim"]).await;
    assert!(heard.last().is_some_and(|text| text.contains("combina o pagamento")), "{heard:?}");
    assert_eq!(count(&counter, "payment").await, "0");
    assert_eq!(count(&counter, "conversation where handed_off_at is not null").await, "1");
    counter.close().await;
}

#[tokio::test]
async fn a_cart_from_the_channels_catalogue_is_taken_over_at_the_shops_own_prices() {
    let counter = open(settings()).await;
    let gil = greeted(&counter, "5511900007007").await;
    let order = json!({ "type": "order", "order": { "catalog_id": "1", "product_items": [
        { "product_retailer_id": "bone", "quantity": 2, "item_price": 1.0, "currency": "BRL" },
        { "product_retailer_id": "nobody", "quantity": 1, "item_price": 1.0, "currency": "BRL" } ] } });
    gil.sends(json!({ "message": order })).await;
    gil.settles().await;
    let heard = gil.hears(2).await;
    let cart = words(&heard[heard.len() - 1]);
    assert!(cart.contains("1 × Boné preto — R$ 39,90"), "{cart}");
    assert!(cart.contains("só há 1"), "{cart}");
    counter.close().await;
}

#[tokio::test]
async fn what_is_no_purchase_is_answered_as_ever() {
    let counter = open(settings()).await;
    let hugo = greeted(&counter, "5511900007008").await;
    let heard = talk(&hugo, &["posso trocar o produto em até quantos dias?", "2", "sim"]).await;
    assert!(heard[0].contains("30 dias"), "{}", heard[0]);
    assert_eq!(count(&counter, "turn where outcome #> '{evidence,sale}' is not null").await, "0");
    counter.close().await;
}

#[tokio::test]
async fn an_order_that_nobody_pays_in_time_gives_its_stock_back_by_itself() {
    let counter = open(settings()).await;
    let iris = greeted(&counter, "5511900007009").await;
    talk(&iris, &["boné", "quero", "1", "fechar", "1", "sim"]).await;
    let reserved = "select reserved::text from variant where title = ''";
    assert_eq!(value(&counter, reserved).await, "1");
    let mut admin = counter.db.admin().await;
    admin.execute("update sales_order set expires_at = now()").await.expect("an update");
    admin.close().await;
    until(&counter, "select status from sales_order", "expired").await;
    assert_eq!(value(&counter, reserved).await, "0");
    let heard = talk(&iris, &["meu pedido"]).await;
    assert!(heard[0].contains("expirado"), "{}", heard[0]);
    counter.close().await;
}
