//! What customers sent: appended once, read in order, claimed a conversation at a time.

mod append;

use std::time::Duration;

use balcao_domain::{
    ChannelId, ConversationId, CustomerId, TenantCtx, TenantId,
    channel::Kind,
    customer::Sender,
    inbound::{Content, Inbound},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{Store, StoreError, channels::parse_kind, milliseconds};

pub use append::append;

/// A message on its way in, its conversation already known.
#[derive(Debug, Clone)]
pub struct NewMessage {
    pub tenant_id: TenantId,
    pub channel_id: ChannelId,
    pub conversation_id: ConversationId,
    pub message: Inbound,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// Stored under this number of its conversation (dense, from 1).
    Stored { seq: i64 },
    /// It had been stored before, under this number.
    Duplicate { seq: i64 },
}

/// A stored message.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    pub seq: i64,
    pub message: Inbound,
    pub received_at: DateTime<Utc>,
}

/// A conversation in one node's hands, until the lease ends.
#[derive(Debug, Clone)]
pub struct Claim {
    pub tenant_id: TenantId,
    pub conversation_id: ConversationId,
    pub channel_id: ChannelId,
    pub channel: Kind,
    pub customer_id: CustomerId,
    /// The fencing token: what is committed must still carry it.
    pub epoch: i64,
    /// Messages up to here are done.
    pub acked_seq: i64,
    /// The next ones, in order (at most the number asked for).
    pub messages: Vec<StoredMessage>,
    /// How often a turn on these messages has failed.
    pub attempts: i32,
    pub handed_off: bool,
    pub opted_out: bool,
    pub customer_name: Option<String>,
    /// For sending: the ids known of the person.
    pub phone: Option<String>,
    pub user_id: Option<String>,
}

/// Takes (or keeps) the lease of a conversation and returns what is pending; `None` when another live node has it.
/// A fresh lease raises the epoch. Database clock only. While more than half of an own lease is left, claiming
/// again writes nothing.
///
/// Messages that were edited since come with their new words; one that was taken back comes as a `Revoke` of itself,
/// which asks for no answer.
pub async fn claim(
    store: &Store,
    ctx: &TenantCtx,
    id: ConversationId,
    node: &str,
    lease: Duration,
    limit: i64,
) -> Result<Option<Claim>, StoreError> {
    let mut connection = store.lease().await?;
    let row = sqlx::query!(
        r#"select epoch as "epoch!", acked_seq as "acked_seq!", attempts as "attempts!", channel_id as "channel_id!",
                  channel as "channel!", customer_id as "customer_id!", handed_off as "handed_off!",
                  opted_out as "opted_out!", customer_name, phone, user_id, messages
           from conversation_claim($1, $2, $3, $4, $5)"#,
        ctx.tenant_id.as_uuid(),
        id.as_uuid(),
        node,
        milliseconds(lease),
        limit,
    )
    .fetch_optional(&mut *connection)
    .await?;
    connection.done();
    let Some(row) = row else { return Ok(None) };
    let pending: Vec<Pending> = row.messages.map(serde_json::from_value).transpose()?.unwrap_or_default();
    Ok(Some(Claim {
        tenant_id: ctx.tenant_id,
        conversation_id: id,
        channel_id: ChannelId::from_uuid(row.channel_id),
        channel: parse_kind(&row.channel)?,
        customer_id: CustomerId::from_uuid(row.customer_id),
        epoch: row.epoch,
        acked_seq: row.acked_seq,
        messages: pending.into_iter().map(StoredMessage::from).collect(),
        attempts: row.attempts,
        handed_off: row.handed_off,
        opted_out: row.opted_out,
        customer_name: row.customer_name,
        phone: row.phone,
        user_id: row.user_id,
    }))
}

/// A waiting message with what was said about it since.
#[derive(Deserialize)]
struct Pending {
    seq: i64,
    payload: Value,
    received_at: DateTime<Utc>,
    edited: bool,
    edit: Option<String>,
    revoked: bool,
}

impl From<Pending> for StoredMessage {
    fn from(pending: Pending) -> Self {
        let Pending { seq, payload, received_at, edited, edit, revoked } = pending;
        let mut message = read_payload(payload, received_at);
        if revoked {
            message.content = Content::Revoke { message_id: message.provider_message_id.clone() };
        } else if edited {
            rewrite(&mut message.content, edit);
        }
        Self { seq, message, received_at }
    }
}

