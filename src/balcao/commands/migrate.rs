//! `balcao migrate`: the database's schema, brought up to date.

use anyhow::Context;
use balcao_store::migrate;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::{boot, cli::Global, output};

/// Applies what is missing, or lists it.
pub async fn run(global: &Global, dry_run: bool) -> anyhow::Result<()> {
    let config = super::settings(global, &[])?;
    if dry_run {
        let Some(url) = &config.database.url else {
            anyhow::bail!(
                "--dry-run needs DATABASE_URL: the embedded database is migrated whenever it starts"
            );
        };
        let pending = migrate::pending(url.expose_secret()).await.context("failed to read the database")?;
        return output::print(global.json, &json!({ "pending": pending }), |_| match pending.as_slice() {
            [] => println!("the schema is up to date"),
            pending => pending.iter().for_each(|name| println!("to apply: {name}")),
        });
    }
    // Opening migrates and checks; a second run then has nothing to do.
    let opened = boot::open(&config).await?;
    let report = migrate::migrate(&opened.admin_url).await.context("failed to migrate");
    opened.close().await;
    let report = report?;
    output::print(global.json, &report, |report| {
        println!(
            "the schema is up to date: {} migrations, Postgres {}, pgvector {}",
            report.already + report.applied.len(),
            report.postgres,
            report.pgvector
        );
    })
}
