//! The comparison of providers' books with ours: when it is due, what it found.

use std::time::Duration;

use balcao_domain::{PaymentAccountId, ReconciliationId, TenantId};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Store, StoreError, TenantTx, milliseconds};

/// One comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Reconciliation {
    pub reconciliation_id: ReconciliationId,
    pub account_id: PaymentAccountId,
    pub provider: String,
    /// The window that the provider was asked about, where it has a list.
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    #[serde(flatten)]
    pub found: Found,
    pub error: Option<String>,
}

/// What a comparison found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Movements and states it told.
    pub told: i64,
    /// Of them, movements of money that we had not heard of.
    pub missed: i64,
    /// Of those, of no charge of ours.
    pub unmatched: i64,
}

/// Accounts of any shop whose books are to be compared, longest due first.
pub async fn due(store: &Store, limit: i32) -> Result<Vec<(TenantId, PaymentAccountId)>, StoreError> {
    let mut lease = store.lease().await?;
    let rows = sqlx::query!(
        r#"select tenant_id as "tenant_id!", account_id as "account_id!" from payment_account_due($1)"#,
        limit
    )
    .fetch_all(&mut *lease)
    .await?;
    lease.done();
    let id = |row: (uuid::Uuid, uuid::Uuid)| (TenantId::from_uuid(row.0), PaymentAccountId::from_uuid(row.1));
    Ok(rows.into_iter().map(|row| id((row.tenant_id, row.account_id))).collect())
}

/// Claims the next comparison of an account: the one after it is due in so long. Returns since when its books were
/// compared over at least `days` days, for each of the given spans; nothing where it is not due.
pub async fn take(
    tx: &mut TenantTx,
    account: PaymentAccountId,
    next: Duration,
) -> Result<Option<LastRuns>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let taken = sqlx::query!(
        "update payment_account set reconcile_due_at = clock_timestamp() + $3 * interval '1 millisecond'
         where tenant_id = $1 and account_id = $2 and reconcile_due_at <= clock_timestamp()",
        tenant_id,
        account.as_uuid(),
        milliseconds(next) as f64,
    )
    .execute(tx.conn())
    .await?;
    if taken.rows_affected() == 0 {
        return Ok(None);
    }
    let row = sqlx::query!(
        "select max(started_at) filter (where until - since >= interval '2 days') as days,
                max(started_at) filter (where until - since >= interval '60 days') as months
         from reconciliation
         where tenant_id = $1 and account_id = $2 and finished_at is not null and error is null",
        tenant_id,
        account.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Some(LastRuns { days: row.days, months: row.months }))
}

/// When longer windows were last compared without an error.
#[derive(Debug, Clone, Copy, Default)]
pub struct LastRuns {
    /// Some days.
    pub days: Option<DateTime<Utc>>,
    /// Some months.
    pub months: Option<DateTime<Utc>>,
}

/// Which of these keys of movements are in the books.
pub async fn known(tx: &mut TenantTx, keys: &[String]) -> Result<Vec<String>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    Ok(sqlx::query_scalar!(
        "select key from payment_fact where tenant_id = $1 and key = any($2)",
        tenant_id,
        keys,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Writes down a comparison.
pub async fn record(
    tx: &mut TenantTx,
    account: PaymentAccountId,
    window: Option<(DateTime<Utc>, DateTime<Utc>)>,
    started_at: DateTime<Utc>,
    result: Result<Found, String>,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let (found, error) = match result {
        Ok(found) => (found, None),
        Err(error) => (Found::default(), Some(error)),
    };
    sqlx::query!(
        "insert into reconciliation (tenant_id, reconciliation_id, account_id, since, until, started_at, finished_at,
                                     told, missed, unmatched, error)
         values ($1, $2, $3, $4, $5, $6, clock_timestamp(), $7, $8, $9, $10)",
        tenant_id,
        ReconciliationId::generate().as_uuid(),
        account.as_uuid(),
        window.map(|window| window.0),
        window.map(|window| window.1),
        started_at,
        found.told,
        found.missed,
        found.unmatched,
        error,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The shop's last comparisons, newest first.
pub async fn list(tx: &mut TenantTx, limit: i64) -> Result<Vec<Reconciliation>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query!(
        "select r.reconciliation_id, r.account_id, a.provider, r.since, r.until, r.started_at, r.finished_at, r.told,
                r.missed, r.unmatched, r.error
         from reconciliation r
         join payment_account a on a.tenant_id = r.tenant_id and a.account_id = r.account_id
         where r.tenant_id = $1 order by r.started_at desc limit $2",
        tenant_id,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Reconciliation {
            reconciliation_id: ReconciliationId::from_uuid(row.reconciliation_id),
            account_id: PaymentAccountId::from_uuid(row.account_id),
            provider: row.provider,
            since: row.since,
            until: row.until,
            started_at: row.started_at,
            finished_at: row.finished_at,
            found: Found { told: row.told, missed: row.missed, unmatched: row.unmatched },
            error: row.error,
        })
        .collect())
}

/// Compares at the next chance rather than at the next time; asks about every charge of the account that is asked about at
/// all, too, since not every provider has a list.
pub async fn hurry(tx: &mut TenantTx, account: PaymentAccountId) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update payment set check_due_at = clock_timestamp()
         where tenant_id = $1 and account_id = $2 and check_due_at is not null",
        tenant_id,
        account.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "update payment_account set reconcile_due_at = clock_timestamp()
         where tenant_id = $1 and account_id = $2 and calls",
        tenant_id,
        account.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
