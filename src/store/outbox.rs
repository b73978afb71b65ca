//! What the shop says, on its way out; and what the channel reports of it.

use std::time::Duration;

use balcao_domain::{ChannelId, ConversationId, OutboxId, TenantCtx, TenantId, delivery::State};
use chrono::{DateTime, Utc};

use crate::{Store, StoreError, TenantTx};

/// A message to send.
#[derive(Debug, Clone)]
pub struct Due {
    pub tenant_id: TenantId,
    pub outbox_id: OutboxId,
    pub conversation_id: ConversationId,
    pub channel_id: ChannelId,
    pub kind: String,
    pub text: String,
    pub body: serde_json::Value,
    pub phone: Option<String>,
    pub user_id: Option<String>,
    /// This attempt, from 1.
    pub attempt: i32,
    /// When the customer last wrote: the start of the 24-hour window.
    pub last_inbound_at: Option<DateTime<Utc>>,
    pub opted_out: bool,
    /// An earlier attempt's outcome was never settled; this is the one resend that rule allows.
    pub after_unknown: bool,
}

/// A status webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusReport {
    pub provider_message_id: String,
    /// Our tag, if the channel echoed it.
    pub outbox_id: Option<OutboxId>,
    pub state: State,
    pub at: DateTime<Utc>,
    pub error_code: Option<i64>,
    pub error_detail: Option<String>,
    /// As it came: pricing, conversation and so on.
    pub raw: serde_json::Value,
}

/// What became of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The message moved to this state.
    Moved(State),
    /// It stays as it was.
    Unchanged(State),
    /// No such message (yet): parked until the send is recorded.
    Parked,
}

/// Takes messages of one channel account that may be sent now, at most one a conversation, in the order of the
/// conversation; marks them `sending` (durably, before anything goes out) until the lease ends.
pub async fn take(
    _store: &Store,
    _ctx: &TenantCtx,
    _channel: ChannelId,
    _node: &str,
    _lease: Duration,
    _limit: i64,
) -> Result<Vec<Due>, StoreError> {
    unimplemented!()
}
/// The channel accepted it. Applies statuses that were parked for this id.
pub async fn sent(_tx: &mut TenantTx, _id: OutboxId, _provider_message_id: &str) -> Result<(), StoreError> {
    unimplemented!()
}
/// It may be tried again after `backoff`.
pub async fn retry(
    _tx: &mut TenantTx,
    _id: OutboxId,
    _backoff: Duration,
    _code: Option<i64>,
    _detail: &str,
) -> Result<(), StoreError> {
    unimplemented!()
}
/// The outcome is unknown: wait `grace` for a status that carries the tag, then one resend is allowed.
pub async fn unknown(
    _tx: &mut TenantTx,
    _id: OutboxId,
    _grace: Duration,
    _detail: &str,
) -> Result<(), StoreError> {
    unimplemented!()
}
/// Given up on: dead letter with the reason.
pub async fn dead(
    _tx: &mut TenantTx,
    _id: OutboxId,
    _code: Option<i64>,
    _detail: &str,
) -> Result<(), StoreError> {
    unimplemented!()
}
/// Replaces what is to be sent (a template instead of text outside the window) and queues it again.
pub async fn replace(
    _tx: &mut TenantTx,
    _id: OutboxId,
    _kind: &str,
    _text: &str,
    _body: &serde_json::Value,
) -> Result<(), StoreError> {
    unimplemented!()
}
/// Applies a status webhook; settles unknown outcomes.
pub async fn report(
    _tx: &mut TenantTx,
    _channel: ChannelId,
    _report: &StatusReport,
) -> Result<Applied, StoreError> {
    unimplemented!()
}
/// A message of a person of the shop (typed in the shop's app or through the API). `sent` when the channel has
/// it already, `queued` when we are to send it.
pub async fn push_human(
    _tx: &mut TenantTx,
    _conversation: ConversationId,
    _outgoing: &crate::turns::NewOutgoing,
    _provider_message_id: Option<&str>,
) -> Result<(), StoreError> {
    unimplemented!()
}
/// Accounts that have something to send now, of any tenant: the truth behind lost rings.
pub async fn due_channels(_store: &Store) -> Result<Vec<(TenantId, ChannelId)>, StoreError> {
    unimplemented!()
}
