mod bugs;
mod model;
mod rules;
mod threads;

use std::{sync::Arc, time::Duration};

use super::*;

/// A breaker with a clock that the test holds and dice that always show `random`.
struct Bench {
    breaker: Breaker,
    now: Nanos,
    random: f64,
}

impl Bench {
    fn new(config: Config) -> Self {
        let now = Nanos(1_000_000_000_000);
        Self { breaker: Breaker::new(Arc::new(Gate::new(config)), now), now, random: 0.5 }
    }

    fn gate(&self) -> Arc<Gate> {
        Arc::clone(self.breaker.gate())
    }

    fn pass(&mut self, time: Duration) -> Option<Transition> {
        self.now = self.now.plus(time);
        self.judge()
    }

    fn judge(&mut self) -> Option<Transition> {
        self.breaker.judge(self.now, self.random)
    }

    fn state(&self) -> State {
        self.breaker.machine().state()
    }

    /// One call that takes no time; judged at once.
    fn call(&mut self, class: Class) -> Result<(), Rejected> {
        self.call_for(TenantMark::NONE, class)
    }

    fn call_for(&mut self, tenant: TenantMark, class: Class) -> Result<(), Rejected> {
        let gate = self.gate();
        gate.try_acquire_for(self.now, tenant)?.record(class, self.now);
        self.judge();
        Ok(())
    }

    fn open(&mut self) {
        while self.state() == State::Closed {
            self.call(FAILURE).expect("a closed circuit admits");
        }
        assert_eq!(self.state(), State::Open);
    }

    /// Lets the open time pass.
    fn half_open(&mut self) {
        if self.state() == State::Closed {
            self.open();
        }
        self.now = self.now.max(self.breaker.machine().until());
        self.judge();
        assert_eq!(self.state(), State::HalfOpen);
    }
}

const FAILURE: Class = Class::Failure { retry_after: None };

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
