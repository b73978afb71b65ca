//! How fast one number may send: in all, and to one person.
//!
//! Pure: the time is passed in. WhatsApp allows a number 80 messages a second (20 for numbers that also live in a
//! phone's app, 1,000 after an upgrade), and one person a message every 6 seconds. A burst of up to 45 within 6 seconds
//! is allowed, borrowed from the future: after it that person gets nothing until the burst is paid for (all of it, or
//! all but a small credit: [`Pace::pair_credit`]). Whoever goes faster is refused with 131056 and must back off 1, 4,
//! 16, … seconds; other people are not affected.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// The figures of one number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Messages a second, to all people together.
    pub per_second: f64,
    /// What one message to one person costs.
    pub pair_interval: Duration,
    /// How many messages to one person may be sent within one interval, borrowed from the future.
    pub pair_burst: u32,
    /// How many unpaid messages do not yet hold up the next one. Zero waits until all are paid for.
    pub pair_credit: u32,
}

impl Default for Pace {
    fn default() -> Self {
        // A lively chat runs up a small debt and pays it while the customer types; only a flood waits. Where WhatsApp
        // is stricter than that it says so with 131056, which costs nothing but the back-off.
        Self { per_second: 80.0, pair_interval: Duration::from_secs(6), pair_burst: 45, pair_credit: 10 }
    }
}

/// How many people are remembered. One takes some hundred bytes; who has paid is forgotten first.
const MAX_PAIRS: usize = 50_000;
/// 4^6 s is over an hour: a person who still cannot be reached is not a matter of pace.
const MAX_BACKOFF_STEP: u32 = 6;

/// Lets messages of one number pass, or says how long to wait.
#[derive(Debug)]
pub struct Pacer<K> {
    pace: Pace,
    tokens: f64,
    filled_at: Option<Instant>,
    pairs: HashMap<K, Pair>,
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    burst_began: Instant,
    in_burst: u32,
    /// Until when everything sent so far is paid for.
    paid_at: Instant,
    /// After a refusal: not before, and how often in a row.
    refused: Option<(Instant, u32)>,
}

impl<K: Hash + Eq + Clone> Pacer<K> {
    /// A pacer that has sent nothing yet.
    pub fn new(pace: Pace) -> Self {
        Self { pace, tokens: 0.0, filled_at: None, pairs: HashMap::new() }
    }

    /// Counts a message to this person as sent now, or says how long to wait before asking again.
    pub fn admit(&mut self, now: Instant, person: &K) -> Result<(), Duration> {
        self.pair_wait(now, person)?;
        self.take_token(now)?;
        self.forget_the_paid(now);
        let interval = self.pace.pair_interval;
        let fresh = Pair { burst_began: now, in_burst: 0, paid_at: now, refused: None };
        let pair = self.pairs.entry(person.clone()).or_insert(fresh);
        if now >= pair.paid_at {
            *pair = Pair { refused: pair.refused, ..fresh };
        }
        pair.in_burst += 1;
        pair.paid_at += interval;
        Ok(())
    }

    /// The channel refused a message to this person for its pace (131056).
    pub fn refused(&mut self, now: Instant, person: &K) {
        self.forget_the_paid(now);
        let fresh = Pair { burst_began: now, in_burst: 0, paid_at: now, refused: None };
        let pair = self.pairs.entry(person.clone()).or_insert(fresh);
        let step = pair.refused.map_or(0, |(_, step)| (step + 1).min(MAX_BACKOFF_STEP));
        pair.refused = Some((now + Duration::from_secs(4u64.pow(step)), step));
    }

    /// The channel took a message to this person: the next refusal starts from one second again.
    pub fn accepted(&mut self, person: &K) {
        if let Some(pair) = self.pairs.get_mut(person) {
            pair.refused = None;
        }
    }

    /// How many people are remembered.
    pub fn remembered(&self) -> usize {
        self.pairs.len()
    }

    fn pair_wait(&self, now: Instant, person: &K) -> Result<(), Duration> {
        let Some(pair) = self.pairs.get(person) else { return Ok(()) };
        if let Some((until, _)) = pair.refused
            && until > now
        {
            return Err(until - now);
        }
        let in_burst =
            now < pair.burst_began + self.pace.pair_interval && pair.in_burst < self.pace.pair_burst;
        let owed = pair.paid_at.saturating_duration_since(now);
        let credit = self.pace.pair_interval * self.pace.pair_credit;
        if in_burst || owed <= credit { Ok(()) } else { Err(owed - credit) }
    }

    /// A tenth of the rate may come at once and nine tenths flow in, so that no second sees more than the rate.
    fn take_token(&mut self, now: Instant) -> Result<(), Duration> {
        let capacity = (self.pace.per_second / 10.0).max(1.0);
        let flow = (self.pace.per_second - capacity).max(self.pace.per_second / 2.0);
        self.tokens = match self.filled_at {
            None => capacity,
            Some(before) => {
                let passed = now.saturating_duration_since(before).as_secs_f64();
                (self.tokens + passed * flow).min(capacity)
            }
        };
        self.filled_at = Some(self.filled_at.map_or(now, |before| before.max(now)));
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        // A nanosecond more, so that rounding never answers "now" to someone who has to wait.
        Err(Duration::from_secs_f64((1.0 - self.tokens) / flow) + Duration::from_nanos(1))
    }

