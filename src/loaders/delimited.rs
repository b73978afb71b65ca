//! Exports of values with a delimiter. Which one is found by trying: the one that gives most lines the same number of
//! columns, quotes respected. Excel in Brazil writes semicolons, Windows-1252 and sometimes a `sep=;` line.

use csv::{ReaderBuilder, Trim};

use crate::{Document, Options, Unreadable, markdown::Blocks, markdown::Table, text};

const DELIMITERS: [u8; 4] = [b';', b',', b'\t', b'|'];

/// Records looked at to find the delimiter.
const SAMPLE: usize = 50;

pub(crate) fn read(bytes: &[u8], _: &Options) -> Result<Document, Unreadable> {
    let text = text::decode(bytes)?;
    let (named, body) = match text.split_once('\n').unwrap_or((&text, "")) {
        (first, body) if first.len() == 5 && first.to_ascii_lowercase().starts_with("sep=") => {
            (Some(first.as_bytes()[4]), body)
        }
        _ => (None, &text[..]),
    };
    let delimiter = named.unwrap_or_else(|| guess(body));
    let mut rows = Vec::new();
    let mut torn = 0_usize;
    for record in reader(body, delimiter).records() {
        match record {
            Ok(record) => rows.push(record.iter().map(str::to_owned).collect()),
            Err(_) => torn += 1,
        }
    }
    let mut blocks = Blocks::default();
    blocks.table(&Table::new(rows));
    let warnings =
        if torn > 0 { vec![format!("{torn} line(s) could not be read as values")] } else { Vec::new() };
    Ok(Document { title: None, text: blocks.into_text(), warnings })
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes())
}

fn guess(text: &str) -> u8 {
    let score = |delimiter: u8| {
        let mut widths = Vec::new();
        for record in reader(text, delimiter).records().take(SAMPLE).flatten() {
            widths.push(record.len());
        }
        let columns = widths.first().copied().unwrap_or_default();
        if columns < 2 {
            return (0, 0);
        }
        (widths.iter().filter(|width| **width == columns).count() * 100 / widths.len(), columns)
    };
    // The first of equals: what Excel writes here before what it writes elsewhere.
    let mut best = (DELIMITERS[0], (0, 0));
    for delimiter in DELIMITERS {
        let score = score(delimiter);
        if score > best.1 {
            best = (delimiter, score);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markdown(bytes: &[u8]) -> String {
        read(bytes, &Options::default()).expect("a table").text
    }

    #[test]
    fn the_delimiter_is_found_whatever_stands_between_quotes() {
        let expected =
            "| Produto | Preço |\n| --- | --- |\n| Camiseta, azul | 59,90 |\n| Boné; preto | 39,90 |";
        for delimiter in [";", ",", "\t", "|"] {
            let line = |a: &str, b: &str| format!("\"{a}\"{delimiter}\"{b}\"\r\n");
            let file =
                line("Produto", "Preço") + &line("Camiseta, azul", "59,90") + &line("Boné; preto", "39,90");
            assert_eq!(markdown(file.as_bytes()), expected, "{delimiter:?}");
        }
    }

    #[test]
    fn what_brazilian_spreadsheets_write_is_read() {
        let file = b"sep=;\r\nRegi\xe3o;Frete\r\nSul;R$ 10,50\r\nNorte;R$ 22,00\r\n";
        assert_eq!(
            markdown(file),
            "| Região | Frete |\n| --- | --- |\n| Sul | R$ 10,50 |\n| Norte | R$ 22,00 |"
        );
    }

    #[test]
    fn rows_of_uneven_length_and_open_quotes_lose_nothing() {
        assert_eq!(markdown(b"a;b\n1;2;3\n\"4;5\n"), "- a; b\n- 1; 2; 3\n- 4;5");
    }
}
