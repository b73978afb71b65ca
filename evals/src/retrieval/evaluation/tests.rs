use super::*;

/// One query `q` with the given grades, and a run that returns documents in the given order.
fn evaluated(grades: &[(&str, i64)], found: &[&str]) -> Evaluation {
    let mut qrels = Qrels::default();
    for (document, grade) in grades {
        qrels.add("q", document, *grade).unwrap();
    }
    let mut run = Run::default();
    let hits = found.iter().enumerate().map(|(n, d)| ((*d).to_owned(), 1000.0 - n as f64));
    run.add("q", hits).unwrap();
    evaluate(&qrels, &run)
}

fn close(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-12, "{value} is not {expected}");
}

#[test]
fn ndcg_takes_the_grade_as_gain_and_the_ideal_from_all_judged_documents() {
    let e = evaluated(&[("a", 1), ("b", 3), ("c", 2)], &["a", "x", "b"]);
    let ideal = 3.0 + 2.0 / 3_f64.log2() + 1.0 / 4_f64.log2();
    close(e.mean(Metric::Ndcg(10)), (1.0 + 3.0 / 4_f64.log2()) / ideal);
    close(e.mean(Metric::Ndcg(1)), 1.0 / 3.0);
}

#[test]
fn recall_divides_by_all_relevant_and_precision_by_k() {
    let e = evaluated(&[("a", 1), ("b", 1), ("c", 1), ("no", 0)], &["a", "no", "b"]);
    close(e.mean(Metric::Recall(2)), 1.0 / 3.0);
    close(e.mean(Metric::Recall(100)), 2.0 / 3.0);
    close(e.mean(Metric::Precision(10)), 0.2);
}

#[test]
fn average_precision_counts_relevant_documents_that_were_never_found() {
    let e = evaluated(&[("a", 1), ("b", 2), ("c", 1)], &["a", "x", "b"]);
    close(e.mean(Metric::AveragePrecision), (1.0 + 2.0 / 3.0) / 3.0);
}

#[test]
fn the_reciprocal_rank_is_nothing_beyond_k() {
    let e = evaluated(&[("a", 1)], &["x", "y", "z", "a"]);
    close(e.mean(Metric::ReciprocalRank(10)), 0.25);
    close(e.mean(Metric::ReciprocalRank(3)), 0.0);
    close(e.mean(Metric::Success(4)), 1.0);
    close(e.mean(Metric::Success(3)), 0.0);
}

#[test]
fn a_judged_query_the_run_does_not_have_counts_zero_and_an_unjudged_one_not_at_all() {
    let mut qrels = Qrels::default();
    qrels.add("found", "d", 1).unwrap();
    qrels.add("missing", "d", 1).unwrap();
    let mut run = Run::default();
    run.add("found", [("d".to_owned(), 1.0)]).unwrap();
    run.add("unjudged", [("d".to_owned(), 1.0)]).unwrap();
    let e = evaluate(&qrels, &run);
    assert_eq!(e.len(), 2);
    assert_eq!(e.query_ids().collect::<Vec<_>>(), ["found", "missing"]);
    assert_eq!(e.values(Metric::Recall(10)), [1.0, 0.0]);
    close(e.mean(Metric::Ndcg(10)), 0.5);
    assert_eq!(e.of("unjudged", Metric::Ndcg(10)), None);
}

#[test]
fn a_query_without_relevant_documents_counts_zero() {
    let e = evaluated(&[("a", 0), ("b", -1)], &["a", "b"]);
    assert_eq!(e.len(), 1);
    for metric in [Metric::Ndcg(10), Metric::Recall(10), Metric::AveragePrecision, Metric::Success(10)] {
        close(e.mean(metric), 0.0);
    }
}

#[test]
fn without_judgements_every_mean_is_zero() {
    let e = evaluate(&Qrels::default(), &Run::default());
    assert!(e.is_empty());
    close(e.mean(Metric::Ndcg(10)), 0.0);
}

#[test]
fn a_cut_at_zero_is_zero_and_not_a_division_by_it() {
    let e = evaluated(&[("a", 1)], &["a"]);
    for metric in [Metric::Ndcg(0), Metric::Recall(0), Metric::Precision(0), Metric::ReciprocalRank(0)] {
        close(e.mean(metric), 0.0);
    }
}

proptest::proptest! {
    #[test]
    fn every_metric_lies_between_zero_and_one_and_a_perfect_ranking_is_one(
        grades in proptest::collection::vec(0_i64..4, 1..30), k in 1_usize..40,
    ) {
        let names: Vec<String> = (0..grades.len()).map(|n| format!("d{n}")).collect();
        let judged: Vec<(&str, i64)> = names.iter().map(String::as_str).zip(grades.iter().copied()).collect();
        let mut best = judged.clone();
        best.sort_by_key(|(_, grade)| -grade);
        let order: Vec<&str> = best.iter().map(|(name, _)| *name).collect();
        let any: Vec<&str> = judged.iter().map(|(name, _)| *name).collect();

        let e = evaluated(&judged, &any);
        for metric in [Metric::Ndcg(k), Metric::Recall(k), Metric::Precision(k), Metric::AveragePrecision,
                       Metric::ReciprocalRank(k), Metric::Success(k)] {
            let value = e.mean(metric);
            proptest::prop_assert!((0.0..=1.0 + 1e-12).contains(&value), "{metric} {value}");
        }
        if grades.iter().any(|g| *g > 0) {
            let perfect = evaluated(&judged, &order);
            proptest::prop_assert!((perfect.mean(Metric::Ndcg(k)) - 1.0).abs() < 1e-12);
            proptest::prop_assert!((perfect.mean(Metric::AveragePrecision) - 1.0).abs() < 1e-12);
        }
    }
}
