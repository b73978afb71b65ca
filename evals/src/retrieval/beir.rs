//! Data sets in BEIR's layout: `corpus.jsonl`, `queries.jsonl`, `qrels/*.tsv`.
//!
//! Source: Thakur et al., "BEIR" (2021), and the reader of its `beir` package (GenericDataLoader). As there,
//! the first line of the judgements is a header, only judged queries are kept, and a judgement about a
//! document outside the corpus stays: it counts as relevant and can never be found. Those are told as
//! [`BeirSet::notes`].

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::read::{each_line, json};
use super::{Qrels, ReadError};

/// A retrieval data set.
#[derive(Debug, Clone)]
pub struct BeirSet {
    /// The folder's name.
    pub name: String,
    /// What can be found, in the file's order.
    pub corpus: Vec<Document>,
    /// What is asked, in the file's order; queries without judgements are left out.
    pub queries: Vec<Question>,
    /// What should be found.
    pub qrels: Qrels,
    /// Oddities that do not stop an evaluation, one sentence each.
    pub notes: Vec<String>,
}

/// A document of the corpus.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Document {
    /// Its id in judgements and runs.
    #[serde(rename = "_id")]
    pub id: String,
    /// May be empty.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub title: String,
    /// The body.
    pub text: String,
}

impl Document {
    /// Title and text with a space between them, as BEIR's baselines index a document.
    #[must_use]
    pub fn title_and_text(&self) -> String {
        if self.title.is_empty() { self.text.clone() } else { format!("{} {}", self.title, self.text) }
    }
}

/// A query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its id in judgements and runs.
    pub id: String,
    /// What is asked.
    pub text: String,
    /// What the same user said before, oldest first: the turns of `metadata.history` whose speaker is `user`.
    pub previous: Vec<String>,
}

impl BeirSet {
    /// As [`read`].
    ///
    /// # Errors
    /// As [`read`].
    pub fn read(dir: &Path) -> Result<Self, ReadError> {
        read(dir)
    }
}

/// Reads the data set in `dir`, with `qrels/test.tsv` or else the only `.tsv` there.
///
/// # Errors
/// A file is missing or unreadable; several judgement files and none of them is `test.tsv`; or a line is
/// malformed, lacks a field, repeats an id, has a grade that is not a whole number or judges a query that
/// does not exist: these name file and line.
pub fn read(dir: impl AsRef<Path>) -> Result<BeirSet, ReadError> {
    let dir = dir.as_ref();
    let corpus: Vec<Document> = read_jsonl(&dir.join("corpus.jsonl"), |d: &Document| &d.id)?;
    let rows: Vec<QueryRow> = read_jsonl(&dir.join("queries.jsonl"), |q: &QueryRow| &q.id)?;
    let mut queries: Vec<Question> = rows.into_iter().map(Question::from).collect();
    let (qrels, notes) = read_qrels(&qrels_file(&dir.join("qrels"))?, &corpus, &queries)?;
    queries.retain(|query| qrels.contains(&query.id));
    Ok(BeirSet { name: name_of(dir), corpus, queries, qrels, notes })
}

fn read_jsonl<T: serde::de::DeserializeOwned>(
    path: &Path,
    id_of: impl Fn(&T) -> &String,
) -> Result<Vec<T>, ReadError> {
    let mut items = Vec::new();
    let mut seen = HashSet::new();
    each_line(path, |line, text| {
        let item: T = json(path, line, text)?;
        let id = id_of(&item);
        if !seen.insert(id.clone()) {
            return Err(ReadError::line(path, line, format!("id `{id}` is there twice")));
        }
        items.push(item);
        Ok(())
    })?;
    Ok(items)
}

fn qrels_file(dir: &Path) -> Result<PathBuf, ReadError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| ReadError::io(dir, e))? {
        let path = entry.map_err(|e| ReadError::io(dir, e))?.path();
        if path.extension().is_some_and(|extension| extension == "tsv") {
            files.push(path);
        }
    }
    let test = dir.join("test.tsv");
    match files.as_slice() {
        _ if files.contains(&test) => Ok(test),
        [only] => Ok(only.clone()),
        [] => Err(ReadError::layout(dir, "no .tsv file with judgements")),
        _ => Err(ReadError::layout(dir, "several .tsv files and none of them is test.tsv")),
    }
}

fn read_qrels(
    path: &Path,
    corpus: &[Document],
    queries: &[Question],
) -> Result<(Qrels, Vec<String>), ReadError> {
    let documents: HashSet<&str> = corpus.iter().map(|d| d.id.as_str()).collect();
    let asked: HashSet<&str> = queries.iter().map(|q| q.id.as_str()).collect();
    let mut qrels = Qrels::default();
    let mut unknown: BTreeMap<String, usize> = BTreeMap::new();
    let mut header = true;
    each_line(path, |line, text| {
        let fields: Vec<&str> = text.split('\t').map(str::trim).collect();
        let &[query, document, grade] = fields.as_slice() else {
            let problem = format!(
                "expected 3 fields (query-id, corpus-id, score) between tabs, found {}",
                fields.len()
            );
            return Err(ReadError::line(path, line, problem));
        };
        let grade = grade.parse::<i64>();
        if std::mem::take(&mut header) {
            // A judgement in the header's place would be lost in silence.
            return match grade {
                Ok(_) => Err(ReadError::line(path, line, "a judgement where the header should be")),
                Err(_) => Ok(()),
            };
        }
        let grade = grade.map_err(|_| {
            ReadError::line(path, line, format!("grade `{}` is not a whole number", fields[2]))
        })?;
        if !asked.contains(query) {
            return Err(ReadError::line(path, line, format!("query `{query}` is not in queries.jsonl")));
        }
        if !documents.contains(document) {
            unknown.entry(document.to_owned()).or_insert(line);
        }
        qrels.add(query, document, grade).map_err(|e| ReadError::line(path, line, e.to_string()))
    })?;
    if qrels.is_empty() {
        return Err(ReadError::layout(path, "no judgements"));
    }
    let warnings = unknown.into_iter().map(|(document, line)| {
        format!(
            "{}:{line}: document `{document}` is not in corpus.jsonl; it counts as never found",
            path.display()
        )
    });
    Ok((qrels, warnings.collect()))
}

/// The folder's own name, also when it was given as `.` or with `..` in it.
fn name_of(dir: &Path) -> String {
    let full = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    full.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(from)?.unwrap_or_default())
}

#[derive(Deserialize)]
struct QueryRow {
    #[serde(rename = "_id")]
    id: String,
    text: String,
    /// Free in BEIR: what does not look like a history is not one.
    #[serde(default)]
    metadata: serde_json::Value,
}

impl From<QueryRow> for Question {
    fn from(row: QueryRow) -> Self {
        let turns = row.metadata["history"].as_array().into_iter().flatten();
        let said = turns.filter(|turn| turn["speaker"] == "user").filter_map(|turn| turn["text"].as_str());
        Self { previous: said.map(str::to_owned).collect(), id: row.id, text: row.text }
    }
}

#[cfg(test)]
mod tests;
