//! `balcao eval`: the engine that serves customers, scored offline.
//!
//! The crate `balcao-evals` has the metrics, data sets and runners and knows no SQL; here the real engine is plugged
//! into it. Nothing touches the shops' database: a data set is read into a database of its own under the data folder,
//! and stays there, so that the second run embeds nothing.

mod answers;
mod dialogues;
mod golden;
mod outage;
mod pass_k;
mod retrieval;
mod runs;
mod scope;
mod tau_retail;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::{Eval, Global};

/// Carries out one suite.
pub async fn run(global: &Global, command: Eval) -> anyhow::Result<()> {
    match command {
        Eval::Retrieval(args) => retrieval::run(global, args).await,
        Eval::Answers(args) => answers::run(global, args).await,
        Eval::Dialogues(args) => dialogues::run(global, args).await,
        Eval::Scope(args) => scope::run(global, args).await,
        Eval::Outage(args) => outage::run(global, args).await,
        Eval::List => runs::list(global),
        Eval::Show { run, split } => runs::show(global, &run, split.as_deref()),
        Eval::Compare(args) => runs::compare_two(global, &args),
        Eval::Gate(args) => runs::gate_run(global, &args),
        Eval::Report(args) => runs::write_report(global, &args),
        Eval::PassK { trials } => pass_k::run(global, &trials),
        Eval::TauRetail { data, dump } => tau_retail::run(global, &data, dump.as_deref()),
    }
}

/// A bar for so many of something.
fn bar(length: usize, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:10} {bar:30} {pos}/{len}, {per_sec}, {eta} left");
    ProgressBar::new(length as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(what.to_owned())
}
