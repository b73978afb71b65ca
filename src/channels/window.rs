//! WhatsApp's customer service window: 24 hours from the customer's last message, anything may be sent; after that
//! templates only.
//!
//! Judge it when sending, not when the answer is composed: a slow turn may cross the line, and the refusal then comes
//! minutes after a green 200.

use chrono::{DateTime, Duration, Utc};

/// How long the window stays open.
pub const WINDOW: Duration = Duration::hours(24);
/// What is kept in hand: clocks differ, and the message still has to travel.
pub const MARGIN: Duration = Duration::minutes(5);

/// Whether anything but a template may be sent now.
pub fn is_open(last_inbound_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    remaining(last_inbound_at, now) > Duration::zero()
}

/// How long free-form messages may still be sent; zero when they may not. A message from the future (clocks differ)
/// counts as from now, so that it cannot hold the window open for longer than a day.
pub fn remaining(last_inbound_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Duration {
    let Some(last) = last_inbound_at else { return Duration::zero() };
    let age = (now - last).max(Duration::zero());
    (WINDOW - MARGIN - age).max(Duration::zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_closes_five_minutes_early() {
        let now = DateTime::from_timestamp(1_793_973_600, 0).unwrap();
        let second = Duration::seconds(1);
        let cases = [
            (None, false),
            (Some(now), true),
            (Some(now - Duration::hours(23)), true),
            (Some(now - WINDOW + MARGIN + second), true),
            (Some(now - WINDOW + MARGIN), false),
            (Some(now - WINDOW + second), false),
            (Some(now - WINDOW - second), false),
            (Some(now - Duration::days(400)), false),
            (Some(now + Duration::minutes(3)), true),
        ];
        for (last, expected) in cases {
            assert_eq!(is_open(last, now), expected, "{last:?}");
        }
    }

    #[test]
    fn a_message_from_the_future_opens_no_longer_window() {
        let now = DateTime::from_timestamp(1_793_973_600, 0).unwrap();
        assert_eq!(remaining(Some(now + Duration::days(30)), now), WINDOW - MARGIN);
    }
}
