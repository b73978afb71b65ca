//! `balcao eval pass-k`: how often all of k trials succeed.

use std::path::Path;

use balcao_evals::pass_k;
use serde::Serialize;

use crate::{cli::Global, output};

#[derive(Serialize)]
struct PassK {
    /// How many trials in a row.
    k: usize,
    /// The chance that all of them succeed, over the tasks.
    pass: f64,
}

/// Reads trials, prints pass^1 to pass^n.
pub fn run(global: &Global, trials: &Path) -> anyhow::Result<()> {
    let rows = pass_k::read(trials)?;
    let values: Vec<PassK> =
        pass_k::pass_hat_k(&rows).into_iter().zip(1..).map(|(pass, k)| PassK { k, pass }).collect();
    output::print(global.json, &values, |values| {
        output::table(
            ["k", "pass^k"],
            values.iter().map(|value| [value.k.to_string(), format!("{:.3}", value.pass)]),
        );
    })
}
