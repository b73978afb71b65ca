//! Cancels requests at every await of a transaction's life; nobody who borrows the connection afterwards may find
//! somebody's tenant, or somebody's transaction, in it.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll},
};

use balcao_domain::{TenantCtx, customer::Sender};
use balcao_store::{
    Store, StoreError,
    admin::{self, Admin},
    channels, customers, events, inbox, tenants,
};
use balcao_tests::database::{TestDb, a_tenant};
use futures::task::noop_waker_ref;

/// More polls than any of the requests below needs.
const MOST_POLLS: usize = 60;

/// Polls a future so often, letting the network run in between, and drops it. Its output if it ended first.
async fn cancel_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(noop_waker_ref())) {
            return Some(output);
        }
        // Just long enough for one answer of the server to be on its way: drops happen before, during and after it.
        tokio::time::sleep(std::time::Duration::from_micros(150)).await;
    }
    None
}

/// A request as a handler makes it: several statements, a write, a commit.
async fn request(
    store: &Store,
    ctx: &TenantCtx,
    channel: balcao_domain::ChannelId,
) -> Result<(), StoreError> {
    let mut tx = store.tenant_tx(ctx).await?;
    tenants::get(&mut tx).await?;
    let sender = Sender { phone: Some("5511900000001".into()), ..Sender::default() };
    customers::resolve(&mut tx, channel, &sender).await?;
    events::push(&mut tx, "test.happened", None, &serde_json::json!({})).await?;
    tx.commit().await
}

struct World {
    db: TestDb,
    store: Store,
    ctx: TenantCtx,
    channel: balcao_domain::ChannelId,
    other: TenantCtx,
}

async fn world(connections: u32) -> World {
    let db = TestDb::new().await;
    let store = db.store_with(connections).await;
    let ctx = a_tenant(&store, "aurora").await;
    let other = a_tenant(&store, "trigo").await;
    let mut tx = store.tenant_tx(&ctx).await.unwrap();
    let channel = channels::api_channel(&mut tx).await.unwrap().channel_id;
    tx.commit().await.unwrap();
    World { db, store, ctx, channel, other }
}

