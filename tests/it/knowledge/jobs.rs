//! Ingestion as rows that outlive their workers.

use std::time::Duration;

use balcao_retrieval::{NewDocument, jobs};
use balcao_store::{StoreError, knowledge};

use super::world::{DELIVERY, RETURNS, World};

#[tokio::test]
async fn a_job_is_run_to_its_end_and_its_row_says_what_was_done() {
    let world = World::new().await;
    let store = &world.store;
    let new = NewDocument {
        collection: "default".into(),
        uri: "trocas.md".into(),
        title: None,
        bytes: RETURNS.as_bytes().to_vec(),
        media_type: None,
    };
    let queued = jobs::enqueue_upload(store, &world.aurora, new).await.expect("queued");
    let (ctx, job_id) = jobs::claim_job(store, "w1").await.expect("a query").expect("a job");
    assert_eq!((ctx.tenant_id, job_id), (world.aurora.tenant_id, queued));
    assert_eq!(jobs::claim_job(store, "w2").await.expect("a query"), None, "it is taken");

    // Somebody who does not hold it changes nothing.
    let lost = jobs::run_job(&world.ingestor, &ctx, job_id, "w2").await.expect("a run");
    assert_eq!(lost, jobs::Ended::Lost);
    let ended = jobs::run_job(&world.ingestor, &ctx, job_id, "w1").await.expect("a run");
    assert!(matches!(ended, jobs::Ended::Done(report) if report.passages == 2 && report.failed.is_empty()));

    let mut tx = store.tenant_tx(&world.aurora).await.expect("a transaction");
    let job = knowledge::jobs::get(&mut tx, job_id).await.expect("the row");
    assert_eq!((job.state, job.attempts), (knowledge::JobState::Done, 1));
    assert_eq!(job.report.expect("a report")["passages"], 2);
    assert_eq!(
        knowledge::jobs::payload(&mut tx, job_id).await.expect("a query"),
        None,
        "the bytes are let go"
    );
    tx.commit().await.expect("a commit");
    let mut tx = store.tenant_tx(&world.harbour).await.expect("a transaction");
    assert!(matches!(knowledge::jobs::get(&mut tx, job_id).await, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn a_job_whose_worker_died_is_carried_on_without_double_work_and_given_up_in_the_end() {
    let world = World::new().await;
    let store = &world.store;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("entrega.md"), DELIVERY).expect("a file");
    std::fs::write(folder.path().join("trocas.md"), RETURNS).expect("a file");
    let queue = async || {
        jobs::enqueue_path(store, &world.aurora, "default", folder.path().to_owned()).await.expect("queued")
    };
    let job = queue().await;
    // The first worker gets through one file and is never heard of again; its lease has run out at once.
    let claim = async |worker| {
        knowledge::jobs::claim(store, worker, Duration::ZERO, 2).await.expect("a query").map(|(_, job)| job)
    };
    assert_eq!(claim("w1").await, Some(job));
    world.put(&world.aurora, "entrega.md", DELIVERY).await;
    world.embedded();

    assert_eq!(claim("w2").await, Some(job), "the lease ran out");
    let ended = jobs::run_job(&world.ingestor, &world.aurora, job, "w2").await.expect("a run");
    assert!(matches!(ended, jobs::Ended::Done(report) if report.documents == 2 && report.unchanged == 2));
    assert_eq!(world.embedded(), 2, "only the second file");

    let doomed = queue().await;
    assert_eq!((claim("w1").await, claim("w2").await, claim("w3").await), (Some(doomed), Some(doomed), None));
    let mut tx = store.tenant_tx(&world.aurora).await.expect("a transaction");
    let row = knowledge::jobs::get(&mut tx, doomed).await.expect("the row");
    assert_eq!((row.state, row.attempts), (knowledge::JobState::Failed, 2));
}
