//! PDF: the words of its pages, in reading order as far as the file tells it.
//!
//! pdf-extract finds the words; what it would trip over, loop on or unpack without end is taken out first
//! ([`sanitize`]). Lines are put together to paragraphs, and the headers, footers and page numbers that pages repeat
//! are removed ([`layout`]). A file of pictures is reported as a scan; a page that cannot be read is reported with its
//! number and loses no other.

mod layout;
mod sanitize;

use std::panic::{AssertUnwindSafe, catch_unwind};

use pdf_extract::{Document as Pdf, PlainTextOutput, output_doc_page};

use crate::{Document, MediaType, Options, Unreadable, markdown::one_line};

const KIND: MediaType = MediaType::Pdf;

/// Letters a page has at least, on average, in a file that is not a scan: scanners print a date or a name on pages.
const MIN_LETTERS: usize = 16;

pub(crate) fn read(bytes: &[u8], options: &Options) -> Result<Document, Unreadable> {
    sanitize::check_size(bytes, options)?;
    let mut pdf = Pdf::load_mem(bytes).map_err(|why| Unreadable::damaged(KIND.name(), why))?;
    // Many files are encrypted with an empty password, only to say that they must not be printed.
    if pdf.is_encrypted() && pdf.decrypt("").is_err() {
        return Err(Unreadable::Encrypted { kind: KIND.name() });
    }
    let numbers: Vec<u32> = pdf.get_pages().into_keys().collect();
    if numbers.len() > options.max_pages {
        return Err(Unreadable::TooMuch { what: "pages", most: options.max_pages as u64 });
    }
    if numbers.is_empty() {
        return Err(Unreadable::damaged(KIND.name(), "no page can be found in it"));
    }
    let pictures = sanitize::sanitize(&mut pdf)?;
    let mut pages = Vec::with_capacity(numbers.len());
    let mut unread = Vec::new();
    let mut size = 0;
    for number in numbers {
        let text = page(&pdf, number).unwrap_or_else(|| {
            unread.push(number);
            String::new()
        });
        size += text.len();
        if size > options.max_text_bytes {
            let most = options.max_text_bytes as u64;
            return Err(Unreadable::TooMuch { what: "bytes of text", most });
        }
        pages.push(text);
    }
    if let (Some(first), true) = (unread.first(), unread.len() == pages.len()) {
        let reason = "neither this page nor any other can be read; print it to a new PDF".to_owned();
        return Err(Unreadable::Damaged { kind: KIND.name(), page: Some(*first), reason });
    }
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
    if pictures && pages.iter().map(|page| letters(page)).sum::<usize>() < MIN_LETTERS * pages.len() {
        return Err(Unreadable::Scanned { pages: pages.len() });
    }
    let empty: Vec<u32> = (1..).zip(&pages).filter(|(_, text)| letters(text) == 0).map(|(n, _)| n).collect();
    let empty: Vec<u32> = empty.into_iter().filter(|number| !unread.contains(number)).collect();
    let mut warnings = Vec::new();
    warn(&mut warnings, &unread, "could not be read");
    if pictures {
        warn(&mut warnings, &empty, "without text, perhaps scanned");
    }
    Ok(Document { title: title(&pdf), text: layout::join(&pages), warnings })
}

fn warn(warnings: &mut Vec<String>, pages: &[u32], what: &str) {
    if !pages.is_empty() {
        let numbers: Vec<_> = pages.iter().map(u32::to_string).collect();
        warnings.push(format!("page(s) {} {what}", numbers.join(", ")));
    }
}

/// The text of a page. The library panics on what it does not expect.
fn page(pdf: &Pdf, number: u32) -> Option<String> {
    let mut text = String::new();
    let read =
        catch_unwind(AssertUnwindSafe(|| output_doc_page(pdf, &mut PlainTextOutput::new(&mut text), number)));
    matches!(read, Ok(Ok(()))).then_some(text)
}

/// The title of the file's properties, unless it is what a program wrote there.
fn title(pdf: &Pdf) -> Option<String> {
    let info = pdf.trailer.get(b"Info").ok()?.as_reference().ok()?;
    let title = pdf.get_dictionary(info).ok()?.get(b"Title").ok()?;
    let title = pdf_extract::decode_text_string(title).ok()?;
    let title = one_line(&title);
    let by_program = ["untitled", "microsoft word", "sem título", "(anonymous)"];
    let lower = title.to_lowercase();
    (!title.is_empty() && !by_program.iter().any(|known| lower.starts_with(known)) && !lower.contains(".doc"))
        .then_some(title)
}

#[cfg(test)]
mod tests;
