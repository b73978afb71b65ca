//! `balcao ingest`: a folder of documents becomes a shop's knowledge.

use anyhow::{Context, bail};
use balcao_domain::TenantCtx;
use balcao_retrieval::ingest::{Ingestor, Progress, Report};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    boot,
    cli::{Global, Ingest},
    output,
};

/// Reads the folder in; what could not be read is listed with its reason.
pub async fn run(global: &Global, args: Ingest) -> anyhow::Result<()> {
    let config = super::settings(global, &[])?;
    if !args.path.exists() {
        bail!("there is no file or folder `{}`", args.path.display());
    }
    let opened = boot::open(&config).await?;
    let done = ingest(&config, &opened, &args).await;
    opened.close().await;
    let report = done?;
    output::print(global.json, &report, |report| {
        println!(
            "{} documents, {} passages ({} embedded, {} unchanged)",
            report.documents, report.passages, report.embedded, report.unchanged
        );
        for failed in &report.failed {
            println!("left out: {}: {}", failed.uri, failed.reason);
        }
    })?;
    if report.documents == 0 && !report.failed.is_empty() {
        bail!("none of the files could be read");
    }
    Ok(())
}

async fn ingest(
    config: &crate::config::Config,
    opened: &boot::Opened,
    args: &Ingest,
) -> anyhow::Result<Report> {
    let tenant = opened.tenant(&args.tenant).await?;
    let assets = config.assets_dir.clone();
    let embedder = tokio::task::spawn_blocking(move || boot::embedder(&assets)).await??;
    let ingestor = Ingestor::new(opened.store.clone(), std::sync::Arc::new(embedder));
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} files, {eta} left  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let report = ingestor
        .ingest_path(&TenantCtx::system(tenant.tenant_id), &args.collection, &args.path, &|progress| {
            match progress {
                Progress::File { uri, done, total } => {
                    bar.set_length(total as u64);
                    bar.set_position(done as u64);
                    bar.set_message(uri.to_owned());
                }
                Progress::Embedded { .. } => bar.tick(),
            }
        })
        .await
        .context("failed to store the documents");
    bar.finish_and_clear();
    report
}
