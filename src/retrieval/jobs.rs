//! Ingestion as rows: a worker claims a job, runs it to its end, and leaves what it did on the row.
//!
//! A job may be run twice (its worker died): the files that are in already are recognised by their content and
//! skipped, so the second run carries on where the first one stopped. While a job runs, its lease is renewed; a
//! worker that lost it stops.

use std::{path::PathBuf, time::Duration};

use balcao_domain::{JobId, TenantCtx};
use balcao_store::{Store, StoreError, knowledge};
use serde::{Deserialize, Serialize};

use crate::ingest::{Failed, Ingestor, MediaType, NewDocument, Report, load};

/// How long a worker may be silent before its job passes on, and how often it speaks.
const LEASE: Duration = Duration::from_secs(60);
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// Workers that may try a job before it is given up.
const ATTEMPTS: i32 = 3;

/// What a job ingests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Task {
    /// A file or folder that every worker can reach.
    Path {
        /// The group its documents are in.
        collection: String,
        /// Where it lies.
        path: PathBuf,
    },
    /// One document whose bytes came with the job.
    Upload {
        /// The group it is in.
        collection: String,
        /// Where it comes from.
        uri: String,
        /// Its title, if it was given one.
        title: Option<String>,
        /// What it is written in, if that was said.
        media_type: Option<MediaType>,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The job is done; the report is on its row too.
    Done(Report),
    /// The job cannot be done; its row says why.
    Failed(String),
    /// Another worker has it.
    Lost,
}

/// Queues a document whose bytes are at hand.
pub async fn enqueue_upload(store: &Store, ctx: &TenantCtx, new: NewDocument) -> Result<JobId, StoreError> {
    let NewDocument { collection, uri, title, bytes, media_type } = new;
    let task = Task::Upload { collection, uri, title, media_type };
    enqueue(store, ctx, &task, Some(&bytes)).await
}

/// Queues a file or folder.
pub async fn enqueue_path(
    store: &Store,
    ctx: &TenantCtx,
    collection: &str,
    path: PathBuf,
) -> Result<JobId, StoreError> {
    enqueue(store, ctx, &Task::Path { collection: collection.to_owned(), path }, None).await
}

async fn enqueue(
    store: &Store,
    ctx: &TenantCtx,
    task: &Task,
    payload: Option<&[u8]>,
) -> Result<JobId, StoreError> {
    let task = serde_json::to_value(task).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let mut tx = store.tenant_tx(ctx).await?;
    let id = knowledge::jobs::enqueue(&mut tx, &task, payload).await?;
    tx.commit().await?;
    Ok(id)
}

/// Takes the oldest free job of any shop for `worker`, a name unique among all workers of all nodes.
pub async fn claim_job(store: &Store, worker: &str) -> Result<Option<(TenantCtx, JobId)>, StoreError> {
    let claimed = knowledge::jobs::claim(store, worker, LEASE, ATTEMPTS).await?;
    Ok(claimed.map(|(tenant_id, job_id)| (TenantCtx::system(tenant_id), job_id)))
}

/// Runs a claimed job to its end. An error means that the database is away: the lease runs out and the job is
/// claimed again.
pub async fn run_job(
    ingestor: &Ingestor,
    ctx: &TenantCtx,
    job_id: JobId,
    worker: &str,
) -> Result<Ended, StoreError> {
    let run = Run { ingestor, ctx, job_id, worker };
    tokio::select! {
        ended = run.work() => ended,
        lost = run.keep() => lost,
    }
}

struct Run<'a> {
    ingestor: &'a Ingestor,
    ctx: &'a TenantCtx,
    job_id: JobId,
    worker: &'a str,
}

impl Run<'_> {
    async fn work(&self) -> Result<Ended, StoreError> {
        let mut tx = self.ingestor.store().tenant_tx(self.ctx).await?;
        let job = knowledge::jobs::get(&mut tx, self.job_id).await?;
        let payload = knowledge::jobs::payload(&mut tx, self.job_id).await?;
        tx.commit().await?;
        let (report, error) = match (serde_json::from_value(job.task), payload) {
            (Ok(Task::Path { collection, path }), _) => match self.path(&collection, &path).await? {
                Some(report) => (report, None),
                None => return Ok(Ended::Lost),
            },
            (Ok(Task::Upload { collection, uri, title, media_type }), Some(bytes)) => {
                let new = NewDocument { collection, uri, title, bytes, media_type };
                (self.ingestor.ingest_document(self.ctx, new, &|_| {}).await?, None)
            }
            (Ok(Task::Upload { .. }), None) => {
                (Report::default(), Some("the upload's bytes are gone".to_owned()))
            }
            (Err(error), _) => (Report::default(), Some(format!("the task cannot be read: {error}"))),
        };
        // Nothing taken in and something refused: for whoever sent it, that is a failure.
        let refused = report.failed.first().filter(|_| report.documents == 0);
        let error = error.or_else(|| refused.map(|Failed { uri, reason }| format!("{uri}: {reason}")));
        self.finish(report, error).await
    }

    /// File by file, so that the row shows how far it is. `None` when the lease is lost.
    async fn path(&self, collection: &str, path: &std::path::Path) -> Result<Option<Report>, StoreError> {
        let (files, failed) = load::files_at(path);
        let mut report = Report::default();
        report.failed.extend(failed.into_iter().map(|(uri, why)| Failed { uri, reason: why.to_string() }));
        let total = i32::try_from(files.len()).unwrap_or(i32::MAX);
        for (done, file) in (0..).zip(&files) {
            if !self.renew(Some((done, total))).await? {
                return Ok(None);
            }
            report.add(self.ingestor.ingest_file(self.ctx, collection, file, &|_| {}).await?);
        }
        Ok(self.renew(Some((total, total))).await?.then_some(report))
    }

    async fn finish(&self, report: Report, error: Option<String>) -> Result<Ended, StoreError> {
        let shown = serde_json::to_value(&report).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let mut tx = self.ingestor.store().tenant_tx(self.ctx).await?;
        let ours =
            knowledge::jobs::finish(&mut tx, self.job_id, self.worker, &shown, error.as_deref()).await?;
        tx.commit().await?;
        Ok(match error {
            _ if !ours => Ended::Lost,
            Some(error) => Ended::Failed(error),
            None => Ended::Done(report),
        })
    }

    /// Ends only when the lease is lost, or may be.
    async fn keep(&self) -> Result<Ended, StoreError> {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            if !self.renew(None).await? {
                return Ok(Ended::Lost);
            }
        }
    }

    async fn renew(&self, files: Option<(i32, i32)>) -> Result<bool, StoreError> {
        knowledge::jobs::progress(self.ingestor.store(), self.ctx, self.job_id, self.worker, LEASE, files)
            .await
    }
}
