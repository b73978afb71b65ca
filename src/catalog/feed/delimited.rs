//! Tables: CSV, TSV, and what Brazilian spreadsheets call CSV, with `;`.

use std::io::{BufRead, BufReader, Read};

use csv::ReaderBuilder;

use super::{Fields, limit::Limited};
use crate::{File, ReadError};

/// Characters that part columns, in the order in which they win a draw.
const SEPARATORS: &[u8] = b"\t;,|";

/// Hands out each row. The first line that is not empty and no comment has the headings; what parts it parts all.
pub(super) fn rows(
    file: &File,
    heading: &dyn Fn(&str) -> String,
    row: &mut dyn FnMut(super::Read) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let (limited, grant) = Limited::new(file.open_text()?);
    let mut text = BufReader::new(limited);
    let (first, skipped) = heading_line(&mut text).map_err(|error| file.io(error))?;
    let Some(first) = first else {
        return Err(file.malformed("a table", "it has no line with headings"));
    };
    let separator = separator(&first);
    // The reader takes the second character of a line's end for the next line's.
    let skipped = skipped + u64::from(first.ends_with("\r\n"));
    let mut reader = ReaderBuilder::new()
        .delimiter(separator)
        .flexible(true)
        .from_reader(std::io::Cursor::new(first).chain(text));
    let names: Vec<String> =
        reader.headers().map_err(|error| bad(file, &error))?.iter().map(heading).collect();
    let mut record = csv::StringRecord::new();
    loop {
        grant.renew();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let line = skipped + record.position().map_or(0, csv::Position::line);
                row(fields(&names, &record, line))?;
            }
            Err(error) => return Err(bad(file, &error)),
        }
    }
}

fn fields(names: &[String], record: &csv::StringRecord, line: u64) -> super::Read {
    let extra = record.iter().skip(names.len()).any(|value| !value.trim().is_empty());
    if extra || record.len() < names.len() {
        // Columns may have moved: better none of it than a price out of the wrong one.
        return Err(format!(
            "line {line} has {} columns, the headings are {}; quote texts that hold the separator",
            record.len(),
            names.len()
        ));
    }
    let fields = names.iter().cloned().zip(record.iter().map(|value| value.replace('\0', ""))).collect();
    Ok(Fields { place: format!("line {line}"), fields })
}

fn bad(file: &File, error: &csv::Error) -> ReadError {
    file.malformed("a table", error.to_string())
}

/// The line with the headings, and how many lines stand before it.
fn heading_line(text: &mut impl BufRead) -> std::io::Result<(Option<String>, u64)> {
    let mut skipped = 0;
    loop {
        let mut line = String::new();
        if text.read_line(&mut line)? == 0 {
            return Ok((None, skipped));
        }
        if !line.trim().is_empty() && !line.starts_with('#') {
            return Ok((Some(line), skipped));
        }
        skipped += 1;
    }
}

/// The one that stands most often between the headings, outside quotes.
fn separator(headings: &str) -> u8 {
    let mut quoted = false;
    let mut counts = [0_usize; SEPARATORS.len()];
    for byte in headings.bytes() {
        quoted ^= byte == b'"';
        if let Some(at) = SEPARATORS.iter().position(|separator| *separator == byte).filter(|_| !quoted) {
            counts[at] += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default();
    let at = counts.iter().position(|count| *count == most).filter(|_| most > 0);
    at.map_or(b',', |at| SEPARATORS[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        let each = &mut |row: super::super::Read| {
            match row {
                Ok(fields) => good.push(format!("{}: {}", fields.place, fields.get("price").unwrap_or("-"))),
                Err(reason) => bad.push(reason),
            }
            Ok(())
        };
        rows(&File::of("a.csv", text.as_bytes()), &str::to_lowercase, each).expect("a table");
        (good, bad)
    }

    #[test]
    fn a_comment_before_the_headings_and_any_separator_are_understood() {
        assert_eq!(read("# what this is, and more\nid\tprice\n1\t2,50\n").0, ["line 3: 2,50"]);
        assert_eq!(read("id;price\r\n1;2,50\r\n").0, ["line 2: 2,50"]);
        assert_eq!(read("\"a;b;c\",price\n1,5\n").0, ["line 2: 5"]);
    }

    #[test]
    fn a_row_whose_columns_have_moved_is_refused_and_the_rest_goes_on() {
        let (good, bad) = read("id,title,price\n1,a, b,2\n2,c,3\n3\n4,d,,\n");
        assert_eq!(good, ["line 3: 3", "line 5: -"]);
        assert_eq!(bad.len(), 2);
        assert!(bad[0].contains("line 2 has 4 columns, the headings are 3"), "{bad:?}");
    }

    #[test]
    fn a_quote_that_is_never_closed_does_not_fill_the_memory() {
        let text = format!("id,price\n1,\"{}", "x\n".repeat(8 << 20));
        let result = rows(&File::of("a.csv", text.into_bytes()), &str::to_lowercase, &mut |_| Ok(()));
        assert!(
            matches!(&result, Err(ReadError::Malformed { reason, .. }) if reason.contains("never closed"))
        );
    }
}
