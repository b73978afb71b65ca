//! Messages out: in order, no more often than must be, and believing the channel whatever the order of its reports.

use std::time::Duration;

use balcao_domain::{OutboxId, delivery::State};
use balcao_store::{
    StoreError, channels, conversations, dead_letters,
    outbox::{self, Applied, Due, StatusReport},
    turns::NewOutgoing,
};

use super::world::{LEASE, World, at, world};

async fn take(world: &World) -> Vec<Due> {
    outbox::take(&world.store, &world.ctx, world.channel, "node", LEASE, 10).await.unwrap()
}

async fn take_one(world: &World) -> Due {
    let mut due = take(world).await;
    assert_eq!(due.len(), 1, "{due:?}");
    due.remove(0)
}

async fn sent(world: &World, id: OutboxId, wamid: &str) {
    let mut tx = world.tx().await;
    outbox::sent(&mut tx, id, wamid).await.unwrap();
    tx.commit().await.unwrap();
}

async fn report(world: &World, wamid: &str, tag: Option<OutboxId>, state: State) -> Applied {
    let report = StatusReport {
        provider_message_id: wamid.into(),
        outbox_id: tag,
        state,
        at: at(1),
        error_code: (state == State::Failed).then_some(131_026),
        error_detail: None,
        raw: serde_json::json!({ "status": state.as_str() }),
    };
    let mut tx = world.tx().await;
    let applied = outbox::report(&mut tx, world.channel, &report).await.unwrap();
    tx.commit().await.unwrap();
    applied
}

async fn state(world: &World, id: OutboxId) -> State {
    let word = world
        .db
        .admin()
        .await
        .value(&format!("select state from outbox where outbox_id = '{}'", id.as_uuid()))
        .await
        .unwrap()
        .unwrap();
    State::parse(&word).unwrap()
}

