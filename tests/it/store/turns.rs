//! The end of a turn: all of it or nothing, once, and only by who holds the conversation.

use balcao_domain::{customer::Sender, delivery::State, turn::Action};
use balcao_store::{
    channels, conversations, customers,
    inbox::{self, NewMessage},
    turns::{self, Committed},
};

use super::world::{LEASE, World, says, turn, world};

async fn outbox_rows(world: &World) -> usize {
    world.db.admin().await.rows("select 1 from outbox").await.unwrap().len()
}

/// From the table: `events::list` holds events back while any older transaction runs, of other tests too.
async fn kinds(world: &World) -> Vec<String> {
    let rows = world.db.admin().await.rows("select kind from event order by xid, event_id").await.unwrap();
    rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_marks_its_messages_done_and_queues_its_replies() {
    let world = world().await;
    world.append(&["a", "b"]).await;
    let claim = world.claim("one").await.unwrap();
    let (turn, _) = turn(&claim, &["Oi!", "Temos sim."], Action::Continue);
    assert_eq!(turns::commit(&world.store, &world.ctx, &claim, &turn).await.unwrap(), Committed::Yes);

    let next = world.claim("one").await.unwrap();
    assert_eq!((next.acked_seq, next.messages.len()), (2, 0));
    let mut tx = world.tx().await;
    let recorded = turns::covering(&mut tx, world.conversation, 1).await.unwrap().unwrap();
    assert_eq!((recorded.turn_id, recorded.first_seq, recorded.last_seq), (turn.turn_id, 1, 2));
    assert_eq!(recorded.deliveries, [State::Queued, State::Queued]);
    assert_eq!(recorded.outcome, turn.outcome);
    assert!(turns::covering(&mut tx, world.conversation, 3).await.unwrap().is_none());
    let lines = conversations::history(&mut tx, world.conversation, None, 10).await.unwrap().items;
    let authors: Vec<_> = lines.iter().map(|line| (line.author.as_str(), line.text.as_str())).collect();
    assert_eq!(authors, [("customer", "a"), ("customer", "b"), ("agent", "Oi!"), ("agent", "Temos sim.")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_its_lease_commits_nothing() {
    let world = world().await;
    world.append(&["a"]).await;
    let stale = world.claim("frozen").await.unwrap();
    world.time_passes().await;
    let live = world.claim("live").await.unwrap();
    assert_eq!(world.answer(&stale, &["tarde demais"]).await.0, Committed::Fenced);
    assert_eq!(turns::fail(&world.store, &world.ctx, &stale, "too late", LEASE).await.unwrap(), None);
    assert_eq!(outbox_rows(&world).await, 0);
    assert_eq!(world.answer(&live, &["em tempo"]).await.0, Committed::Yes);
    assert_eq!(world.answer(&stale, &["tarde demais"]).await.0, Committed::Fenced);
    assert_eq!(outbox_rows(&world).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_lost_may_be_repeated_and_happens_once() {
    let world = world().await;
    world.append(&["a"]).await;
    let claim = world.claim("one").await.unwrap();
    let (turn, _) = turn(&claim, &["Oi!"], Action::HandOff { reason: "pediu".into() });
    for _ in 0..3 {
        assert_eq!(turns::commit(&world.store, &world.ctx, &claim, &turn).await.unwrap(), Committed::Yes);
    }
    assert_eq!(outbox_rows(&world).await, 1);
    assert_eq!(kinds(&world).await, ["conversation.handed_off"]);
    // Another turn on the same messages is not the same commit.
    let (other, _) = self::turn(&claim, &["Oi de novo!"], Action::Continue);
    assert_eq!(turns::commit(&world.store, &world.ctx, &claim, &other).await.unwrap(), Committed::Fenced);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_does_not_speak_over_a_person_who_took_over_meanwhile() {
    let world = world().await;
    world.append(&["a"]).await;
    let claim = world.claim("one").await.unwrap();
    let mut tx = world.tx().await;
    conversations::hand_off(&mut tx, world.conversation, "eu cuido").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.answer(&claim, &["Posso ajudar?"]).await.0, Committed::Fenced);
    let again = world.claim("one").await.unwrap();
    assert!(again.handed_off);
    assert_eq!(world.answer(&again, &[]).await.0, Committed::Yes);

    let mut tx = world.tx().await;
    conversations::hand_off(&mut tx, world.conversation, "de novo").await.unwrap();
    conversations::give_back(&mut tx, world.conversation).await.unwrap();
    conversations::give_back(&mut tx, world.conversation).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!world.claim("one").await.unwrap().handed_off);
    assert_eq!(kinds(&world).await, ["conversation.handed_off", "conversation.given_back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_turn_is_counted_and_waits_its_backoff() {
    let world = world().await;
    world.append(&["a"]).await;
    let claim = world.claim("one").await.unwrap();
    for expected in 1..=3 {
        let attempts = turns::fail(&world.store, &world.ctx, &claim, "no luck", LEASE).await.unwrap();
        assert_eq!(attempts, Some(expected));
    }
    inbox::release(&world.store, &world.ctx, world.conversation, claim.epoch).await.unwrap();
    assert!(inbox::due(&world.store, "one", 10).await.unwrap().is_empty(), "it backs off");
    world.append(&["b"]).await;
    assert!(inbox::due(&world.store, "one", 10).await.unwrap().is_empty(), "a new message does not hurry it");
    world.time_passes().await;
    assert_eq!(inbox::due(&world.store, "one", 10).await.unwrap().len(), 1);
    let claim = world.claim("one").await.unwrap();
    assert_eq!(claim.attempts, 3);
    world.answer(&claim, &["desculpe"]).await;
    assert_eq!(world.claim("one").await.unwrap().attempts, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn opting_out_and_in_is_part_of_the_turn() {
    let world = world().await;
    for (message, action, opted_out) in [("pare", Action::OptOut, true), ("volte", Action::OptIn, false)] {
        world.append(&[message]).await;
        let claim = world.claim("one").await.unwrap();
        let (turn, _) = turn(&claim, &["Certo."], action);
        turns::commit(&world.store, &world.ctx, &claim, &turn).await.unwrap();
        assert_eq!(world.claim("one").await.unwrap().opted_out, opted_out);
    }
    assert_eq!(kinds(&world).await, ["customer.opted_out", "customer.opted_in"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_api_channel_a_reply_is_delivered_when_it_is_written() {
    let world = world().await;
    let mut tx = world.tx().await;
    let channel_id = channels::api_channel(&mut tx).await.unwrap().channel_id;
    assert_eq!(channels::api_channel(&mut tx).await.unwrap().channel_id, channel_id);
    let sender = Sender { user_id: Some("minha-conversa".into()), ..Sender::default() };
    let conversation_id = customers::resolve(&mut tx, channel_id, &sender).await.unwrap().conversation_id;
    tx.commit().await.unwrap();
    let message = NewMessage { channel_id, ..world.message_in(conversation_id, "1", says("oi")) };
    inbox::append(&world.store, &[message]).await.unwrap();
    let claim =
        inbox::claim(&world.store, &world.ctx, conversation_id, "one", LEASE, 10).await.unwrap().unwrap();
    let (turn, _) = turn(&claim, &["Oi!"], Action::Continue);
    turns::commit(&world.store, &world.ctx, &claim, &turn).await.unwrap();

    let mut tx = world.tx().await;
    assert_eq!(turns::get(&mut tx, turn.turn_id).await.unwrap().deliveries, [State::Delivered]);
    let found = conversations::by_external(&mut tx, "minha-conversa").await.unwrap().unwrap();
    assert_eq!((found.conversation_id, found.pending), (conversation_id, 0));
    assert!(conversations::by_external(&mut tx, "outra").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_and_lists_are_read_page_by_page_without_gaps() {
    let world = world().await;
    for n in 0..5 {
        world.queue(&[&format!("resposta {n}")]).await;
    }
    let mut tx = world.tx().await;
    let whole = conversations::history(&mut tx, world.conversation, None, 100).await.unwrap();
    assert_eq!((whole.items.len(), whole.next_cursor), (10, None));
    let (mut pages, mut cursor) = (Vec::new(), None);
    loop {
        let page = conversations::history(&mut tx, world.conversation, cursor.as_deref(), 3).await.unwrap();
        pages.splice(0..0, page.items.into_iter().map(|line| line.text));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, whole.items.into_iter().map(|line| line.text).collect::<Vec<_>>());

    for n in 0..4 {
        world.talker(&format!("551190000020{n}")).await;
    }
    let first = conversations::list(&mut tx, None, 3).await.unwrap();
    let rest = conversations::list(&mut tx, first.next_cursor.as_deref(), 3).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next_cursor), (3, 2, None));
    assert!(first.items.iter().all(|a| rest.items.iter().all(|b| a.conversation_id != b.conversation_id)));
    assert!(conversations::list(&mut tx, Some("nonsense"), 3).await.is_err());
}
