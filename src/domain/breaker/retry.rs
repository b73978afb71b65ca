//! How many retries a dependency can bear.
//!
//! Retries multiply load exactly when there is too much of it. So those who retry share a budget: at most a
//! fifth of the calls in flight, and three in any case, may be second attempts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::*},
    },
    time::Duration,
};

use super::Gate;

/// Retries that are allowed however few calls are in flight.
const AT_LEAST: u64 = 3;
/// One retry for so many calls in flight.
const ONE_IN: u64 = 5;

/// The retries in flight to one dependency. Cheap to clone; clones share the budget.
#[derive(Debug, Clone, Default)]
pub struct RetryBudget {
    retrying: Arc<AtomicU64>,
}

/// The right to one retry; given back on drop.
#[derive(Debug)]
#[must_use = "a ticket that is dropped at once limits nothing"]
pub struct RetryTicket {
    retrying: Arc<AtomicU64>,
}

impl RetryBudget {
    /// May a call be repeated that has `remaining` time left? Not if it would usually not be answered in that
    /// time, and not if too many retries are in flight already.
    pub fn try_retry(&self, gate: &Gate, remaining: Duration) -> Option<RetryTicket> {
        if gate.quantile(0.5).is_some_and(|usual| remaining < usual) {
            return None;
        }
        let allowed = (gate.in_flight() / ONE_IN).max(AT_LEAST);
        self.retrying
            .fetch_update(AcqRel, Acquire, |now| (now < allowed).then_some(now + 1))
            .ok()
            .map(|_| RetryTicket { retrying: Arc::clone(&self.retrying) })
    }

    /// Retries in flight.
    pub fn retrying(&self) -> u64 {
        self.retrying.load(Acquire)
    }
}

impl Drop for RetryTicket {
    fn drop(&mut self) {
        self.retrying.fetch_sub(1, AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::{Class, Config, Nanos};

    const PATIENT: Duration = Duration::from_secs(60);

    #[test]
    fn three_retries_are_always_allowed_and_a_fifth_of_many_calls() {
        let gate = Gate::new(Config::default());
        let budget = RetryBudget::default();
        let few: Vec<_> = (0..5).map_while(|_| budget.try_retry(&gate, PATIENT)).collect();
        assert_eq!(few.len(), 3);
        drop(few);
        assert_eq!(budget.retrying(), 0);
        let calls: Vec<_> = (0..50).filter_map(|_| gate.try_acquire(Nanos(1)).ok()).collect();
        let many: Vec<_> = (0..50).map_while(|_| budget.try_retry(&gate, PATIENT)).collect();
        assert_eq!((calls.len(), many.len()), (50, 10));
    }

    #[test]
    fn a_call_with_too_little_time_left_is_not_repeated() {
        let gate = Gate::new(Config::default());
        for _ in 0..10 {
            gate.try_acquire(Nanos(0)).expect("closed").record(Class::Success, Nanos(1_000_000_000));
        }
        let budget = RetryBudget::default();
        assert!(budget.try_retry(&gate, Duration::from_millis(300)).is_none());
        assert!(budget.try_retry(&gate, Duration::from_secs(3)).is_some());
    }
}
