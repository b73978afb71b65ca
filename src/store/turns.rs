//! A turn's end: one transaction, fenced by the epoch.

use std::time::Duration;

use balcao_domain::{ConversationId, OutboxId, TenantCtx, TurnId, delivery, turn::Outcome};
use chrono::{DateTime, Utc};

use crate::{Store, StoreError, TenantTx, inbox::Claim};

/// A message to send, as its channel rendered it.
#[derive(Debug, Clone)]
pub struct NewOutgoing {
    pub outbox_id: OutboxId,
    /// The channel's own type, the words for histories, the channel's own body.
    pub kind: String,
    pub text: String,
    pub body: serde_json::Value,
}

/// What a turn writes.
#[derive(Debug, Clone)]
pub struct NewTurn {
    pub turn_id: TurnId,
    /// The first and the last message it answers.
    pub first_seq: i64,
    pub last_seq: i64,
    pub outcome: Outcome,
    /// Empty when nothing is said. On the API channel these are stored as delivered.
    pub outgoing: Vec<NewOutgoing>,
    pub started_at: DateTime<Utc>,
}

/// What became of the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    Yes,
    /// Another node has the conversation: nothing was written.
    Fenced,
}

/// A turn as it was recorded.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RecordedTurn {
    pub turn_id: TurnId,
    pub conversation_id: ConversationId,
    pub first_seq: i64,
    pub last_seq: i64,
    pub outcome: Outcome,
    pub started_at: DateTime<Utc>,
    pub committed_at: DateTime<Utc>,
    pub deliveries: Vec<delivery::State>,
}

/// Writes the turn, its replies, its action (hand-off, opt-out) and events, and marks its messages done; or nothing.
pub async fn commit(
    _store: &Store,
    _ctx: &TenantCtx,
    _claim: &Claim,
    _turn: &NewTurn,
) -> Result<Committed, StoreError> {
    unimplemented!()
}
/// Notes that a turn failed; the messages are due again after `backoff`. Returns the number of failures. Fenced: `None`.
pub async fn fail(
    _store: &Store,
    _ctx: &TenantCtx,
    _claim: &Claim,
    _error: &str,
    _backoff: Duration,
) -> Result<Option<i32>, StoreError> {
    unimplemented!()
}
/// One turn.
pub async fn get(_tx: &mut TenantTx, _id: TurnId) -> Result<RecordedTurn, StoreError> {
    unimplemented!()
}
/// The turn that answered message `seq`, once there is one.
pub async fn covering(
    _tx: &mut TenantTx,
    _conversation: ConversationId,
    _seq: i64,
) -> Result<Option<RecordedTurn>, StoreError> {
    unimplemented!()
}
/// Turns on the model path since midnight UTC.
pub async fn model_turns_today(_tx: &mut TenantTx) -> Result<u32, StoreError> {
    unimplemented!()
}
