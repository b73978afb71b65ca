//! `balcao eval tau-retail`: the reference actions of τ-retail through our commerce operations.

use std::path::Path;

use anyhow::bail;
use balcao_evals::tau_retail;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{cli::Global, output};

/// Replays every task from a fresh copy of the data; fails when one does not end as it must.
pub fn run(global: &Global, data: &Path, dump: Option<&Path>) -> anyhow::Result<()> {
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} tasks, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let report = tau_retail::run(data, dump, &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let report = report?;
    output::print(global.json, &report, |report| {
        println!("{} of {} tasks pass", report.passed, report.tasks)
    })?;
    if report.passed < report.tasks {
        bail!("{} tasks do not end in the state their actions require", report.tasks - report.passed);
    }
    Ok(())
}
