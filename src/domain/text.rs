//! Text as customers type it: short, misspelt, without accents.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Lower case, without accents: what is compared, never what is shown.
pub fn fold(text: &str) -> String {
    text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// The folded words of a text: runs of letters and digits.
pub fn words(text: &str) -> Vec<String> {
    fold(text).split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
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
    fn control_characters_are_dropped() {
        assert_eq!(clean("a\u{0}b\u{7}c\nd", 10), "abc\nd");
        assert_eq!(clean("abcdef", 3), "abc");
    }
}
