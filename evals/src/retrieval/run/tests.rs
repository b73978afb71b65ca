use super::*;

fn run(hits: &[(&str, f64)]) -> Run {
    let mut run = Run::default();
    run.add("q", hits.iter().map(|(d, s)| ((*d).to_owned(), *s))).unwrap();
    run
}

fn order(run: &Run) -> Vec<&str> {
    run.ranking("q").iter().map(|h| h.document.as_str()).collect()
}

fn file(content: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.run");
    std::fs::write(&path, content).unwrap();
    (dir, path)
}

#[test]
fn the_best_score_comes_first_and_equal_scores_by_id_backwards() {
    assert_eq!(
        order(&run(&[("a", 1.0), ("c", 1.0), ("b", 1.0), ("z", 0.5), ("m", 2.0)])),
        ["m", "c", "b", "a", "z"]
    );
}

#[test]
fn scores_that_single_precision_cannot_tell_apart_are_equal() {
    assert_eq!(order(&run(&[("a", 1.000_000_001), ("b", 1.0)])), ["b", "a"]);
}

#[test]
fn negative_zero_equals_zero() {
    assert_eq!(order(&run(&[("a", 0.0), ("b", -0.0)])), ["b", "a"]);
}

#[test]
fn a_document_twice_a_query_twice_and_a_score_that_is_no_number_are_refused() {
    let mut run = Run::default();
    let hit = |score| ("d".to_owned(), score);
    let said = run.add("q", [hit(1.0), hit(2.0)]).unwrap_err().to_string();
    assert_eq!(said, "document `d` is ranked twice for query `q`");
    let said = run.add("q", [hit(f64::NAN)]).unwrap_err().to_string();
    assert_eq!(said, "document `d` of query `q` has no finite score");
    run.add("q", [hit(1.0)]).unwrap();
    assert_eq!(run.add("q", [hit(1.0)]).unwrap_err().to_string(), "query `q` has two rankings");
}

#[test]
fn inserting_keeps_the_better_of_two_scores_and_leaves_out_what_has_no_rank() {
    let mut run = run(&[("old", 1.0)]);
    let hits = [("a", 0.2), ("b", 0.5), ("a", 0.9), ("c", f64::NAN)];
    run.insert("q".into(), hits.map(|(d, s)| (d.to_owned(), s)).to_vec());
    assert_eq!(order(&run), ["a", "b"]);
    assert_eq!(run.ranking("q")[0].score, 0.9);
}

#[test]
fn what_is_written_reads_back_the_same() {
    let mut before = run(&[("d1", 0.1 + 0.2), ("d2", -3.5e-9), ("d3", 7.0)]);
    before.add("q2", [("d1".to_owned(), 1.0)]).unwrap();
    let text = before.to_trec("hybrid");
    assert_eq!(text.lines().next(), Some("q Q0 d3 1 7 hybrid"));
    let (_dir, path) = file("");
    before.write_file(&path, "hybrid").unwrap();
    assert_eq!(Run::read(path).unwrap(), before);
}

#[test]
fn the_rank_column_is_ignored_when_reading() {
    let (_dir, path) = file("q Q0 low 1 0.1 x\nq\tQ0\thigh\t2\t0.9\tx\n");
    assert_eq!(order(&Run::read(path).unwrap()), ["high", "low"]);
}

#[test]
fn blanks_in_a_tag_do_not_make_new_columns() {
    assert!(run(&[("d", 1.0)]).to_trec("bm25 + e5").ends_with(" bm25_+_e5\n"));
}

#[test]
fn wrong_lines_are_named() {
    for (content, end) in [
        ("q Q0 d 1 1.0 x\nq Q0 d 2\n", ":2: expected 6 fields (query Q0 document rank score tag), found 4"),
        ("q Q0 d 1 high x\n", ":1: score `high` is not a finite number"),
        ("q Q0 d 1 NaN x\n", ":1: score `NaN` is not a finite number"),
        ("q Q0 d 1 2 x\n\nq Q0 d 2 1 x\n", ":3: document `d` is ranked twice for query `q`"),
    ] {
        let (_dir, path) = file(content);
        let said = Run::read(&path).unwrap_err().to_string();
        assert_eq!(said, format!("{}{end}", path.display()));
    }
}
