//! The breaker against a reference that remembers every call and counts again each time.
//!
//! The reference has no ring, no atomics and no packed words. Whatever a random history of calls, results,
//! cancellations, pauses and orders does, both must be in the same state and admit the same calls.

use proptest::prelude::*;

use super::*;
use crate::breaker::window::{SLOT, SLOTS, wilson_lower_bound};

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Acquire,
    Finish(usize, Class),
    Drop(usize),
    Order(Order, Option<u64>),
}

/// A completed call that counted: when, and whether it failed.
type Done = (Nanos, bool);

struct Reference {
    config: Config,
    state: State,
    generation: u64,
    until: Nanos,
    limited: Nanos,
    advised: Nanos,
    level: u32,
    level_since: Nanos,
    row: u32,
    done: Vec<Done>,
    running: Vec<(u64, bool)>,
    heard: u64,
    quiet_since: Option<(Nanos, u64)>,
    ramp: u32,
}

impl Reference {
    fn enter(&mut self, state: State, now: Nanos) {
        self.state = state;
        self.generation += 1;
        (self.row, self.until, self.level_since, self.quiet_since) = (0, Nanos(0), now, None);
        self.done.clear();
        self.ramp = 1;
        if matches!(state, State::Closed | State::HalfOpen) {
            self.advised = Nanos(0);
        }
    }

    fn open(&mut self, now: Nanos) {
        let guess = self.config.backoff(self.level).mul_f64(0.5);
        let wait = guess.max(self.advised.since(now)).max(self.config.open_floor).min(self.config.open_cap);
        self.enter(State::Open, now);
        self.until = now.plus(wait);
        self.level += 1;
    }

    fn trials(&self) -> u32 {
        self.running.iter().filter(|(generation, trial)| *trial && *generation == self.generation).count()
            as u32
    }

    fn admits(&self, now: Nanos) -> bool {
        match self.state {
            State::Closed => now >= self.limited,
            State::HalfOpen => now >= self.limited && self.trials() < self.ramp,
            State::ForcedClosed | State::MetricsOnly => true,
            State::Open | State::ForcedOpen => false,
        }
    }

    fn finish(&mut self, (generation, _): (u64, bool), class: Class, now: Nanos) {
        match class {
            Class::RateLimited { retry_after: Some(wait) } => self.limited = self.limited.max(now.plus(wait)),
            Class::Failure { retry_after: Some(wait) } => self.advised = self.advised.max(now.plus(wait)),
            _ => {}
        }
        if generation != self.generation {
            return;
        }
        self.heard += 1;
        match class {
            Class::Success => (self.row, _) = (0, self.done.push((now, false))),
            class if class.is_failure() => (self.row, _) = (self.row + 1, self.done.push((now, true))),
            _ => {}
        }
    }

    fn judge(&mut self, now: Nanos) {
        match self.state {
            State::Closed => {
                while self.level > 0 && now.since(self.level_since) >= self.config.healthy_period {
                    self.level -= 1;
                    self.level_since = self.level_since.plus(self.config.healthy_period);
                }
                let slot = |at: Nanos| at.0 / SLOT.as_nanos() as u64;
                let recent: Vec<_> =
                    self.done.iter().filter(|(at, _)| slot(*at) + SLOTS as u64 > slot(now)).collect();
                let (calls, failed) = (recent.len() as u64, recent.iter().filter(|d| d.1).count() as u64);
                let rate = wilson_lower_bound(failed, calls) >= self.config.failure_rate;
                if self.row >= self.config.consecutive_failures
                    || (calls >= u64::from(self.config.min_calls) && rate)
                {
                    self.open(now);
                }
            }
            State::Open => {
                self.until = self.until.max(self.advised);
                if now >= self.until {
                    self.enter(State::HalfOpen, now);
                }
            }
            State::HalfOpen => self.judge_trials(now),
            State::ForcedOpen if now >= self.until => self.enter(State::HalfOpen, now),
            State::ForcedClosed | State::MetricsOnly if now >= self.until => self.enter(State::Closed, now),
            _ => {}
        }
    }

    fn judge_trials(&mut self, now: Nanos) {
        let failed = self.done.iter().filter(|d| d.1).count();
        let succeeded = self.done.len() - failed;
        let hung = match self.quiet_since {
            Some((at, heard)) if self.trials() > 0 && heard == self.heard => {
                now >= at.plus(self.config.trial_deadline)
            }
            _ => {
                self.quiet_since = (self.trials() > 0).then_some((now, self.heard));
                false
            }
        };
        // Three successes and at most one failure close; see the settings' own test for the one.
        if failed > 1 || (failed == 1 && succeeded == 0) {
            self.open(now);
        } else if succeeded >= 3 {
            self.enter(State::Closed, now);
        } else if hung {
            self.open(now);
        } else {
            self.ramp = self.ramp.max([1, 2, 2][succeeded]);
        }
    }

