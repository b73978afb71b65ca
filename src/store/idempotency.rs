//! `Idempotency-Key` on writes: the same key gives the same answer, once.

use crate::{StoreError, TenantTx};

/// What is known of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Begin {
    /// Nobody used it: do the work, then [`finish`] in the same transaction or a later one.
    Fresh,
    /// The work was done; this was the answer.
    Replay { status: u16, body: serde_json::Value },
    /// Someone is at it right now.
    InProgress,
    /// The key was used for a different request.
    Mismatch,
}

/// Reserves a key for a request (its hash tells requests apart). Reservations lapse after a minute, answers after a
/// day; keys that begin with `webhook/` after eight, since webhooks are delivered again for a week.
pub async fn begin(tx: &mut TenantTx, key: &str, request_hash: &[u8]) -> Result<Begin, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query!(
        r#"select verdict as "verdict!", status, body from idempotency_begin($1, $2, $3)"#,
        tenant_id,
        key,
        request_hash,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(match (row.verdict.as_str(), row.status) {
        ("fresh", _) => Begin::Fresh,
        ("in_progress", _) => Begin::InProgress,
        ("mismatch", _) => Begin::Mismatch,
        ("replay", Some(status)) => Begin::Replay {
            status: u16::try_from(status)
                .map_err(|_| StoreError::Corrupt(format!("an answer with status {status}")))?,
            body: row.body.unwrap_or_default(),
        },
        (verdict, _) => return Err(StoreError::Corrupt(format!("unknown verdict `{verdict}`"))),
    })
}

/// Keeps the answer. `NotFound` when the key was never reserved.
pub async fn finish(
    tx: &mut TenantTx,
    key: &str,
    status: u16,
    body: &serde_json::Value,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let done = sqlx::query!(
        "update idempotency_key set status = $3, body = $4 where tenant_id = $1 and key = $2",
        tenant_id,
        key,
        i32::from(status),
        body,
    )
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}
