//! What was set aside for a person to look at, with everything needed to try again.

use balcao_domain::{ConversationId, DeadLetterId};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{StoreError, TenantTx, conversations::Page};

/// One thing set aside.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetter {
    pub dead_letter_id: DeadLetterId,
    /// `turn`, `send`, `webhook`, `message`.
    pub kind: String,
    pub conversation_id: Option<ConversationId>,
    pub reason: String,
    pub evidence: serde_json::Value,
    pub created_at: DateTime<Utc>,
    pub resolved_at: Option<DateTime<Utc>>,
}

/// Sets something aside.
pub async fn push(
    _tx: &mut TenantTx,
    _kind: &str,
    _conversation: Option<ConversationId>,
    _reason: &str,
    _evidence: &serde_json::Value,
) -> Result<DeadLetterId, StoreError> {
    unimplemented!()
}
/// Newest first.
pub async fn list(
    _tx: &mut TenantTx,
    _include_resolved: bool,
    _cursor: Option<&str>,
    _limit: i64,
) -> Result<Page<DeadLetter>, StoreError> {
    unimplemented!()
}
/// One.
pub async fn get(_tx: &mut TenantTx, _id: DeadLetterId) -> Result<DeadLetter, StoreError> {
    unimplemented!()
}
/// Done with it.
pub async fn resolve(_tx: &mut TenantTx, _id: DeadLetterId) -> Result<(), StoreError> {
    unimplemented!()
}
/// Tries again: a send is queued anew, a turn's messages become pending again. Resolves the letter.
pub async fn replay(_tx: &mut TenantTx, _id: DeadLetterId) -> Result<(), StoreError> {
    unimplemented!()
}
