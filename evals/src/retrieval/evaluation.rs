//! trec_eval's metrics over a run, per query and on average.
//!
//! Definitions follow trec_eval 9 (usnistgov/trec_eval: m_ndcg_cut.c, m_recall.c, m_P.c, m_map.c,
//! m_recip_rank.c, m_success.c); `tests/parity.rs` compares the figures with trec_eval's own.

use std::collections::BTreeMap;
use std::fmt;

use super::{Qrels, Run};

/// What can be measured. All values lie between 0 and 1; higher is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Normalised discounted cumulative gain of the first k: a document's gain is its grade (linear), its
    /// discount log2(rank + 1); the ideal ranking is that of all judged documents, cut at k as well.
    Ndcg(usize),
    /// How many of the query's relevant documents are among the first k.
    Recall(usize),
    /// How many of the first k are relevant; always divided by k, even when fewer were found.
    Precision(usize),
    /// Average precision over the whole ranking; its mean over the queries is MAP.
    AveragePrecision,
    /// 1 / rank of the first relevant document, 0 when it is not among the first k.
    ReciprocalRank(usize),
    /// 1 when a relevant document is among the first k.
    Success(usize),
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ndcg(k) => write!(f, "ndcg@{k}"),
            Self::Recall(k) => write!(f, "recall@{k}"),
            Self::Precision(k) => write!(f, "p@{k}"),
            Self::AveragePrecision => write!(f, "map"),
            Self::ReciprocalRank(k) => write!(f, "mrr@{k}"),
            Self::Success(k) => write!(f, "success@{k}"),
        }
    }
}

/// Lays the run beside the judgements. Every judged query counts, also one the run has nothing for.
#[must_use]
pub fn evaluate(qrels: &Qrels, run: &Run) -> Evaluation {
    let queries = qrels.iter().map(|(query, grades)| (query.to_owned(), Judged::new(grades, run, query)));
    Evaluation { queries: queries.collect() }
}

/// A run with its grades in place of its documents; any metric can be asked of it.
#[derive(Debug, Clone)]
pub struct Evaluation {
    queries: BTreeMap<String, Judged>,
}

impl Evaluation {
    /// How many queries count: all that were judged.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queries.len()
    }

    /// Whether there was no judged query at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    /// The judged queries' ids, in the order of [`Self::values`].
    pub fn query_ids(&self) -> impl Iterator<Item = &str> {
        self.queries.keys().map(String::as_str)
    }

    /// The metric of one query; `None` if it was not judged.
    #[must_use]
    pub fn of(&self, query: &str, metric: Metric) -> Option<f64> {
        self.queries.get(query).map(|judged| judged.value(metric))
    }

    /// The metric of every judged query, in order of their ids: two runs over the same judgements pair up.
    #[must_use]
    pub fn values(&self, metric: Metric) -> Vec<f64> {
        self.queries.values().map(|judged| judged.value(metric)).collect()
    }

    /// The mean over the judged queries; 0 without any.
    #[must_use]
    pub fn mean(&self, metric: Metric) -> f64 {
        let values = self.values(metric);
        values.iter().sum::<f64>() / values.len().max(1) as f64
    }
}

/// One query's ranking as grades.
#[derive(Debug, Clone)]
struct Judged {
    /// The grade at each rank; what was not judged has 0.
    found: Vec<i64>,
    /// All positive grades of the query, best first: the ideal ranking.
    ideal: Vec<i64>,
}

impl Judged {
    fn new(grades: &BTreeMap<String, i64>, run: &Run, query: &str) -> Self {
        let found = run.ranking(query).iter().map(|hit| grades.get(&hit.document).copied().unwrap_or(0));
        let mut ideal: Vec<i64> = grades.values().copied().filter(|grade| *grade > 0).collect();
        ideal.sort_unstable_by(|a, b| b.cmp(a));
        Self { found: found.collect(), ideal }
    }

    fn value(&self, metric: Metric) -> f64 {
        if self.ideal.is_empty() {
            return 0.0;
        }
        let relevant = self.ideal.len() as f64;
        match metric {
            Metric::Ndcg(0) | Metric::Precision(0) => 0.0,
            Metric::Ndcg(k) => gain(&self.found, k) / gain(&self.ideal, k),
            Metric::Recall(k) => self.relevant_in(k) as f64 / relevant,
            Metric::Precision(k) => self.relevant_in(k) as f64 / k as f64,
            Metric::AveragePrecision => {
                let precisions = (1..).zip(self.relevant_ranks()).map(|(n, rank)| f64::from(n) / rank as f64);
                precisions.sum::<f64>() / relevant
            }
            Metric::ReciprocalRank(k) => {
                self.relevant_ranks().next().filter(|rank| *rank <= k).map_or(0.0, |rank| 1.0 / rank as f64)
            }
            Metric::Success(k) => f64::from(u8::from(self.relevant_in(k) > 0)),
        }
    }

    /// The ranks, from 1, at which something relevant stands.
    fn relevant_ranks(&self) -> impl Iterator<Item = usize> {
        (1..).zip(&self.found).filter(|(_, grade)| **grade > 0).map(|(rank, _)| rank)
    }

    fn relevant_in(&self, k: usize) -> usize {
        self.relevant_ranks().take_while(|rank| *rank <= k).count()
    }
}

/// Discounted cumulative gain of the first k; grades below 0 gain nothing.
fn gain(grades: &[i64], k: usize) -> f64 {
    let gains = (1_u32..).zip(grades.iter().take(k));
    gains.map(|(rank, grade)| (*grade).max(0) as f64 / (f64::from(rank) + 1.0).log2()).sum()
}

#[cfg(test)]
mod tests;
