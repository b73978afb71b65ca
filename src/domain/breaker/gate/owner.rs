//! The owner's side of a gate: what has been counted, and what is ruled.

use std::{sync::atomic::Ordering::*, time::Duration};

use super::{
    AGES, Gate, Ruling, Totals,
    word::{Mode, Word},
};
use crate::breaker::{Nanos, Observation, State, histogram, window};

impl Gate {
    /// Calls that are running now.
    pub fn in_flight(&self) -> u64 {
        self.stripes.iter().flat_map(|s| &s.running).map(|n| u64::from(n.load(Relaxed))).sum()
    }

    /// Calls that have been running for longer than `age`, to the resolution of a quarter of the slow
    /// threshold. A call older than some sixteen thresholds is missed once in a while: it has long been counted.
    fn running_longer_than(&self, age: Duration, now: Nanos) -> u64 {
        let steps = (age.as_nanos() as u64 >> self.age_shift) as usize + 1;
        let current = ((now.0 >> self.age_shift) as usize) % AGES;
        (steps.min(AGES)..AGES)
            .map(|back| (current + AGES - back) % AGES)
            .flat_map(|slot| self.stripes.iter().map(move |s| u64::from(s.running[slot].load(Relaxed))))
            .sum()
    }

    /// The duration below which that share of the successful calls ended, over the gate's whole life.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let mut counts = [0; histogram::BUCKETS];
        for stripe in &self.stripes {
            for (sum, count) in counts.iter_mut().zip(&stripe.took) {
                *sum += count.load(Relaxed);
            }
        }
        histogram::quantile(&counts, quantile)
    }

    /// Everything counted since the gate was made.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for stripe in &self.stripes {
            stripe.add_to(&mut totals);
        }
        totals.rejected = self.rare.rejected.load(Relaxed);
        totals.late = self.rare.late.load(Relaxed);
        totals
    }

    /// What the machine last ruled.
    pub fn ruling(&self) -> Ruling {
        Word::from_bits(self.ruled.word.load(Acquire)).ruling()
    }

    /// When an open gate may be tried; zero when it is not open.
    pub fn until(&self) -> Nanos {
        Nanos(self.rare.until.load(Relaxed))
    }

    /// Until when this key waits because of a rate limit.
    pub fn limited_until(&self) -> Nanos {
        Nanos(self.ruled.limited_until.load(Relaxed))
    }

    /// What the machine judges by.
    pub fn observe(&self, now: Nanos) -> Observation {
        self.turn_over_tenants(now);
        let word = Word::from_bits(self.ruled.word.load(Acquire));
        let row = self.ruled.consecutive.load(Relaxed);
        let marks = |which: usize| {
            let now = self.ruled.tenants[which].load(Relaxed);
            (now | self.rare.tenants_before[which].load(Relaxed)).count_ones()
        };
        Observation {
            totals: self.totals(),
            failures_in_a_row: if row >> 16 == word.generation() { (row & 0xFFFF) as u32 } else { 0 },
            running_too_long: self.running_longer_than(self.config.slow_in_flight, now),
            tenants_seen: marks(0),
            tenants_failing: marks(1),
            free_trials: word.free(),
            retry_until: Nanos(self.rare.retry_until.load(Relaxed)),
            quota_until: Nanos(self.rare.quota_until.load(Relaxed)),
        }
    }

    /// Marks live for one to two halves of the window.
    fn turn_over_tenants(&self, now: Nanos) {
        const HALF: u64 = window::SLOT.as_nanos() as u64 * window::SLOTS as u64 / 2;
        let turned = self.rare.tenants_turned_at.load(Relaxed);
        let passed = now.0.saturating_sub(turned);
        if passed < HALF {
            return;
        }
        for (now, before) in self.ruled.tenants.iter().zip(&self.rare.tenants_before) {
            let marks = now.swap(0, Relaxed);
            before.store(if passed < 2 * HALF { marks } else { 0 }, Relaxed);
        }
        self.rare.tenants_turned_at.store(now.0, Relaxed);
    }

    pub(in crate::breaker) fn hear_bell(&self) {
        self.rare.rung.store(false, Release);
    }

    pub(in crate::breaker) fn rule(&self, state: State, generation: u64, free: u32) {
        self.ruled.consecutive.store(generation << 16, Relaxed);
        if matches!(state, State::Closed | State::HalfOpen) {
            // What was advised before has run out, or has been overruled by a person.
            self.rare.quota_until.store(0, Relaxed);
            self.rare.retry_until.store(0, Relaxed);
        }
        self.ruled.word.store(Word::new(Mode::of(state), generation, free).bits(), Release);
    }

    pub(in crate::breaker) fn widen(&self, places: u32) {
        self.ruled.word.fetch_add(Word::free_bits(places), AcqRel);
    }

    pub(in crate::breaker) fn set_until(&self, until: Nanos) {
        self.rare.until.store(until.0, Relaxed);
    }

    /// Lets an idle gate sleep: the next call will ring. `false` if it is not idle after all.
    pub fn fall_asleep(&self) -> bool {
        self.ruled.word.fetch_or(Word::ASLEEP, AcqRel);
        if self.in_flight() == 0 {
            return true;
        }
        self.ruled.word.fetch_and(!Word::ASLEEP, AcqRel);
        false
    }
}
