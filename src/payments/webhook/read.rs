//! Reading senders' JSON without ever making a float of an amount.

use balcao_domain::money::{Currency, Locale, Money};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use super::Malformed;

/// A body that is one JSON value and nothing after it.
pub(crate) fn json<T: de::DeserializeOwned>(body: &[u8]) -> Result<T, Malformed> {
    serde_json::from_slice(body).map_err(|error| {
        // Only the place: serde's own message can quote the customer's data.
        Malformed::Json(format!("line {}, column {}", error.line(), error.column()))
    })
}

/// A JSON number or string, as written. Senders write ids and amounts either way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar(pub String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        match text.bytes().next() {
            Some(b'"') => serde_json::from_str(text).map(Self).map_err(de::Error::custom),
            Some(b'-' | b'0'..=b'9') => Ok(Self(text.to_owned())),
            _ => Err(de::Error::custom("neither a number nor a text")),
        }
    }
}

/// A list, or one thing where a list was meant.
#[derive(Debug)]
pub(crate) struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: de::DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let read = match raw.get().bytes().next() {
            Some(b'[') => serde_json::from_str(raw.get()),
            Some(b'n') => Ok(Vec::new()),
            _ => serde_json::from_str(raw.get()).map(|one| vec![one]),
        };
        read.map(Self).map_err(de::Error::custom)
    }
}

/// An amount in whole units with decimals (`137.8`, `"137.80"`).
pub(crate) fn decimal(amount: &Scalar, currency: Currency, field: &'static str) -> Result<Money, Malformed> {
    Money::parse(&amount.0, currency, Locale::En).map_err(|_| Malformed::Field(field))
}

/// The currency a sender names; reais when it names none.
pub(crate) fn currency(code: Option<&str>) -> Result<Currency, Malformed> {
    code.map_or(Ok(Currency::BRL), |code| code.parse().map_err(|_| Malformed::Field("currency")))
}

/// A time, where it can be read: money is not lost for a bad date. Without a zone it is UTC.
pub(crate) fn time(text: Option<&str>) -> Option<DateTime<Utc>> {
    let text = text?;
    DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).ok().or_else(|| {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|time| time.and_utc())
    })
}

/// Whether a text has the form of a PIX end-to-end id, for fields that hold other things too.
pub(crate) fn is_end_to_end_id(text: &str) -> bool {
    text.starts_with('E')
        && (31..=35).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
