//! Spreadsheets, by calamine: every sheet a section with its table.

use std::io::Cursor;

use calamine::{Data, Reader, SheetVisible, Sheets, open_workbook_auto_from_rs};

use crate::{
    Document, MediaType, Options, Unreadable,
    archive::{OLE, Package},
    markdown::{Blocks, Table},
};

const KIND: MediaType = MediaType::Xlsx;

/// Most cells of a sheet: a sheet may name a cell a million rows down, and a reader make room for all above it.
const MAX_CELLS: usize = 2_000_000;

pub(crate) fn read(bytes: &[u8], options: &Options) -> Result<Document, Unreadable> {
    if !bytes.starts_with(&OLE) {
        Package::open(bytes, KIND, options)?.check()?;
    }
    let mut book: Sheets<Cursor<&[u8]>> = open_workbook_auto_from_rs(Cursor::new(bytes)).map_err(damaged)?;
    let mut page = Blocks::default();
    let mut warnings = Vec::new();
    let sheets = book.sheets_metadata().to_vec();
    let named = sheets.len() > 1;
    for sheet in sheets.iter().filter(|sheet| sheet.visible == SheetVisible::Visible) {
        let cells = match book.worksheet_range(&sheet.name) {
            Ok(cells) => cells,
            Err(why) => {
                warnings.push(format!("the sheet `{}` could not be read: {why}", sheet.name));
                continue;
            }
        };
        let (rows, columns) = cells.get_size();
        if rows.saturating_mul(columns) > MAX_CELLS {
            return Err(Unreadable::TooMuch { what: "cells in a sheet", most: MAX_CELLS as u64 });
        }
        let table = Table::new(cells.rows().map(|row| row.iter().map(cell).collect()));
        if named && !(table.rows.is_empty() && table.header.is_empty()) {
            page.heading(2, &sheet.name);
        }
        page.table(&table);
        if page.len() > options.max_text_bytes {
            let most = options.max_text_bytes as u64;
            return Err(Unreadable::TooMuch { what: "bytes of text", most });
        }
    }
    Ok(Document { title: None, text: page.into_text(), warnings })
}

/// A value as a person reads it. Formulas are their last result; dates are ISO.
fn cell(value: &Data) -> String {
    match value {
        Data::Empty | Data::Error(_) => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Int(number) => number.to_string(),
        Data::Float(number) => decimal(*number),
        Data::Bool(true) => "sim".to_owned(),
        Data::Bool(false) => "não".to_owned(),
        Data::DateTime(date) if date.is_datetime() => {
            let (year, month, day, hour, minute, _, _) = date.to_ymd_hms_milli();
            let day = format!("{year:04}-{month:02}-{day:02}");
            if (hour, minute) == (0, 0) { day } else { format!("{day} {hour:02}:{minute:02}") }
        }
        Data::DateTime(duration) => decimal(duration.as_f64()),
    }
}

/// A number without what binary fractions add: spreadsheets hold 59.9 as 59.89999999999999857…
fn decimal(number: f64) -> String {
    let text = format!("{number:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn damaged(why: calamine::Error) -> Unreadable {
    match why {
        calamine::Error::Xlsx(calamine::XlsxError::Password) => Unreadable::Encrypted { kind: KIND.name() },
        calamine::Error::Xls(calamine::XlsError::Password) => Unreadable::Encrypted { kind: KIND.name() },
        calamine::Error::Ods(calamine::OdsError::Password) => Unreadable::Encrypted { kind: KIND.name() },
        why => Unreadable::damaged(KIND.name(), why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_a_person_reads_them() {
        for (value, written) in [
            (Data::Float(59.9), "59.9"),
            (Data::Float(1_234_567.0), "1234567"),
            (Data::Float(0.1 + 0.2), "0.3"),
            (Data::Int(7), "7"),
            (Data::Bool(true), "sim"),
            (Data::Empty, ""),
        ] {
            assert_eq!(cell(&value), written);
        }
    }
}
