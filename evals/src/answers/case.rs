//! Questions with what a good answer says: `evals/golden/README.md`, "Questions".

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::lines::{self, Damage};

/// One question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique over all sets.
    pub id: String,
    /// The shop's slug.
    pub tenant: String,
    /// The language the answer should have: `pt`, `en`.
    pub language: String,
    /// `dev` or `test`.
    pub split: String,
    /// What it is about.
    pub topic: String,
    /// What the customer writes.
    pub question: String,
    /// What was said before, oldest first.
    pub history: Vec<Said>,
    /// Whether the documents answer it.
    pub answerable: bool,
    /// Short answers in the shop's words.
    pub references: Vec<String>,
    /// Every passage known to support the answer.
    pub supports: Vec<Support>,
    /// Each must be said.
    pub must_contain: Vec<String>,
    /// None may be said.
    pub must_not_contain: Vec<String>,
    /// How it is written, and what it needs.
    pub tags: Vec<String>,
}

/// Something said before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// `customer` or `assistant`.
    pub role: String,
    /// The words.
    pub text: String,
}

/// A passage that supports an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Support {
    /// The document's file name.
    pub source: String,
    /// An exact part of it.
    pub quote: String,
}

/// Reads a file of questions.
///
/// # Errors
/// The first line that is not one, with its number.
pub fn read(path: &Path) -> Result<Vec<Case>, Damage> {
    let cases: Vec<(usize, Case)> = lines::read(path)?;
    for (number, case) in &cases {
        let wrong = if case.id.is_empty() || case.question.trim().is_empty() {
            Some("`id` and `question` must not be empty")
        } else if !["dev", "test"].contains(&case.split.as_str()) {
            Some("`split` must be dev or test")
        } else if case.answerable == case.supports.is_empty() {
            Some("an answerable question has `supports`, and only such a one")
        } else {
            None
        };
        if let Some(why) = wrong {
            return Err(Damage::at(path, *number, why));
        }
        if cases.iter().any(|(other, twin)| other < number && twin.id == case.id) {
            return Err(Damage::at(path, *number, &format!("the id `{}` was there before", case.id)));
        }
    }
    Ok(cases.into_iter().map(|(_, case)| case).collect())
}
