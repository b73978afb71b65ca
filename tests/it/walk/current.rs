//! No stale price leaves: what a message says of prices and stock is read once more as the last thing before it is sent.

use balcao_domain::{OutboxId, VariantId, money::Money, sale::Fact, sale::Shown};
use balcao_store::{
    channels, outbox,
    sales::{products, reports},
    turns::NewOutgoing,
};
use balcao_tests::counter::Counter;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use uuid::Uuid;

use super::{
    buying,
    scene::{Customer, until, value, words},
};
use crate::sales::shop::product;

async fn pause(counter: &Counter, paused: bool) {
    let mut tx = counter.store.tenant_tx(&counter.aurora.ctx).await.expect("a transaction");
    channels::set_paused(&mut tx, counter.aurora.channel_id, paused.then_some("for this test"))
        .await
        .expect("it is set");
    tx.commit().await.expect("a commit");
    counter.system.tenant_changed(counter.aurora.ctx.tenant_id);
    counter.system.ring_outbox(counter.aurora.ctx.tenant_id, counter.aurora.channel_id);
}

async fn sql(counter: &Counter, statement: &str) {
    let mut admin = counter.db.admin().await;
    admin.execute(statement).await.expect("the statement runs");
    admin.close().await;
}

/// The customer asks while the number is paused, the shop's books change, and the number sends again.
async fn asked_before(change: &str, phone: &str) -> Vec<String> {
    let counter = buying::open(buying::settings()).await;
    let customer: Customer<'_> = buying::greeted(&counter, phone).await;
    let before = customer.hears(1).await.len();
    pause(&counter, true).await;
    customer.writes("boné").await;
    until(&counter, "select count(*) from turn where outcome #>> '{evidence,facts,0,minor}' = '3990'", "1")
        .await;
    sql(&counter, change).await;
    pause(&counter, false).await;
    let heard = customer.hears(before + 1).await;
    customer.settles().await;
    let said = heard[before..].iter().map(words).collect();
    counter.close().await;
    said
}

#[tokio::test]
async fn a_price_that_changed_while_its_message_waited_is_not_said() {
    let said = asked_before("update variant set price_minor = 4990 where title = ''", "5511900006001").await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(!said[0].contains("39,90"), "{said:?}");
    assert!(said[0].contains("agora custa R$ 49,90"), "{said:?}");
}

#[tokio::test]
async fn what_sold_out_while_its_message_waited_is_said_to_be_gone() {
    let said = asked_before("update variant set sellable = false where title = ''", "5511900006002").await;
    assert!(said[0].contains("acabou de esgotar") && !said[0].contains("39,90"), "{said:?}");
}

#[tokio::test]
async fn what_did_not_change_is_said_as_it_was() {
    let said = asked_before("update variant set updated_at = now()", "5511900006003").await;
    assert!(said[0].contains("R$ 39,90"), "{said:?}");
}

/// Ten thousand times: a message is written with what the books say, they change or do not, and it is looked at before it
/// leaves. It is stale when, and only when, what it says is no longer so; what takes its place is not.
#[tokio::test]
async fn over_ten_thousand_changes_no_stale_price_leaves() {
    const TIMES: usize = 10_000;
    let counter = buying::open(buying::settings()).await;
    let customer = buying::greeted(&counter, "5511900006004").await;
    let conversation = customer.conversation().await.parse().expect("an id");
    pause(&counter, true).await;
    let variant = value(&counter, "select variant_id::text from variant where title = ''").await;
    let variant = VariantId::from_uuid(Uuid::parse_str(&variant).expect("an id"));
    let mut rng = StdRng::seed_from_u64(20_261_128);
    let mut caught = 0;
    let mut tx = counter.store.tenant_tx(&counter.aurora.ctx).await.expect("a transaction");
    let (mut price, mut there) = (3_990_i64, true);
    let notice = NewOutgoing {
        outbox_id: OutboxId::generate(),
        kind: "text".into(),
        text: "Boné preto".into(),
        body: json!({ "type": "text", "text": { "body": "Boné preto" } }),
    };
    reports::tell(&mut tx, conversation, &notice).await.expect("a message that waits");
    for at in 0..TIMES {
        if at % 100 == 0 {
            tx.commit().await.expect("a commit");
            tx = counter.store.tenant_tx(&counter.aurora.ctx).await.expect("a transaction");
        }
        let shown = Shown { variant_id: variant, title: "Boné preto".into(), unit: Money::brl(price) };
        outbox::set_facts(&mut tx, notice.outbox_id, &[Fact::of(&shown, there)])
            .await
            .expect("it is written");
        let (before, was_there) = (price, there);
        match rng.random_range(0..4) {
            0 => price = rng.random_range(1..10_000),
            1 => there = !there,
            _ => {}
        }
        let now = product("bone", "Boné preto", price, i64::from(there));
        products::put(&mut tx, &[now]).await.expect("the books say so now");
        let stale = outbox::stale(&mut tx, notice.outbox_id).await.expect("a look");
        let wrong = price != before || (was_there && !there);
        assert_eq!(!stale.is_empty(), wrong, "said {before} {was_there}, is {price} {there}");
        if let Some(one) = stale.first() {
            caught += 1;
            assert_eq!((one.price_minor, one.there), (Some(price), there));
        }
    }
    assert!(caught > TIMES / 3, "{caught} of {TIMES} were stale");
    tx.commit().await.expect("a commit");
    counter.close().await;
}