    fn forget_the_paid(&mut self, now: Instant) {
        if self.pairs.len() < MAX_PAIRS {
            return;
        }
        let owes = |pair: &Pair| pair.paid_at.max(pair.refused.map_or(pair.paid_at, |(until, _)| until));
        self.pairs.retain(|_, pair| owes(pair) > now);
        if self.pairs.len() >= MAX_PAIRS {
            // Everyone owes: forget the half that is nearest to having paid.
            let mut dues: Vec<Instant> = self.pairs.values().map(owes).collect();
            let middle = dues.len() / 2;
            let (_, median, _) = dues.select_nth_unstable(middle);
            let median = *median;
            self.pairs.retain(|_, pair| owes(pair) > median);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without credit: the rule as documented.
    fn pacer() -> Pacer<&'static str> {
        Pacer::new(Pace { pair_credit: 0, ..Pace::default() })
    }

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn one_person_gets_a_message_every_six_seconds_for_ever() {
        let (mut pacer, start) = (pacer(), Instant::now());
        for n in 0..100 {
            assert_eq!(pacer.admit(start + secs(6.0) * n, &"camila"), Ok(()), "{n}");
        }
    }

    #[test]
    fn a_burst_of_twenty_costs_two_minutes() {
        let (mut pacer, start) = (pacer(), Instant::now());
        for n in 0..20 {
            assert_eq!(pacer.admit(start + secs(0.25) * n, &"camila"), Ok(()), "{n}");
        }
        assert_eq!(pacer.admit(start + secs(6.0), &"camila"), Err(secs(114.0)));
        assert!(pacer.admit(start + secs(119.9), &"camila").is_err());
        assert_eq!(pacer.admit(start + secs(120.0), &"camila"), Ok(()));
    }

    #[test]
    fn a_burst_ends_at_forty_five() {
        let (mut pacer, start) = (pacer(), Instant::now());
        let sent = (0..60).filter(|n| pacer.admit(start + secs(0.09) * *n, &"camila").is_ok()).count();
        assert_eq!(sent, 45);
        assert!(pacer.admit(start + secs(269.0), &"camila").is_err());
        assert_eq!(pacer.admit(start + secs(270.0), &"camila"), Ok(()));
    }

    #[test]
    fn a_lively_chat_is_not_held_up_and_a_flood_is() {
        let (mut pacer, start) = (Pacer::new(Pace::default()), Instant::now());
        // An answer every three seconds for a minute: half of it is owed at the end.
        for n in 0..20 {
            assert_eq!(pacer.admit(start + secs(3.0) * n, &"camila"), Ok(()), "{n}");
        }
        let start = start + secs(60.0);
        for n in 0..45 {
            assert_eq!(pacer.admit(start + secs(0.1) * n, &"flood"), Ok(()), "{n}");
        }
        assert_eq!(pacer.admit(start + secs(10.0), &"flood"), Err(secs(200.0)));
        assert_eq!(pacer.admit(start + secs(210.0), &"flood"), Ok(()));
    }

    #[test]
    fn one_persons_debt_is_not_anothers() {
        let (mut pacer, start) = (pacer(), Instant::now());
        pacer.admit(start, &"camila").unwrap();
        pacer.admit(start, &"camila").unwrap();
        let later = start + secs(7.0);
        assert!(pacer.admit(later, &"camila").is_err());
        assert_eq!(pacer.admit(later, &"renata"), Ok(()));
    }

    #[test]
    fn refusals_back_off_by_powers_of_four_and_success_forgets_them() {
        let (mut pacer, mut now) = (pacer(), Instant::now());
        for seconds in [1, 4, 16, 64, 256, 1_024, 4_096, 4_096] {
            pacer.refused(now, &"camila");
            assert_eq!(pacer.admit(now, &"camila"), Err(Duration::from_secs(seconds)));
            now += Duration::from_secs(seconds);
            assert_eq!(pacer.admit(now, &"camila"), Ok(()));
            now += secs(6.0);
        }
        pacer.accepted(&"camila");
        pacer.refused(now, &"camila");
        assert_eq!(pacer.admit(now, &"camila"), Err(Duration::from_secs(1)));
    }

    #[test]
    fn no_second_sees_more_than_the_rate() {
        let mut pacer = Pacer::new(Pace::default());
        let start = Instant::now();
        let mut sent = Vec::new();
        for ms in 0..5_000u64 {
            let now = start + Duration::from_millis(ms);
            let mut person = ms * 100;
            while pacer.admit(now, &person).is_ok() {
                sent.push(ms);
                person += 1;
            }
        }
        for from in (0..4_000).step_by(50) {
            let count = sent.iter().filter(|at| (from..from + 1_000).contains(*at)).count();
            assert!(count <= 80, "{count} in the second from {from} ms");
        }
        assert!(sent.len() >= 5 * 70, "{} in five seconds is too cautious", sent.len());
    }

    #[test]
    fn waiting_as_long_as_told_is_long_enough() {
        let mut pacer = Pacer::new(Pace { per_second: 20.0, ..Pace::default() });
        let mut now = Instant::now();
        for person in 0..200u32 {
            if let Err(wait) = pacer.admit(now, &person) {
                assert!(wait > Duration::ZERO && wait < secs(1.0));
                now += wait;
                assert_eq!(pacer.admit(now, &person), Ok(()));
            }
        }
    }

    #[test]
    fn memory_is_bounded_however_many_people_there_are() {
        let mut pacer = Pacer::new(Pace { per_second: 1e9, ..Pace::default() });
        let start = Instant::now();
        for person in 0..(MAX_PAIRS as u64 * 3) {
            pacer.admit(start + Duration::from_micros(person), &person).unwrap();
        }
        assert!(pacer.remembered() <= MAX_PAIRS);
    }
}
