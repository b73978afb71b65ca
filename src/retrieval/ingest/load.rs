//! From bytes to text: what kind of file it is, and its words in UTF-8.
//!
//! Shops export from everything: a text that is not UTF-8 is read as UTF-16 (by its mark) or as Windows-1252, what
//! Brazilian spreadsheets and old editors write. A file that is not text is refused with a reason a person can act on.

use std::path::{Path, PathBuf};

use encoding_rs::{Encoding, WINDOWS_1252};
use unicode_normalization::UnicodeNormalization;

/// The largest document taken in, in bytes: at some 4 bytes a token and 10 passages a second, embedding more would
/// keep a worker busy for the better part of an hour. Larger ones are to be split by their owner.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum MediaType {
    /// Markdown: headings, lists and tables are understood.
    #[serde(rename = "text/markdown")]
    Markdown,
    /// Plain text.
    #[serde(rename = "text/plain")]
    PlainText,
}

impl MediaType {
    /// The IANA name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "text/markdown",
            Self::PlainText => "text/plain",
        }
    }

    /// Reads an IANA name, parameters (`; charset=…`) ignored.
    pub fn from_mime(name: &str) -> Option<Self> {
        match name.split(';').next()?.trim().to_ascii_lowercase().as_str() {
            "text/markdown" | "text/x-markdown" => Some(Self::Markdown),
            "text/plain" => Some(Self::PlainText),
            _ => None,
        }
    }

    /// The type of a file, by its name.
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "md" | "markdown" | "mdown" | "mkd" => Some(Self::Markdown),
            "txt" | "text" => Some(Self::PlainText),
            _ => None,
        }
    }
}

/// Why a file was not taken in. Shown to the person who gave it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Nothing in it but space.
    #[error("the file is empty")]
    Empty,
    /// Larger than [`MAX_BYTES`].
    #[error("the file has {bytes} bytes; the largest taken is {MAX_BYTES}")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// Its bytes are not text in any encoding we know.
    #[error("the file is not text")]
    NotText,
    /// A kind of file without a loader.
    #[error("files of this kind are not read yet; Markdown (.md) and text (.txt) are")]
    UnknownKind,
    /// The operating system says no.
    #[error("the file cannot be read: {0}")]
    Io(String),
}

/// The text of a file, cleaned: UTF-8, composed accents, `\n` line ends, no control or invisible characters.
pub fn decode(bytes: &[u8]) -> Result<String, Unreadable> {
    if bytes.len() > MAX_BYTES {
        return Err(Unreadable::TooLarge { bytes: bytes.len() as u64 });
    }
    let raw = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => encoding.decode_without_bom_handling(&bytes[mark..]).0,
        None => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
        },
    };
    if looks_binary(&raw) {
        return Err(Unreadable::NotText);
    }
    let text = clean(&raw);
    if text.trim().is_empty() { Err(Unreadable::Empty) } else { Ok(text) }
}

/// A picture or an archive read as text is full of control characters; a text has next to none.
fn looks_binary(text: &str) -> bool {
    let strange = text
        .chars()
        .filter(|c| *c == '\u{fffd}' || (c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}')))
        .count();
    // A stray one or two come from bad exports, in short texts too.
    strange > 4 && strange * 50 > text.chars().count()
}

fn clean(text: &str) -> String {
    text.replace("\r\n", "\n")
        .nfc()
        .filter_map(|c| match c {
            '\r' | '\u{c}' | '\u{2028}' | '\u{2029}' => Some('\n'),
            // No-break and other typographic spaces.
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}' => Some(' '),
            // Soft hyphen, zero-width space, word joiner, stray byte order mark. Joiners (200c, 200d) stay: emoji
            // and some scripts need them.
            '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}' => None,
            c if c.is_control() && !matches!(c, '\n' | '\t') => None,
            c => Some(c),
        })
        .collect()
}

/// A file found under a path, with the name it is known by: its path below the folder that was given, with `/`, so
/// that the same folder ingested from elsewhere is the same documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What it is called.
    pub uri: String,
}

