//! A run: for each query the documents a retriever found, best first. In and out as TREC run files.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;

use super::ReadError;
use super::read::each_line;

/// A document that was found, with its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The document's id.
    pub document: String,
    /// Higher is better; comparable within one query only.
    pub score: f64,
}

/// A ranking that cannot be scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The query has a ranking already.
    #[error("query `{query}` has two rankings")]
    DuplicateQuery {
        /// The query's id.
        query: String,
    },
    /// One document was found twice for the query; trec_eval refuses such runs too.
    #[error("document `{document}` is ranked twice for query `{query}`")]
    DuplicateDocument {
        /// The query's id.
        query: String,
        /// The document's id.
        document: String,
    },
    /// A score is infinite or not a number, so it has no place in an order.
    #[error("document `{document}` of query `{query}` has no finite score")]
    ScoreNotFinite {
        /// The query's id.
        query: String,
        /// The document's id.
        document: String,
    },
}

/// Rankings by query, each in trec_eval's order: score descending, equal scores by document id descending.
///
/// trec_eval keeps scores in single precision, so scores that differ only beyond it are equal here too.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    rankings: BTreeMap<String, Vec<Hit>>,
}

impl Run {
    /// Adds what was found for one query, in any order.
    ///
    /// # Errors
    /// The query is there already, a document occurs twice, or a score is not finite.
    pub fn add(
        &mut self,
        query: &str,
        hits: impl IntoIterator<Item = (String, f64)>,
    ) -> Result<(), RunError> {
        if self.rankings.contains_key(query) {
            return Err(RunError::DuplicateQuery { query: query.into() });
        }
        let mut ranking = Vec::new();
        let mut seen = HashSet::new();
        for (document, score) in hits {
            if !score.is_finite() {
                return Err(RunError::ScoreNotFinite { query: query.into(), document });
            }
            if !seen.insert(document.clone()) {
                return Err(RunError::DuplicateDocument { query: query.into(), document });
            }
            ranking.push(Hit { document, score });
        }
        sort(&mut ranking);
        self.rankings.insert(query.to_owned(), ranking);
        Ok(())
    }

    /// Sets what was found for one query, whatever it was before. For a retriever's own output, where nothing
    /// is to be refused: of a document that occurs twice the better score stays, and a document whose score
    /// is not finite has no rank and is left out. [`Run::add`] is the strict way.
    pub fn insert(&mut self, query: String, ranked: Vec<(String, f64)>) {
        let finite = ranked.into_iter().filter(|(_, score)| score.is_finite());
        let mut ranking: Vec<Hit> = finite.map(|(document, score)| Hit { document, score }).collect();
        sort(&mut ranking);
        let mut seen = HashSet::new();
        ranking.retain(|hit| seen.insert(hit.document.clone()));
        self.rankings.insert(query, ranking);
    }

    /// What was found for a query, best first; nothing if the run does not have the query.
    #[must_use]
    pub fn ranking(&self, query: &str) -> &[Hit] {
        self.rankings.get(query).map_or(&[], Vec::as_slice)
    }

    /// The queries in order of their ids, each with what was found, best first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Hit])> {
        self.rankings.iter().map(|(query, hits)| (query.as_str(), hits.as_slice()))
    }

    /// Reads a TREC run file: `query Q0 document rank score tag`, separated by blanks. As in trec_eval the
    /// rank column is ignored: the scores decide.
    ///
    /// # Errors
    /// The file cannot be read, or a line is not of this form, has a score that is not a finite number, or
    /// ranks a document again; with file and line.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let mut rankings: BTreeMap<String, Vec<Hit>> = BTreeMap::new();
        let mut seen = HashSet::new();
        each_line(path, |line, text| {
            let fields: Vec<&str> = text.split_ascii_whitespace().collect();
            let &[query, _, document, _, score, _] = fields.as_slice() else {
                let problem =
                    format!("expected 6 fields (query Q0 document rank score tag), found {}", fields.len());
                return Err(ReadError::line(path, line, problem));
            };
            let Some(score) = score.parse::<f64>().ok().filter(|s| s.is_finite()) else {
                return Err(ReadError::line(path, line, format!("score `{score}` is not a finite number")));
            };
            if !seen.insert((query.to_owned(), document.to_owned())) {
                let problem = RunError::DuplicateDocument { query: query.into(), document: document.into() };
                return Err(ReadError::line(path, line, problem.to_string()));
            }
            rankings.entry(query.to_owned()).or_default().push(Hit { document: document.into(), score });
            Ok(())
        })?;
        rankings.values_mut().for_each(|ranking| sort(ranking));
        Ok(Self { rankings })
    }

    /// Writes the run to a file, as [`Self::to_trec`] has it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_file(&self, path: &Path, tag: &str) -> std::io::Result<()> {
        std::fs::write(path, self.to_trec(tag))
    }

    /// The run as the text of a TREC run file, ranks counted from 1. `tag` names the run; blanks in it, or in
    /// an id, would break the format and become `_`.
    #[must_use]
    pub fn to_trec(&self, tag: &str) -> String {
        let tag = one_field(tag);
        let mut text = String::new();
        for (query, hits) in &self.rankings {
            let query = one_field(query);
            for (rank, Hit { document, score }) in (1..).zip(hits) {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{query} Q0 {} {rank} {score} {tag}", one_field(document));
            }
        }
        text
    }
}

/// trec_eval's order (`comp_sim_docno` in its form_res_rels.c): scores as `float`, ties by id, last id first.
fn sort(ranking: &mut [Hit]) {
    ranking.sort_by(|a, b| {
        // Adding 0 makes -0 equal to 0, as C compares them.
        let (x, y) = (a.score as f32 + 0.0, b.score as f32 + 0.0);
        y.total_cmp(&x).then_with(|| b.document.cmp(&a.document))
    });
}

fn one_field(text: &str) -> String {
    if text.is_empty() {
        return "_".into();
    }
    text.chars().map(|c| if c.is_whitespace() { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests;
