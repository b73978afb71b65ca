//! Tables of a page: those that hold data, told from those that lay it out.

use scraper::ElementRef;

use super::{all, flat};
use crate::markdown::{Table, one_line};

/// Longest cell of a table of data, in bytes; more is a page laid out in a table.
const MAX_CELL: usize = 600;

/// Most columns one cell may span, or rows: a page may say a billion.
const MAX_SPAN: usize = 50;

/// Most cells of a table, spanned ones counted each time.
const MAX_CELLS: usize = 200_000;

/// Caption and cells of a table of data; nothing for a table that lays out.
pub(super) fn read(table: ElementRef<'_>) -> Option<(String, Table)> {
    if !all(table, "table, h1, h2, h3, ul ul, pre").is_empty() {
        return None;
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut header_rows = 0;
    let mut cells_seen = 0;
    // Cells that reach down from rows above: column, rows left, text.
    let mut hanging: Vec<(usize, usize, String)> = Vec::new();
    for row in all(table, "tr") {
        let cells: Vec<_> = row
            .children()
            .filter_map(ElementRef::wrap)
            .filter(|cell| matches!(cell.value().name(), "td" | "th"))
            .collect();
        let mut out = Vec::new();
        let heads = cells.iter().all(|cell| cell.value().name() == "th");
        for cell in &cells {
            take_hanging(&mut hanging, &mut out);
            let text = one_line(&flat(*cell));
            if text.len() > MAX_CELL {
                return None;
            }
            let (across, down) = (span(*cell, "colspan"), span(*cell, "rowspan"));
            for n in 0..across {
                // What spans columns is said of each of them; a heading over all of them once.
                let text = if n == 0 || cells.len() > 1 { text.clone() } else { String::new() };
                if down > 1 {
                    hanging.push((out.len(), down - 1, text.clone()));
                }
                out.push(text);
            }
        }
        take_hanging(&mut hanging, &mut out);
        hanging.retain(|(_, left, _)| *left > 0);
        cells_seen += out.len();
        if cells_seen > MAX_CELLS {
            return None;
        }
        if heads && !out.is_empty() && rows.len() == header_rows {
            header_rows += 1;
        }
        rows.push(out);
    }
    if rows.iter().map(Vec::len).max().unwrap_or_default() < 2 {
        return None;
    }
    let caption = all(table, "caption").first().map(|caption| one_line(&flat(*caption))).unwrap_or_default();
    Some((caption, with_header(rows, header_rows)))
}

fn with_header(mut rows: Vec<Vec<String>>, header_rows: usize) -> Table {
    if header_rows == 0 || header_rows == rows.len() {
        return Table::new(rows);
    }
    // Of several rows of headings the names of a column are said together: "Medidas Busto".
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let below = rows.split_off(header_rows);
    let header = (0..columns).map(|column| {
        let mut names: Vec<&str> = Vec::new();
        for name in rows.iter().filter_map(|row| row.get(column)).map(String::as_str) {
            if !name.is_empty() && names.last() != Some(&name) {
                names.push(name);
            }
        }
        names.join(" ")
    });
    let rows = below.into_iter().filter(|row| row.iter().any(|cell| !cell.is_empty())).map(|mut row| {
        row.resize(columns, String::new());
        row
    });
    Table { header: header.collect(), rows: rows.collect() }
}

/// Puts in what reaches down into the next columns of this row.
fn take_hanging(hanging: &mut [(usize, usize, String)], out: &mut Vec<String>) {
    while let Some((_, left, text)) =
        hanging.iter_mut().find(|(column, left, _)| *column == out.len() && *left > 0)
    {
        *left -= 1;
        out.push(text.clone());
    }
}

fn span(cell: ElementRef<'_>, attribute: &str) -> usize {
    cell.value().attr(attribute).and_then(|span| span.trim().parse().ok()).unwrap_or(1).clamp(1, MAX_SPAN)
}
