//! The kinds of files that are read, by their IANA names and by the endings of file names.

use std::path::Path;

use crate::text;

/// What a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum MediaType {
    /// Markdown: headings, lists and tables are understood.
    #[serde(rename = "text/markdown")]
    Markdown,
    /// Plain text.
    #[serde(rename = "text/plain")]
    PlainText,
    /// A web page.
    #[serde(rename = "text/html")]
    Html,
    /// PDF.
    #[serde(rename = "application/pdf")]
    Pdf,
    /// A Word document (Office Open XML).
    #[serde(rename = "application/vnd.openxmlformats-officedocument.wordprocessingml.document")]
    Docx,
    /// A spreadsheet (Office Open XML, OpenDocument and the older binary ones).
    #[serde(rename = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")]
    Xlsx,
    /// Values with a delimiter: comma, semicolon, tab or bar.
    #[serde(rename = "text/csv")]
    Csv,
    /// JSON.
    #[serde(rename = "application/json")]
    Json,
    /// A JSON value a line.
    #[serde(rename = "application/x-ndjson")]
    JsonLines,
    /// An archive of files of the other kinds.
    #[serde(rename = "application/zip")]
    Zip,
}

/// What is known of a kind. The first IANA name is the one it is stored under.
struct Known {
    kind: MediaType,
    name: &'static str,
    iana: &'static [&'static str],
    endings: &'static [&'static str],
}

const KNOWN: &[Known] = &[
    Known {
        kind: MediaType::Markdown,
        name: "Markdown file",
        iana: &["text/markdown", "text/x-markdown"],
        endings: &["md", "markdown", "mdown", "mkd"],
    },
    Known { kind: MediaType::PlainText, name: "text file", iana: &["text/plain"], endings: &["txt", "text"] },
    Known {
        kind: MediaType::Html,
        name: "web page",
        iana: &["text/html", "application/xhtml+xml"],
        endings: &["html", "htm", "xhtml"],
    },
    Known {
        kind: MediaType::Pdf,
        name: "PDF",
        iana: &["application/pdf", "application/x-pdf"],
        endings: &["pdf"],
    },
    Known {
        kind: MediaType::Docx,
        name: "Word document",
        iana: &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
        endings: &["docx", "docm"],
    },
    Known {
        kind: MediaType::Xlsx,
        name: "spreadsheet",
        iana: &[
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.oasis.opendocument.spreadsheet",
            "application/vnd.ms-excel",
        ],
        endings: &["xlsx", "xlsm", "xlsb", "ods", "xls"],
    },
    Known {
        kind: MediaType::Csv,
        name: "CSV file",
        iana: &["text/csv", "text/tab-separated-values", "application/csv"],
        endings: &["csv", "tsv", "tab"],
    },
    Known {
        kind: MediaType::Json,
        name: "JSON file",
        iana: &["application/json", "text/json"],
        endings: &["json"],
    },
    Known {
        kind: MediaType::JsonLines,
        name: "JSON Lines file",
        iana: &["application/x-ndjson", "application/jsonl", "application/x-jsonlines"],
        endings: &["jsonl", "ndjson"],
    },
    Known {
        kind: MediaType::Zip,
        name: "ZIP archive",
        iana: &["application/zip", "application/x-zip-compressed"],
        endings: &["zip"],
    },
];

/// The largest file taken of those whose bytes are mostly not words, in bytes.
const MAX_FILE_BYTES: usize = 32 * 1024 * 1024;

impl MediaType {
    fn known(self) -> &'static Known {
        // Every kind has its row; a test holds it.
        KNOWN.iter().find(|known| known.kind == self).unwrap_or(&KNOWN[0])
    }

    /// The IANA name.
    pub fn as_str(self) -> &'static str {
        self.known().iana[0]
    }

    /// What a person calls it.
    pub fn name(self) -> &'static str {
        self.known().name
    }

    /// Reads an IANA name, parameters (`; charset=…`) ignored.
    pub fn from_mime(name: &str) -> Option<Self> {
        let name = name.split(';').next()?.trim().to_ascii_lowercase();
        KNOWN.iter().find(|known| known.iana.contains(&name.as_str())).map(|known| known.kind)
    }

    /// The type of a file, by its name.
    pub fn of_path(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        KNOWN.iter().find(|known| known.endings.contains(&ending.as_str())).map(|known| known.kind)
    }

    /// Whether its bytes are its words, in some encoding.
    pub fn is_text(self) -> bool {
        !matches!(self, Self::Pdf | Self::Docx | Self::Xlsx | Self::Zip)
    }

    /// The largest file taken of this kind, in bytes.
    pub fn max_bytes(self) -> usize {
        if self.is_text() { text::MAX_BYTES } else { MAX_FILE_BYTES }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [MediaType; 10] = [
        MediaType::Markdown,
        MediaType::PlainText,
        MediaType::Html,
        MediaType::Pdf,
        MediaType::Docx,
        MediaType::Xlsx,
        MediaType::Csv,
        MediaType::Json,
        MediaType::JsonLines,
        MediaType::Zip,
    ];

    #[test]
    fn every_kind_is_known_by_its_name_and_its_endings() {
        assert_eq!(KNOWN.len(), ALL.len());
        for kind in ALL {
            assert_eq!(MediaType::from_mime(&format!("{}; charset=utf-8", kind.as_str())), Some(kind));
            assert_eq!(serde_json::to_value(kind).expect("a name"), kind.as_str());
            for ending in kind.known().endings {
                let path = format!("pasta/Arquivo.{}", ending.to_uppercase());
                assert_eq!(MediaType::of_path(path.as_ref()), Some(kind), "{path}");
            }
        }
        assert_eq!(MediaType::from_mime("image/png"), None);
        assert_eq!(MediaType::of_path("foto.pages".as_ref()), None);
    }
}
