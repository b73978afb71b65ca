//! The files of a source.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use encoding_rs::{UTF_8, WINDOWS_1252};
use encoding_rs_io::DecodeReaderBytesBuilder;

use crate::{ReadError, json::Node};

/// Bytes that an answer of an API may have. Feeds have no limit: they are streamed.
const MOST: u64 = 64 * 1024 * 1024;

/// A file, on disk or in memory. It may be read more than once.
#[derive(Debug, Clone)]
pub struct File {
    name: String,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Path(PathBuf),
    Bytes(Arc<[u8]>),
}

impl File {
    /// A file on disk, by its path.
    pub fn at(path: &Path) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self { name, content: Content::Path(path.to_owned()) }
    }

    /// A file in memory.
    pub fn of(name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { name: name.into(), content: Content::Bytes(bytes.into()) }
    }

    /// Its name without folders.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Read + '_>, ReadError> {
        match &self.content {
            Content::Path(path) => {
                fs::File::open(path).map(|file| Box::new(file) as Box<dyn Read>).map_err(|e| self.io(e))
            }
            Content::Bytes(bytes) => Ok(Box::new(&bytes[..])),
        }
    }

    /// Its text as UTF-8 from the start: by its byte order mark, else UTF-8, else Windows-1252 (what Brazilian
    /// spreadsheets write) where it is not UTF-8 to its end.
    pub(crate) fn open_text(&self) -> Result<impl Read + '_, ReadError> {
        let encoding =
            if is_utf8(self.open()?).map_err(|error| self.io(error))? { UTF_8 } else { WINDOWS_1252 };
        Ok(DecodeReaderBytesBuilder::new()
            .encoding(Some(encoding))
            .bom_override(true)
            .strip_bom(true)
            .build(self.open()?))
    }

    /// All of it as text.
    pub(crate) fn text(&self) -> Result<String, ReadError> {
        let mut text = String::new();
        let mut limited = self.open_text()?.take(MOST + 1);
        limited.read_to_string(&mut text).map_err(|error| self.io(error))?;
        if text.len() as u64 > MOST {
            return Err(ReadError::TooLarge { file: self.name.clone(), most: MOST });
        }
        Ok(text)
    }

    /// The JSON value it is.
    pub(crate) fn json(&self) -> Result<Node, ReadError> {
        Node::parse(&self.text()?).map_err(|error| self.malformed("JSON", error.to_string()))
    }

    pub(crate) fn io(&self, error: io::Error) -> ReadError {
        ReadError::Io { file: self.name.clone(), error }
    }

    pub(crate) fn malformed(&self, expected: &'static str, reason: impl Into<String>) -> ReadError {
        ReadError::Malformed { file: self.name.clone(), expected, reason: reason.into() }
    }
}

/// Whether the bytes are UTF-8 to their end.
fn is_utf8(mut bytes: impl Read) -> io::Result<bool> {
    let mut buffer = vec![0; 64 * 1024];
    // Bytes of a character that the last read cut in two.
    let mut kept = 0;
    loop {
        let read = bytes.read(&mut buffer[kept..])?;
        if read == 0 {
            return Ok(kept == 0);
        }
        let filled = kept + read;
        kept = match std::str::from_utf8(&buffer[..filled]) {
            Ok(_) => 0,
            Err(error) if error.error_len().is_none() => {
                buffer.copy_within(error.valid_up_to()..filled, 0);
                filled - error.valid_up_to()
            }
            Err(_) => return Ok(false),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreadsheets_of_windows_are_read_as_what_they_are() {
        for bytes in [&b"Pre\xe7o"[..], "Preço".as_bytes(), "\u{feff}Preço".as_bytes()] {
            assert_eq!(File::of("a.csv", bytes).text().expect("text"), "Preço");
        }
    }

    #[test]
    fn a_character_cut_in_two_by_a_read_is_one_character() {
        let text = "é".repeat(40_000) + "x" + &"é".repeat(40_000);
        assert!(is_utf8(text.as_bytes()).expect("bytes in memory"));
        assert!(!is_utf8(&text.as_bytes()[..text.len() - 1]).expect("bytes in memory"));
    }
}
