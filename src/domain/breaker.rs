//! The circuit breaker: decides whether a dependency may be called, from what became of earlier calls.
//!
//! Three parts, so that the decision stays pure and the common case stays cheap:
//!
//! - [`Machine`] is the state machine, a plain value. Time and randomness are passed in; it looks at an
//!   [`Observation`] and says what changes.
//! - [`Gate`] is what callers touch: a handful of atomics. A call through a closed breaker is one load, three
//!   counters and no lock. It never decides anything; it admits what the machine last allowed, and counts.
//! - [`Breaker`] holds both together for whoever owns the decisions (an actor; in tests, the test).
//!
//! A result belongs to the *generation* its permit was given in. One that arrives after the state has moved on
//! is counted as late and changes no state: yesterday's failures never close today's trial, nor fail it.

pub mod class;
pub mod config;
pub mod gate;
pub mod histogram;
pub mod machine;
pub mod retry;
pub mod window;

use std::sync::Arc;

pub use class::{Class, Described, Kind, classify};
pub use config::{Config, Timing};
pub use gate::{Bell, Gate, Permit, Rejected, TenantMark, Totals};
pub use machine::{Machine, Observation, Order, Reason, State, Transition, Verdict};
pub use retry::{RetryBudget, RetryTicket};

#[cfg(test)]
mod tests;

/// A point in time: nanoseconds of some monotonic clock since that clock's own zero. Only differences mean
/// something, and only between readings of the same clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Later than anything a clock will show.
    pub const NEVER: Self = Self(u64::MAX);

    /// This moment and `duration` more; saturates at [`Nanos::NEVER`].
    pub fn plus(self, duration: std::time::Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub const fn since(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A state machine and the gate it rules. One owner judges; any number of callers pass the gate.
#[derive(Debug)]
pub struct Breaker {
    machine: Machine,
    gate: Arc<Gate>,
}

impl Breaker {
    /// Takes charge of a gate. A gate that was ruled before (its owner crashed) keeps its state and its
    /// generation; only the memory of the window and of the backoff is lost.
    pub fn new(gate: Arc<Gate>, now: Nanos) -> Self {
        let machine = Machine::resume(gate.config().clone(), gate.ruling(), &gate.observe(now), now);
        Self { machine, gate }
    }

    /// The gate callers pass.
    pub const fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// The state machine, to be read.
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Looks at what the gate has counted, and moves on if that is due. `random` lies in `0.0..1.0` and places
    /// the end of an open time within its jitter.
    pub fn judge(&mut self, now: Nanos, random: f64) -> Option<Transition> {
        self.gate.hear_bell();
        let seen = self.gate.observe(now);
        let verdict = self.machine.judge(&seen, now, random);
        self.carry_out(&verdict);
        verdict.transition
    }

    /// Carries out an operator's order, which ends by itself after `ttl`.
    pub fn order(
        &mut self,
        order: Order,
        ttl: Option<std::time::Duration>,
        now: Nanos,
    ) -> Option<Transition> {
        let seen = self.gate.observe(now);
        let verdict = self.machine.order(order, ttl, &seen, now);
        self.carry_out(&verdict);
        verdict.transition
    }

    fn carry_out(&self, verdict: &Verdict) {
        // The deadline first: whoever sees the new word sees it too.
        self.gate.set_until(self.machine.until());
        if verdict.transition.is_some() {
            self.gate.rule(self.machine.state(), self.machine.generation(), self.machine.allowed());
        } else if verdict.widen > 0 {
            self.gate.widen(verdict.widen);
        }
    }
}
