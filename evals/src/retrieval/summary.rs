//! The line of a report: one configuration on one data set.

use serde::{Deserialize, Serialize};

use super::{Evaluation, Metric, Qrels, Run, evaluate};

/// One configuration's figures on one set. The JSON has exactly these keys, in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The data set's name.
    pub set: String,
    /// What retrieved.
    pub config: String,
    /// How many queries the means go over: every judged one.
    pub queries: usize,
    /// Mean nDCG@10.
    #[serde(rename = "ndcg@10")]
    pub ndcg_10: f64,
    /// Mean Recall@10.
    #[serde(rename = "recall@10")]
    pub recall_10: f64,
    /// Mean Recall@100.
    #[serde(rename = "recall@100")]
    pub recall_100: f64,
    /// Mean reciprocal rank within the first 10.
    #[serde(rename = "mrr@10")]
    pub mrr_10: f64,
}

impl Summary {
    /// The figures of a run over all judged queries.
    #[must_use]
    pub fn of(set: &str, config: &str, qrels: &Qrels, run: &Run) -> Self {
        evaluate(qrels, run).summary(set, config)
    }
}

impl Evaluation {
    /// The figures a report shows.
    #[must_use]
    pub fn summary(&self, set: impl Into<String>, config: impl Into<String>) -> Summary {
        Summary {
            set: set.into(),
            config: config.into(),
            queries: self.len(),
            ndcg_10: self.mean(Metric::Ndcg(10)),
            recall_10: self.mean(Metric::Recall(10)),
            recall_100: self.mean(Metric::Recall(100)),
            mrr_10: self.mean(Metric::ReciprocalRank(10)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_written_with_exactly_these_keys() {
        let mut qrels = Qrels::default();
        qrels.add("q", "d", 1).unwrap();
        let mut run = Run::default();
        run.add("q", [("x".to_owned(), 2.0), ("d".to_owned(), 1.0)]).unwrap();
        let mut summary = Summary::of("scifact", "bm25", &qrels, &run);
        summary.ndcg_10 = 0.63;
        assert_eq!(
            serde_json::to_string(&summary).unwrap(),
            r#"{"set":"scifact","config":"bm25","queries":1,"ndcg@10":0.63,"recall@10":1.0,"recall@100":1.0,"mrr@10":0.5}"#
        );
    }
}
