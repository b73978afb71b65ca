//! What a shop need not keep goes; what is still at work, or young, or another shop's, stays.

use std::{collections::BTreeMap, time::Duration};

use balcao_domain::{TenantCtx, customer::Sender, tenant::Settings};
use balcao_store::{
    StoreError, conversations, customers, dead_letters, events, idempotency, inbox,
    outbox::{self, StatusReport},
    retention::{self, Sweep},
};
use chrono::{TimeDelta, Utc};
use serde_json::json;

use super::world::{World, phone, says, world};

/// A sweep that believes it is so many days later; small batches, so that one is never enough.
async fn sweep_in(world: &World, ctx: &TenantCtx, settings: &Settings, days: i64) -> BTreeMap<String, u64> {
    let how = Sweep { batch: 2, rest: Duration::ZERO, now: Some(Utc::now() + TimeDelta::days(days)) };
    let mut gone = BTreeMap::new();
    retention::sweep(&world.store, ctx, settings, how, |table, rows| {
        *gone.entry(table.to_owned()).or_insert(0) += rows;
    })
    .await
    .unwrap();
    gone
}

async fn rows(world: &World, table: &str) -> u64 {
    let count = world.db.admin().await.value(&format!("select count(*) from {table}")).await.unwrap();
    count.unwrap().parse().unwrap()
}

