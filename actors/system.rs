//! The whole tree on one screen, and the handle the server holds.

use std::{sync::Arc, time::Duration};

use balcao_agent::Agent;
use balcao_channels::Channel;
use balcao_domain::{
    ChannelId, ConversationId, TenantId, TurnId,
    turn::{Outcome, Progress},
};
use balcao_store::{
    Store, StoreError,
    channels::ChannelAccount,
    inbox::{Appended, NewMessage},
};
use tokio::sync::broadcast;

use crate::breakers::Breakers;

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
    /// All breakers of the process.
    pub breakers: Breakers,
    /// How long a claimed conversation stays ours without renewal.
    pub lease: Duration,
    /// How long an idle conversation's actor stays.
    pub idle: Duration,
    /// How often lost rings are looked for.
    pub sweep: Duration,
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
pub struct System {}

impl System {
    /// Starts the tree.
    pub async fn start(_config: SystemConfig) -> anyhow::Result<Self> {
        unimplemented!()
    }

    /// Stores messages durably (group commit with everybody else's) and wakes their conversations.
    pub async fn accept(
        &self,
        _messages: Vec<NewMessage>,
    ) -> Result<Vec<Result<Appended, StoreError>>, AcceptError> {
        unimplemented!()
    }

    /// Rings a conversation's bell.
    pub fn wake(&self, _tenant_id: TenantId, _conversation_id: ConversationId) {
        unimplemented!()
    }

    /// Rings the bell of an account's sender.
    pub fn ring_outbox(&self, _tenant_id: TenantId, _channel_id: ChannelId) {
        unimplemented!()
    }

    /// Tells a tenant's actor that its settings, rule pack or channels have changed.
    pub fn tenant_changed(&self, _tenant_id: TenantId) {
        unimplemented!()
    }

    /// Hears the turns of one conversation on this node. Lossy: the truth is `turns::covering`.
    pub fn watch(&self, _conversation_id: ConversationId) -> broadcast::Receiver<TurnEvent> {
        unimplemented!()
    }

    /// How many conversations have an actor right now.
    pub fn open_conversations(&self) -> usize {
        unimplemented!()
    }

    /// All breakers.
    pub fn breakers(&self) -> &Breakers {
        unimplemented!()
    }

    /// Stops in order: no new turns, running turns end or give their leases back, the outbox stops between sends.
    pub async fn shutdown(&self, _limit: Duration) {
        unimplemented!()
    }
}
