//! Global trade item numbers (GS1): EAN, UPC, ISBN-13.

use crate::notes::Doubts;

/// Why a text is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoGtin {
    Length,
    CheckDigit,
    Mangled,
    NotDigits,
}

impl NoGtin {
    fn reason(self) -> &'static str {
        match self {
            Self::Length => "has not 8 to 14 digits",
            Self::CheckDigit => "has a wrong check digit",
            Self::Mangled => "was rounded by a spreadsheet; format the column as text and export again",
            Self::NotDigits => "is not made of digits",
        }
    }
}

/// Reads one. The check digit weighs the others by 3 and 1 from the right (GS1 General Specifications 7.9).
pub(crate) fn parse(text: &str) -> Result<String, NoGtin> {
    if text.bytes().any(|b| matches!(b, b'e' | b'E')) && text.bytes().any(|b| b.is_ascii_digit()) {
        return Err(NoGtin::Mangled);
    }
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.')).collect();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NoGtin::NotDigits);
    }
    if !(8..=14).contains(&digits.len()) {
        return Err(NoGtin::Length);
    }
    let weighed = digits.bytes().rev().enumerate().map(|(place, digit)| {
        let weight = if place % 2 == 1 { 3 } else { 1 };
        u32::from(digit - b'0') * weight
    });
    if weighed.sum::<u32>() % 10 != 0 || digits.bytes().all(|b| b == b'0') {
        return Err(NoGtin::CheckDigit);
    }
    Ok(match digits.strip_prefix('0') {
        Some(rest) if digits.len() == 14 => rest.to_owned(),
        _ => digits,
    })
}

/// The first of `texts` that is one; what is none is a doubt.
pub(crate) fn read(text: Option<&str>, item: &str, field: &str, doubts: &mut Doubts) -> Option<String> {
    let text = text?.trim();
    if text.is_empty() {
        return None;
    }
    parse(text).map_err(|why| doubts.add(item, field, format!("`{text}` {}; left out", why.reason()))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_whose_check_digit_is_right_are_kept() {
        for (text, gtin) in [
            ("7891234560018", "7891234560018"),
            ("07891234560063", "7891234560063"),
            ("978-85-00-00001-0", "9788500000010"),
            ("036000291452", "036000291452"),
            ("73513537", "73513537"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(gtin));
        }
    }

    #[test]
    fn noise_is_named() {
        for (text, why) in [
            ("7891234560019", NoGtin::CheckDigit),
            ("00000000", NoGtin::CheckDigit),
            ("00", NoGtin::Length),
            ("7,89123E+12", NoGtin::Mangled),
            ("SEM GTIN", NoGtin::NotDigits),
            ("٧٨٩١٢٣٤٥٦٠٠١٨", NoGtin::NotDigits),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }
}