/// Five messages answered, each with a reply that was sent; a reaction; an event or two.
async fn a_talk(world: &World) {
    for n in 0..5 {
        let ids = world.queue(&[&format!("resposta {n}")]).await;
        let mut tx = world.tx().await;
        outbox::sent(&mut tx, ids[0], &format!("wamid.out.{n}")).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = world.tx().await;
    events::push(&mut tx, "something", None, &json!({})).await.unwrap();
    let letter = dead_letters::push(&mut tx, "webhook", None, "no metadata", &json!({})).await.unwrap();
    dead_letters::resolve(&mut tx, letter).await.unwrap();
    dead_letters::push(&mut tx, "webhook", None, "still open", &json!({})).await.unwrap();
    idempotency::begin(&mut tx, "k", b"r").await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_goes_when_its_time_is_over_and_not_before() {
    let world = world().await;
    a_talk(&world).await;
    let settings = Settings {
        keep_messages_days: Some(30),
        keep_events_days: Some(10),
        keep_dead_letters_days: Some(20),
        ..Settings::default()
    };
    assert_eq!(sweep_in(&world, &world.ctx, &settings, 0).await, BTreeMap::new(), "all is young");
    let gone = sweep_in(&world, &world.ctx, &settings, 3).await;
    assert_eq!(gone, BTreeMap::from([("idempotency_key".to_owned(), 1)]));
    let gone = sweep_in(&world, &world.ctx, &settings, 11).await;
    assert_eq!(gone.keys().collect::<Vec<_>>(), ["event"], "{gone:?}");
    let gone = sweep_in(&world, &world.ctx, &settings, 21).await;
    assert_eq!(gone, BTreeMap::from([("dead_letter".to_owned(), 1)]), "the open letter stays");
    let gone = sweep_in(&world, &world.ctx, &settings, 31).await;
    let all_five = ["inbox", "outbox", "turn"].map(|table| (table.to_owned(), 5));
    assert_eq!(gone, BTreeMap::from(all_five), "in batches of two");
    assert_eq!((rows(&world, "inbox").await, rows(&world, "turn").await), (0, 0));

    // The conversation goes on where it was.
    let stored = world.append(&["depois"]).await;
    assert_eq!(stored, [6]);
    let claim = world.claim("node").await.unwrap();
    assert_eq!(claim.messages.len(), 1);
    let mut tx = world.tx().await;
    assert_eq!(conversations::history(&mut tx, world.conversation, None, 10).await.unwrap().items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_kept_for_eight_days_whatever_is_set_and_for_ever_when_asked() {
    let world = world().await;
    a_talk(&world).await;
    let hasty = Settings { keep_messages_days: Some(1), ..Settings::default() };
    let gone = sweep_in(&world, &world.ctx, &hasty, 7).await;
    assert!(!gone.contains_key("inbox"), "a webhook may still come again: {gone:?}");
    let forever = Settings {
        keep_messages_days: None,
        keep_events_days: None,
        keep_dead_letters_days: None,
        ..Settings::default()
    };
    let gone = sweep_in(&world, &world.ctx, &forever, 10_000).await;
    assert_eq!(gone, BTreeMap::new(), "the rest was gone already");
    assert_eq!(rows(&world, "inbox").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_kept_however_old_and_another_shop_loses_nothing() {
    let world = world().await;
    // A reply nobody has sent, a message nobody has answered.
    world.queue(&["ainda na fila"]).await;
    world.append(&["sem resposta"]).await;
    let other = balcao_store::tenants::by_slug(&world.store, "trigo").await.unwrap().unwrap();
    let settings = Settings::default();
    let gone = sweep_in(&world, &TenantCtx::system(other.tenant_id), &settings, 10_000).await;
    assert_eq!(gone, BTreeMap::new());
    sweep_in(&world, &world.ctx, &settings, 10_000).await;
    assert_eq!(rows(&world, "outbox").await, 1, "it is still to be sent");
    assert_eq!(rows(&world, "turn").await, 1, "and the turn it belongs to");
    assert_eq!(rows(&world, "inbox").await, 1, "the unanswered one");
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_statuses_and_applied_announcements_go_after_a_month() {
    let world = world().await;
    let mut tx = world.tx().await;
    let report = StatusReport {
        provider_message_id: "wamid.nobody".into(),
        outbox_id: None,
        state: balcao_domain::delivery::State::Read,
        at: Utc::now(),
        error_code: None,
        error_detail: None,
        raw: json!({ "recipient_id": "5511900000001" }),
    };
    outbox::report(&mut tx, world.channel, &report).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rows(&world, "parked_status").await, 1);
    assert_eq!(sweep_in(&world, &world.ctx, &Settings::default(), 30).await, BTreeMap::new());
    let gone = sweep_in(&world, &world.ctx, &Settings::default(), 32).await;
    assert_eq!(gone, BTreeMap::from([("parked_status".to_owned(), 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_whose_message_has_gone_says_so_instead_of_doing_nothing() {
    let world = world().await;
    world.queue(&["oi"]).await;
    let mut tx = world.tx().await;
    let evidence = json!({ "first_seq": 1, "last_seq": 1 });
    let letter =
        dead_letters::push(&mut tx, "turn", Some(world.conversation), "poisoned", &evidence).await.unwrap();
    tx.commit().await.unwrap();
    sweep_in(&world, &world.ctx, &Settings::default(), 10_000).await;
    let result = dead_letters::replay(&mut world.tx().await, letter).await;
    assert!(
        matches!(&result, Err(StoreError::Conflict { constraint }) if constraint == "dead_letter_message_kept"),
        "{result:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_persons_data_is_handed_out_whole_and_erased_whole() {
    let world = world().await;
    a_talk(&world).await;
    let neighbour = world.talker("5511900000099").await;
    inbox::append(&world.store, &[world.message_in(neighbour, "n1", says("sou outra pessoa"))])
        .await
        .unwrap();
    let mut tx = world.tx().await;
    conversations::hand_off(&mut tx, world.conversation, "quer negociar").await.unwrap();
    // Found by any written form of the number; the ninth digit does not matter where the country has it.
    let found = customers::find(&mut tx, "+55 (11) 90000-0001").await.unwrap();
    assert_eq!(found.len(), 1);
    let id = found[0].customer_id;
    assert_eq!(customers::find(&mut tx, &id.to_string()).await.unwrap().len(), 1);
    assert!(customers::find(&mut tx, "BR.nobody").await.unwrap().is_empty());

    let all = customers::export(&mut tx, id).await.unwrap();
    assert_eq!(all["customer"]["phone"], "5511900000001");
    assert_eq!(all["identities"][0]["value"], "5511900000001");
    let talk = &all["conversations"][0];
    for (what, how_many) in [("messages", 5), ("replies", 5), ("turns", 5)] {
        assert_eq!(talk[what].as_array().unwrap().len(), how_many, "{what}: {all}");
    }
    assert!(talk["events"].to_string().contains("quer negociar"), "{all}");
    assert!(!all.to_string().contains("sou outra pessoa") && !all.to_string().contains("tenant_id"));
    tx.commit().await.unwrap();

    let mut tx = world.tx().await;
    customers::erase(&mut tx, id).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.tx().await;
    assert!(matches!(customers::erase(&mut tx, id).await, Err(StoreError::NotFound)));
    assert!(matches!(customers::export(&mut tx, id).await, Err(StoreError::NotFound)));
    drop(tx);
    for table in ["customer", "customer_identity", "conversation", "conversation_cursor", "inbox"] {
        assert_eq!(rows(&world, table).await, 1, "{table}: the neighbour's alone");
    }
    for table in ["turn", "outbox"] {
        assert_eq!(rows(&world, table).await, 0, "{table}");
    }
    let kinds = world.db.admin().await.rows("select kind from event order by event_id").await.unwrap();
    let kinds: Vec<_> = kinds.into_iter().filter_map(|row| row[0].clone()).collect();
    assert!(!kinds.contains(&"conversation.handed_off".to_owned()), "{kinds:?}");
    assert_eq!(kinds.last().map(String::as_str), Some("customer.erased"));

    // Whoever writes again from that number is somebody new.
    let mut tx = world.tx().await;
    let again = customers::resolve(&mut tx, world.channel, &phone("5511900000001")).await.unwrap();
    assert_ne!(again.customer_id, id);
    drop(tx);

    // Another shop's operator finds nobody.
    let other = balcao_store::tenants::by_slug(&world.store, "trigo").await.unwrap().unwrap();
    let mut tx = world.store.tenant_tx(&TenantCtx::system(other.tenant_id)).await.unwrap();
    assert!(customers::find(&mut tx, "5511900000099").await.unwrap().is_empty());
    let theirs = Sender { phone: Some("5511900000099".into()), ..Sender::default() };
    assert!(matches!(customers::resolve(&mut tx, world.channel, &theirs).await, Err(StoreError::NotFound)));
}
