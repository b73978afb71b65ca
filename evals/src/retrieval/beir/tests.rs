use tempfile::TempDir;

use super::*;

const CORPUS: &str = "{\"_id\": \"d1\", \"title\": \"Troca\", \"text\": \"Sete dias.\"}\n\
                      {\"_id\": \"d2\", \"title\": null, \"text\": \"Frete.\"}\n";
const QUERIES: &str = "{\"_id\": \"q1\", \"text\": \"posso trocar?\", \"metadata\": {\"history\": [{\"speaker\": \"user\", \"text\": \"oi\"}, {\"speaker\": \"agent\", \"text\": \"olá!\"}, {\"speaker\": \"user\", \"text\": \"comprei ontem\"}]}}\n\
                       {\"_id\": \"q2\", \"text\": \"ninguém julgou\"}\n";
const QRELS: &str = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n";

fn folder(corpus: &str, queries: &str, qrels: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("corpus.jsonl"), corpus).unwrap();
    std::fs::write(dir.path().join("queries.jsonl"), queries).unwrap();
    std::fs::create_dir(dir.path().join("qrels")).unwrap();
    for (name, content) in qrels {
        std::fs::write(dir.path().join("qrels").join(name), content).unwrap();
    }
    dir
}

/// The error of reading the folder, without the folder's own path.
fn error(dir: &TempDir) -> String {
    let said = read(dir.path()).unwrap_err().to_string();
    said.replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn a_set_is_read_with_its_judged_queries_and_grades() {
    let set = read(folder(CORPUS, QUERIES, &[("test.tsv", QRELS)]).path()).unwrap();
    assert_eq!(set.corpus[0].title_and_text(), "Troca Sete dias.");
    assert_eq!(set.corpus[1].title_and_text(), "Frete.");
    assert_eq!(set.queries.len(), 1, "q2 was not judged");
    assert_eq!(set.qrels.get("q1").unwrap()["d1"], 2);
    assert!(set.notes.is_empty());
}

#[test]
fn a_question_comes_with_what_its_user_said_before() {
    let set = read(folder(CORPUS, QUERIES, &[("test.tsv", QRELS)]).path()).unwrap();
    assert_eq!(set.queries[0].previous, ["oi", "comprei ontem"]);
}

#[test]
fn metadata_of_another_shape_is_no_history() {
    for metadata in
        ["null", "[1]", "{\"history\": \"oi\"}", "{\"history\": [\"oi\", {\"speaker\": \"user\"}]}"]
    {
        let queries = format!("{{\"_id\": \"q1\", \"text\": \"x\", \"metadata\": {metadata}}}\n");
        let set = read(folder(CORPUS, &queries, &[("test.tsv", QRELS)]).path()).unwrap();
        assert!(set.queries[0].previous.is_empty(), "{metadata}");
    }
}

#[test]
fn test_tsv_is_chosen_among_several_and_otherwise_the_only_one() {
    let train = "query-id\tcorpus-id\tscore\nq2\td1\t1\n";
    let both = folder(CORPUS, QUERIES, &[("train.tsv", train), ("test.tsv", QRELS)]);
    assert_eq!(read(both.path()).unwrap().queries[0].id, "q1");
    let only = folder(CORPUS, QUERIES, &[("train.tsv", train), ("notes.txt", "")]);
    assert_eq!(read(only.path()).unwrap().queries[0].id, "q2");
    let unclear = folder(CORPUS, QUERIES, &[("train.tsv", train), ("dev.tsv", train)]);
    assert_eq!(error(&unclear), "`qrels`: several .tsv files and none of them is test.tsv");
    assert_eq!(error(&folder(CORPUS, QUERIES, &[])), "`qrels`: no .tsv file with judgements");
}

#[test]
fn a_judged_document_outside_the_corpus_stays_and_is_told() {
    let qrels = format!("{QRELS}q1\tgone\t1\n");
    let set = read(folder(CORPUS, QUERIES, &[("test.tsv", &qrels)]).path()).unwrap();
    assert_eq!(set.qrels.get("q1").unwrap()["gone"], 1);
    assert_eq!(set.notes.len(), 1);
    assert!(set.notes[0].contains("test.tsv:4: document `gone`"), "{}", set.notes[0]);
}

#[test]
fn wrong_lines_of_the_corpus_and_the_queries_are_named() {
    let qrels = [("test.tsv", QRELS)];
    let broken = error(&folder(&format!("{CORPUS}{{\"_id\": "), QUERIES, &qrels));
    assert!(broken.starts_with("corpus.jsonl:3: EOF"), "{broken}");
    let no_text = error(&folder("{\"_id\": \"d1\"}\n", QUERIES, &qrels));
    assert!(no_text.starts_with("corpus.jsonl:1: missing field `text`"), "{no_text}");
    let twice = error(&folder(&CORPUS.repeat(2), QUERIES, &qrels));
    assert_eq!(twice, "corpus.jsonl:3: id `d1` is there twice");
    let no_id = error(&folder(CORPUS, &format!("\n{{\"text\": \"x\"}}\n{QUERIES}"), &qrels));
    assert!(no_id.starts_with("queries.jsonl:2: missing field `_id`"), "{no_id}");
}

#[test]
fn wrong_lines_of_the_judgements_are_named() {
    for (line, problem) in [
        ("q1\td2x\tgood", "grade `good` is not a whole number"),
        ("q1\td2x\t0.5", "grade `0.5` is not a whole number"),
        ("q9\td1\t1", "query `q9` is not in queries.jsonl"),
        ("q1\td1", "expected 3 fields (query-id, corpus-id, score) between tabs, found 2"),
        ("q1\td1\t1", "document `d1` is judged twice for query `q1`"),
    ] {
        let qrels = format!("{QRELS}{line}\n");
        let said = error(&folder(CORPUS, QUERIES, &[("test.tsv", &qrels)]));
        assert_eq!(said, format!("qrels/test.tsv:4: {problem}"));
    }
}

#[test]
fn a_file_without_header_is_refused_before_its_first_judgement_is_lost() {
    let said = error(&folder(CORPUS, QUERIES, &[("test.tsv", "q1\td1\t1\n")]));
    assert_eq!(said, "qrels/test.tsv:1: a judgement where the header should be");
}

#[test]
fn a_missing_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(error(&dir), "cannot read `corpus.jsonl`");
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_do_no_harm() {
    let qrels = QRELS.replace('\n', "\r\n");
    let corpus = format!("\u{feff}{}", CORPUS.replace('\n', "\r\n"));
    let set = read(folder(&corpus, QUERIES, &[("test.tsv", &qrels)]).path()).unwrap();
    assert_eq!(set.qrels.get("q1").unwrap()["d1"], 2);
}
