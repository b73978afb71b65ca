//! The whole tree on one screen, and the handle the server holds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use balcao_agent::Agent;
use balcao_channels::Channel;
use balcao_domain::{
    ChannelId, ConversationId, TenantId, TurnId,
    turn::{Outcome, Progress},
};
use balcao_store::{
    Store, StoreError,
    channels::ChannelAccount,
    inbox::{self, Appended, NewMessage},
};
use ractor::{Actor, ActorRef};
use tokio::{sync::broadcast, time::Instant};

use crate::{
    breakers::Breakers,
    cashier::Cashier,
    clockwork::{self, Clockwork},
    directory::Directory,
    handles::Seat,
    inbox_writer::{self, Inbox, InboxWriter},
    leases::Leases,
    outbox::{self, Outbox},
    shared::Shared,
    supervise::{self, Supervisor, permanent},
    tenants::{self, Ring, Tenants},
    watchers::Watchers,
};

/// Makes the sending side of an account.
pub trait ChannelFactory: Send + Sync {
    /// The sender of this account, without a breaker: the system puts one in front.
    fn channel(&self, account: &ChannelAccount) -> Arc<dyn Channel>;
}

/// What the tree is made of.
#[derive(Clone)]
pub struct SystemConfig {
    /// This node's name: owner of leases. Unique per process.
    pub node: String,
    /// The database.
    pub store: Store,
    /// Who takes turns. Its model and embedder already stand behind breakers.
    pub agent: Arc<dyn Agent>,
    /// Who sends.
    pub channels: Arc<dyn ChannelFactory>,
    /// Who tells the shops' own systems what happens.
    pub webhooks: balcao_channels::webhooks::Sender,
    /// Who runs the shops' errands at their payment providers.
    pub cashier: Cashier,
    /// All breakers of the process.
    pub breakers: Breakers,
    /// How long a claimed conversation stays ours without renewal.
    pub lease: Duration,
    /// How long an idle conversation's actor stays.
    pub idle: Duration,
    /// How often lost rings are looked for.
    pub sweep: Duration,
    /// How often what the shops need not keep is deleted.
    pub forget: Duration,
    /// How long to wait for the status of a send whose outcome is unknown.
    pub unknown_grace: Duration,
    /// Messages older than this when they arrive are stored but not answered.
    pub stale_after: Duration,
}

/// What those who watch a conversation hear.
#[derive(Debug, Clone)]
pub enum TurnEvent {
    /// Something happened within a turn.
    Progress { turn_id: TurnId, progress: Progress },
    /// The turn is in the database.
    Committed { turn_id: TurnId, first_seq: i64, last_seq: i64, outcome: Arc<Outcome> },
    /// The turn failed and will be tried again (or another node has the conversation).
    Abandoned { turn_id: TurnId },
}

/// Why messages were not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Too much is waiting already: the caller should try again later.
    #[error("too many messages are waiting to be stored")]
    Overloaded,
    /// The database said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The running tree. Cheap to clone.
#[derive(Clone)]
pub struct System {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    breakers: Breakers,
    inbox: Inbox,
    inbox_writer: Seat<inbox_writer::Msg>,
    clockwork: Seat<clockwork::Msg>,
    root: ActorRef<supervise::Msg>,
}

/// How long the tree may take to start: it only builds values.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How much of a shutdown's time is kept for giving leases back and for the outbox.
const RESERVE: Duration = Duration::from_millis(1_500);

impl System {
    /// Starts the tree.
    pub async fn start(config: SystemConfig) -> anyhow::Result<Self> {
        let SystemConfig { store, breakers, .. } = config.clone();
        let inbox = Inbox::closed();
        let inbox_writer = Seat::empty();
        let clockwork = Seat::empty();
        let append = append_to(store);
        let shared = Arc::new(share(config));

        // The tree. Breakers have a supervisor of their own, because calls pass them before the tree starts.
        let plan = vec![
            permanent("inbox_writer", &inbox_writer, {
                let (inbox, tenants) = (inbox.clone(), shared.tenants.clone());
                move || {
                    let (inbox, append, tenants) = (inbox.clone(), append.clone(), tenants.clone());
                    (InboxWriter, inbox_writer::Args { inbox, append, tenants })
                }
            }),
            permanent("tenants", &shared.tenants, with(&shared, |shared| (Tenants, shared))),
            permanent("outbox", &shared.outbox, with(&shared, |shared| (Outbox, shared))),
            // Ingestion takes its seat here: a factory of workers on jobs that are rows.
            permanent("clockwork", &clockwork, with(&shared, |shared| (Clockwork, shared))),
        ];

        let (root, _) = Supervisor::spawn(None, Supervisor, plan).await?;
        // An answer means that all seats are taken.
        let view = root.call(supervise::Msg::View, Some(START_LIMIT)).await?;
        anyhow::ensure!(view.is_success(), "the tree did not start in time");
        Ok(Self { inner: Arc::new(Inner { shared, breakers, inbox, inbox_writer, clockwork, root }) })
    }

