//! Times and days as sources write them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

/// A time; without a zone it is UTC. What cannot be read is none: nothing hangs on it but which copy is newer.
pub(crate) fn at(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M%z"))
        .map(|time| time.to_utc())
        .ok()
        .or_else(|| {
            NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|time| time.and_utc())
        })
        .or_else(|| day(text).and_then(|day| day.and_hms_opt(0, 0, 0)).map(|time| time.and_utc()))
}

/// Seconds since 1970.
pub(crate) fn unix(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

/// The day a text begins with.
pub(crate) fn day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.trim().get(..10)?, "%Y-%m-%d").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_the_sources_have() {
        for text in [
            "2026-01-10T09:34:56-03:00",
            "2026-01-10T12:34:56.000Z",
            "2026-01-10T12:34:56+0000",
            "2026-01-10T12:34:56",
        ] {
            assert_eq!(at(text).map(|time| time.timestamp()), Some(1_768_048_496), "{text}");
        }
        assert_eq!(day("2026-03-15T00:00-0300"), NaiveDate::from_ymd_opt(2026, 3, 15));
        assert_eq!(at("ontem"), None);
    }
}
