//! Files of JSON, one object a line, with errors that name file and line.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// What is wrong with a data set, and where.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {why}", .file.display(), .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct Damage {
    file: PathBuf,
    line: Option<usize>,
    why: String,
}

impl Damage {
    /// At a line.
    pub fn at(file: &Path, line: usize, why: &str) -> Self {
        Self { file: file.to_owned(), line: Some(line), why: why.to_owned() }
    }

    /// Of a file as a whole.
    pub fn of(file: &Path, why: impl std::fmt::Display) -> Self {
        Self { file: file.to_owned(), line: None, why: why.to_string() }
    }
}

/// Each object with its line's number; empty lines are passed over.
///
/// # Errors
/// A file that cannot be read or is empty, and the first line that is not of the form.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<(usize, T)>, Damage> {
    let bytes = std::fs::read(path).map_err(|error| Damage::of(path, error))?;
    let text = String::from_utf8(bytes).map_err(|_| Damage::of(path, "it is not UTF-8"))?;
    let mut all = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let one = serde_json::from_str(line).map_err(|error| Damage::at(path, at + 1, &error.to_string()))?;
        all.push((at + 1, one));
    }
    if all.is_empty() { Err(Damage::of(path, "there is nothing in it")) } else { Ok(all) }
}
