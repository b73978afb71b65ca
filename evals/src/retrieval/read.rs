//! Reading files of lines, with errors that say where.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Why a file of an evaluation could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file or folder is not there, or may not be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// One line of the file is wrong.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The folder does not have the files it should have.
    #[error("`{}`: {problem}", path.display())]
    Layout {
        /// The folder or file.
        path: PathBuf,
        /// What is missing or ambiguous.
        problem: String,
    },
}

impl ReadError {
    pub(crate) fn line(path: &Path, line: usize, problem: impl Into<String>) -> Self {
        Self::Line { path: path.to_owned(), line, problem: problem.into() }
    }

    pub(crate) fn layout(path: &Path, problem: impl Into<String>) -> Self {
        Self::Layout { path: path.to_owned(), problem: problem.into() }
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Unreadable { path: path.to_owned(), source }
    }
}

/// Calls `each` with the number (from 1) and text of every line that is not blank.
pub(crate) fn each_line(
    path: &Path,
    mut each: impl FnMut(usize, &str) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let bytes = std::fs::read(path).map_err(|e| ReadError::io(path, e))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let text = std::str::from_utf8(line).map_err(|_| ReadError::line(path, index + 1, "not UTF-8"))?;
        let text = text.strip_suffix('\r').unwrap_or(text);
        if !text.trim().is_empty() {
            each(index + 1, text)?;
        }
    }
    Ok(())
}

/// Parses one line of a JSONL file.
pub(crate) fn json<T: DeserializeOwned>(path: &Path, line: usize, text: &str) -> Result<T, ReadError> {
    serde_json::from_str(text).map_err(|e| {
        // serde_json counts lines within the text it was given, which is always one line here.
        let said = e.to_string();
        let said = said.split(" at line ").next().unwrap_or_default();
        ReadError::line(path, line, format!("{said}, column {}", e.column()))
    })
}
