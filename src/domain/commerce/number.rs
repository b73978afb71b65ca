//! Amounts as JSON numbers, by their text.
//!
//! A JSON number is decimal text; what the parser keeps prints as the shortest text that means the same, so an amount
//! of two decimals comes back as it was written. No arithmetic happens on the way.

use serde_json::Number;

use crate::money::{Currency, Locale, Money, ParseMoneyError};

/// The amount a JSON number writes.
///
/// # Errors
/// When it has more decimals than the currency, or does not fit.
pub fn parse(number: &Number, currency: Currency) -> Result<Money, ParseMoneyError> {
    Money::parse(&number.to_string(), currency, Locale::En)
}

/// The JSON number that writes an amount: 60 dollars are `60.0`, 5 cents `0.05`.
///
/// # Errors
/// Never for an amount of this crate; the JSON parser's word is passed on instead of assumed.
pub fn write(amount: Money) -> Result<Number, serde_json::Error> {
    serde_json::from_str(&amount.decimal())
}