/// Whatever was cancelled, the connections are clean for whoever comes next.
async fn assert_clean(world: &World, polls: usize) {
    let (clean, tenant) = admin::examine(&world.store).await.unwrap();
    assert!(clean, "after {polls} polls a borrower found a foreign transaction or the tenant `{tenant}`");
    let mut tx = world.store.tenant_tx(&world.other).await.unwrap();
    assert_eq!(tenants::get(&mut tx).await.unwrap().slug, "trigo", "after {polls} polls");
    assert!(channels::list(&mut tx).await.unwrap().is_empty(), "after {polls} polls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_borrower_sees_anothers_tenant_after_a_cancelled_transaction() {
    for connections in [1, 2] {
        let world = world(connections).await;
        let mut finished = 0;
        for polls in 0..MOST_POLLS {
            let ended = cancel_after(polls, request(&world.store, &world.ctx, world.channel)).await;
            finished += usize::from(ended.is_some());
            assert_clean(&world, polls).await;
        }
        assert!(
            finished > 0,
            "no request was polled to its end: the awaits after the last poll were never tried"
        );
        let leftover = idle_in_transaction(&mut world.db.admin().await).await;
        assert_eq!(leftover, "0");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_borrower_sees_anothers_tenant_after_a_cancelled_one_shot_function() {
    let world = world(1).await;
    let sender = Sender { phone: Some("5511900000001".into()), ..Sender::default() };
    let mut tx = world.store.tenant_tx(&world.ctx).await.unwrap();
    let conversation = customers::resolve(&mut tx, world.channel, &sender).await.unwrap().conversation_id;
    tx.commit().await.unwrap();
    for polls in 0..MOST_POLLS / 2 {
        let lease = std::time::Duration::from_secs(30);
        cancel_after(polls, inbox::claim(&world.store, &world.ctx, conversation, "node", lease, 8)).await;
        assert_clean(&world, polls).await;
    }
}

/// A commit that was asked for happens or does not happen; what it never does is hang about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_commit_ends_by_itself() {
    let world = world(1).await;
    for polls in 0..12 {
        let mut tx = world.store.tenant_tx(&world.ctx).await.unwrap();
        events::push(&mut tx, "test.committed", None, &serde_json::json!({ "polls": polls })).await.unwrap();
        cancel_after(polls, tx.commit()).await;
        assert_clean(&world, polls).await;
    }
    // A commit polled once was sent, and so it holds.
    let events = world.db.admin().await.value("select count(*) from event").await.unwrap();
    assert_eq!(events.as_deref(), Some("11"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_dropped_leaves_nothing_behind() {
    let world = world(1).await;
    let mut tx = world.store.tenant_tx(&world.ctx).await.unwrap();
    events::push(&mut tx, "test.never", None, &serde_json::json!({})).await.unwrap();
    drop(tx);
    assert_clean(&world, 0).await;
    assert_eq!(
        world.db.admin().await.value("select count(*) from event").await.unwrap().as_deref(),
        Some("0")
    );
}

/// COMMIT ends a failed transaction with a rollback and without an error of its own; ours must not call that success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_in_which_a_statement_failed_cannot_be_committed() {
    let world = world(1).await;
    let mut tx = world.store.tenant_tx(&world.ctx).await.unwrap();
    events::push(&mut tx, "test.lost", None, &serde_json::json!({})).await.unwrap();
    let broken = events::push(&mut tx, "nul\0", None, &serde_json::json!({})).await;
    assert!(broken.is_err());
    assert!(tx.commit().await.is_err());
    assert_clean(&world, 0).await;
}

/// The last line of defence, tried by itself: whatever put it there, a connection that is inside somebody's transaction
/// is not used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_knows_a_tenant_is_closed_and_not_handed_out() {
    let world = world(1).await;
    admin::poison(&world.store, world.ctx.tenant_id).await.unwrap();
    let mut tx = world.store.tenant_tx(&world.other).await.unwrap();
    assert_eq!(tenants::get(&mut tx).await.unwrap().slug, "trigo");
    tx.commit().await.unwrap();

    // For statements that commit by themselves it is found out once it has rested.
    admin::poison(&world.store, world.ctx.tenant_id).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    assert_clean(&world, 0).await;
}

/// Many requests at once, cancelled at random moments, two shops, two connections: each sees its own shop only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_cancelled_requests_mixes_up_no_shops() {
    let world = std::sync::Arc::new(world(2).await);
    let mut tasks = tokio::task::JoinSet::new();
    for round in 0..200_u64 {
        let world = std::sync::Arc::clone(&world);
        tasks.spawn(async move {
            let (ctx, slug) = if round % 2 == 0 { (&world.ctx, "aurora") } else { (&world.other, "trigo") };
            let limit = std::time::Duration::from_micros(round.wrapping_mul(2_654_435_761) % 6_000);
            let _ = tokio::time::timeout(limit, async {
                let mut tx = world.store.tenant_tx(ctx).await.unwrap();
                assert_eq!(tenants::get(&mut tx).await.unwrap().slug, slug);
                tx.commit().await.unwrap();
            })
            .await;
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_clean(&world, 0).await;
}

/// How many sessions of the server's role sit in a transaction; those being cleaned up are given their moment.
async fn idle_in_transaction(admin: &mut Admin) -> String {
    let count = "select count(*) from pg_stat_activity
                 where datname = current_database() and usename = 'balcao_app' and state like 'idle in transaction%'";
    for _ in 0..100 {
        if admin.value(count).await.unwrap().as_deref() == Some("0") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    admin.value(count).await.unwrap().unwrap_or_default()
}
