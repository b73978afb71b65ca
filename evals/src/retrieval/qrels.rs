//! Judgements: which document answers which query, and how well.

use std::collections::BTreeMap;

/// A document was judged twice for the same query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("document `{document}` is judged twice for query `{query}`")]
pub struct DuplicateJudgement {
    /// The query's id.
    pub query: String,
    /// The document's id.
    pub document: String,
}

/// Graded judgements by query and document. A grade of 1 or more is relevant; 0 and below is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Qrels {
    grades: BTreeMap<String, BTreeMap<String, i64>>,
}

impl Qrels {
    /// Adds one judgement.
    ///
    /// # Errors
    /// The document has been judged for this query already; the first grade stays.
    pub fn add(&mut self, query: &str, document: &str, grade: i64) -> Result<(), DuplicateJudgement> {
        let documents = self.grades.entry(query.to_owned()).or_default();
        if documents.contains_key(document) {
            return Err(DuplicateJudgement { query: query.into(), document: document.into() });
        }
        documents.insert(document.to_owned(), grade);
        Ok(())
    }

    /// The judged queries in order of their ids, each with its documents' grades.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, i64>)> {
        self.grades.iter().map(|(query, documents)| (query.as_str(), documents))
    }

    /// The grades of one query's documents, if it was judged.
    #[must_use]
    pub fn get(&self, query: &str) -> Option<&BTreeMap<String, i64>> {
        self.grades.get(query)
    }

    /// How many queries were judged.
    #[must_use]
    pub fn len(&self) -> usize {
        self.grades.len()
    }

    /// Whether nothing was judged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.grades.is_empty()
    }

    /// Whether the query was judged.
    #[must_use]
    pub fn contains(&self, query: &str) -> bool {
        self.grades.contains_key(query)
    }

    /// The judgements of the queries that `keep` keeps, such as one [half](super::half).
    #[must_use]
    pub fn restricted(&self, keep: impl Fn(&str) -> bool) -> Self {
        let kept = self.grades.iter().filter(|(query, _)| keep(query));
        Self { grades: kept.map(|(query, documents)| (query.clone(), documents.clone())).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::{Half, half};

    #[test]
    fn a_second_judgement_of_the_same_document_is_refused_and_the_first_stays() {
        let mut qrels = Qrels::default();
        qrels.add("q", "d", 2).unwrap();
        let said = qrels.add("q", "d", 1).unwrap_err().to_string();
        assert_eq!(said, "document `d` is judged twice for query `q`");
        assert_eq!(qrels.get("q").unwrap()["d"], 2);
    }

    #[test]
    fn the_two_halves_hold_every_query_once() {
        let mut qrels = Qrels::default();
        for n in 0..100 {
            qrels.add(&format!("q{n}"), "d", 1).unwrap();
        }
        let (dev, test) =
            (qrels.restricted(|q| half(q) == Half::Dev), qrels.restricted(|q| half(q) == Half::Test));
        assert_eq!(dev.len() + test.len(), 100);
        assert!(dev.iter().all(|(query, _)| !test.contains(query)));
    }
}
