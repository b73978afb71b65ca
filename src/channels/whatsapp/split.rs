//! Cuts long text where a reader would pause, and never inside what the reader sees as one character.
//!
//! Meta does not say what it counts as a character. UTF-16 units are counted here: never fewer than characters or code
//! points, so a text that fits by this measure fits by the others.

use unicode_segmentation::UnicodeSegmentation;

/// The length of a text in UTF-16 units.
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The text in pieces of at most `limit` UTF-16 units: cut between paragraphs, or else lines, sentences, words,
/// letters. No piece is blank.
pub fn split(text: &str, limit: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while length(rest) > limit {
        let cut = cut(rest, limit);
        let (piece, after) = rest.split_at(cut);
        if !piece.trim().is_empty() {
            pieces.push(piece.trim().to_owned());
        }
        rest = after.trim_start();
    }
    if !rest.is_empty() {
        pieces.push(rest.to_owned());
    }
    pieces
}

/// The text, cut between two letters and ended with `…` if it is longer than `limit` UTF-16 units.
pub fn shorten(text: &str, limit: usize) -> String {
    if length(text) <= limit {
        return text.to_owned();
    }
    let end = letters_within(text, limit.saturating_sub(1));
    format!("{}…", text[..end].trim_end())
}

/// Where to cut: the best place in the later three quarters of what fits.
fn cut(text: &str, limit: usize) -> usize {
    let end = letters_within(text, limit);
    if end == 0 {
        // One "letter" longer than a whole message: thousands of accents on top of each other, meant to do harm.
        return code_points_within(text, limit);
    }
    let window = &text[..end];
    let late = |at: &usize| *at >= end / 4;
    // What stands right behind the window counts too: a word that ends with the window need not move.
    let between = |pattern: &str| window.rfind(pattern).map(|at| at + pattern.len()).filter(late);
    between("\n\n")
        .or_else(|| between("\n"))
        .or_else(|| sentence_end(text, end).filter(late))
        .or_else(|| word_end(text, end).filter(late))
        .unwrap_or(end)
}

/// The end of the last whole sentence within the first `end` bytes.
fn sentence_end(text: &str, end: usize) -> Option<usize> {
    // A little more than the window, so that a sentence ending exactly there is seen to end.
    let mut more = (end + 64).min(text.len());
    while !text.is_char_boundary(more) {
        more += 1;
    }
    let starts = text[..more].split_sentence_bound_indices().map(|(at, _)| at);
    starts.take_while(|at| *at <= end).last().filter(|at| *at > 0)
}

/// The end of the last whole word within the first `end` bytes.
fn word_end(text: &str, end: usize) -> Option<usize> {
    if text[end..].starts_with(char::is_whitespace) {
        return Some(end);
    }
    text[..end].rfind(char::is_whitespace).filter(|at| *at > 0)
}

/// How many bytes of whole grapheme clusters fit into `limit` units.
fn letters_within(text: &str, limit: usize) -> usize {
    bytes_within(text.graphemes(true), limit)
}

fn code_points_within(text: &str, limit: usize) -> usize {
    bytes_within(text.split_inclusive(|_| true), limit).max(text.chars().next().map_or(0, char::len_utf8))
}

fn bytes_within<'a>(parts: impl Iterator<Item = &'a str>, limit: usize) -> usize {
    let mut units = 0;
    let mut bytes = 0;
    for part in parts {
        units += length(part);
        if units > limit {
            break;
        }
        bytes += part.len();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_cut_where_a_reader_would_pause() {
        let cases: [(&str, usize, &[&str]); 7] = [
            ("curto", 10, &["curto"]),
            ("um dois.\n\ntrês quatro", 14, &["um dois.", "três quatro"]),
            ("um dois\ntrês quatro", 14, &["um dois", "três quatro"]),
            ("Um dois. Três quatro cinco.", 18, &["Um dois.", "Três quatro cinco."]),
            ("um dois três", 7, &["um dois", "três"]),
            ("abcdefgh", 3, &["abc", "def", "gh"]),
            ("R$ 1.500,00 por mês", 12, &["R$ 1.500,00", "por mês"]),
        ];
        for (text, limit, expected) in cases {
            assert_eq!(split(text, limit), expected, "{text}");
        }
    }

    #[test]
    fn a_family_is_never_torn_apart() {
        let family = "👨‍👩‍👧‍👦";
        for piece in split(&family.repeat(10), 25) {
            assert_eq!(piece.replace(family, ""), "");
        }
        assert_eq!(shorten(&family.repeat(3), 24), format!("{}…", family.repeat(2)));
    }

    #[test]
    fn a_letter_longer_than_a_message_is_cut_all_the_same() {
        let monster = format!("a{}", "\u{301}".repeat(10_000));
        let pieces = split(&monster, 4_096);
        assert!(pieces.iter().all(|piece| length(piece) <= 4_096));
        assert_eq!(pieces.concat(), monster);
    }

    proptest! {
        #[test]
        fn pieces_fit_are_not_blank_and_hold_every_word(text in "(\\PC|[ \n.!?]){0,400}", limit in 8usize..60) {
            let pieces = split(&text, limit);
            let letters = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&pieces.concat()), letters(&text));
            for piece in &pieces {
                prop_assert!(length(piece) <= limit);
                prop_assert!(!piece.trim().is_empty());
            }
        }

        #[test]
        fn shortened_text_fits(text in "\\PC{0,60}", limit in 1usize..30) {
            prop_assert!(length(&shorten(&text, limit)) <= limit);
        }
    }
}
