//! What happened, for those who listen: hand-offs, opt-outs, account alerts, dead letters.

use balcao_domain::{ConversationId, EventId};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{StoreError, TenantTx, conversations::Page};

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    pub event_id: EventId,
    /// `conversation.handed_off`, `conversation.given_back`, `customer.opted_out`, `channel.alert` …
    pub kind: String,
    pub conversation_id: Option<ConversationId>,
    pub data: serde_json::Value,
    pub created_at: DateTime<Utc>,
}

/// Notes that something happened.
pub async fn push(
    _tx: &mut TenantTx,
    _kind: &str,
    _conversation: Option<ConversationId>,
    _data: &serde_json::Value,
) -> Result<EventId, StoreError> {
    unimplemented!()
}
/// Oldest first, after `cursor`.
pub async fn list(_tx: &mut TenantTx, _cursor: Option<&str>, _limit: i64) -> Result<Page<Event>, StoreError> {
    unimplemented!()
}