    fn order(&mut self, order: Order, ttl: Option<u64>, now: Nanos) {
        let to = match (order, self.state) {
            (Order::ForceOpen, _) => State::ForcedOpen,
            (Order::ForceClose, _) => State::ForcedClosed,
            (Order::MetricsOnly, _) => State::MetricsOnly,
            (Order::Automatic, State::Closed | State::HalfOpen) => return,
            (Order::Automatic, State::ForcedClosed | State::MetricsOnly) => State::Closed,
            (Order::Automatic, State::Open | State::ForcedOpen) => State::HalfOpen,
        };
        self.enter(to, now);
        if order != Order::Automatic {
            self.until = ttl.map_or(Nanos::NEVER, |seconds| now.plus(secs(seconds)));
        }
    }
}

fn class() -> impl Strategy<Value = Class> {
    prop_oneof![
        4 => Just(Class::Success),
        5 => Just(FAILURE),
        1 => Just(Class::Unknown),
        1 => (1..40u64).prop_map(|s| Class::Failure { retry_after: Some(secs(s)) }),
        1 => (1..8u64).prop_map(|s| Class::RateLimited { retry_after: Some(secs(s)) }),
        1 => Just(Class::ClientBug),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let order = prop_oneof![
        Just(Order::ForceOpen),
        Just(Order::ForceClose),
        Just(Order::MetricsOnly),
        Just(Order::Automatic)
    ];
    prop_oneof![
        6 => (1..900u64).prop_map(Step::Pass),
        2 => (900..40_000u64).prop_map(Step::Pass),
        12 => Just(Step::Acquire),
        12 => (0..64usize, class()).prop_map(|(n, class)| Step::Finish(n, class)),
        1 => (0..64usize).prop_map(Step::Drop),
        1 => (order, proptest::option::of(1..60u64)).prop_map(|(order, ttl)| Step::Order(order, ttl)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_breaker_does_what_the_reference_does(steps in proptest::collection::vec(step(), 1..300)) {
        // The age of running calls has tests of its own: here it must not interfere.
        let config = Config { slow_in_flight: secs(1_000_000), ..Config::default() };
        let mut bench = Bench::new(config.clone());
        let mut reference = Reference {
            config, state: State::Closed, generation: 1, until: Nanos(0), limited: Nanos(0), advised: Nanos(0),
            level: 0, level_since: bench.now, row: 0, done: Vec::new(), running: Vec::new(), heard: 0,
            quiet_since: None, ramp: 1,
        };
        let gate = bench.gate();
        let mut permits = Vec::new();
        for step in steps {
            match step {
                Step::Pass(pause) => bench.now = bench.now.plus(ms(pause)),
                Step::Acquire => {
                    let admitted = gate.try_acquire(bench.now);
                    prop_assert_eq!(admitted.is_ok(), reference.admits(bench.now), "{:?}", reference.state);
                    if let Ok(permit) = admitted {
                        reference.running.push((permit.generation(), permit.is_trial()));
                        permits.push(permit);
                    }
                }
                Step::Finish(n, class) if !permits.is_empty() => {
                    let n = n % permits.len();
                    permits.swap_remove(n).record(class, bench.now);
                    let call = reference.running.swap_remove(n);
                    reference.finish(call, class, bench.now);
                }
                Step::Drop(n) if !permits.is_empty() => {
                    let n = n % permits.len();
                    drop(permits.swap_remove(n));
                    let call = reference.running.swap_remove(n);
                    reference.finish(call, Class::Cancelled, bench.now);
                }
                Step::Order(order, ttl) => {
                    bench.breaker.order(order, ttl.map(secs), bench.now);
                    reference.order(order, ttl, bench.now);
                }
                Step::Finish(..) | Step::Drop(_) => {}
            }
            bench.judge();
            reference.judge(bench.now);
            let machine = bench.breaker.machine();
            prop_assert_eq!(machine.state(), reference.state);
            prop_assert_eq!(machine.generation(), reference.generation);
            prop_assert_eq!(machine.backoff_level(), reference.level);
            if matches!(reference.state, State::Open | State::ForcedOpen) {
                prop_assert_eq!(machine.until(), reference.until);
            }
            prop_assert_eq!(gate.in_flight(), permits.len() as u64);
        }
    }
}
