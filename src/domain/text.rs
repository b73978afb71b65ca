//! Text as customers type it: short, misspelt, without accents.

mod sound;

pub use sound::sound;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Lower case, without accents: what is compared, never what is shown.
pub fn fold(text: &str) -> String {
    text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// The folded words of a text: runs of letters and digits.
pub fn words(text: &str) -> Vec<String> {
    fold(text).split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// One word as the customer typed it, folded, with what stood before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Folded, apostrophes gone (`don't` is `dont`), drawn-out letters shortened (`oiiii` is `oi`).
    pub word: String,
    /// A comma, colon or dash stood between this word and the one before.
    pub after_break: bool,
}

/// The words of a message for matching: like [`words`], but apostrophes join and drawn-out letters are shortened.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let (mut pending_break, mut breaks) = (false, false);
    for c in fold(text).chars().chain(std::iter::once(' ')) {
        if c.is_alphanumeric() {
            if word.is_empty() {
                breaks = std::mem::take(&mut pending_break);
            }
            word.push(c);
        } else if matches!(c, '\'' | '’' | '`' | '´') {
            continue;
        } else {
            if !word.is_empty() {
                tokens.push(Token { word: shorten(&std::mem::take(&mut word)), after_break: breaks });
            }
            pending_break |= matches!(c, ',' | ':' | '-' | '–' | '—' | '(' | ')');
        }
    }
    tokens
}

/// `oiiii` → `oi`, `obrigadaaa` → `obrigada`: runs of three or more letters become one. Digits keep their runs.
fn shorten(word: &str) -> String {
    let chars: Vec<char> = word.chars().collect();
    let mut short: Vec<char> = Vec::with_capacity(chars.len());
    let mut i = 0;
    while i < chars.len() {
        let run = chars[i..].iter().take_while(|c| **c == chars[i]).count();
        let keep = if run >= 3 && chars[i].is_alphabetic() { 1 } else { run };
        short.extend(std::iter::repeat_n(chars[i], keep));
        i += run;
    }
    short.into_iter().collect()
}

/// The sentences of a message: cut after `.`, `!`, `?`, `;` before white space, and at line ends.
pub fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next_is_space = chars.peek().is_none_or(|(_, n)| n.is_whitespace());
        if c == '\n' || (matches!(c, '.' | '!' | '?' | ';' | '…') && next_is_space) {
            let end = at + c.len_utf8();
            found.push(text[start..end].trim());
            start = end;
        }
    }
    found.push(text[start..].trim());
    found.retain(|s| s.chars().any(char::is_alphanumeric));
    found
}

/// How many edits (insertion, deletion, exchange, swap of neighbours) turn `a` into `b`, if at most `limit`.
pub fn edits_within(a: &str, b: &str, limit: usize) -> Option<usize> {
    if a.chars().count().abs_diff(b.chars().count()) > limit {
        return None;
    }
    let distance = strsim::osa_distance(a, b);
    (distance <= limit).then_some(distance)
}

/// The word of `known` that `word` most likely meant, for messages like "did you mean".
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 2).clamp(1, 3);
    known
        .into_iter()
        .filter_map(|k| edits_within(&fold(word), &fold(k), limit).map(|d| (d, k)))
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// What a database and a model may be given: no NUL, no other control characters but newline and tab, at most
/// `max_chars` characters.
pub fn clean(text: &str, max_chars: usize) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).take(max_chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_and_case_do_not_matter() {
        assert_eq!(fold("Não É Possível"), "nao e possivel");
        assert_eq!(words("Qto é o frete p/ 01310-100?"), ["qto", "e", "o", "frete", "p", "01310", "100"]);
    }

    #[test]
    fn tokens_join_apostrophes_shorten_drawn_out_words_and_remember_commas() {
        let seen = tokens("Oiiii, I don't knooow... R$ 1000");
        let words: Vec<_> = seen.iter().map(|t| t.word.as_str()).collect();
        assert_eq!(words, ["oi", "i", "dont", "know", "r", "1000"]);
        assert!(seen[1].after_break && !seen[2].after_break);
    }

    #[test]
    fn sentences_end_at_marks_and_lines_but_not_inside_numbers() {
        assert_eq!(sentences("Oi! Custa R$ 1.500?\nobrigado"), ["Oi!", "Custa R$ 1.500?", "obrigado"]);
        assert_eq!(sentences("  ... ! "), Vec::<&str>::new());
    }

    #[test]
    fn a_swap_is_one_edit_and_far_words_are_none() {
        assert_eq!(edits_within("horairo", "horario", 2), Some(1));
        assert_eq!(edits_within("pix", "pizza", 1), None);
        assert_eq!(nearest("greting", ["thanks", "greeting"]), Some("greeting"));
        assert_eq!(nearest("zzz", ["thanks", "greeting"]), None);
    }

    #[test]
    fn control_characters_are_dropped() {
        assert_eq!(clean("a\u{0}b\u{7}c\nd", 10), "abc\nd");
        assert_eq!(clean("abcdef", 3), "abc");
    }
}
