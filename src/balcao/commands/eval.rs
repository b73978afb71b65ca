//! `balcao eval`: the engine that serves customers, scored offline.
//!
//! The crate `balcao-evals` has the metrics, data sets and runners and knows no SQL; here the real engine is plugged
//! into it. Nothing touches the shops' database: a data set is read into a database of its own under the data folder,
//! and stays there, so that the second run embeds nothing.

mod pass_k;
mod retrieval;
mod tau_retail;

use crate::cli::{Eval, Global};

/// Carries out one suite.
pub async fn run(global: &Global, command: Eval) -> anyhow::Result<()> {
    match command {
        Eval::Retrieval(args) => retrieval::run(global, args).await,
        Eval::PassK { trials } => pass_k::run(global, &trials),
        Eval::TauRetail { data, dump } => tau_retail::run(global, &data, dump.as_deref()),
    }
}
