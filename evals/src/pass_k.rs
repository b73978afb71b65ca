//! pass^k: how often an agent solves a task every time out of k.
//!
//! Source: Yao et al., "τ-bench: A Benchmark for Tool-Agent-User Interaction in Real-World Domains" (2024).
//! A task tried n times with c successes has the unbiased estimate C(c, k) / C(n, k) of solving it k times in
//! a row; pass^k is the mean of that over the tasks. pass^1 is the mean success rate.
//!
//! The rows come as JSONL, one trial a line: `{"task_id": 0, "trial": 0, "reward": 1.0}`. `task` is accepted
//! for `task_id`, and a task's id may be a number or a string.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use crate::retrieval::ReadError;
use crate::retrieval::{each_line, json};

/// Rewards are sums of floats in some benches: this far below 1 still counts as solved, as in τ-bench.
const TOLERANCE: f64 = 1e-6;

/// One trial of one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// The task's id.
    pub task: String,
    /// Which attempt at the task this was.
    pub trial: u64,
    /// From 0 to 1; 1 is solved.
    pub reward: f64,
}

impl Trial {
    /// Whether the trial solved its task: a reward of at least 1 − 10⁻⁶.
    #[must_use]
    pub fn solved(&self) -> bool {
        self.reward >= 1.0 - TOLERANCE
    }
}

/// Reads trials from a JSONL file.
///
/// # Errors
/// The file cannot be read, a line is not such a row, or a trial of a task occurs twice; with file and line.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Trial>, ReadError> {
    let path = path.as_ref();
    let mut rows = Vec::new();
    let mut seen = BTreeSet::new();
    each_line(path, |line, text| {
        let row: Row = json(path, line, text)?;
        let task = row.task.into_text();
        if !seen.insert((task.clone(), row.trial)) {
            let problem = format!("trial `{}` of task `{task}` is there twice", row.trial);
            return Err(ReadError::line(path, line, problem));
        }
        rows.push(Trial { task, trial: row.trial, reward: row.reward });
        Ok(())
    })?;
    Ok(rows)
}

/// pass^1, pass^2, … pass^n, where n is the number of trials of the task that was tried least often.
///
/// Each task counts with its own number of trials. Without rows there is nothing to say: an empty list.
#[must_use]
pub fn pass_hat_k(rows: &[Trial]) -> Vec<f64> {
    let mut tasks: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for row in rows {
        let (tried, solved) = tasks.entry(&row.task).or_default();
        *tried += 1;
        *solved += u32::from(row.solved());
    }
    let most = tasks.values().map(|(tried, _)| *tried).min().unwrap_or(0);
    (1..=most)
        .map(|k| {
            let sum: f64 = tasks.values().map(|(tried, solved)| all_solved(*tried, *solved, k)).sum();
            sum / tasks.len() as f64
        })
        .collect()
}

/// C(solved, k) / C(tried, k), as a product so that no factorial overflows.
fn all_solved(tried: u32, solved: u32, k: u32) -> f64 {
    if solved < k {
        return 0.0;
    }
    (0..k).map(|i| f64::from(solved - i) / f64::from(tried - i)).product()
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "task_id", alias = "task")]
    task: TaskId,
    trial: u64,
    reward: f64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TaskId {
    Number(u64),
    Text(String),
}

impl TaskId {
    fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

#[cfg(test)]
mod tests;
