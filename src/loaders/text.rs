//! Bytes to clean UTF-8.
//!
//! Shops export from everything: a text that is not UTF-8 is read as UTF-16 (by its mark) or as Windows-1252, what
//! Brazilian spreadsheets and old editors write. Text that somebody before us read in the wrong encoding
//! ("DevoluÃ§Ã£o") is mended.

use std::borrow::Cow;

use encoding_rs::{Encoding, WINDOWS_1252};
use unicode_normalization::UnicodeNormalization;

use crate::Unreadable;

/// The most words a document may have, in bytes: at some 4 bytes a token and 10 passages a second, embedding more
/// would keep a worker busy for the better part of an hour. Larger ones are to be split by their owner.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The text of a file, as [`clean`] leaves it.
///
/// # Errors
/// [`Unreadable::TooLarge`], [`Unreadable::NotText`] and [`Unreadable::Empty`].
pub fn decode(bytes: &[u8]) -> Result<String, Unreadable> {
    if bytes.len() > MAX_BYTES {
        return Err(Unreadable::TooLarge { bytes: bytes.len() as u64, most: MAX_BYTES as u64 });
    }
    let raw = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => encoding.decode_without_bom_handling(&bytes[mark..]).0,
        None => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
        },
    };
    if looks_binary(&raw) {
        return Err(Unreadable::NotText);
    }
    let text = clean(&raw);
    if text.trim().is_empty() { Err(Unreadable::Empty) } else { Ok(text) }
}

/// A picture or an archive read as text is full of control characters; a text has next to none.
fn looks_binary(text: &str) -> bool {
    let strange = text
        .chars()
        .filter(|c| *c == '\u{fffd}' || (c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}')))
        .count();
    // A stray one or two come from bad exports, in short texts too.
    strange > 4 && strange * 50 > text.chars().count()
}

/// Mended, with composed accents and `\n` line ends, without control or invisible characters. Cleaning what is clean
/// changes nothing.
pub fn clean(text: &str) -> String {
    let text: String = text.replace("\r\n", "\n").nfc().collect();
    let mended: String = text.split_inclusive('\n').map(mend).collect();
    mended
        .nfc()
        .filter_map(|c| match c {
            '\r' | '\u{c}' | '\u{2028}' | '\u{2029}' => Some('\n'),
            // No-break and other typographic spaces.
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}' => Some(' '),
            // Soft hyphen, zero-width space, word joiner, stray byte order mark. Joiners (200c, 200d) stay: emoji
            // and some scripts need them.
            '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}' => None,
            c if c.is_control() && !matches!(c, '\n' | '\t') => None,
            c => Some(c),
        })
        .collect()
}

/// Undoes readings of UTF-8 as Windows-1252, however often it happened, in a line where nothing speaks against it.
///
/// "MAÇÃ”" has a pair that would decode too, but beside letters that do not; a line is mended only where every
/// accented letter is part of such a sequence.
fn mend(line: &str) -> Cow<'_, str> {
    let mut mended = Cow::Borrowed(line);
    // Ends, since every round makes the line shorter.
    while let Some(better) = mend_once(&mended) {
        mended = Cow::Owned(better);
    }
    mended
}

fn mend_once(line: &str) -> Option<String> {
    if line.is_ascii() {
        return None;
    }
    let letters: Vec<char> = line.chars().collect();
    let mut mended = String::with_capacity(line.len());
    let mut found = false;
    let mut at = 0;
    while at < letters.len() {
        if let Some((letter, taken)) = misread(&letters[at..]) {
            mended.push(letter);
            found = true;
            at += taken;
        } else if ('\u{c0}'..='\u{ff}').contains(&letters[at]) {
            // An accented letter that is itself.
            return None;
        } else {
            mended.push(letters[at]);
            at += 1;
        }
    }
    found.then_some(mended)
}

/// The character that the first of `letters` are the misread bytes of, and how many they are.
fn misread(letters: &[char]) -> Option<(char, usize)> {
    let lead = windows_1252(letters[0])?;
    let length = match lead {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let mut bytes = [0; 4];
    for (byte, letter) in bytes.iter_mut().zip(letters.get(..length)?) {
        *byte = windows_1252(*letter)?;
    }
    let letter = std::str::from_utf8(&bytes[..length]).ok()?.chars().next()?;
    // Nobody's text has control characters, whatever the bytes would decode to.
    (!letter.is_control()).then_some((letter, length))
}

/// The byte a character is in Windows-1252, of those above ASCII.
fn windows_1252(c: char) -> Option<u8> {
    match u32::from(c) {
        code @ 0xa0..=0xff | code @ (0x81 | 0x8d | 0x8f | 0x90 | 0x9d) => u8::try_from(code).ok(),
        0x152..=0x2122 => {
            let mut utf8 = [0; 4];
            let (bytes, _, lossy) = WINDOWS_1252.encode(c.encode_utf8(&mut utf8));
            (!lossy && bytes.len() == 1).then(|| bytes[0])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_read_whatever_its_encoding() {
        let expected = "Devolução em até 7 dias";
        let utf16: Vec<u8> =
            [0xff, 0xfe].into_iter().chain(expected.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let latin1: Vec<u8> = expected.chars().map(|c| c as u32 as u8).collect();
        for bytes in
            [expected.as_bytes().to_vec(), [b"\xef\xbb\xbf", expected.as_bytes()].concat(), utf16, latin1]
        {
            assert_eq!(decode(&bytes).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn accents_are_composed_and_invisible_characters_dropped() {
        assert_eq!(decode("a\u{301}\u{200b}b\u{ad}c\u{a0}d\r\ne\u{0}".as_bytes()).as_deref(), Ok("ábc d\ne"));
    }

    #[test]
    fn what_is_not_text_is_refused_with_its_reason() {
        assert_eq!(decode(b""), Err(Unreadable::Empty));
        assert_eq!(decode(b" \n\t"), Err(Unreadable::Empty));
        assert_eq!(decode(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00"), Err(Unreadable::NotText));
        let most = MAX_BYTES as u64;
        let large = vec![b'a'; MAX_BYTES + 1];
        assert_eq!(decode(&large), Err(Unreadable::TooLarge { bytes: most + 1, most }));
    }

    #[test]
    fn text_read_in_the_wrong_encoding_before_is_mended() {
        for (broken, right) in [
            ("DevoluÃ§Ã£o grÃ¡tis", "Devolução grátis"),
            ("â€œÃ³timoâ€\u{9d} â€“ 10 Âºâ€¦", "“ótimo” – 10 º…"),
        ] {
            assert_eq!(clean(broken), right);
        }
    }

    #[test]
    fn text_that_only_looks_misread_is_left_alone() {
        for right in ["“MAÇÃ” e NÃO", "São João – 7 °C", "Â", "MANHÃ", "ação\nDúvidas: ã£"]
        {
            assert_eq!(clean(right), right);
        }
    }

    fn misread(text: &str) -> String {
        WINDOWS_1252.decode_without_bom_handling(text.as_bytes()).0.into_owned()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_misreading_is_undone_once_and_twice(text in "[a-zà-üÀ-Ü ]{1,40}") {
            prop_assume!(text.chars().any(|c| !c.is_ascii() && c.is_alphabetic()));
            let clean = clean(&text);
            prop_assert_eq!(&super::clean(&misread(&clean)), &clean);
        }

        #[test]
        fn cleaning_what_is_clean_changes_nothing(text in any::<String>()) {
            let once = clean(&text);
            prop_assert_eq!(clean(&once), once);
        }
    }
}
