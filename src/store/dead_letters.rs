//! What was set aside for a person to look at, with everything needed to try again.

use balcao_domain::{ConversationId, DeadLetterId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

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

/// Sets something aside, and pushes an event. What [`replay`] needs must be in the evidence: `outbox_id` of a `send`,
/// `first_seq` and `last_seq` of a `turn`.
pub async fn push(
    tx: &mut TenantTx,
    kind: &str,
    conversation: Option<ConversationId>,
    reason: &str,
    evidence: &serde_json::Value,
) -> Result<DeadLetterId, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let id = sqlx::query_scalar!(
        r#"select dead_letter_push($1, $2, $3, $4, $5) as "dead_letter_id!""#,
        tenant_id,
        kind,
        conversation.map(|id| id.as_uuid()),
        reason,
        evidence,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(DeadLetterId::from_uuid(id))
}

/// Newest first.
pub async fn list(
    tx: &mut TenantTx,
    include_resolved: bool,
    cursor: Option<&str>,
    limit: i64,
) -> Result<Page<DeadLetter>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let before = match cursor {
        None => Uuid::max(),
        Some(cursor) => cursor.parse::<DeadLetterId>().map_err(|_| StoreError::NotFound)?.as_uuid(),
    };
    let rows = sqlx::query_as!(
        Row,
        "select dead_letter_id, kind, conversation_id, reason, evidence, created_at, resolved_at
         from dead_letter
         where tenant_id = $1 and dead_letter_id < $2 and ($3 or resolved_at is null)
         order by dead_letter_id desc
         limit $4",
        tenant_id,
        before,
        include_resolved,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let items: Vec<DeadLetter> = rows.into_iter().map(DeadLetter::from).collect();
    let full = i64::try_from(items.len()).is_ok_and(|len| len == limit);
    let next_cursor = items.last().filter(|_| full).map(|letter| letter.dead_letter_id.to_string());
    Ok(Page { items, next_cursor })
}

/// One.
pub async fn get(tx: &mut TenantTx, id: DeadLetterId) -> Result<DeadLetter, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query_as!(
        Row,
        "select dead_letter_id, kind, conversation_id, reason, evidence, created_at, resolved_at
         from dead_letter where tenant_id = $1 and dead_letter_id = $2",
        tenant_id,
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(row.into())
}

/// Done with it.
pub async fn resolve(tx: &mut TenantTx, id: DeadLetterId) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let done = sqlx::query!(
        "update dead_letter set resolved_at = coalesce(resolved_at, now())
         where tenant_id = $1 and dead_letter_id = $2",
        tenant_id,
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

/// Tries again: a send is queued anew, a turn's messages become pending again (as copies at the end of the
/// conversation, so that nothing that came after them is answered twice). Resolves the letter.
///
/// `Conflict` on `dead_letter_resolved`; on `dead_letter_replayable` for kinds that cannot be tried again; on
/// `dead_letter_message_kept` when retention has deleted what it was about.
pub async fn replay(tx: &mut TenantTx, id: DeadLetterId) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let verdict =
        sqlx::query_scalar!(r#"select dead_letter_replay($1, $2) as "verdict!""#, tenant_id, id.as_uuid())
            .fetch_one(tx.conn())
            .await?;
    match verdict.as_str() {
        "replayed" => Ok(()),
        "not_found" => Err(StoreError::NotFound),
        "resolved" => Err(StoreError::Conflict { constraint: "dead_letter_resolved".into() }),
        "gone" => Err(StoreError::Conflict { constraint: "dead_letter_message_kept".into() }),
        _ => Err(StoreError::Conflict { constraint: "dead_letter_replayable".into() }),
    }
}

struct Row {
    dead_letter_id: Uuid,
    kind: String,
    conversation_id: Option<Uuid>,
    reason: String,
    evidence: serde_json::Value,
    created_at: DateTime<Utc>,
    resolved_at: Option<DateTime<Utc>>,
}

impl From<Row> for DeadLetter {
    fn from(row: Row) -> Self {
        Self {
            dead_letter_id: DeadLetterId::from_uuid(row.dead_letter_id),
            kind: row.kind,
            conversation_id: row.conversation_id.map(ConversationId::from_uuid),
            reason: row.reason,
            evidence: row.evidence,
            created_at: row.created_at,
            resolved_at: row.resolved_at,
        }
    }
}
