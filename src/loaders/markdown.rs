//! Markdown, as the loaders write it: blocks with a blank line between them.
//!
//! A short table stays a table. A long one is written row by row, every value beside the name of its column: the
//! splitter cuts long tables into passages, and a row without its header answers nothing.

use std::fmt::Write as _;

/// Rows beyond which a table is written row by row. Some eight rows of a few short columns fill a passage.
const MAX_TABLE_ROWS: usize = 8;

/// Longest cell, in characters, and most columns, of what is written as a table.
const MAX_TABLE_CELL: usize = 60;
const MAX_TABLE_COLUMNS: usize = 8;

/// Blocks of a document under construction.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    text: String,
}

impl Blocks {
    /// Adds a paragraph; lines in it stay lines.
    pub(crate) fn paragraph(&mut self, text: &str) {
        let lines = text.lines().map(one_line).filter(|line| !line.is_empty()).map(|line| literal(&line));
        self.block(&lines.collect::<Vec<_>>().join("\n"));
    }

    /// Adds a heading of level 1 to 6.
    pub(crate) fn heading(&mut self, level: usize, text: &str) {
        let text = one_line(text);
        if !text.is_empty() {
            self.block(&format!("{} {text}", "#".repeat(level.clamp(1, 6))));
        }
    }

    /// Adds a list item, `depth` lists deep (0 is the outermost), marked by `-` or a number. Items of a list stand on
    /// lines of their own without blank lines between.
    pub(crate) fn item(&mut self, depth: usize, number: Option<usize>, text: &str) {
        let text = one_line(text);
        if text.is_empty() {
            return;
        }
        let marker = number.map_or_else(|| "-".to_owned(), |number| format!("{number}."));
        let item = format!("{}{marker} {text}", "  ".repeat(depth.min(6)));
        if self.last_line_is_item() {
            self.text.push('\n');
            self.text.push_str(&item);
        } else {
            self.block(&item);
        }
    }

    /// Adds a code block as it is.
    pub(crate) fn code(&mut self, text: &str) {
        let text = text.trim_matches('\n');
        if !text.trim().is_empty() {
            let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
            let fence = "`".repeat(longest.max(2) + 1);
            self.block(&format!("{fence}\n{text}\n{fence}"));
        }
    }

    /// Adds a table.
    pub(crate) fn table(&mut self, table: &Table) {
        self.block(&table.to_markdown());
    }

    /// Adds a block that is Markdown already.
    pub(crate) fn block(&mut self, block: &str) {
        if block.trim().is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
        self.text.push_str(block);
    }

    fn last_line_is_item(&self) -> bool {
        let last = self.text.rsplit('\n').next().unwrap_or_default().trim_start();
        let after_number = last.trim_start_matches(|c: char| c.is_ascii_digit());
        last.starts_with("- ") || (after_number.len() < last.len() && after_number.starts_with(". "))
    }

    /// How many bytes there are so far.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// The Markdown.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Rows of cells, the first row naming the columns where `header` says so.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// Names of the columns; empty where the table has none.
    pub(crate) header: Vec<String>,
    /// The rows below.
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of rows as they came: empty rows and columns go, and the first row is the header where it looks like
    /// one (no name missing but the first, no two alike, none without a letter).
    pub(crate) fn new(rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        let mut rows: Vec<Vec<String>> = rows
            .into_iter()
            .map(|row| row.iter().map(|cell| one_line(cell)).collect::<Vec<_>>())
            .filter(|row| row.iter().any(|cell| !cell.is_empty()))
            .collect();
        let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
        let used: Vec<bool> = (0..columns)
            .map(|column| rows.iter().any(|row| row.get(column).is_some_and(|cell| !cell.is_empty())))
            .collect();
        for row in &mut rows {
            let mut column = 0;
            row.retain(|_| {
                column += 1;
                used[column - 1]
            });
            let columns = used.iter().filter(|used| **used).count();
            row.resize(columns, String::new());
        }
        if rows.len() > 1 && is_header(&rows[0]) {
            let header = rows.remove(0);
            Self { header, rows }
        } else {
            Self { header: Vec::new(), rows }
        }
    }

