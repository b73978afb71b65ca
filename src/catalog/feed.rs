//! Files with a row for every variant: XML feeds, and tables whose columns are parted by a character.
//!
//! They are read row by row; no file is too large, and only a row may be.

mod delimited;
mod limit;
mod xml;

use crate::{File, ReadError};

/// Bytes a row may have.
const ROW: u64 = 4 * 1024 * 1024;

/// What a row says, by the names of its columns or elements: in small letters, without a prefix, `_` for space.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fields {
    /// Where the row stands, for people: `item 3`, `line 17`.
    pub(crate) place: String,
    fields: Vec<(String, String)>,
}

impl Fields {
    /// The first value of a name, without space around it; `None` where it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .filter(|(field, _)| field == name)
            .map(|(_, value)| value.trim())
            .find(|v| !v.is_empty())
    }

    /// All values of a name that are not empty.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values =
            self.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.trim());
        values.filter(|value| !value.is_empty())
    }

    /// All fields in their order.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.trim()))
    }
}

/// A row, or what is wrong with it.
pub(crate) type Read = Result<Fields, String>;

/// Hands out each row of a feed, by what the file begins with: XML or a table.
///
/// # Errors
/// [`ReadError`]; what `row` returns.
pub(crate) fn rows(file: &File, row: &mut dyn FnMut(Read) -> Result<(), ReadError>) -> Result<(), ReadError> {
    let mut start = [0; 512];
    let read = file.open()?.read(&mut start).map_err(|error| file.io(error))?;
    let text = start[..read].strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start[..read]);
    let utf16 = text.starts_with(b"\xff\xfe<") || text.starts_with(b"\xfe\xff\0<");
    if utf16 || text.trim_ascii_start().first() == Some(&b'<') {
        xml::rows(file, row)
    } else {
        delimited::rows(file, &name, row)
    }
}

/// Hands out each row of a table; `heading` says what a column is called by its heading.
///
/// # Errors
/// As [`rows`].
pub(crate) fn table(
    file: &File,
    heading: &dyn Fn(&str) -> String,
    row: &mut dyn FnMut(Read) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    delimited::rows(file, heading, row)
}

/// The name of a field: `g:image_link`, `Image Link` and `image_link` are one.
fn name(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    lower.strip_prefix("g:").unwrap_or(&lower).replace([' ', '-'], "_")
}
