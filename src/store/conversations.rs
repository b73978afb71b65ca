//! Conversations as the API shows them.

use balcao_domain::{ChannelId, ConversationId, CustomerId, TurnId, channel::Kind, delivery, reply::Source};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{StoreError, TenantTx};

/// One conversation.
#[derive(Debug, Clone, Serialize)]
pub struct Conversation {
    pub conversation_id: ConversationId,
    /// The caller's own id (API channel only).
    pub external_id: Option<String>,
    pub channel_id: ChannelId,
    pub channel: Kind,
    pub customer_id: CustomerId,
    pub customer_name: Option<String>,
    /// In a person's hands since; the agent is mute.
    pub handed_off_at: Option<DateTime<Utc>>,
    pub handoff_reason: Option<String>,
    pub last_inbound_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// Messages not answered yet.
    pub pending: i64,
}

/// One line of a conversation, as a person reads it.
#[derive(Debug, Clone, Serialize)]
pub struct HistoryLine {
    /// `customer`, `agent` or `human`.
    pub author: String,
    pub text: String,
    /// The content's kind: `text`, `media`, `choice` …
    pub kind: String,
    pub at: DateTime<Utc>,
    pub turn_id: Option<TurnId>,
    /// How far an outgoing message has come.
    pub delivery: Option<delivery::State>,
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Position in the conversation, for paging.
    pub cursor: String,
}

/// One page of things.
#[derive(Debug, Clone, Serialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Give this back to read on; `None` at the end.
    pub next_cursor: Option<String>,
}

/// One conversation.
pub async fn get(_tx: &mut TenantTx, _id: ConversationId) -> Result<Conversation, StoreError> {
    unimplemented!()
}
/// The conversation of a caller's own id on the API channel.
pub async fn by_external(_tx: &mut TenantTx, _external_id: &str) -> Result<Option<Conversation>, StoreError> {
    unimplemented!()
}
/// Newest activity first.
pub async fn list(
    _tx: &mut TenantTx,
    _cursor: Option<&str>,
    _limit: i64,
) -> Result<Page<Conversation>, StoreError> {
    unimplemented!()
}
/// The lines of a conversation, newest page first, lines of a page oldest first.
pub async fn history(
    _tx: &mut TenantTx,
    _id: ConversationId,
    _cursor: Option<&str>,
    _limit: i64,
) -> Result<Page<HistoryLine>, StoreError> {
    unimplemented!()
}
/// Puts the conversation in a person's hands. Idempotent; pushes an event.
pub async fn hand_off(_tx: &mut TenantTx, _id: ConversationId, _reason: &str) -> Result<(), StoreError> {
    unimplemented!()
}
/// Gives it back to the agent. Idempotent; pushes an event.
pub async fn give_back(_tx: &mut TenantTx, _id: ConversationId) -> Result<(), StoreError> {
    unimplemented!()
}
