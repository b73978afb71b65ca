//! Runs of a suite: what was measured, on what, with what, and how two runs differ.
//!
//! Reading order: this file, [`compare`](mod@compare) (is a difference more than noise), [`report`](mod@report) (one page
//! to look at).

pub mod compare;
pub mod report;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use compare::{Difference, Verdict, compare, gate};

/// What one case was worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseScore {
    /// Unique within its suite.
    pub id: String,
    /// What it belongs to: the shop.
    pub group: String,
    /// `dev` or `test`.
    pub split: String,
    /// By metric, between 0 and 1, larger is better; what does not apply is left out.
    pub scores: BTreeMap<String, f64>,
    /// Question, evidence, answer: for the people who look.
    pub details: serde_json::Value,
}

/// A run of one suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Sorts by time.
    pub id: String,
    /// `answers`, `dialogues` …
    pub suite: String,
    /// What it was made with.
    pub made_with: MadeWith,
    /// In the set's order.
    pub cases: Vec<CaseScore>,
}

/// What a run was made with: the same again gives the same scores.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MadeWith {
    /// The source's revision; with `+` where there were changes.
    pub git: String,
    /// The seed of all chances.
    pub seed: u64,
    /// How the model was had: `off`, `live`, `record`, `replay`.
    pub llm: String,
    /// The model's name, where there was one.
    pub model: Option<String>,
    /// Prompts and rule packs with their versions.
    pub versions: BTreeMap<String, String>,
    /// SHA-256 of the data set.
    pub data: String,
    /// The share of model calls that were made to fail.
    pub model_failure: f64,
    /// How long it took.
    pub seconds: f64,
}

/// The mean of a metric, with how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// Over how many cases.
    pub cases: usize,
    /// The mean.
    pub mean: f64,
    /// Half the width of its 95 % interval (normal approximation).
    pub margin: f64,
}

impl RunRecord {
    /// Every metric's mean over the cases of a split (all of them without), by metric.
    pub fn means(&self, split: Option<&str>) -> BTreeMap<String, Mean> {
        let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for case in self.cases.iter().filter(|case| split.is_none_or(|split| case.split == split)) {
            for (name, value) in &case.scores {
                values.entry(name).or_default().push(*value);
            }
        }
        values.into_iter().map(|(name, values)| (name.to_owned(), mean(&values))).collect()
    }

    /// The same by group.
    pub fn by_group(&self, split: Option<&str>) -> BTreeMap<String, BTreeMap<String, Mean>> {
        let mut groups: Vec<&str> = self.cases.iter().map(|case| case.group.as_str()).collect();
        groups.sort_unstable();
        groups.dedup();
        let of = |group: &str| {
            let cases = self.cases.iter().filter(|case| case.group == group).cloned().collect();
            Self { cases, ..self.clone() }.means(split)
        };
        groups.into_iter().map(|group| (group.to_owned(), of(group))).collect()
    }
}

fn mean(values: &[f64]) -> Mean {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    Mean { cases: values.len(), mean, margin: 1.96 * (variance / count).sqrt() }
}

/// Where runs are kept: a folder of JSON files.
#[derive(Debug, Clone)]
pub struct Shelf(PathBuf);

/// Why a run cannot be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The file system.
    #[error("`{}`: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Not a run.
    #[error("`{}` is not a run: {error}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        error: serde_json::Error,
    },
    /// No such run.
    #[error("there is no run `{0}`: `balcao eval list` shows those there are")]
    Unknown(String),
}

impl Shelf {
    /// In this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Keeps a run; whole or not at all.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub fn keep(&self, run: &RunRecord) -> Result<PathBuf, ShelfError> {
        let path = self.0.join(format!("{}.json", run.id));
        write(&path, run)?;
        Ok(path)
    }

    /// Every run, newest first.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub fn list(&self) -> Result<Vec<RunRecord>, ShelfError> {
        let Ok(entries) = std::fs::read_dir(&self.0) else { return Ok(Vec::new()) };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
            .collect();
        paths.sort();
        paths.iter().rev().map(|path| read(path)).collect()
    }

    /// One run: by its id, by the beginning of it, by `latest` or `latest:SUITE`, or by a file's path.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub fn get(&self, name: &str) -> Result<RunRecord, ShelfError> {
        let path = Path::new(name);
        if path.is_file() {
            return read(path);
        }
        let suite = name.strip_prefix("latest:");
        let wanted = |run: &RunRecord| match suite {
            Some(suite) => run.suite == suite,
            None => name == "latest" || run.id.starts_with(name),
        };
        self.list()?.into_iter().find(wanted).ok_or_else(|| ShelfError::Unknown(name.to_owned()))
    }
}

/// Reads a run from a file.
///
/// # Errors
/// [`ShelfError`].
pub fn read(path: &Path) -> Result<RunRecord, ShelfError> {
    let bytes = std::fs::read(path).map_err(|error| ShelfError::Io { path: path.to_owned(), error })?;
    serde_json::from_slice(&bytes).map_err(|error| ShelfError::Damaged { path: path.to_owned(), error })
}

/// Writes one, whole or not at all.
///
/// # Errors
/// [`ShelfError`].
pub fn write(path: &Path, run: &RunRecord) -> Result<(), ShelfError> {
    let io = |error| ShelfError::Io { path: path.to_owned(), error };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    let text = serde_json::to_string_pretty(run)
        .map_err(|error| ShelfError::Damaged { path: path.to_owned(), error })?;
    let beside = path.with_extension("tmp");
    std::fs::write(&beside, text).map_err(io)?;
    std::fs::rename(&beside, path).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str, suite: &str) -> RunRecord {
        RunRecord { id: id.into(), suite: suite.into(), made_with: MadeWith::default(), cases: Vec::new() }
    }

    #[test]
    fn a_run_is_found_by_what_one_remembers_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().join("runs"));
        assert!(shelf.list().unwrap().is_empty());
        for (id, suite) in [("20261128-1", "answers"), ("20261128-2", "dialogues"), ("20261128-3", "answers")]
        {
            shelf.keep(&run(id, suite)).unwrap();
        }
        assert_eq!(shelf.get("latest").unwrap().id, "20261128-3");
        assert_eq!(shelf.get("latest:dialogues").unwrap().id, "20261128-2");
        assert_eq!(shelf.get("20261128-1").unwrap().suite, "answers");
        assert!(matches!(shelf.get("20251231"), Err(ShelfError::Unknown(_))));
    }

    #[test]
    fn a_mean_is_over_the_cases_a_metric_applies_to() {
        let case = |id: &str, split: &str, scores: &[(&str, f64)]| CaseScore {
            id: id.into(),
            group: "g".into(),
            split: split.into(),
            scores: scores.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            details: serde_json::Value::Null,
        };
        let mut run = run("1", "answers");
        run.cases = vec![
            case("a", "test", &[("correct", 1.0), ("f1", 0.5)]),
            case("b", "test", &[("correct", 0.0)]),
            case("c", "dev", &[("correct", 1.0), ("f1", 1.0)]),
        ];
        let test = run.means(Some("test"));
        assert_eq!((test["correct"].cases, test["correct"].mean), (2, 0.5));
        assert_eq!((test["f1"].cases, test["f1"].mean), (1, 0.5));
        assert_eq!(run.means(None)["f1"].mean, 0.75);
    }
}
