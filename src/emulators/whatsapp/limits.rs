//! How fast is too fast.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::error::ApiError;
use super::faults::Limits;

const PAIR_INTERVAL: Duration = Duration::from_secs(6);

/// What was sent lately.
#[derive(Default)]
pub struct Meter {
    /// Per number: when each message of the last second was taken.
    numbers: HashMap<String, VecDeque<Instant>>,
    /// Per number and person: when each message not yet paid for was taken, and until when they are.
    pairs: HashMap<(String, String), Pair>,
}

struct Pair {
    burst_began: Instant,
    paid_at: Instant,
}

impl Meter {
    /// Counts a message as taken now, or refuses it.
    pub fn take(
        &mut self,
        limits: &Limits,
        now: Instant,
        number: &str,
        person: &str,
    ) -> Result<(), ApiError> {
        let second = self.numbers.entry(number.to_owned()).or_default();
        while second.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1)) {
            second.pop_front();
        }
        if second.len() >= limits.per_second as usize {
            return Err(ApiError::new(130429, "Cloud API message throughput has been reached."));
        }
        let key = (number.to_owned(), person.to_owned());
        let pair = self.pairs.entry(key).or_insert(Pair { burst_began: now, paid_at: now });
        let owed = pair.paid_at.saturating_duration_since(now);
        let within_burst = now.duration_since(pair.burst_began) < PAIR_INTERVAL;
        let too_much = owed + PAIR_INTERVAL > PAIR_INTERVAL * limits.pair_burst;
        if too_much || (limits.pair_strict && !owed.is_zero() && !within_burst) {
            return Err(ApiError::new(131056, "Too many messages sent to the same person in a short time."));
        }
        if owed.is_zero() {
            *pair = Pair { burst_began: now, paid_at: now };
        }
        pair.paid_at += PAIR_INTERVAL;
        second.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_five_at_once_are_taken_and_the_next_is_refused() {
        let (mut meter, now, limits) = (Meter::default(), Instant::now(), Limits::default());
        for _ in 0..45 {
            meter.take(&limits, now, "n", "camila").unwrap();
        }
        assert_eq!(meter.take(&limits, now, "n", "camila").unwrap_err().code, 131056);
        meter.take(&limits, now, "n", "renata").unwrap();
        meter.take(&limits, now + PAIR_INTERVAL, "n", "camila").unwrap();
    }

    #[test]
    fn strictly_a_burst_is_paid_before_anything_else_goes() {
        let (mut meter, now) = (Meter::default(), Instant::now());
        let limits = Limits { pair_strict: true, ..Limits::default() };
        meter.take(&limits, now, "n", "camila").unwrap();
        meter.take(&limits, now, "n", "camila").unwrap();
        assert!(meter.take(&limits, now + Duration::from_secs(11), "n", "camila").is_err());
        meter.take(&limits, now + Duration::from_secs(12), "n", "camila").unwrap();
    }

    #[test]
    fn a_number_sends_so_many_a_second() {
        let (mut meter, now) = (Meter::default(), Instant::now());
        let limits = Limits { per_second: 3, ..Limits::default() };
        for person in ["a", "b", "c"] {
            meter.take(&limits, now, "n", person).unwrap();
        }
        assert_eq!(meter.take(&limits, now, "n", "d").unwrap_err().code, 130429);
        meter.take(&limits, now, "other", "d").unwrap();
        meter.take(&limits, now + Duration::from_secs(1), "n", "d").unwrap();
    }
}
