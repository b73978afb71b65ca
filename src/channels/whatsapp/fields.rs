//! Reads fields of any type without failing: what is absent, and what has the wrong type, is `None`.
//!
//! Meta documents fields as strings that arrive as numbers, and mandatory ones that stopped arriving.

use std::collections::BTreeMap;

use balcao_domain::customer::{is_bsuid, phone_digits};
use balcao_domain::text::clean;
use chrono::{DateTime, Utc};
use serde_json::Value;
use serde_json::value::RawValue;

/// The longest text kept of one message, in characters. WhatsApp's own limit for people is lower.
pub const MAX_TEXT: usize = 65_536;
/// The longest id, name or word kept, in characters.
pub const MAX_WORD: usize = 1_024;

/// An object whose values have not been looked at yet: each can be parsed, and fail, on its own.
pub type RawObject<'a> = BTreeMap<String, &'a RawValue>;

/// The object in this text, or nothing.
pub fn raw_object(json: &str) -> Option<RawObject<'_>> {
    serde_json::from_str(json).ok()
}

/// The items of the array under a key; empty when there is no array.
pub fn raw_items<'a>(object: &RawObject<'a>, key: &str) -> Vec<&'a RawValue> {
    object.get(key).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// The value in this text, fit for a database; the bare text when it cannot be read as a value (nested too deep, a
/// number out of range).
pub fn keep(json: &str) -> Value {
    match serde_json::from_str(json) {
        Ok(value) => scrub(value),
        Err(_) => Value::String(clean(json, json.len())),
    }
}

/// A value without the characters a database refuses (NUL in JSON text) in any string or key.
pub fn scrub(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains(char::is_control) => Value::String(clean(&text, text.len())),
        Value::Array(items) => Value::Array(items.into_iter().map(scrub).collect()),
        Value::Object(fields) => Value::Object(
            fields.into_iter().map(|(key, item)| (clean(&key, MAX_WORD), scrub(item))).collect(),
        ),
        other => other,
    }
}

/// A string under a path of keys, cleaned; also a number, as written. `None` when absent, empty or of another type.
pub fn word(value: &Value, path: &[&str]) -> Option<String> {
    let found = path.iter().try_fold(value, |inner, key| inner.get(key))?;
    let text = match found {
        Value::String(text) => clean(text, MAX_WORD),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Words a person typed, under a path of keys: cleaned, not trimmed to one line. `None` when absent or blank.
pub fn prose(value: &Value, path: &[&str]) -> Option<String> {
    let found = path.iter().try_fold(value, |inner, key| inner.get(key))?;
    let text = clean(found.as_str()?, MAX_TEXT);
    (!text.trim().is_empty()).then_some(text)
}

/// A name on one line.
pub fn name(value: &Value, path: &[&str]) -> Option<String> {
    let text = prose(value, path)?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(256).collect())
}

/// A whole number, also when written as a string.
pub fn integer(value: &Value, key: &str) -> Option<i64> {
    match value.get(key)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A number, also when written as a string; never NaN or infinite.
pub fn number(value: &Value, key: &str) -> Option<f64> {
    let number = match value.get(key)? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// The phone number under a key, as digits. A BSUID in its place is not one.
pub fn phone(value: &Value, key: &str) -> Option<String> {
    phone_digits(&word(value, &[key])?)
}

/// The BSUID under a key.
pub fn bsuid(value: &Value, key: &str) -> Option<String> {
    word(value, &[key]).filter(|id| is_bsuid(id))
}

/// A moment of the provider's clock: Unix seconds as a string or a number, or milliseconds (seen in the wild).
/// Whatever cannot be one, or lies more than a day ahead, is the time of reception: a message must neither be lost
/// for its time nor hold the 24-hour window open for a year.
pub fn moment(value: &Value, key: &str, received_at: DateTime<Utc>) -> DateTime<Utc> {
    stated_moment(value, key)
        .filter(|at| *at <= received_at + chrono::Duration::days(1))
        .unwrap_or(received_at)
}

/// The same without the fallback and without the bound on the future: for expiries.
pub fn stated_moment(value: &Value, key: &str) -> Option<DateTime<Utc>> {
    /// September 2001: nothing this protocol carries is older.
    const EARLIEST_S: i64 = 1_000_000_000;
    /// As seconds this is the year 5138, as milliseconds 1973: anything from here on is milliseconds.
    const MILLIS_FROM: i64 = 100_000_000_000;
    let raw = integer(value, key).or_else(|| number(value, key).map(|n| n as i64))?;
    match raw {
        MILLIS_FROM.. => DateTime::from_timestamp_millis(raw).filter(|at| at.timestamp() >= EARLIEST_S),
        EARLIEST_S.. => DateTime::from_timestamp(raw, 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_time_is_understood_in_every_form_it_comes_in() {
        let received = DateTime::from_timestamp(1_793_980_000, 0).unwrap();
        let cases = [
            (json!("1793973600"), 1_793_973_600),
            (json!(" 1793973600 "), 1_793_973_600),
            (json!(1_793_973_600), 1_793_973_600),
            (json!(1_793_973_600.7), 1_793_973_600),
            (json!("1793973600123"), 1_793_973_600),
            (json!(1_793_973_600_123i64), 1_793_973_600),
            // Nonsense, the far future and the distant past are the time of reception.
            (json!("soon"), 1_793_980_000),
            (json!(null), 1_793_980_000),
            (json!([1]), 1_793_980_000),
            (json!(0), 1_793_980_000),
            (json!(-5), 1_793_980_000),
            (json!(i64::MAX), 1_793_980_000),
            (json!(1e300), 1_793_980_000),
            (json!(1_793_980_000 + 86_401), 1_793_980_000),
        ];
        for (given, expected) in cases {
            let at = moment(&json!({ "timestamp": given }), "timestamp", received);
            assert_eq!(at.timestamp(), expected, "{given}");
        }
        assert_eq!(moment(&json!({}), "timestamp", received), received);
    }

    #[test]
    fn what_a_database_refuses_is_dropped_at_every_depth() {
        let dirty = json!({ "a\u{0}": ["x\u{0}y", { "b": "\u{1}" }], "n": 1 });
        assert_eq!(scrub(dirty), json!({ "a": ["xy", { "b": "" }], "n": 1 }));
    }
}
