//! A phrase of a rule pack, and whether a message says it.
//!
//! A shop owner writes `que horas (abre|fecha) [a loja]` or `falar com ... atendente`: words, alternatives in round
//! brackets, words that may be missing in square ones, and `...` for up to three words of any kind. Matching folds
//! accents and case, expands abbreviations, lets small words stand in between, and forgives typing errors: one in a
//! word of five letters, two from eight on, none in shorter ones.

use super::lexicon;
use crate::text::{self, Token};

/// The most words `...` stands for.
const GAP: usize = 3;
/// The most small words allowed between two words of a phrase.
const GLUE: usize = 2;

/// One phrase, ready to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// One of these; each may be several words.
    Word(Vec<Vec<String>>),
    /// One of these, or nothing.
    Optional(Vec<Vec<String>>),
    /// Up to [`GAP`] words.
    Gap,
}

/// How forgiving matching is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tolerance {
    /// For what costs nothing to get wrong.
    Ordinary,
    /// For what has an effect (opt-out): only long words may be misspelt, by one letter.
    Strict,
}

impl Tolerance {
    fn edits(self, length: usize) -> usize {
        match (self, length) {
            (_, 0..5) => 0,
            (Self::Ordinary, 5..8) => 1,
            (Self::Ordinary, _) => 2,
            (Self::Strict, 5..8) => 0,
            (Self::Strict, _) => 1,
        }
    }
}

impl Phrase {
    /// Reads a phrase as a shop owner writes it.
    pub fn parse(written: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = written.trim();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("...").or_else(|| rest.strip_prefix('…')) {
                parts.push(Part::Gap);
                rest = after.trim_start();
            } else if let Some(open) = rest.chars().next().filter(|c| "([".contains(*c)) {
                let close = if open == '(' { ')' } else { ']' };
                let end = rest.find(close).ok_or_else(|| format!("`{open}` is never closed by `{close}`"))?;
                let words = alternatives(&rest[1..end])?;
                parts.push(if open == '(' { Part::Word(words) } else { Part::Optional(words) });
                rest = rest[end + 1..].trim_start();
            } else {
                let end = rest.find(|c: char| c.is_whitespace() || "([…".contains(c)).unwrap_or(rest.len());
                let end = rest.find("...").map_or(end, |dots| dots.min(end));
                for token in text::tokens(&rest[..end]) {
                    parts.push(Part::Word(vec![vec![lexicon::expand(&token.word).to_owned()]]));
                }
                rest = rest[end..].trim_start();
            }
        }
        if !parts.iter().any(|part| matches!(part, Part::Word(_))) {
            return Err("a phrase needs at least one word".into());
        }
        Ok(Self { parts })
    }

    /// Every word of the phrase: none of them is ever a typing error of another.
    pub fn vocabulary(&self) -> impl Iterator<Item = &str> {
        self.parts
            .iter()
            .flat_map(|part| match part {
                Part::Word(words) | Part::Optional(words) => words.as_slice(),
                Part::Gap => &[],
            })
            .flatten()
            .map(String::as_str)
    }

    /// The longest match that begins at `start`: where it ends.
    pub fn match_at(&self, words: &[Word], start: usize, tolerance: Tolerance) -> Option<usize> {
        ends(&self.parts, words, start, start, tolerance)
    }
}

/// One word of a message, prepared for matching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// What it stands for.
    pub text: String,
    /// A comma or the like stood before it.
    pub after_break: bool,
    /// It is a word in its own right, so never a typing error of another.
    pub known: bool,
}

/// The words of a message, abbreviations expanded. `vocabulary` says which words are known.
pub(super) fn words(message: &str, vocabulary: impl Fn(&str) -> bool) -> Vec<Word> {
    text::tokens(message)
        .into_iter()
        .map(|Token { word, after_break }| {
            let text = lexicon::expand(&word).to_owned();
            let known = vocabulary(&text) || lexicon::is_common(&text);
            Word { text, after_break, known }
        })
        .collect()
}

fn alternatives(written: &str) -> Result<Vec<Vec<String>>, String> {
    let one = |option: &str| -> Vec<String> {
        text::tokens(option).iter().map(|token| lexicon::expand(&token.word).to_owned()).collect()
    };
    let all: Vec<Vec<String>> = written.split('|').map(one).collect();
    if all.iter().any(Vec::is_empty) { Err("an alternative between `|` is empty".into()) } else { Ok(all) }
}

