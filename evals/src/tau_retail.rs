//! The τ-retail functional test: the reference actions of τ²-bench's retail tasks, replayed on our commerce rules.
//!
//! `db.json` and `tasks.json` are those of sierra-research/tau2-bench (MIT). Each task starts from a fresh copy of the
//! shop; an action the rules refuse changes nothing and the replay goes on, as in the source. The final states are
//! dumped in the source's form, to be compared with those of the source's own tools.
//!
//! A task passes when every reference action is a call our tools understand (a refusal by the shop's rules is an
//! answer, an unknown tool or argument is not) and a second replay ends in the same state. What an agent must have
//! *said* is no part of a replay.
//!
//! What lives here: [`source`] (the form), [`read`] and [`write`] (to the domain and back), [`desk`] (the tools),
//! [`calculate`], [`tasks`].

pub mod calculate;
pub mod desk;
pub mod read;
pub mod source;
pub mod tasks;
pub mod write;

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use balcao_domain::{commerce::Shop, money::ParseMoneyError};
use serde::{Serialize, de::DeserializeOwned};

pub use desk::{Desk, Refused};
use tasks::Task;

/// Why the test cannot be run at all.
#[derive(Debug, thiserror::Error)]
pub enum TauError {
    /// A file cannot be read or written.
    #[error("failed to access `{path}`")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not JSON of the source's form.
    #[error("failed to parse or write `{path}`")]
    Json {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A number that is no amount of cents.
    #[error(transparent)]
    Amount(#[from] ParseMoneyError),
    /// Something the source's form does not have.
    #[error("malformed: {0}")]
    Malformed(String),
}

/// What came of the test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many tasks there were.
    pub tasks: usize,
    /// How many passed.
    pub passed: usize,
    /// How many of these tasks leave the shop as it was: whoever does nothing ends in their final state, too.
    pub unchanged: usize,
    /// What an agent that does nothing earns in the source, to be read beside any score.
    pub baseline: Baseline,
    /// Each task, in the source's order.
    pub outcomes: Vec<Outcome>,
}

/// A score to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Baseline {
    /// How many tasks pass.
    pub passed: usize,
    /// Of how many.
    pub tasks: usize,
}

/// The source's baseline: an agent that does nothing, over training and test tasks together.
pub const DOES_NOTHING: Baseline = Baseline { passed: 6, tasks: 114 };

/// What came of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The task's id.
    pub id: String,
    /// Whether it passed.
    pub passed: bool,
    /// How many reference actions were carried out.
    pub executed: usize,
    /// Those that were not.
    pub refused: Vec<RefusedAction>,
    /// Whether the shop changed.
    pub changed: bool,
    /// Why it did not pass.
    pub problem: Option<String>,
}

/// A reference action that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedAction {
    /// The action's id in the source.
    pub action_id: String,
    /// The tool.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Replays the tasks of a data set (`db.json` and `tasks.json` in `data_dir`).
///
/// With `dump`, each task's final state is written there as `<task id>.json`. `progress` hears of each finished task:
/// how many are done, and of how many.
///
/// # Errors
/// When the data cannot be read or a state cannot be written. A task that fails is no error but an outcome.
pub fn run(
    data_dir: &Path,
    dump: Option<&Path>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Report, TauError> {
    let shop = read::shop(json(&data_dir.join("db.json"))?)?;
    let tasks: Vec<Task> = json(&data_dir.join("tasks.json"))?;
    if let Some(dir) = dump {
        std::fs::create_dir_all(dir).map_err(|source| TauError::File { path: dir.to_owned(), source })?;
    }
    let mut outcomes = Vec::with_capacity(tasks.len());
    for (done, task) in tasks.iter().enumerate() {
        let (outcome, desk) = replay_checked(&shop, task);
        if let Some(dir) = dump {
            write_state(&dir.join(file_name(&task.id)), &desk)?;
        }
        outcomes.push(outcome);
        progress(done + 1, tasks.len());
    }
    Ok(Report {
        tasks: outcomes.len(),
        passed: outcomes.iter().filter(|outcome| outcome.passed).count(),
        unchanged: outcomes.iter().filter(|outcome| !outcome.changed).count(),
        baseline: DOES_NOTHING,
        outcomes,
    })
}

/// Replays a task twice and says what came of it, with the desk as it was left.
pub fn replay_checked(shop: &Shop, task: &Task) -> (Outcome, Desk) {
    let (desk, executed, refusals) = replay(shop, task);
    let (again, ..) = replay(shop, task);
    let not_understood =
        refusals.iter().find(|(_, why)| !matches!(why, Refused::Shop(_) | Refused::Calculate(_)));
    let problem = if task.initial_state.as_ref().is_some_and(|state| !state.is_null()) {
        Some("the task starts from another state, which is not supported".to_owned())
    } else if let Some((action, why)) = not_understood {
        Some(format!("`{}`: {why}", action.name))
    } else if again != desk {
        Some("a second replay ends in another state".to_owned())
    } else {
        None
    };
    let refused = refusals.into_iter().map(|(action, why)| RefusedAction {
        action_id: action.action_id.clone(),
        name: action.name.clone(),
        reason: why.to_string(),
    });
    let outcome = Outcome {
        id: task.id.clone(),
        passed: problem.is_none(),
        executed,
        refused: refused.collect(),
        changed: desk.shop() != shop,
        problem,
    };
    (outcome, desk)
}

/// The desk after a task's reference actions on a fresh copy, how many were carried out, and which were not.
fn replay<'a>(shop: &Shop, task: &'a Task) -> (Desk, usize, Vec<(&'a tasks::Action, Refused)>) {
    let mut desk = Desk::new(shop.clone());
    let mut refusals = Vec::new();
    for action in task.actions() {
        if let Err(why) = desk.call(&action.name, &action.arguments) {
            refusals.push((action, why));
        }
    }
    (desk, task.actions().len() - refusals.len(), refusals)
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, TauError> {
    let file = File::open(path).map_err(|source| TauError::File { path: path.to_owned(), source })?;
    serde_json::from_reader(BufReader::new(file))
        .map_err(|source| TauError::Json { path: path.to_owned(), source })
}

fn write_state(path: &Path, desk: &Desk) -> Result<(), TauError> {
    let file_error = |source| TauError::File { path: path.to_owned(), source };
    let json_error = |source| TauError::Json { path: path.to_owned(), source };
    let mut out = BufWriter::new(File::create(path).map_err(file_error)?);
    serde_json::to_writer(&mut out, &desk.state().map_err(json_error)?).map_err(json_error)?;
    out.flush().map_err(file_error)
}

/// A task's file: its id, with nothing in it that could lead out of the folder.
fn file_name(id: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    format!("{}.json", id.chars().map(safe).collect::<String>())
}

#[cfg(test)]
mod tests;
