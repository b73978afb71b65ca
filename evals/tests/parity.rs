//! The metrics against trec_eval's own figures; `parity/make_figures.py` wrote them down.

use std::collections::BTreeMap;

use balcao_evals::retrieval::{Evaluation, Metric, Qrels, Run, evaluate};
use serde::Deserialize;

const CUTS: [usize; 4] = [1, 3, 10, 100];

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    qrels: BTreeMap<String, BTreeMap<String, i64>>,
    run: BTreeMap<String, BTreeMap<String, f64>>,
    per_query: BTreeMap<String, BTreeMap<String, f64>>,
    mean: BTreeMap<String, f64>,
}

impl Case {
    fn qrels(&self) -> Qrels {
        let mut qrels = Qrels::default();
        for (query, documents) in &self.qrels {
            for (document, grade) in documents {
                qrels.add(query, document, *grade).unwrap();
            }
        }
        qrels
    }

    fn run(&self) -> Run {
        let mut run = Run::default();
        for (query, scores) in &self.run {
            run.add(query, scores.clone()).unwrap();
        }
        run
    }

    fn has_the_figures(&self, evaluation: &Evaluation) {
        assert_eq!(evaluation.len(), self.per_query.len());
        for (query, expected) in &self.per_query {
            for metric in metrics() {
                let value = evaluation.of(query, metric).unwrap();
                agrees(value, expected[&metric.to_string()], &format!("{}, {query}, {metric}", self.name));
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/parity.json")).unwrap();
    assert_eq!(fixture.cases.len(), 5);
    fixture.cases
}

fn metrics() -> Vec<Metric> {
    let cut = CUTS.iter().flat_map(|k| {
        let k = *k;
        [
            Metric::Ndcg(k),
            Metric::Recall(k),
            Metric::Precision(k),
            Metric::ReciprocalRank(k),
            Metric::Success(k),
        ]
    });
    cut.chain([Metric::AveragePrecision]).collect()
}

fn agrees(value: f64, expected: f64, what: &str) {
    assert!((value - expected).abs() <= 1e-9, "{what}: {value}, trec_eval says {expected}");
}

#[test]
fn every_query_has_trec_evals_figures() {
    for case in cases() {
        case.has_the_figures(&evaluate(&case.qrels(), &case.run()));
    }
}

#[test]
fn the_means_go_over_all_judged_queries_as_trec_eval_c_has_them() {
    for case in cases() {
        let evaluation = evaluate(&case.qrels(), &case.run());
        assert_eq!(case.mean.len(), metrics().len());
        for metric in metrics() {
            let expected = case.mean[&metric.to_string()];
            agrees(evaluation.mean(metric), expected, &format!("{}, {metric}", case.name));
        }
    }
}

#[test]
fn a_run_written_as_a_trec_file_and_read_again_scores_the_same() {
    for case in cases() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), case.run().to_trec("random")).unwrap();
        case.has_the_figures(&evaluate(&case.qrels(), &Run::read(file.path()).unwrap()));
    }
}