async fn letters(world: &World) -> Vec<dead_letters::DeadLetter> {
    let mut tx = world.tx().await;
    dead_letters::list(&mut tx, false, None, 10).await.unwrap().items
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lattice_in_sql_is_the_one_in_rust() {
    use State::*;
    let world = world().await;
    let mut admin = world.db.admin().await;
    let all = [Queued, Sending, Sent, Delivered, Read, Played, Failed, Dead];
    for now in all {
        for reported in all {
            let sql = format!("select delivery_merge('{}', '{}')", now.as_str(), reported.as_str());
            let merged = admin.value(&sql).await.unwrap().unwrap();
            assert_eq!(merged, now.merge(reported).as_str(), "{now:?} and then {reported:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversations_messages_go_out_one_by_one_in_order() {
    let world = world().await;
    let ids = world.queue(&["um", "dois", "três"]).await;
    let due = outbox::due_channels(&world.store).await.unwrap();
    assert_eq!(due, [(world.ctx.tenant_id, world.channel)]);
    for (n, id) in ids.iter().enumerate() {
        let due = take_one(&world).await;
        assert_eq!((due.outbox_id, due.attempt, due.after_unknown), (*id, 1, false));
        assert_eq!(due.phone.as_deref(), Some("5511900000001"));
        assert!(due.last_inbound_at.is_some());
        assert!(take(&world).await.is_empty(), "one at a time");
        sent(&world, *id, &format!("wamid.{n}")).await;
    }
    assert!(take(&world).await.is_empty());
    assert!(outbox::due_channels(&world.store).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_senders_at_once_take_different_conversations_and_nothing_twice() {
    let world = std::sync::Arc::new(world().await);
    let mut admin = world.db.admin().await;
    for n in 0..8 {
        let conversation = world.talker(&format!("55119000003{n:02}")).await;
        let mut tx = world.tx().await;
        for words in ["um", "dois"] {
            let out = NewOutgoing {
                outbox_id: OutboxId::generate(),
                kind: "text".into(),
                text: words.into(),
                body: serde_json::json!({}),
            };
            outbox::push_human(&mut tx, conversation, &out, None).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let world = std::sync::Arc::clone(&world);
        tasks.spawn(async move { take(&world).await });
    }
    let taken: Vec<Due> = tasks.join_all().await.into_iter().flatten().collect();
    let ids: std::collections::HashSet<_> = taken.iter().map(|due| due.outbox_id).collect();
    assert_eq!((taken.len(), ids.len()), (8, 8));
    assert!(taken.iter().all(|due| due.text == "um"));
    assert_eq!(
        admin.value("select count(*) from outbox where state = 'sending'").await.unwrap().as_deref(),
        Some("8")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_of_the_same_statuses_ends_in_the_same_state() {
    let world = world().await;
    let reports = [State::Sent, State::Delivered, State::Read];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (n, order) in orders.into_iter().enumerate() {
        let id = world.queue(&["oi"]).await[0];
        take_one(&world).await;
        let wamid = format!("wamid.order.{n}");
        // Some before the answer to the send, some after it.
        for (place, which) in order.into_iter().enumerate() {
            if place == n % 3 {
                sent(&world, id, &wamid).await;
            }
            report(&world, &wamid, None, reports[which]).await;
        }
        assert_eq!(state(&world, id).await, State::Read, "{order:?}");
        assert_eq!(report(&world, &wamid, None, State::Delivered).await, Applied::Unchanged(State::Read));
    }
    let parked = world.db.admin().await.value("select count(*) from parked_status").await.unwrap();
    assert_eq!(parked.as_deref(), Some("0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_overtakes_the_answer_to_the_send_is_parked_and_applied_later() {
    let world = world().await;
    let id = world.queue(&["oi"]).await[0];
    take_one(&world).await;
    assert_eq!(report(&world, "wamid.1", None, State::Delivered).await, Applied::Parked);
    assert_eq!(report(&world, "wamid.1", None, State::Delivered).await, Applied::Parked);
    assert_eq!(report(&world, "wamid.nobody", None, State::Read).await, Applied::Parked);
    assert_eq!(state(&world, id).await, State::Sending);
    sent(&world, id, "wamid.1").await;
    assert_eq!(state(&world, id).await, State::Delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn delivered_wins_over_failed_in_either_order() {
    let world = world().await;
    for (n, order) in
        [[State::Failed, State::Delivered], [State::Delivered, State::Failed]].into_iter().enumerate()
    {
        let id = world.queue(&["oi"]).await[0];
        take_one(&world).await;
        let wamid = format!("wamid.{n}");
        sent(&world, id, &wamid).await;
        for state in order {
            report(&world, &wamid, None, state).await;
        }
        assert_eq!(state(&world, id).await, State::Delivered);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_settled_by_the_status_that_carries_our_tag() {
    let world = world().await;
    let ids = world.queue(&["um", "dois"]).await;
    take_one(&world).await;
    let mut tx = world.tx().await;
    outbox::unknown(&mut tx, ids[0], Duration::from_secs(60), "connection reset").await.unwrap();
    tx.commit().await.unwrap();
    assert!(take(&world).await.is_empty(), "nothing overtakes a message whose fate is open");

    assert_eq!(report(&world, "wamid.1", Some(ids[0]), State::Sent).await, Applied::Moved(State::Sent));
    let next = take_one(&world).await;
    assert_eq!(next.outbox_id, ids[1], "settled: no resend, the next one goes");
    assert_eq!(report(&world, "wamid.1", None, State::Read).await, Applied::Moved(State::Read));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_nobody_settles_is_sent_once_more_and_then_given_up() {
    let world = world().await;
    let id = world.queue(&["oi"]).await[0];
    take_one(&world).await;
    // The sender died between sending and recording. First there is time for a status.
    world.time_passes().await;
    assert!(take(&world).await.is_empty());
    world.time_passes().await;
    let again = take_one(&world).await;
    assert_eq!((again.outbox_id, again.attempt, again.after_unknown), (id, 2, true));

    world.time_passes().await;
    assert!(take(&world).await.is_empty());
    world.time_passes().await;
    assert!(take(&world).await.is_empty());
    assert_eq!(state(&world, id).await, State::Dead);
    let letters = letters(&world).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].evidence["outbox_id"], id.as_uuid().to_string());
    // It had arrived after all.
    assert_eq!(report(&world, "wamid.1", Some(id), State::Delivered).await, Applied::Moved(State::Delivered));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_of_another_shops_message_moves_nothing() {
    let world = world().await;
    let id = world.queue(&["oi"]).await[0];
    let other = balcao_store::tenants::by_slug(&world.store, "trigo").await.unwrap().unwrap();
    let ctx = balcao_domain::TenantCtx::system(other.tenant_id);
    let mut tx = world.store.tenant_tx(&ctx).await.unwrap();
    let channel = channels::api_channel(&mut tx).await.unwrap().channel_id;
    let report = StatusReport {
        provider_message_id: "wamid.1".into(),
        outbox_id: Some(id),
        state: State::Read,
        at: at(1),
        error_code: None,
        error_detail: None,
        raw: serde_json::Value::Null,
    };
    assert_eq!(outbox::report(&mut tx, channel, &report).await.unwrap(), Applied::Parked);
    assert!(matches!(outbox::sent(&mut tx, id, "wamid.1").await, Err(StoreError::NotFound)));
    tx.commit().await.unwrap();
    assert_eq!(state(&world, id).await, State::Queued);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_waits_its_backoff_and_a_paused_account_sends_nothing() {
    let world = world().await;
    let id = world.queue(&["oi"]).await[0];
    take_one(&world).await;
    let mut tx = world.tx().await;
    outbox::retry(&mut tx, id, Duration::from_secs(60), Some(130_429), "too fast").await.unwrap();
    tx.commit().await.unwrap();
    assert!(take(&world).await.is_empty());
    world.time_passes().await;

    let mut tx = world.tx().await;
    channels::set_paused(&mut tx, world.channel, Some("account disabled")).await.unwrap();
    tx.commit().await.unwrap();
    assert!(take(&world).await.is_empty());
    assert!(outbox::due_channels(&world.store).await.unwrap().is_empty());
    let mut tx = world.tx().await;
    channels::set_paused(&mut tx, world.channel, None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(take_one(&world).await.attempt, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_retry_or_death_says_nothing_against_a_delivery() {
    let world = world().await;
    let id = world.queue(&["oi"]).await[0];
    take_one(&world).await;
    report(&world, "wamid.1", Some(id), State::Delivered).await;
    let mut tx = world.tx().await;
    outbox::retry(&mut tx, id, Duration::ZERO, None, "timed out").await.unwrap();
    outbox::unknown(&mut tx, id, Duration::ZERO, "timed out").await.unwrap();
    outbox::dead(&mut tx, id, None, "given up").await.unwrap();
    let replaced = outbox::replace(&mut tx, id, "template", "Olá", &serde_json::json!({})).await;
    assert!(matches!(replaced, Err(StoreError::Conflict { .. })));
    tx.commit().await.unwrap();
    assert_eq!(state(&world, id).await, State::Delivered);
    assert!(take(&world).await.is_empty() && letters(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_the_window_a_message_is_replaced_and_goes_again() {
    let world = world().await;
    let id = world.queue(&["oi"]).await[0];
    take_one(&world).await;
    let mut tx = world.tx().await;
    let template = serde_json::json!({ "template": { "name": "voltar" } });
    outbox::replace(&mut tx, id, "template", "Podemos continuar?", &template).await.unwrap();
    tx.commit().await.unwrap();
    let due = take_one(&world).await;
    assert_eq!((due.kind.as_str(), due.attempt, &due.body), ("template", 2, &template));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_message_can_be_sent_again_by_a_person() {
    let world = world().await;
    let ids = world.queue(&["um", "dois"]).await;
    take_one(&world).await;
    let mut tx = world.tx().await;
    outbox::dead(&mut tx, ids[0], Some(131_026), "not on WhatsApp").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(take_one(&world).await.outbox_id, ids[1], "a dead message holds nobody up");
    sent(&world, ids[1], "wamid.2").await;

    let letter = letters(&world).await.remove(0);
    assert_eq!((letter.kind.as_str(), letter.reason.as_str()), ("send", "not on WhatsApp"));
    let mut tx = world.tx().await;
    dead_letters::replay(&mut tx, letter.dead_letter_id).await.unwrap();
    assert!(matches!(
        dead_letters::replay(&mut tx, letter.dead_letter_id).await,
        Err(StoreError::Conflict { .. })
    ));
    tx.commit().await.unwrap();
    let due = take_one(&world).await;
    assert_eq!((due.outbox_id, due.attempt, due.after_unknown), (ids[0], 1, false));
    assert!(letters(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_typed_in_the_shops_app_is_kept_once_and_never_sent() {
    let world = world().await;
    report(&world, "wamid.echo", None, State::Delivered).await;
    for _ in 0..2 {
        let mut tx = world.tx().await;
        let out = NewOutgoing {
            outbox_id: OutboxId::generate(),
            kind: "text".into(),
            text: "já separo pra você".into(),
            body: serde_json::json!({}),
        };
        outbox::push_human(&mut tx, world.conversation, &out, Some("wamid.echo")).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert!(take(&world).await.is_empty());
    let mut tx = world.tx().await;
    let lines = conversations::history(&mut tx, world.conversation, None, 10).await.unwrap().items;
    let lines: Vec<_> = lines.iter().map(|l| (l.author.as_str(), l.delivery)).collect();
    assert_eq!(lines, [("human", Some(State::Delivered))]);
}
