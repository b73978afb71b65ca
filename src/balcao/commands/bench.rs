//! `balcao bench`: the figures of the README.
//!
//! Every measurement runs on parts as they serve: a Postgres of its own in a temporary folder (fsync on), the real
//! server, the real engine; what is replaced by a stand-in is said beside the figure.

mod catalogue;
mod conversations;
mod embedding;
mod ground;
mod load;
mod ordered;
mod orders;
mod pgbench;
mod turn;
mod webhooks;

use std::time::Duration;

use serde::Serialize;

use crate::{
    cli::{Bench, Global},
    output,
};

/// One measured figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The number, as measured.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
}

fn figure(what: impl Into<String>, value: f64, unit: &'static str) -> Figure {
    Figure { what: what.into(), value, unit }
}

/// Measures, and prints a table or JSON.
pub async fn run(global: &Global, command: Bench) -> anyhow::Result<()> {
    let config = super::settings(global, &[])?;
    let seconds = |time: &crate::cli::BenchTime| Duration::from_secs(time.seconds.clamp(1, 600));
    let figures = match command {
        Bench::Webhooks(time) => webhooks::measure(&config, seconds(&time)).await?,
        Bench::Ordered(_) => ordered::measure(&config).await?,
        Bench::Conversations(args) => conversations::measure(&config, &args).await?,
        Bench::Turn(time) => turn::measure(&config, seconds(&time)).await?,
        Bench::Catalogue(args) => catalogue::measure(&config, &args).await?,
        Bench::Orders(time) => orders::measure(&config, seconds(&time)).await?,
        Bench::Embedding => embedding::measure(&config).await?,
        Bench::All(time) => {
            let mut all = embedding::measure(&config).await?;
            all.extend(turn::measure(&config, seconds(&time)).await?);
            all.extend(ordered::measure(&config).await?);
            all.extend(webhooks::measure(&config, seconds(&time)).await?);
            all.extend(orders::measure(&config, seconds(&time)).await?);
            let args =
                crate::cli::BenchCatalogue { products: 100_000, fixtures: None, seconds: time.seconds };
            all.extend(catalogue::measure(&config, &args).await?);
            let args = crate::cli::BenchConversations { conversations: 10_000, rate: 200, seconds: 60 };
            all.extend(conversations::measure(&config, &args).await?);
            all
        }
    };
    output::print(global.json, &figures, |figures| {
        output::table(
            ["measured", "value", "unit"],
            figures.iter().map(|f| [f.what.clone(), pretty(f.value), f.unit.into()]),
        );
        println!("on {}", machine());
    })
}

fn pretty(value: f64) -> String {
    match value {
        v if v >= 1_000.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.3}"),
    }
}

/// What it was measured on, for the line under a table.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": an unknown processor");
    format!("{cores} cores of {}", name.trim_start_matches([' ', '\t', ':']))
}

/// This process's memory, in MB.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kb = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    kb.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap_or(0.0) / 1024.0
}