    fn to_markdown(&self) -> String {
        let columns = self.header.len().max(self.rows.first().map_or(0, Vec::len));
        let short = self.rows.len() <= MAX_TABLE_ROWS
            && (2..=MAX_TABLE_COLUMNS).contains(&columns)
            && self.rows.iter().flatten().all(|cell| cell.chars().count() <= MAX_TABLE_CELL);
        if short && !self.header.is_empty() { self.as_table() } else { self.as_rows() }
    }

    fn as_table(&self) -> String {
        let mut out = String::new();
        let mut line = |cells: &[String]| {
            let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        };
        line(&self.header);
        line(&vec!["---".to_owned(); self.header.len()]);
        for row in &self.rows {
            line(row);
        }
        out.trim_end().to_owned()
    }

    fn as_rows(&self) -> String {
        let mut out = Blocks::default();
        for row in &self.rows {
            out.item(0, None, &self.row_text(row));
        }
        out.into_text()
    }

    fn row_text(&self, row: &[String]) -> String {
        let mut parts = Vec::with_capacity(row.len());
        for (column, cell) in row.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            match self.header.get(column).filter(|name| !name.is_empty()) {
                Some(name) => parts.push(format!("{name}: {cell}")),
                None => parts.push(cell.clone()),
            }
        }
        parts.join("; ")
    }
}

fn is_header(row: &[String]) -> bool {
    let mut names: Vec<String> = row.iter().map(|cell| cell.to_lowercase()).collect();
    names.sort_unstable();
    names.windows(2).all(|pair| pair[0] != pair[1])
        // The corner of a table of sizes is often empty.
        && row.iter().enumerate().all(|(n, cell)| (n == 0 && cell.is_empty()) || cell.chars().any(char::is_alphabetic))
        && row.iter().all(|cell| cell.chars().count() <= MAX_TABLE_CELL)
}

/// Runs of space as one space, none at the ends.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A line of prose that Markdown would take for a heading, kept prose.
fn literal(line: &str) -> String {
    let hashes = line.len() - line.trim_start_matches('#').len();
    if (1..=6).contains(&hashes) && line[hashes..].starts_with(' ') {
        format!("\\{line}")
    } else {
        line.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    fn table(of: &[&[&str]]) -> String {
        Table::new(rows(of)).to_markdown()
    }

    #[test]
    fn a_short_table_is_a_table_without_its_empty_rows_and_columns() {
        let written = table(&[&["Tamanho", "", "Busto\ncm"], &["", "", ""], &["P", "", "86|90"], &["M", ""]]);
        assert_eq!(written, "| Tamanho | Busto cm |\n| --- | --- |\n| P | 86\\|90 |\n| M |  |");
    }

    #[test]
    fn every_row_of_a_long_table_names_its_columns() {
        let mut long = rows(&[&["Produto", "Preço"]]);
        long.extend(
            (0..20)
                .map(|n| vec![format!("Camiseta {n}"), if n == 3 { String::new() } else { "R$ 10".into() }]),
        );
        let written = Table::new(long).to_markdown();
        let lines: Vec<_> = written.lines().collect();
        assert_eq!(lines.len(), 20);
        assert_eq!(lines[0], "- Produto: Camiseta 0; Preço: R$ 10");
        assert_eq!(lines[3], "- Produto: Camiseta 3");
    }

    #[test]
    fn a_first_row_of_values_is_no_header() {
        assert_eq!(table(&[&["1", "2"], &["3", "4"]]), "- 1; 2\n- 3; 4");
        assert_eq!(table(&[&["Total", "Total"], &["3", "4"]]), "- Total; Total\n- 3; 4");
    }

    #[test]
    fn prose_stays_prose_and_code_stays_code() {
        let mut blocks = Blocks::default();
        blocks.paragraph("# 1 em  vendas\n\n#tag");
        blocks.code("```\nx\n```");
        blocks.item(0, None, "um");
        blocks.item(1, Some(2), "dois");
        blocks.heading(9, " fim\n");
        blocks.paragraph(" \n ");
        let expected = "\\# 1 em vendas\n#tag\n\n````\n```\nx\n```\n````\n\n- um\n  2. dois\n\n###### fim";
        assert_eq!(blocks.into_text(), expected);
    }
}
