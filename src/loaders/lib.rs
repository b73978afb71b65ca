//! From the bytes of a file to its words.
//!
//! A loader turns one kind of file into Markdown that the splitter understands: headings stay headings, tables keep
//! their columns, and what is not content (menus, scripts, repeated page headers) is left out. Loaders read hostile
//! files: whatever the bytes, the answer is a [`Document`] or an [`Unreadable`] with a reason a person can act on,
//! within the bounds of [`Options`]. Nothing here opens a file, a socket or a database; `balcao-retrieval` decides
//! what is read and where its passages go.
//!
//! langchain-rust's loaders were looked at: its PDF and office loaders are not part of the version in use, and its CSV
//! and HTML loaders drop headings and tables, so they serve only where text is text already.

mod archive;
mod delimited;
mod html;
mod json;
mod kind;
mod markdown;
mod pdf;
mod sheet;
pub mod text;
mod word;

pub use archive::{Member, unpack};
pub use kind::MediaType;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Raised when the same bytes would be read otherwise: documents are then read anew when they come in again.
pub const VERSION: u8 = 1;

/// The words of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// The title it gives itself, where its kind has one. Markdown's is the splitter's to find.
    pub title: Option<String>,
    /// Markdown, or text where the file is plain text; clean as [`text::clean`] leaves it.
    pub text: String,
    /// What was left out, for the person who gave the file.
    pub warnings: Vec<String>,
}

/// What bounds the reading, and what decides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Bytes of words a document may have.
    pub max_text_bytes: usize,
    /// Bytes that a packed file (ZIP, Word, spreadsheet, the streams of a PDF) may unpack to.
    pub max_unpacked_bytes: u64,
    /// Files an archive may have.
    pub max_members: usize,
    /// How many elements of a page may be open at once: some browsers' engines grow slow on more, and so do ours.
    pub max_depth: usize,
    /// Pages of a PDF.
    pub max_pages: usize,
    /// Fields of JSON records that name what the record is about, first found first.
    pub title_fields: Vec<String>,
    /// Fields of JSON records that hold prose, in the order they are written.
    pub text_fields: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        Self {
            max_text_bytes: text::MAX_BYTES,
            max_unpacked_bytes: 128 * 1024 * 1024,
            max_members: 5_000,
            max_depth: 2_000,
            max_pages: 5_000,
            title_fields: names(&[
                "title", "titulo", "título", "question", "pergunta", "name", "nome", "subject", "assunto",
            ]),
            text_fields: names(&[
                "text",
                "texto",
                "content",
                "conteudo",
                "conteúdo",
                "answer",
                "resposta",
                "body",
                "corpo",
                "description",
                "descricao",
                "descrição",
            ]),
        }
    }
}

/// Why a file was not taken in. Shown to the person who gave it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Nothing in it but space.
    #[error("the file is empty")]
    Empty,
    /// Larger than files of its kind may be.
    #[error("the file has {bytes} bytes; the largest taken is {most}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// What it may have.
        most: u64,
    },
    /// More inside than may be.
    #[error("the file has more than {most} {what}; split it into smaller ones")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: u64,
    },
    /// Its bytes are not text in any encoding we know.
    #[error("the file is not text")]
    NotText,
    /// A kind of file without a loader.
    #[error(
        "files of this kind are not read; Markdown, text, HTML, PDF, Word (.docx), spreadsheets (.xlsx), CSV, JSON \
         and ZIP archives of these are"
    )]
    UnknownKind,
    /// An archive where a document is expected.
    #[error(
        "this is an archive; send its files one by one, or unpack it and use `balcao ingest` on the folder"
    )]
    Archive,
    /// Not what its name says, or cut off.
    #[error("the {kind} is damaged{}: {reason}", .page.map(|page| format!(" at page {page}")).unwrap_or_default())]
    Damaged {
        /// Its kind.
        kind: &'static str,
        /// Where, counted from 1.
        page: Option<u32>,
        /// What is wrong.
        reason: String,
    },
    /// Pictures of pages.
    #[error(
        "the PDF is a scan: its {pages} page(s) are pictures without text; run text recognition (OCR) over it"
    )]
    Scanned {
        /// How many.
        pages: usize,
    },
    /// Behind a password.
    #[error("the {kind} is protected by a password; save it without one")]
    Encrypted {
        /// Its kind.
        kind: &'static str,
    },
    /// The operating system says no.
    #[error("the file cannot be read: {0}")]
    Io(String),
}

impl Unreadable {
    pub(crate) fn damaged(kind: &'static str, reason: impl ToString) -> Self {
        Self::Damaged { kind, page: None, reason: reason.to_string() }
    }
}

/// Reads a file of a known kind. Work for a core: call it off the runtime's threads.
///
/// # Errors
/// [`Unreadable`]; an archive is [`Unreadable::Archive`], its members come from [`unpack`].
pub fn read(kind: MediaType, bytes: &[u8], options: &Options) -> Result<Document, Unreadable> {
    let most = kind.max_bytes();
    if bytes.len() > most {
        return Err(Unreadable::TooLarge { bytes: bytes.len() as u64, most: most as u64 });
    }
    // Libraries for formats as old as PDF index where they should look; a file must not take a thread with it.
    let read = catch_unwind(AssertUnwindSafe(|| match kind {
        MediaType::Markdown | MediaType::PlainText => {
            text::decode(bytes).map(|text| Document { text, ..Document::default() })
        }
        MediaType::Html => html::read(bytes, options),
        MediaType::Pdf => pdf::read(bytes, options),
        MediaType::Docx => word::read(bytes, options),
        MediaType::Xlsx => sheet::read(bytes, options),
        MediaType::Csv => delimited::read(bytes, options),
        MediaType::Json => json::read(bytes, options),
        MediaType::JsonLines => json::read_lines(bytes, options),
        MediaType::Zip => Err(Unreadable::Archive),
    }));
    let read = read.unwrap_or_else(|_| Err(Unreadable::damaged(kind.name(), "its structure makes no sense")));
    let mut document = read?;
    document.text = text::clean(&document.text);
    if document.text.trim().is_empty() {
        return Err(Unreadable::Empty);
    }
    if document.text.len() > options.max_text_bytes {
        return Err(Unreadable::TooMuch { what: "bytes of text", most: options.max_text_bytes as u64 });
    }
    Ok(document)
}

#[cfg(test)]
mod hostile_test;
