//! From the lines of pages to paragraphs.

use std::collections::HashMap;

use crate::markdown::Blocks;

/// Lines at each end of a page that may be a header or a footer.
const EDGE: usize = 3;

/// Pages a line must be on at least to be taken for a header, and their share of all, in percent.
const MIN_PAGES: usize = 3;
const MIN_SHARE: usize = 60;

/// The pages as one text: what they repeat removed, words cut at line ends joined, lines joined to paragraphs.
pub(super) fn join(pages: &[String]) -> String {
    let pages: Vec<Vec<&str>> = pages.iter().map(|page| page.lines().map(str::trim).collect()).collect();
    let repeated = repeated(&pages);
    let mut blocks = Blocks::default();
    for page in &pages {
        let edges = edges(page);
        let kept = page.iter().enumerate().filter(|(at, line)| {
            let is_edge = edges.contains(at);
            !(is_edge && (is_page_number(line) || repeated.contains_key(&shape(line))))
        });
        let lines: Vec<&str> = kept.map(|(_, line)| *line).collect();
        for paragraph in lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty()) {
            blocks.paragraph(&join_lines(paragraph));
        }
    }
    blocks.into_text()
}

/// Where the lines are that may be a page's header or footer.
fn edges(page: &[&str]) -> Vec<usize> {
    let written: Vec<usize> = (0..page.len()).filter(|at| !page[*at].is_empty()).collect();
    let last = written.len().saturating_sub(EDGE);
    written.iter().take(EDGE).chain(written.iter().skip(last.max(EDGE))).copied().collect()
}

/// Lines that stand at the edge of most pages, by shape.
fn repeated(pages: &[Vec<&str>]) -> HashMap<String, usize> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for page in pages {
        let mut shapes: Vec<String> = edges(page).into_iter().map(|at| shape(page[at])).collect();
        shapes.sort_unstable();
        shapes.dedup();
        for shape in shapes {
            *seen.entry(shape).or_default() += 1;
        }
    }
    let least = MIN_PAGES.max((pages.len() * MIN_SHARE).div_ceil(100));
    seen.retain(|_, count| *count >= least);
    seen
}

/// A line without its numbers and spaces: "Página 3 de 12" repeats though its number changes.
fn shape(line: &str) -> String {
    line.chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| if c.is_numeric() { '0' } else { c })
        .collect::<String>()
        .replace("00", "0")
}

/// `3`, `- 3 -`, `3/12`.
fn is_page_number(line: &str) -> bool {
    line.len() <= 12
        && line.chars().any(char::is_numeric)
        && line
            .chars()
            .all(|c| c.is_numeric() || c.is_whitespace() || matches!(c, '-' | '–' | '/' | '|' | '.'))
}

/// Lines of a paragraph in one, except where a new line begins something new: a list item, or after a line that
/// ended early.
fn join_lines(lines: &[&str]) -> String {
    let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let mut out = String::new();
    let mut before = "";
    for line in lines {
        if out.is_empty() {
            out.push_str(line);
        } else if let Some(cut) = cut_word(before, line) {
            out.truncate(out.len() - (before.len() - cut));
            out.push_str(line);
        } else {
            let ended =
                before.chars().count() * 4 < widest * 3 && before.ends_with(['.', ':', '!', '?', ';']);
            let short = before.chars().count() * 2 < widest;
            out.push(if begins_item(line) || ended || short { '\n' } else { ' ' });
            out.push_str(line);
        }
        before = line;
    }
    out
}

/// Where a word is cut by a hyphen at the end of a line, how much of the line stays. "pós-" before "venda" keeps its
/// hyphen in Portuguese only where what follows is a word of its own, which no rule tells: a hyphen after three
/// letters or more is a cut.
fn cut_word(before: &str, next: &str) -> Option<usize> {
    let stem = before.strip_suffix(['-', '\u{2010}'])?;
    let letters = stem.chars().rev().take_while(|c| c.is_alphabetic()).count();
    (letters >= 3 && next.chars().next().is_some_and(char::is_lowercase)).then_some(stem.len())
}

fn begins_item(line: &str) -> bool {
    let mut letters = line.chars();
    match letters.next() {
        Some('•' | '–' | '-' | '*' | '·' | '▪' | '○' | '●') => true,
        Some(c) if c.is_ascii_digit() || c.is_alphabetic() => {
            let marker = line.split_whitespace().next().unwrap_or_default();
            let body = marker.trim_end_matches(['.', ')']);
            body.len() < marker.len() && body.len() <= 5 && (c.is_ascii_digit() || body.chars().count() == 1)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pages_repeat_is_removed_whatever_its_number() {
        let page = |n: usize, text: &str| format!("Loja Exemplo\n\n{text}\n\nPágina {n} de 11\n{n}");
        let pages: Vec<_> = [(1, "Trocas em 7 dias."), (2, "Frete grátis."), (11, "Garantia.")]
            .map(|(n, text)| page(n, text))
            .to_vec();
        assert_eq!(join(&pages), "Trocas em 7 dias.\n\nFrete grátis.\n\nGarantia.");
        let two = &pages[..2];
        assert!(join(two).contains("Loja Exemplo"), "twice may be chance");
    }

    #[test]
    fn lines_become_paragraphs_and_cut_words_whole() {
        let page = "A garantia cobre defeitos de fabri-\ncação por doze meses a contar da\ndata da compra.\n• peças\n• mão de obra\n\nFim";
        let expected = "A garantia cobre defeitos de fabricação por doze meses a contar da data da compra.\n\
                        • peças\n• mão de obra\n\nFim";
        assert_eq!(join(&[page.to_owned()]), expected);
    }
}
