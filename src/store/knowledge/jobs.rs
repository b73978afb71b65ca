//! Ingestion jobs: rows that a worker takes, carries on with after a crash, and reports on.

use std::time::Duration;

use balcao_domain::{JobId, TenantCtx, TenantId};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Store, StoreError, TenantTx};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Queued,
    Running,
    Done,
    /// Given up; `error` says why.
    Failed,
}

impl JobState {
    /// The word used in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    fn parse(word: &str) -> Result<Self, StoreError> {
        [Self::Queued, Self::Running, Self::Done, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| StoreError::Corrupt(format!("job state `{word}`")))
    }
}

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Job {
    pub job_id: JobId,
    pub state: JobState,
    /// What to ingest.
    pub task: serde_json::Value,
    pub files_total: i32,
    pub files_done: i32,
    /// What was done so far.
    pub report: Option<serde_json::Value>,
    pub error: Option<String>,
    pub attempts: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Queues a job; `payload` are the bytes of an upload.
pub async fn enqueue(
    tx: &mut TenantTx,
    task: &serde_json::Value,
    payload: Option<&[u8]>,
) -> Result<JobId, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let job_id = JobId::generate();
    sqlx::query!(
        "insert into ingestion_job (tenant_id, job_id, task, payload) values ($1, $2, $3, $4)",
        tenant_id,
        job_id.as_uuid(),
        task,
        payload,
    )
    .execute(tx.conn())
    .await?;
    Ok(job_id)
}

/// One job.
pub async fn get(tx: &mut TenantTx, id: JobId) -> Result<Job, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query!(
        r#"
        select job_id, state, task, files_total, files_done, report, error, attempts, created_at, updated_at
        from ingestion_job
        where tenant_id = $1
          and job_id = $2
        "#,
        tenant_id,
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(StoreError::NotFound)?;
    Ok(Job {
        job_id: JobId::from_uuid(row.job_id),
        state: JobState::parse(&row.state)?,
        task: row.task,
        files_total: row.files_total,
        files_done: row.files_done,
        report: row.report,
        error: row.error,
        attempts: row.attempts,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// The bytes a job was given.
pub async fn payload(tx: &mut TenantTx, id: JobId) -> Result<Option<Vec<u8>>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query_scalar!(
        "select payload from ingestion_job where tenant_id = $1 and job_id = $2",
        tenant_id,
        id.as_uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(StoreError::NotFound)
}

/// Takes the oldest free job of any shop, for `lease`; a job whose worker went silent is free again, until
/// `attempts` workers have tried.
pub async fn claim(
    store: &Store,
    worker: &str,
    lease: Duration,
    attempts: i32,
) -> Result<Option<(TenantId, JobId)>, StoreError> {
    let mut conn = store.lease().await?;
    let row = sqlx::query!(
        r#"select tenant_id as "tenant_id!", job_id as "job_id!" from ingestion_job_claim($1, $2, $3)"#,
        worker,
        millis(lease),
        attempts,
    )
    .fetch_optional(&mut *conn)
    .await
    .map_err(StoreError::around_commit)?;
    conn.done();
    Ok(row.map(|row| (TenantId::from_uuid(row.tenant_id), JobId::from_uuid(row.job_id))))
}

/// Notes how far a job is, and keeps it for another `lease`. `false`: it is somebody else's by now; stop.
pub async fn progress(
    store: &Store,
    ctx: &TenantCtx,
    id: JobId,
    worker: &str,
    lease: Duration,
    files: Option<(i32, i32)>,
) -> Result<bool, StoreError> {
    let mut tx = store.tenant_tx(ctx).await?;
    let tenant_id = tx.tenant_id().as_uuid();
    let (done, total) = files.unzip();
    let kept = sqlx::query!(
        r#"
        update ingestion_job
        set files_done = coalesce($4, files_done),
            files_total = coalesce($5, files_total),
            lease_until = clock_timestamp() + $6 * interval '1 millisecond',
            updated_at = clock_timestamp()
        where tenant_id = $1
          and job_id = $2
          and state = 'running'
          and lease_owner = $3
        "#,
        tenant_id,
        id.as_uuid(),
        worker,
        done,
        total,
        millis(lease) as f64,
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(kept.rows_affected() == 1)
}

/// Ends a job, with what it did; or, with an error, gives it up. `false`: it is somebody else's by now.
pub async fn finish(
    tx: &mut TenantTx,
    id: JobId,
    worker: &str,
    report: &serde_json::Value,
    error: Option<&str>,
) -> Result<bool, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let state = if error.is_some() { JobState::Failed } else { JobState::Done };
    let ended = sqlx::query!(
        r#"
        update ingestion_job
        set state = $4,
            report = $5,
            error = $6,
            payload = null,
            lease_owner = null,
            lease_until = null,
            updated_at = clock_timestamp()
        where tenant_id = $1
          and job_id = $2
          and state = 'running'
          and lease_owner = $3
        "#,
        tenant_id,
        id.as_uuid(),
        worker,
        state.as_str(),
        report,
        error,
    )
    .execute(tx.conn())
    .await?;
    Ok(ended.rows_affected() == 1)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
