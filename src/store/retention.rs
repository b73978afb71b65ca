//! What a shop need not keep any longer, deleted in batches small enough that nobody waits for them.
//!
//! Time is the database's clock: a node whose own clock is wrong by years deletes nothing that it should not.

use std::time::Duration;

use balcao_domain::{TenantCtx, tenant::Settings};
use chrono::{DateTime, Utc};
use sqlx::postgres::types::PgInterval;
use uuid::Uuid;

use crate::{Store, StoreError};

/// Conversations whose messages are looked at in one statement.
const CONVERSATIONS: i64 = 200;

/// How a sweep goes about it.
#[derive(Debug, Clone, Copy)]
pub struct Sweep {
    /// Rows of a table that one transaction deletes at most.
    pub batch: i64,
    /// How long to rest between transactions, so that customers come first.
    pub rest: Duration,
    /// What time it is; `None` is the database's clock. Tests travel with it.
    pub now: Option<DateTime<Utc>>,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { batch: 500, rest: Duration::from_millis(20), now: None }
    }
}

/// Deletes all that the shop's settings let go, batch by batch; `tell` hears of each batch. May be dropped at any
/// moment: the next sweep goes on. Two nodes at once do not get into each other's way.
pub async fn sweep(
    store: &Store,
    ctx: &TenantCtx,
    settings: &Settings,
    how: Sweep,
    mut tell: impl FnMut(&str, u64),
) -> Result<(), StoreError> {
    while small_tables(store, ctx, settings, how, &mut tell).await? {
        tokio::time::sleep(how.rest).await;
    }
    let Some(messages) = days(settings.keep_messages_days) else { return Ok(()) };
    let mut after = Uuid::nil();
    loop {
        let mut tx = store.tenant_tx(ctx).await?;
        let page = sqlx::query!(
            r#"select last_conversation, deleted as "deleted!", marks as "marks!"
               from inbox_forget($1, $2, $3, $4, $5, $6)"#,
            ctx.tenant_id.as_uuid(),
            how.now,
            &messages as _,
            after,
            CONVERSATIONS,
            how.batch,
        )
        .fetch_one(tx.conn())
        .await?;
        tx.commit().await?;
        told(&mut tell, "inbox", page.deleted);
        told(&mut tell, "message_mark", page.marks);
        let Some(last) = page.last_conversation else { return Ok(()) };
        if page.deleted == 0 {
            after = last;
        } else {
            tokio::time::sleep(how.rest).await;
        }
    }
}

/// One batch of every table but the inbox; whether any was full, so that there may be more.
async fn small_tables(
    store: &Store,
    ctx: &TenantCtx,
    settings: &Settings,
    how: Sweep,
    tell: &mut impl FnMut(&str, u64),
) -> Result<bool, StoreError> {
    let mut tx = store.tenant_tx(ctx).await?;
    let rows = sqlx::query!(
        r#"select tab as "tab!", deleted as "deleted!" from retention_sweep($1, $2, $3, $4, $5, $6)"#,
        ctx.tenant_id.as_uuid(),
        how.now,
        days(settings.keep_messages_days) as _,
        days(settings.keep_events_days) as _,
        days(settings.keep_dead_letters_days) as _,
        how.batch,
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    for row in &rows {
        told(tell, &row.tab, row.deleted);
    }
    Ok(rows.iter().any(|row| row.deleted >= how.batch))
}

fn told(tell: &mut impl FnMut(&str, u64), table: &str, deleted: i64) {
    let deleted = u64::try_from(deleted).unwrap_or(0);
    if deleted > 0 {
        tell(table, deleted);
    }
}

fn days(days: Option<u32>) -> Option<PgInterval> {
    let days = i32::try_from(days?).unwrap_or(i32::MAX);
    Some(PgInterval { months: 0, days, microseconds: 0 })
}
