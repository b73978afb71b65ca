//! Messages in: dense numbers, no duplicates, no message lost to its neighbours; and one node at a time.

use balcao_domain::{TenantCtx, inbound::Content};
use balcao_store::{
    StoreError, conversations,
    inbox::{self, NewMessage},
};
use balcao_tests::database::a_tenant;

use super::world::{LEASE, at, numbers, says, world};

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_numbered_densely_and_duplicates_inside_and_across_batches_keep_their_number() {
    let world = world().await;
    assert_eq!(world.append(&["a", "b", "a", "c"]).await, [1, 2, -1, 3]);
    assert_eq!(world.append(&["c", "d", "b", "e", "d"]).await, [-3, 4, -2, 5, -4]);
    let claim = world.claim("node").await.unwrap();
    let said: Vec<_> =
        claim.messages.iter().map(|m| (m.seq, m.message.provider_message_id.as_str())).collect();
    assert_eq!(said, [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_batch_serves_many_conversations_of_many_shops() {
    let world = world().await;
    let other = a_tenant(&world.store, "terceira").await;
    let mut tx = world.store.tenant_tx(&other).await.unwrap();
    let channel = balcao_store::channels::api_channel(&mut tx).await.unwrap().channel_id;
    let sender = balcao_domain::customer::Sender { user_id: Some("talk-1".into()), ..Default::default() };
    let conversation_id =
        balcao_store::customers::resolve(&mut tx, channel, &sender).await.unwrap().conversation_id;
    tx.commit().await.unwrap();
    let second = world.talker("5511900000002").await;
    let theirs = NewMessage {
        tenant_id: other.tenant_id,
        channel_id: channel,
        conversation_id,
        ..world.message("a", says("a"))
    };
    let batch = [
        world.message("a", says("a")),
        theirs,
        world.message_in(second, "x", says("x")),
        world.message("b", says("b")),
    ];
    // The same provider id in two shops is two messages.
    assert_eq!(numbers(inbox::append(&world.store, &batch).await.unwrap()), [1, 1, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_the_database_refuses_does_not_take_its_neighbours_with_it() {
    let world = world().await;
    let mut batch: Vec<NewMessage> = (0..9).map(|n| world.message(&format!("m{n}"), says("oi"))).collect();
    // A zero character, which Postgres cannot store; and a conversation that is not there.
    batch[4].message.content = says("a\0b");
    batch[7].conversation_id = balcao_domain::ConversationId::generate();
    let results = inbox::append(&world.store, &batch).await.unwrap();
    assert!(matches!(results[4], Err(StoreError::Corrupt(_))), "{:?}", results[4]);
    assert!(matches!(results[7], Err(StoreError::NotFound)), "{:?}", results[7]);
    let stored: Vec<i64> = numbers(results.into_iter().filter(Result::is_ok).collect());
    assert_eq!(stored, [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn appenders_at_once_number_without_gaps_and_store_every_message_once() {
    let world = std::sync::Arc::new(world().await);
    let conversations =
        [world.conversation, world.talker("5511900000002").await, world.talker("5511900000003").await];
    let mut tasks = tokio::task::JoinSet::new();
    for appender in 0..4_usize {
        let world = std::sync::Arc::clone(&world);
        tasks.spawn(async move {
            let mut stored = Vec::new();
            for round in 0..10_usize {
                // Every appender brings the same messages, in another order.
                let batch: Vec<NewMessage> = (0..12_usize)
                    .map(|n| (n * 5 + appender * 7) % 12)
                    .map(|n| world.message_in(conversations[n % 3], &format!("r{round}m{n}"), says("oi")))
                    .collect();
                for (message, result) in batch.iter().zip(inbox::append(&world.store, &batch).await.unwrap())
                {
                    if let inbox::Appended::Stored { seq } = result.unwrap() {
                        stored.push((message.conversation_id, seq));
                    }
                }
            }
            stored
        });
    }
    let mut stored: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    stored.sort();
    let mut expected: Vec<_> = conversations.iter().flat_map(|c| (1..=40).map(|seq| (*c, seq))).collect();
    expected.sort();
    assert_eq!(stored, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_in_one_nodes_hands_until_its_lease_ends() {
    let world = world().await;
    world.append(&["a"]).await;
    let first = world.claim("one").await.unwrap();
    assert_eq!(first.epoch, 1);
    assert!(world.claim("two").await.is_none());
    assert_eq!(world.claim("one").await.unwrap().epoch, 1, "keeping a lease raises no epoch");

    world.time_passes().await;
    let second = world.claim("two").await.unwrap();
    assert_eq!(second.epoch, 2);
    assert!(world.claim("one").await.is_none());

    // Given back by who no longer has it: nothing happens. By who has it: free.
    inbox::release(&world.store, &world.ctx, world.conversation, first.epoch).await.unwrap();
    assert!(world.claim("one").await.is_none());
    inbox::release(&world.store, &world.ctx, world.conversation, second.epoch).await.unwrap();
    assert_eq!(world.claim("one").await.unwrap().epoch, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_renewed_in_one_go_and_the_lost_ones_named() {
    let world = world().await;
    let second = world.talker("5511900000002").await;
    let tenant = world.ctx.tenant_id;
    let ours = world.claim("one").await.unwrap();
    let lost = inbox::claim(&world.store, &world.ctx, second, "one", LEASE, 1).await.unwrap().unwrap();
    world.time_passes().await;
    inbox::claim(&world.store, &world.ctx, second, "two", LEASE, 1).await.unwrap().unwrap();
    let held = [(tenant, world.conversation, ours.epoch), (tenant, second, lost.epoch)];
    assert_eq!(inbox::renew(&world.store, "one", LEASE, &held).await.unwrap(), [second]);
    assert!(world.claim("two").await.is_none(), "the renewed lease holds again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_nobodys_hands_is_found_by_turns_between_shops() {
    let world = world().await;
    let busy: Vec<_> = futures::future::join_all((0..6).map(|n| world.talker_owned(n))).await;
    let batch: Vec<_> = busy.iter().map(|c| world.message_in(*c, &c.to_string(), says("oi"))).collect();
    inbox::append(&world.store, &batch).await.unwrap();
    let quiet = a_tenant(&world.store, "quieta").await;
    let (channel_id, conversation_id) = api_talk(&world.store, &quiet).await;
    let late = NewMessage {
        tenant_id: quiet.tenant_id,
        channel_id,
        conversation_id,
        ..world.message("q", says("q"))
    };
    inbox::append(&world.store, &[late]).await.unwrap();

    let due = inbox::due(&world.store, "one", 2).await.unwrap();
    assert!(
        due.iter().any(|(tenant, _)| *tenant == quiet.tenant_id),
        "the quiet shop waits behind the busy one"
    );
    let all = inbox::due(&world.store, "one", 100).await.unwrap();
    assert_eq!(all.len(), 7);

    // Claimed, or backing off: not due.
    inbox::claim(&world.store, &quiet, conversation_id, "one", LEASE, 1).await.unwrap().unwrap();
    assert_eq!(inbox::due(&world.store, "one", 100).await.unwrap().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_and_retractions_change_what_is_still_unanswered_in_whatever_order_they_come() {
    let world = world().await;
    let edit = |id: &str, second: u32, words: &str| {
        let mut message =
            world.message(id, Content::Edit { message_id: "a".into(), text: Some(words.into()) });
        message.message.sent_at = at(second);
        message
    };
    // The older edit comes last; the newer one wins.
    let batch =
        [edit("e2", 9, "tem 39?"), world.message("a", says("tem 38?")), world.message("b", says("deixa"))];
    inbox::append(&world.store, &batch).await.unwrap();
    let revoke = world.message("r", Content::Revoke { message_id: "b".into() });
    inbox::append(&world.store, &[edit("e1", 5, "tem 37?"), revoke]).await.unwrap();

    let claim = world.claim("node").await.unwrap();
    let content = |id: &str| {
        &claim.messages.iter().find(|m| m.message.provider_message_id == id).unwrap().message.content
    };
    assert_eq!(content("a").words(), Some("tem 39?"));
    assert!(!content("b").starts_turn());

    let mut tx = world.tx().await;
    let history = conversations::history(&mut tx, world.conversation, None, 10).await.unwrap().items;
    let lines: Vec<_> = history.iter().map(|l| (l.kind.as_str(), l.text.as_str())).collect();
    assert_eq!(lines, [("text", "tem 39?"), ("revoked", "")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_is_kept_and_cleared_whatever_the_order() {
    let world = world().await;
    let reaction = |id: &str, second: u32, emoji: Option<&str>| {
        let content = Content::Reaction { message_id: "ours".into(), emoji: emoji.map(str::to_owned) };
        let mut message = world.message(id, content);
        message.message.sent_at = at(second);
        message
    };
    let mark =
        || async { world.db.admin().await.rows("select kind, value from message_mark").await.unwrap() };
    inbox::append(&world.store, &[reaction("r1", 1, Some("👍"))]).await.unwrap();
    assert_eq!(mark().await, [vec![Some("reaction".to_owned()), Some("👍".to_owned())]]);
    inbox::append(&world.store, &[reaction("r2", 2, None)]).await.unwrap();
    assert_eq!(mark().await, [vec![Some("reaction".to_owned()), None]]);
    // One that was sent before it was taken away does not come back.
    inbox::append(&world.store, &[reaction("r0", 0, Some("❤")), reaction("r1", 1, Some("👍"))])
        .await
        .unwrap();
    assert_eq!(mark().await, [vec![Some("reaction".to_owned()), None]]);
}

async fn api_talk(
    store: &balcao_store::Store,
    ctx: &TenantCtx,
) -> (balcao_domain::ChannelId, balcao_domain::ConversationId) {
    let mut tx = store.tenant_tx(ctx).await.unwrap();
    let channel = balcao_store::channels::api_channel(&mut tx).await.unwrap().channel_id;
    let sender = balcao_domain::customer::Sender { user_id: Some("talk".into()), ..Default::default() };
    let resolved = balcao_store::customers::resolve(&mut tx, channel, &sender).await.unwrap();
    tx.commit().await.unwrap();
    (channel, resolved.conversation_id)
}

impl super::world::World {
    async fn talker_owned(&self, n: u32) -> balcao_domain::ConversationId {
        self.talker(&format!("55119000001{n:02}")).await
    }
}