/// Every file at or below `root`, by name, hidden ones left out. What cannot be listed is in the second part.
///
/// (langchain-rust's folder walk panics on a folder it may not read, so it is not used here.)
pub fn files_at(root: &Path) -> (Vec<FoundFile>, Vec<(String, Unreadable)>) {
    let mut found = Vec::new();
    let mut failed = Vec::new();
    walk(root, root, 0, &mut found, &mut failed);
    found.sort_by(|a: &FoundFile, b| a.uri.cmp(&b.uri));
    (found, failed)
}

/// Deeper than any folder of documents; a loop of links ends here.
const MAX_DEPTH: usize = 32;

fn walk(
    root: &Path,
    path: &Path,
    depth: usize,
    found: &mut Vec<FoundFile>,
    failed: &mut Vec<(String, Unreadable)>,
) {
    let uri = uri_of(root, path);
    let entries = match std::fs::metadata(path) {
        Err(error) => return failed.push((uri, Unreadable::Io(error.to_string()))),
        Ok(meta) if meta.is_file() => return found.push(FoundFile { path: path.to_owned(), uri }),
        Ok(_) => std::fs::read_dir(path),
    };
    match entries {
        Err(error) => failed.push((uri, Unreadable::Io(error.to_string()))),
        Ok(entries) => {
            for entry in entries.flatten() {
                let hidden = entry.file_name().to_string_lossy().starts_with('.');
                if !hidden && depth < MAX_DEPTH {
                    walk(root, &entry.path(), depth + 1, found, failed);
                }
            }
        }
    }
}

fn uri_of(root: &Path, path: &Path) -> String {
    let below = match path.strip_prefix(root) {
        Ok(below) if !below.as_os_str().is_empty() => below,
        _ => Path::new(path.file_name().unwrap_or(path.as_os_str())),
    };
    below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The bytes of a file, unless it is too large to look at.
pub async fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let io = |error: std::io::Error| Unreadable::Io(error.to_string());
    let bytes = tokio::fs::metadata(path).await.map_err(io)?.len();
    if bytes > MAX_BYTES as u64 {
        return Err(Unreadable::TooLarge { bytes });
    }
    tokio::fs::read(path).await.map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_whatever_its_encoding() {
        let expected = "Devolução em até 7 dias";
        let utf16: Vec<u8> =
            [0xff, 0xfe].into_iter().chain(expected.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let latin1: Vec<u8> = expected.chars().map(|c| c as u32 as u8).collect();
        for bytes in
            [expected.as_bytes().to_vec(), [b"\xef\xbb\xbf", expected.as_bytes()].concat(), utf16, latin1]
        {
            assert_eq!(decode(&bytes).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn accents_are_composed_and_invisible_characters_dropped() {
        assert_eq!(decode("a\u{301}\u{200b}b\u{ad}c\u{a0}d\r\ne\u{0}".as_bytes()).as_deref(), Ok("ábc d\ne"));
    }

    #[test]
    fn what_is_not_text_is_refused_with_its_reason() {
        assert_eq!(decode(b""), Err(Unreadable::Empty));
        assert_eq!(decode(b" \n\t"), Err(Unreadable::Empty));
        assert_eq!(decode(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00"), Err(Unreadable::NotText));
        let large = vec![b'a'; MAX_BYTES + 1];
        assert_eq!(decode(&large), Err(Unreadable::TooLarge { bytes: MAX_BYTES as u64 + 1 }));
    }

    #[test]
    fn files_are_named_by_their_path_below_the_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("entrega")).expect("a folder");
        for name in ["entrega/prazo.md", "faq.txt", ".hidden.md"] {
            std::fs::write(folder.path().join(name), "x").expect("a file");
        }
        let (found, failed) = files_at(folder.path());
        let names: Vec<_> = found.iter().map(|file| file.uri.as_str()).collect();
        assert_eq!(names, ["entrega/prazo.md", "faq.txt"]);
        assert!(failed.is_empty());

        let (one, _) = files_at(&folder.path().join("faq.txt"));
        assert_eq!(one[0].uri, "faq.txt");
        let (none, failed) = files_at(&folder.path().join("missing"));
        assert!(none.is_empty());
        assert!(matches!(&failed[0], (uri, Unreadable::Io(_)) if uri == "missing"));
    }
}
