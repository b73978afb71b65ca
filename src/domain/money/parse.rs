//! Amounts as people and systems write them.
//!
//! `1.299` means one thousand and more in Brazil and little more than one in an API: the source says which locale
//! it writes in, nothing is guessed. More decimals than the currency has are an error, not a rounding.

use super::{Currency, Money};

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locale {
    /// `1.299,00`: Brazilian spreadsheets and people.
    PtBr,
    /// `1,299.00` or `1299.00`: feeds and APIs.
    En,
}

impl Locale {
    const fn marks(self) -> (char, char) {
        match self {
            Self::PtBr => ('.', ','),
            Self::En => (',', '.'),
        }
    }
}

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseMoneyError {
    /// No number at all.
    #[error("`{0}` is not an amount")]
    NotAnAmount(String),
    /// More decimals than the currency has.
    #[error("`{0}` has more decimals than its currency")]
    TooPrecise(String),
    /// More than 64 bits.
    #[error("`{0}` is too large an amount")]
    TooLarge(String),
}

impl Money {
    /// Reads an amount: digits with the locale's marks, a currency sign or code around them.
    ///
    /// # Errors
    /// When the text is not exactly one amount.
    pub fn parse(text: &str, currency: Currency, locale: Locale) -> Result<Self, ParseMoneyError> {
        let not_an_amount = || ParseMoneyError::NotAnAmount(text.to_owned());
        let bare = strip(text, currency);
        let (negative, digits) = match bare.strip_prefix('-') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, bare),
        };
        let (grouping, decimal) = locale.marks();
        let (whole, fraction) = digits.split_once(decimal).unwrap_or((digits, ""));
        let whole = ungroup(whole, grouping).ok_or_else(not_an_amount)?;
        if !fraction.bytes().all(|b| b.is_ascii_digit()) || (whole.is_empty() && fraction.is_empty()) {
            return Err(not_an_amount());
        }
        let decimals = currency.decimals() as usize;
        let fraction = if fraction.len() > decimals {
            // `59.900` says nothing that `59.90` does not.
            let (kept, rest) = fraction.split_at(decimals);
            if rest.bytes().any(|b| b != b'0') {
                return Err(ParseMoneyError::TooPrecise(text.to_owned()));
            }
            kept
        } else {
            fraction
        };
        let sign = if negative { "-" } else { "" };
        let minor = format!("{sign}{whole}{fraction:0<decimals$}").parse();
        minor.map(|minor| Self::new(minor, currency)).map_err(|_| ParseMoneyError::TooLarge(text.to_owned()))
    }
}

/// Without spaces, and without the currency's sign or code before or after.
fn strip(text: &str, currency: Currency) -> &str {
    let sign = match currency.code() {
        "BRL" => "R$",
        "USD" => "US$",
        "EUR" => "€",
        "GBP" => "£",
        _ => "$",
    };
    let mut bare = text.trim();
    for word in [currency.code(), sign, "$"] {
        let without = bare.strip_prefix(word).or_else(|| bare.strip_suffix(word));
        if let Some(rest) = without {
            bare = rest.trim();
            break;
        }
    }
    bare
}

/// The digits of a whole number whose groups, if it has any, are of three.
fn ungroup(whole: &str, mark: char) -> Option<String> {
    let groups: Vec<&str> = whole.split(mark).collect();
    let digits = |group: &&str| group.bytes().all(|b| b.is_ascii_digit());
    if !groups.iter().all(digits) {
        return None;
    }
    let grouped = groups.len() > 1;
    let well_grouped = (1..=3).contains(&groups[0].len()) && groups[1..].iter().all(|group| group.len() == 3);
    (!grouped || well_grouped).then(|| groups.concat())
}
