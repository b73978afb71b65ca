//! How facts are looked for in what was said: `evals/golden/README.md`, "How text is matched", whose reference is
//! `check.py`.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The text as facts are looked for in it: lower case, no accents, no asterisks, plain apostrophes and dashes, runs of
/// white space as one space, and no space between a sign of money and its number or between a number and `%`.
pub fn fold(text: &str) -> String {
    let plain: String = text
        .to_lowercase()
        .nfkd()
        .filter(|c| !is_combining_mark(*c) && *c != '*')
        .map(|c| match c {
            '’' => '\'',
            '–' => '-',
            other => other,
        })
        .collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut folded = String::with_capacity(words.len());
    let mut rest = words.chars().peekable();
    while let Some(c) = rest.next() {
        if c == ' ' {
            let next = rest.peek().copied();
            let after_sign = folded.ends_with("r$") || folded.ends_with(['£', '€']);
            if after_sign && next.is_some_and(|next| next.is_ascii_digit()) {
                continue;
            }
            if next == Some('%') && folded.ends_with(|last: char| last.is_ascii_digit()) {
                continue;
            }
        }
        folded.push(c);
    }
    folded
}

/// Whether one of the fact's alternatives (between `|`) stands in the text as whole words and whole numbers.
pub fn contains(text: &str, fact: &str) -> bool {
    let text = fold(text);
    fact.split('|').any(|one| stands(&text, &fold(one)))
}

fn stands(text: &str, fact: &str) -> bool {
    let (Some(first), Some(last)) = (fact.chars().next(), fact.chars().next_back()) else { return false };
    text.match_indices(fact).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + fact.len()..]);
        let mut backwards = before.chars().rev();
        let (left, left_of_it) = (backwards.next(), backwards.next());
        let mut forwards = after.chars();
        let (right, right_of_it) = (forwards.next(), forwards.next());
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let point = |c: Option<char>| matches!(c, Some('.' | ','));
        let open_left = first.is_alphanumeric()
            && (left.is_some_and(char::is_alphanumeric)
                || (first.is_ascii_digit() && point(left) && digit(left_of_it)));
        let open_right = last.is_alphanumeric()
            && (right.is_some_and(char::is_alphanumeric)
                || (last.is_ascii_digit() && point(right) && digit(right_of_it)));
        !open_left && !open_right
    })
}

/// Words of a text, folded: letters and digits.
pub fn words(text: &str) -> Vec<String> {
    fold(text)
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Every number in a text: runs of digits with the points and commas between them (`59,90`, `13.500`).
pub fn numbers(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut number = String::new();
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        let joins =
            matches!(c, '.' | ',') && !number.is_empty() && letters.peek().is_some_and(char::is_ascii_digit);
        if c.is_ascii_digit() || joins {
            number.push(c);
        } else if !number.is_empty() {
            found.push(std::mem::take(&mut number));
        }
    }
    if !number.is_empty() {
        found.push(number);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_stand_as_whole_words_and_whole_numbers() {
        for (text, fact) in [
            ("Você tem **7 dias** corridos.", "7 dias"),
            ("Entregamos às 13h00", "13:00|13h00"),
            ("custa R$ 59,90", "r$59,90"),
            ("desconto de 5 %", "5%"),
            ("Ação e Reação", "acao"),
            ("it’s 4 pm.", "it's 4 pm"),
            ("frete: £3, ok", "£3"),
        ] {
            assert!(contains(text, fact), "{fact} in {text}");
        }
        for (text, fact) in [
            ("17 dias", "7 dias"),
            ("£3.95", "£3"),
            ("reações", "acoes"),
            ("1.200", "200"),
            ("", "x"),
            ("x", ""),
        ] {
            assert!(!contains(text, fact), "{fact} in {text}");
        }
    }

    #[test]
    fn numbers_keep_their_points_and_lose_those_of_sentences() {
        assert_eq!(numbers("R$ 1.299,00 em 10x, dia 5. Das 9h às 18h."), ["1.299,00", "10", "5", "9", "18"]);
    }
}