/// The end of the longest match of `parts` from `at`. `first` is where the whole phrase began: before its first word
/// nothing is skipped.
fn ends(parts: &[Part], words: &[Word], first: usize, at: usize, tolerance: Tolerance) -> Option<usize> {
    let Some((part, later)) = parts.split_first() else { return Some(at) };
    match part {
        Part::Gap => (0..=GAP)
            .take_while(|skip| at + skip <= words.len())
            .find_map(|skip| ends(later, words, first, at + skip, tolerance)),
        Part::Optional(options) => {
            let taken = word_at(options, words, first, at, tolerance)
                .and_then(|next| ends(later, words, first, next, tolerance));
            taken.or_else(|| ends(later, words, first, at, tolerance))
        }
        Part::Word(options) => {
            let next = word_at(options, words, first, at, tolerance)?;
            ends(later, words, first, next, tolerance)
        }
    }
}

/// The position after one of `options`, found at `at` or behind a few small words: the longest.
fn word_at(
    options: &[Vec<String>],
    words: &[Word],
    first: usize,
    at: usize,
    tolerance: Tolerance,
) -> Option<usize> {
    options.iter().filter_map(|option| sequence_at(option, words, first, at, tolerance)).max()
}

fn sequence_at(
    option: &[String],
    words: &[Word],
    first: usize,
    at: usize,
    tolerance: Tolerance,
) -> Option<usize> {
    let mut next = at;
    for wanted in option {
        let glue = if next == first { 0 } else { GLUE };
        let ahead = words[next.min(words.len())..].iter().take(glue + 1);
        let skipped = ahead.take_while(|w| !means(w, wanted, tolerance) && lexicon::is_glue(&w.text)).count();
        words.get(next + skipped).filter(|word| means(word, wanted, tolerance))?;
        next += skipped + 1;
    }
    Some(next)
}

/// Whether the customer's word is this one, perhaps misspelt.
fn means(word: &Word, wanted: &str, tolerance: Tolerance) -> bool {
    if word.text == wanted {
        return true;
    }
    // The cheap questions first: most words are known, and most unknown ones begin otherwise.
    if word.known || !starts_alike(&word.text, wanted) {
        return false;
    }
    let limit = tolerance.edits(wanted.chars().count());
    limit > 0 && text::edits_within(&word.text, wanted, limit).is_some()
}

/// People rarely get the first letter wrong; where they do, they swap it with the second.
fn starts_alike(a: &str, b: &str) -> bool {
    let pair = |s: &str| -> (Option<char>, Option<char>) {
        let mut chars = s.chars();
        (chars.next(), chars.next())
    };
    let (a, b) = (pair(a), pair(b));
    a.0 == b.0 || (a.0 == b.1 && a.1 == b.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(phrase: &str, message: &str) -> bool {
        let phrase = Phrase::parse(phrase).expect("a valid phrase");
        let words = words(message, |_| false);
        (0..words.len()).any(|at| phrase.match_at(&words, at, Tolerance::Ordinary).is_some())
    }

    #[test]
    fn alternatives_optional_words_and_gaps_match() {
        assert!(says("que horas (abre|fecha) [a loja]", "Que horas fecha?"));
        assert!(says("falar com ... atendente", "quero falar com algum bom atendente"));
        assert!(!says("falar com ... atendente", "falar com a moça do caixa que é atendente"));
        assert!(says("falar com atendente", "falar com um atendente"));
    }

    #[test]
    fn long_words_may_be_misspelt_and_short_ones_may_not() {
        assert!(says("horario de funcionamento", "qual o horairo de funcionameto"));
        assert!(says("atendente", "atendnte"));
        assert!(!says("stop", "shop"));
        assert!(!says("menu", "meu"));
        assert!(!says("parar", "pagar"));
    }

    #[test]
    fn mistakes_in_a_phrase_are_explained() {
        assert_eq!(Phrase::parse("a (b").unwrap_err(), "`(` is never closed by `)`");
        assert_eq!(Phrase::parse("[b]").unwrap_err(), "a phrase needs at least one word");
        assert_eq!(Phrase::parse("(a||b)").unwrap_err(), "an alternative between `|` is empty");
    }
}