    /// Stores messages durably (group commit with everybody else's) and wakes their conversations.
    pub async fn accept(
        &self,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Result<Appended, StoreError>>, AcceptError> {
        if self.inner.shared.is_closing() {
            return Err(AcceptError::Overloaded);
        }
        self.inner.inbox.accept(messages).await
    }

    /// Rings a conversation's bell.
    pub fn wake(&self, tenant_id: TenantId, conversation_id: ConversationId) {
        let ring = Ring { tenant_id, conversation_id, arrived: false };
        self.inner.shared.tenants.cast(tenants::Msg::Rang(vec![ring]));
    }

    /// Rings the bell of an account's sender.
    pub fn ring_outbox(&self, tenant_id: TenantId, channel_id: ChannelId) {
        self.inner.shared.outbox.cast(outbox::Msg::Rang { tenant_id, channel_id });
    }

    /// Payment providers have reported something: it is applied now rather than at the next sweep.
    pub fn payments_arrived(&self) {
        self.inner.clockwork.cast(clockwork::Msg::Once(clockwork::Chore::ApplyPayments));
    }

    /// Tells a tenant's actor that its settings, rule pack or channels have changed.
    pub fn tenant_changed(&self, tenant_id: TenantId) {
        let shared = self.inner.shared.clone();
        tokio::spawn(async move {
            shared.directory.forget(tenant_id).await;
            shared.directory.try_again(tenant_id).await;
            shared.outbox.cast(outbox::Msg::Changed(tenant_id));
        });
    }

    /// Hears the turns of one conversation on this node. Lossy: the truth is `turns::covering`.
    pub fn watch(&self, conversation_id: ConversationId) -> broadcast::Receiver<TurnEvent> {
        self.inner.shared.watchers.watch(conversation_id)
    }

    /// How many conversations have an actor right now.
    pub fn open_conversations(&self) -> usize {
        self.inner.shared.open.load(Ordering::Relaxed)
    }

    /// All breakers.
    pub fn breakers(&self) -> &Breakers {
        &self.inner.breakers
    }

    /// Returns when the tree has ended: after [`System::shutdown`], or because something failed so often that no
    /// restart would mend it. Then the process should end, too, and be started anew.
    pub async fn ended(&self) {
        let _ = self.inner.root.wait(None).await;
    }

    /// Stops in order: no new turns, running turns end or give their leases back, the outbox stops between sends.
    pub async fn shutdown(&self, limit: Duration) {
        let inner = &self.inner;
        let until = Instant::now() + limit;
        inner.shared.closing.store(true, Ordering::Relaxed);
        let _ = inner.root.call(supervise::Msg::Close, Some(Duration::from_secs(1))).await;
        // Who was promised an answer about the inbox gets it; nothing new is looked for.
        inner.clockwork.cast(clockwork::Msg::StopSweeping);
        inner.inbox_writer.cast(inbox_writer::Msg::Close);
        gone(&inner.inbox_writer, until).await;
        // Running turns end, and their replies are rows; then whoever still runs is cut off.
        inner.shared.tenants.cast(tenants::Msg::Close);
        gone(&inner.shared.tenants, until.checked_sub(RESERVE).unwrap_or(until)).await;
        inner.shared.tenants.cast(tenants::Msg::CutOff);
        gone(&inner.shared.tenants, until).await;
        inner.shared.outbox.cast(outbox::Msg::Close);
        gone(&inner.shared.outbox, until.max(Instant::now() + RESERVE)).await;
        inner.root.stop(None);
        let _ = inner.root.wait(Some(Duration::from_secs(3))).await;
    }
}

/// Waits until whoever sits there has ended, but not longer than `until`.
async fn gone<M: ractor::Message>(seat: &Seat<M>, until: Instant) {
    if let Some(actor) = seat.occupant() {
        let _ = tokio::time::timeout_at(until, actor.wait(None)).await;
    }
}

fn share(config: SystemConfig) -> Shared {
    let SystemConfig { node, store, agent, channels, webhooks, cashier, breakers, .. } = config;
    Shared {
        breakers: breakers.clone(),
        node,
        directory: Directory::new(store.clone(), channels, breakers),
        store,
        agent,
        webhooks,
        cashier,
        watchers: Watchers::default(),
        leases: Leases::default(),
        tenants: Seat::empty(),
        outbox: Seat::empty(),
        lease: config.lease,
        idle: config.idle,
        sweep: config.sweep,
        forget: config.forget,
        unknown_grace: config.unknown_grace,
        stale_after: config.stale_after,
        open: AtomicUsize::new(0),
        closing: AtomicBool::new(false),
    }
}

fn append_to(store: Store) -> inbox_writer::Append {
    Arc::new(move |messages| {
        let store = store.clone();
        Box::pin(async move { inbox::append(&store, &messages).await })
    })
}

/// Makes a child that needs nothing but what all share.
fn with<T>(shared: &Arc<Shared>, make: fn(Arc<Shared>) -> T) -> impl Fn() -> T + Send + Sync + 'static
where
    T: 'static,
{
    let shared = shared.clone();
    move || make(shared.clone())
}
