//! Whether two runs of a suite differ by more than the cases happening to suit one of them, and whether a change may go in.
//!
//! Runs are laid side by side case by case, over the cases that both have. The test is the paired bootstrap of
//! [`crate::retrieval::significance`]; its seed is fixed, so that the same two runs always give the same verdict.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{CaseScore, RunRecord};
use crate::retrieval::significance::{Draws, confidence_interval};

/// The level of the intervals.
const LEVEL: f64 = 0.95;

/// How one metric differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Which.
    pub metric: String,
    /// Cases that both runs have it for.
    pub cases: usize,
    /// Its mean in the older run.
    pub before: f64,
    /// And in the newer.
    pub after: f64,
    /// The lower end of the 95 % interval of the difference.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Cases that became worse.
    pub worse: Vec<String>,
    /// Cases that became better.
    pub better: Vec<String>,
}

impl Difference {
    /// It fell by more than its noise.
    pub fn is_worse(&self) -> bool {
        self.high < 0.0
    }

    /// It rose by more than its noise.
    pub fn is_better(&self) -> bool {
        self.low > 0.0
    }
}

/// Lays two runs side by side, over one split or all cases.
pub fn compare(before: &RunRecord, after: &RunRecord, split: Option<&str>) -> Vec<Difference> {
    let older: BTreeMap<&str, &CaseScore> =
        before.cases.iter().map(|case| (case.id.as_str(), case)).collect();
    let mut values: BTreeMap<&str, Vec<(&str, f64, f64)>> = BTreeMap::new();
    for case in after.cases.iter().filter(|case| split.is_none_or(|split| case.split == split)) {
        let Some(old) = older.get(case.id.as_str()) else { continue };
        for (metric, now) in &case.scores {
            if let Some(then) = old.scores.get(metric) {
                values.entry(metric).or_default().push((&case.id, *then, *now));
            }
        }
    }
    values.into_iter().map(|(metric, values)| difference(metric, &values)).collect()
}

fn difference(metric: &str, values: &[(&str, f64, f64)]) -> Difference {
    let count = values.len() as f64;
    let changes: Vec<f64> = values.iter().map(|(_, then, now)| now - then).collect();
    let interval = confidence_interval(&changes, LEVEL, Draws::default());
    let (low, high) = interval.map_or((0.0, 0.0), |interval| (interval.low, interval.high));
    let named = |better: bool| {
        let changed = values.iter().filter(|(_, then, now)| if better { now > then } else { now < then });
        changed.map(|(id, ..)| (*id).to_owned()).collect()
    };
    Difference {
        metric: metric.to_owned(),
        cases: values.len(),
        before: values.iter().map(|(_, then, _)| then).sum::<f64>() / count,
        after: values.iter().map(|(_, _, now)| now).sum::<f64>() / count,
        low,
        high,
        worse: named(false),
        better: named(true),
    }
}

/// Whether a run may replace the baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// It may.
    pub passed: bool,
    /// What fell by more than its noise.
    pub fallen: Vec<Difference>,
    /// Cases of the baseline that the run does not have: a set that shrinks proves nothing.
    pub missing: Vec<String>,
}

/// Holds a run against the baseline, by these metrics.
pub fn gate(baseline: &RunRecord, run: &RunRecord, metrics: &[&str], split: Option<&str>) -> Verdict {
    let fallen: Vec<Difference> = compare(baseline, run, split)
        .into_iter()
        .filter(|difference| metrics.contains(&difference.metric.as_str()) && difference.is_worse())
        .collect();
    let has = |id: &str| run.cases.iter().any(|case| case.id == id);
    let missing: Vec<String> =
        baseline.cases.iter().filter(|case| !has(&case.id)).map(|case| case.id.clone()).collect();
    Verdict { passed: fallen.is_empty() && missing.is_empty(), fallen, missing }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::MadeWith;

    fn run(scores: &[f64]) -> RunRecord {
        let case = |(at, score): (usize, &f64)| CaseScore {
            id: format!("c{at}"),
            group: "g".into(),
            split: if at % 2 == 0 { "test" } else { "dev" }.into(),
            scores: [("correct".to_owned(), *score)].into(),
            details: serde_json::Value::Null,
        };
        RunRecord {
            id: "r".into(),
            suite: "answers".into(),
            made_with: MadeWith::default(),
            cases: scores.iter().enumerate().map(case).collect(),
        }
    }

    #[test]
    fn a_fall_that_is_more_than_noise_fails_the_gate_and_names_its_cases() {
        let baseline = run(&[1.0; 40]);
        let mut scores = [1.0; 40];
        scores[..12].fill(0.0);
        let verdict = gate(&baseline, &run(&scores), &["correct"], None);
        assert!(!verdict.passed);
        assert_eq!(verdict.fallen[0].worse.len(), 12);
        assert!(verdict.fallen[0].worse.contains(&"c3".to_owned()));
        assert!(gate(&baseline, &run(&scores), &["f1"], None).passed, "another metric");
    }

    #[test]
    fn a_case_here_and_a_case_there_is_noise() {
        let mut scores = [1.0; 40];
        scores[7] = 0.0;
        let mut others = [1.0; 40];
        others[9] = 0.0;
        assert!(gate(&run(&scores), &run(&others), &["correct"], None).passed);
        assert!(gate(&run(&scores), &run(&scores), &["correct"], None).passed);
    }

    #[test]
    fn a_set_that_shrinks_fails_the_gate() {
        let verdict = gate(&run(&[1.0; 10]), &run(&[1.0; 9]), &["correct"], None);
        assert!(!verdict.passed);
        assert_eq!(verdict.missing, ["c9"]);
    }

    #[test]
    fn a_split_is_compared_by_itself() {
        let differences = compare(&run(&[1.0, 0.0, 1.0, 0.0]), &run(&[1.0, 1.0, 1.0, 1.0]), Some("test"));
        assert_eq!((differences[0].cases, differences[0].before, differences[0].after), (2, 1.0, 1.0));
    }
}
