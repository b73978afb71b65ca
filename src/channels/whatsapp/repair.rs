//! Makes half an emoji readable.
//!
//! Some phones cut a text in the middle of a surrogate pair. On the wire that is `\ud83d` without its other half: legal
//! for JavaScript, an error for every strict JSON reader. Without this one such message would cost the whole body.

use std::borrow::Cow;

/// The text with every lone surrogate escape replaced by `\ufffd`. Same length; untouched when there is none.
///
/// Outside of strings JSON has no backslashes, so there is no need to know where strings begin.
pub fn lone_surrogates(json: &str) -> Cow<'_, str> {
    let mut lone = Vec::new();
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(step) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| *b == b'\\')) {
        at += step;
        match (unit(bytes, at), unit(bytes, at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
            (Some(0xd800..=0xdfff), _) => {
                lone.push(at);
                at += 6;
            }
            _ => at += 2,
        }
    }
    if lone.is_empty() {
        return Cow::Borrowed(json);
    }
    let mut repaired = json.to_owned();
    for at in lone {
        repaired.replace_range(at..at + 6, "\\ufffd");
    }
    Cow::Owned(repaired)
}

/// The UTF-16 unit that the escape `\uXXXX` at this place stands for.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let escape = bytes.get(at..at + 6)?;
    let digits = escape.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lone_halves_are_replaced() {
        let cases = [
            (r#""oi""#, r#""oi""#),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\ude00""#, r#""\ufffd""#),
            (r#""\uD83D\uD83D\uDE00""#, r#""\ufffd\uD83D\uDE00""#),
            (r#""a\ud83d\n\u00e3""#, r#""a\ufffd\n\u00e3""#),
            // An escaped backslash before `ud83d` is not an escape of a surrogate.
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""\\\ud83d""#, r#""\\\ufffd""#),
            (r#""\ud8"#, r#""\ud8"#),
            ("\\", "\\"),
        ];
        for (given, expected) in cases {
            assert_eq!(lone_surrogates(given), expected, "{given}");
        }
    }
}