/// A payload that no longer reads as a message must not stop its conversation: it is passed on raw.
pub(crate) fn read_payload(payload: Value, received_at: DateTime<Utc>) -> Inbound {
    Inbound::deserialize(&payload).unwrap_or_else(|_| Inbound {
        provider_message_id: payload["provider_message_id"].as_str().unwrap_or_default().to_owned(),
        sender: Sender::default(),
        sent_at: received_at,
        content: Content::Unknown { type_name: "unreadable".into(), raw: payload },
        reply_to: None,
        product: None,
        referral: None,
    })
}

fn rewrite(content: &mut Content, words: Option<String>) {
    match (content, words) {
        (Content::Text { text }, Some(words)) => *text = words,
        (Content::Media(media), words) => media.caption = words,
        _ => {}
    }
}

/// Gives a lease back, if it is still ours.
pub async fn release(
    store: &Store,
    ctx: &TenantCtx,
    id: ConversationId,
    epoch: i64,
) -> Result<(), StoreError> {
    let mut connection = store.lease().await?;
    sqlx::query_scalar!(
        "select conversation_release($1, $2, $3)",
        ctx.tenant_id.as_uuid(),
        id.as_uuid(),
        epoch,
    )
    .fetch_one(&mut *connection)
    .await?;
    connection.done();
    Ok(())
}

/// Extends leases; returns those that were lost.
pub async fn renew(
    store: &Store,
    node: &str,
    lease: Duration,
    held: &[(TenantId, ConversationId, i64)],
) -> Result<Vec<ConversationId>, StoreError> {
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let tenants: Vec<Uuid> = held.iter().map(|(tenant, _, _)| tenant.as_uuid()).collect();
    let conversations: Vec<Uuid> = held.iter().map(|(_, conversation, _)| conversation.as_uuid()).collect();
    let epochs: Vec<i64> = held.iter().map(|(_, _, epoch)| *epoch).collect();
    let mut connection = store.lease().await?;
    let lost = sqlx::query_scalar!(
        r#"select conversation_renew($1, $2, $3, $4, $5) as "conversation_id!""#,
        node,
        milliseconds(lease),
        &tenants,
        &conversations,
        &epochs,
    )
    .fetch_all(&mut *connection)
    .await?;
    connection.done();
    Ok(lost.into_iter().map(ConversationId::from_uuid).collect())
}

/// Conversations with pending messages, due, and in nobody's hands: the truth behind lost rings. Shops take turns.
pub async fn due(
    store: &Store,
    _node: &str,
    limit: i64,
) -> Result<Vec<(TenantId, ConversationId)>, StoreError> {
    let mut connection = store.lease().await?;
    let rows = sqlx::query!(
        r#"select tenant_id as "tenant_id!", conversation_id as "conversation_id!" from conversation_due($1)"#,
        limit,
    )
    .fetch_all(&mut *connection)
    .await?;
    connection.done();
    Ok(rows
        .into_iter()
        .map(|row| (TenantId::from_uuid(row.tenant_id), ConversationId::from_uuid(row.conversation_id)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(payload: Value, edited: bool, edit: Option<&str>, revoked: bool) -> StoredMessage {
        Pending { seq: 1, payload, received_at: Utc::now(), edited, edit: edit.map(str::to_owned), revoked }
            .into()
    }

    fn text(words: &str) -> Value {
        serde_json::json!({
            "provider_message_id": "wamid.1", "sender": {"phone": "5511900000001"},
            "sent_at": "2026-11-06T14:00:00Z", "content": {"kind": "text", "text": words},
        })
    }

    #[test]
    fn an_edited_message_is_read_with_its_new_words() {
        let message = pending(text("tem 38?"), true, Some("tem 39?"), false).message;
        assert_eq!(message.content.words(), Some("tem 39?"));
    }

    #[test]
    fn a_message_taken_back_asks_for_no_answer() {
        let message = pending(text("deixa"), false, None, true).message;
        assert!(!message.content.starts_turn());
    }

    #[test]
    fn a_payload_nobody_understands_is_passed_on_raw() {
        let message =
            pending(serde_json::json!({"provider_message_id": "x", "content": 7}), false, None, false)
                .message;
        assert_eq!(message.provider_message_id, "x");
        assert!(matches!(message.content, Content::Unknown { .. }));
    }
}
