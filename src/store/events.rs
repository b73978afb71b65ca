//! What happened, for those who listen: hand-offs, opt-outs, account alerts, dead letters.

use balcao_domain::{ConversationId, EventId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

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
    tx: &mut TenantTx,
    kind: &str,
    conversation: Option<ConversationId>,
    data: &serde_json::Value,
) -> Result<EventId, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let id = sqlx::query_scalar!(
        r#"select event_push($1, $2, $3, $4) as "event_id!""#,
        tenant_id,
        kind,
        conversation.map(|id| id.as_uuid()),
        data,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(EventId::from_uuid(id))
}

/// Oldest first, after `cursor`. Events of transactions still running hold back those after them, so that a reader
/// who goes on from `next_cursor` misses none. The cursor of a full or partly full page goes on from its last event.
pub async fn list(tx: &mut TenantTx, cursor: Option<&str>, limit: i64) -> Result<Page<Event>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let (after_xid, after_id) = match cursor {
        None => ("0".to_owned(), Uuid::nil()),
        Some(cursor) => parse_cursor(cursor).ok_or(StoreError::NotFound)?,
    };
    let rows = sqlx::query!(
        r#"select event_id, xid::text as "xid!", kind, conversation_id, data, created_at
           from event
           where tenant_id = $1
             and (xid, event_id) > ($2::text::xid8, $3::uuid)
             and xid < pg_snapshot_xmin(pg_current_snapshot())
           order by xid, event_id
           limit $4"#,
        tenant_id,
        after_xid,
        after_id,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let next_cursor = rows.last().map(|row| format!("{}-{}", row.xid, row.event_id.simple()));
    let items = rows
        .into_iter()
        .map(|row| Event {
            event_id: EventId::from_uuid(row.event_id),
            kind: row.kind,
            conversation_id: row.conversation_id.map(ConversationId::from_uuid),
            data: row.data,
            created_at: row.created_at,
        })
        .collect();
    Ok(Page { items, next_cursor })
}

fn parse_cursor(cursor: &str) -> Option<(String, Uuid)> {
    let (xid, id) = cursor.split_once('-')?;
    Some((xid.parse::<u64>().ok()?.to_string(), Uuid::try_parse(id).ok()?))
}
