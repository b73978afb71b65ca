//! An answer in the shop's own words: the sentences of the best passages that say most about the question.

use std::collections::BTreeSet;

use balcao_domain::text;
use balcao_retrieval::Hit;

use crate::sources::own_lines;

/// Passages that are looked at.
const PASSAGES: usize = 3;
/// The longest extract, in characters.
const CHARS: usize = 420;
/// The most sentences.
const SENTENCES: usize = 3;
/// How much lower passages count.
const BY_RANK: [f32; PASSAGES] = [1.0, 0.8, 0.65];

/// An extract and the passage it is from.
#[derive(Debug, Clone, PartialEq)]
pub struct Extract<'a> {
    /// The words, as they stand there.
    pub quote: String,
    /// Whose words.
    pub hit: &'a Hit,
}

/// One sentence or list item of a passage.
struct Sentence<'a> {
    text: &'a str,
    /// How many headings of the passage stand before it.
    section: usize,
    /// A question or heading: says what follows, answers nothing.
    is_title: bool,
    is_item: bool,
}

/// The sentences that answer best, quoted word for word.
pub fn best<'a>(question: &str, hits: &'a [Hit]) -> Option<Extract<'a>> {
    let wanted = stems(question);
    let candidates = hits.iter().take(PASSAGES).zip(BY_RANK).filter_map(|(hit, weight)| {
        let (score, quote) = of_passage(&wanted, hit)?;
        Some((score * weight, Extract { quote, hit }))
    });
    candidates.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, extract)| extract)
}

fn of_passage(wanted: &BTreeSet<String>, hit: &Hit) -> Option<(f32, String)> {
    let sentences = split(&hit.text);
    let above = overlap(wanted, &hit.headings.join(" ")).max(overlap(wanted, &hit.title) * 0.5);
    let mut title_score = above;
    let mut best: Option<(f32, usize)> = None;
    for (at, sentence) in sentences.iter().enumerate() {
        let own = overlap(wanted, sentence.text);
        if sentence.is_title {
            title_score = own.max(above);
            continue;
        }
        // The sentence right under a fitting title is its answer, whatever its words.
        let follows = at.checked_sub(1).is_none_or(|before| sentences[before].is_title);
        let score = own + title_score * if follows { 0.9 } else { 0.5 };
        if best.is_none_or(|(known, _)| score > known) {
            best = Some((score, at));
        }
    }
    let (score, start) = best?;
    Some((score, quote(&sentences, start)))
}

/// The sentence at `start` and those that go on from it, as far as they fit.
fn quote(sentences: &[Sentence<'_>], start: usize) -> String {
    let mut quote = shorten(sentences[start].text);
    let mut before = &sentences[start];
    for sentence in sentences[start + 1..].iter().take(SENTENCES - 1) {
        let fits = quote.chars().count() + sentence.text.chars().count() < CHARS;
        if sentence.is_title || sentence.section != before.section || !fits {
            break;
        }
        quote.push_str(if sentence.is_item || before.is_item { "\n" } else { " " });
        quote.push_str(sentence.text);
        before = sentence;
    }
    quote
}

fn shorten(sentence: &str) -> String {
    if sentence.chars().count() <= CHARS {
        return sentence.to_owned();
    }
    let cut: String = sentence.chars().take(CHARS).collect();
    let end = cut.rfind(char::is_whitespace).unwrap_or(cut.len());
    format!("{}…", &cut[..end])
}

/// The sentences of a Markdown passage: lines are cut at sentence ends, list items and table rows are kept whole.
fn split(passage: &str) -> Vec<Sentence<'_>> {
    let mut sentences = Vec::new();
    let mut section = 0;
    for line in own_lines(passage).map(str::trim).filter(|line| line.chars().any(char::is_alphanumeric)) {
        let bare = line.trim_start_matches('#').trim();
        let bold = bare.trim_matches('*').trim();
        let is_title = line.starts_with('#')
            || line.ends_with('?')
            || bold.ends_with('?')
            || (bare.starts_with("**") && bare.ends_with("**"));
        if is_title {
            section += 1;
            sentences.push(Sentence { text: bold, section, is_title, is_item: false });
        } else if line.starts_with(['-', '*', '+', '|', '•']) || starts_numbered(line) {
            sentences.push(Sentence { text: line, section, is_title, is_item: true });
        } else {
            let parts = text::sentences(line).into_iter();
            sentences.extend(parts.map(|text| Sentence { text, section, is_title, is_item: false }));
        }
    }
    sentences
}

fn starts_numbered(line: &str) -> bool {
    line.split_once(['.', ')'])
        .is_some_and(|(n, _)| !n.is_empty() && n.len() < 3 && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The share of the wanted stems a text has.
fn overlap(wanted: &BTreeSet<String>, written: &str) -> f32 {
    if wanted.is_empty() {
        return 0.0;
    }
    let has = stems(written);
    let common = wanted.iter().filter(|stem| has.contains(*stem)).count();
    #[expect(clippy::cast_precision_loss, reason = "a question has a handful of words")]
    let share = common as f32 / wanted.len() as f32;
    share
}

/// Words of four letters or more and numbers, cut so that `troca`, `trocar` and `trocas` meet.
fn stems(written: &str) -> BTreeSet<String> {
    let words = text::words(written).into_iter();
    words
        .filter(|word| word.chars().count() >= 4 || word.chars().any(|c| c.is_ascii_digit()) || word == "pix")
        .map(|word| word.chars().take(5).collect())
        .collect()
}
