//! The state machine: from what has been observed to what is allowed. No clock, no dice, no atomics.

use std::{fmt, time::Duration};

use super::{
    Config, Nanos, Totals,
    gate::Ruling,
    window::{Window, wilson_lower_bound},
};

mod reason;
pub use reason::Reason;

/// The states of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Calls pass and are judged.
    Closed,
    /// Calls are refused.
    Open,
    /// A few calls pass as trials.
    HalfOpen,
    /// Calls are refused because a person said so.
    ForcedOpen,
    /// Calls pass because a person said so, whatever becomes of them.
    ForcedClosed,
    /// Calls pass and are counted; nothing opens.
    MetricsOnly,
}

impl State {
    /// The word shown to operators.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
            Self::MetricsOnly => "metrics_only",
        }
    }

    const fn is_ordered(self) -> bool {
        matches!(self, Self::ForcedOpen | Self::ForcedClosed | Self::MetricsOnly)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an operator may order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Refuse all calls.
    ForceOpen,
    /// Let all calls pass.
    ForceClose,
    /// Let all calls pass, and count.
    MetricsOnly,
    /// Back to its own judgement.
    Automatic,
}

/// What a machine judges by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// Everything counted since the beginning.
    pub totals: Totals,
    /// Failures in a row in this generation.
    pub failures_in_a_row: u32,
    /// Calls that have been running for longer than `slow_in_flight`.
    pub running_too_long: u64,
    /// Tenants whose calls completed lately.
    pub tenants_seen: u32,
    /// Tenants whose calls failed lately.
    pub tenants_failing: u32,
    /// Free places for trials.
    pub free_trials: u32,
    /// The latest moment a failure asked to be left alone until.
    pub retry_until: Nanos,
    /// When an exhausted quota is reset.
    pub quota_until: Nanos,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
    /// The generation that begins with it.
    pub generation: u64,
    /// Why.
    pub reason: Reason,
    /// When a trial may be made, if it opened; `None` when only a person can say.
    pub open_for: Option<Duration>,
}

/// What a judgement changes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verdict {
    /// A change of state, if any.
    pub transition: Option<Transition>,
    /// Further places for trials, when the state stays half-open.
    pub widen: u32,
}

/// The state machine of one breaker.
#[derive(Debug, Clone)]
pub struct Machine {
    config: Config,
    state: State,
    generation: u64,
    reason: Reason,
    since: Nanos,
    /// When an open circuit may be tried, or an order ends.
    until: Nanos,
    window: Window,
    /// The counts at the beginning of this generation.
    base: Totals,
    backoff_level: u32,
    /// When the backoff level last changed, or the circuit last closed.
    level_since: Nanos,
    /// Places for trials given out so far, free or taken; those of judged failures are taken back first.
    allowed: u32,
    /// Failed trials of this generation that have been judged.
    judged_failures: u64,
    /// When something last happened to a trial; `None` while none runs.
    trial_progress: Option<(Nanos, u64)>,
}

impl Machine {
    /// Takes over a gate that may have been ruled before: its state and generation hold.
    pub fn resume(config: Config, ruling: Ruling, seen: &Observation, now: Nanos) -> Self {
        let resumed = ruling.generation > 1;
        let mut machine = Self {
            state: ruling.state,
            generation: ruling.generation,
            reason: if resumed { Reason::Resumed } else { Reason::Started },
            since: now,
            until: Nanos(0),
            window: Window::new(now, seen.totals.health()),
            base: seen.totals,
            backoff_level: 0,
            level_since: now,
            allowed: ruling.free_trials,
            judged_failures: 0,
            trial_progress: None,
            config,
        };
        match ruling.state {
            State::Open => machine.until = now.plus(machine.config.open_floor).max(seen.retry_until),
            // Trials of the owner before are nobody's now: one fresh place, so that it can go on.
            State::HalfOpen => machine.trial_progress = Some((now, 0)),
            // Whoever gave the order may have given it an end, which is lost: it needs a person again.
            State::ForcedOpen | State::ForcedClosed | State::MetricsOnly => machine.until = Nanos::NEVER,
            State::Closed => {}
        }
        machine
    }

    /// The state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Rises with every transition.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Why it is in this state.
    pub const fn reason(&self) -> &Reason {
        &self.reason
    }

    /// Since when it is in this state.
    pub const fn since(&self) -> Nanos {
        self.since
    }

    /// When an open circuit may be tried or an order ends; zero when neither is the case.
    pub const fn until(&self) -> Nanos {
        self.until
    }

    /// How far the open time has backed off.
    pub const fn backoff_level(&self) -> u32 {
        self.backoff_level
    }

    /// Places for trials.
    pub const fn allowed(&self) -> u32 {
        self.allowed
    }

    /// The window it judges by.
    pub const fn window(&self) -> &Window {
        &self.window
    }

    /// When it must judge again even if nobody calls; `None` if only calls can change anything.
    pub fn next_check(&self) -> Option<Nanos> {
        let trial = self.trial_progress.map(|(at, _)| at.plus(self.config.trial_deadline));
        let due = match self.state {
            State::HalfOpen => trial?,
            State::Closed => return None,
            _ => self.until,
        };
        (due != Nanos::NEVER).then_some(due)
    }

    /// Nothing is going on that the passing of time could change, apart from [`Machine::next_check`].
    pub fn is_quiet(&self) -> bool {
        self.window.sum().calls == 0
    }

    /// Looks at the evidence. `random` lies in `0.0..1.0`.
    pub fn judge(&mut self, seen: &Observation, now: Nanos, random: f64) -> Verdict {
        self.window.advance(now, seen.totals.health());
        let transition = match self.state {
            State::Closed => {
                self.heal(now);
                self.trouble(seen).map(|reason| self.open(reason, seen, now, random))
            }
            State::Open => {
                self.until = self.until.max(seen.retry_until).max(self.quota_deadline(seen));
                (now >= self.until).then(|| self.half_open(Reason::OpenTimeOver, seen, now))
            }
            State::HalfOpen => return self.judge_trials(seen, now, random),
            _ => (now >= self.until).then(|| self.automatic(Reason::OrderExpired, seen, now)),
        };
        Verdict { transition, widen: 0 }
    }

    /// Carries out an order.
    pub fn order(&mut self, order: Order, ttl: Option<Duration>, seen: &Observation, now: Nanos) -> Verdict {
        let to = match order {
            Order::ForceOpen => State::ForcedOpen,
            Order::ForceClose => State::ForcedClosed,
            Order::MetricsOnly => State::MetricsOnly,
            Order::Automatic => {
                let idle = matches!(self.state, State::Closed | State::HalfOpen);
                let transition = (!idle).then(|| self.automatic(Reason::Ordered(order), seen, now));
                return Verdict { transition, widen: 0 };
            }
        };
        let transition = self.enter(to, Reason::Ordered(order), seen, now);
        self.until = ttl.map_or(Nanos::NEVER, |ttl| now.plus(ttl));
        Verdict { transition: Some(transition), widen: 0 }
    }

    /// Back to its own judgement: carefully where calls were refused, at once where they passed.
    fn automatic(&mut self, reason: Reason, seen: &Observation, now: Nanos) -> Transition {
        if matches!(self.state, State::ForcedClosed | State::MetricsOnly) {
            self.enter(State::Closed, reason, seen, now)
        } else {
            self.half_open(reason, seen, now)
        }
    }

    /// Why a closed circuit should open, if it should.
    fn trouble(&self, seen: &Observation) -> Option<Reason> {
        if let Some(refusal) = self.account_trouble(seen) {
            return Some(refusal);
        }
        let config = &self.config;
        let recent = self.window.sum();
        if self.enough_tenants(seen) {
            if seen.failures_in_a_row >= config.consecutive_failures {
                return Some(Reason::FailuresInARow { failures: seen.failures_in_a_row });
            }
            let rate = wilson_lower_bound(recent.failures, recent.calls);
            if recent.calls >= u64::from(config.min_calls) && rate >= config.failure_rate {
                return Some(Reason::FailureRate { failures: recent.failures, calls: recent.calls });
            }
        }
        let (slow, calls) = (recent.slow + seen.running_too_long, recent.calls + seen.running_too_long);
        let rate = wilson_lower_bound(slow, calls);
        (calls >= u64::from(config.min_calls) && rate >= config.slow_rate)
            .then_some(Reason::SlowRate { slow, calls })
    }

    /// What the account behind the credential is told, whoever calls.
    fn account_trouble(&self, seen: &Observation) -> Option<Reason> {
        if seen.totals.quota_exhausted > self.base.quota_exhausted {
            return Some(Reason::QuotaExhausted);
        }
        (seen.totals.unauthorized > self.base.unauthorized).then_some(Reason::Unauthorized)
    }

    fn enough_tenants(&self, seen: &Observation) -> bool {
        seen.tenants_failing >= self.config.distinct_tenants.min(seen.tenants_seen)
    }

    /// When the exhausted quota of an open circuit is reset; zero when it is open for another reason.
    fn quota_deadline(&self, seen: &Observation) -> Nanos {
        if self.reason == Reason::QuotaExhausted { seen.quota_until } else { Nanos(0) }
    }

    fn judge_trials(&mut self, seen: &Observation, now: Nanos, random: f64) -> Verdict {
        let health = seen.totals.health().since(self.base.health());
        let failures = health.failures + health.slow;
        let successes = health.calls - failures;
        let opened = |machine: &mut Self, reason| {
            let transition = machine.open(reason, seen, now, random);
            Verdict { transition: Some(transition), widen: 0 }
        };
        if let Some(refusal) = self.account_trouble(seen) {
            return opened(self, refusal);
        }
        if failures > self.config.tolerated_trial_failures() || (failures > 0 && successes == 0) {
            return opened(self, Reason::TrialsFailed { failures, trials: health.calls });
        }
        let rate = successes as f64 / health.calls.max(1) as f64;
        if successes >= u64::from(self.config.trial_successes) && rate >= self.config.trial_success_rate {
            let reason = Reason::TrialsSucceeded { successes, trials: health.calls };
            return Verdict { transition: Some(self.enter(State::Closed, reason, seen, now)), widen: 0 };
        }
        let given_back = u32::try_from(failures - self.judged_failures).unwrap_or(u32::MAX);
        let running = self.allowed.saturating_sub(seen.free_trials).saturating_sub(given_back);
        if self.trials_hang(running, seen, now) {
            return opened(self, Reason::TrialsHung { running });
        }
        self.judged_failures = failures;
        // One at a time, then two, four …: doubled whenever as many have succeeded as were allowed at once.
        let ramp = 1u32.checked_shl((successes + 1).ilog2()).unwrap_or(u32::MAX);
        let allowed = ramp.min(self.config.trial_concurrency.clamp(1, 4_095)).max(self.allowed);
        let widen = allowed - self.allowed + given_back;
        self.allowed = allowed;
        Verdict { transition: None, widen }
    }

    /// Whether trials run and nothing has been heard of any for too long. Without a running trial nothing is
    /// due: a shop with one customer an hour must not back off just because it is quiet.
    fn trials_hang(&mut self, running: u32, seen: &Observation, now: Nanos) -> bool {
        let heard = seen.totals.calls() - seen.totals.late;
        match self.trial_progress {
            _ if running == 0 => self.trial_progress = None,
            Some((at, before)) if before == heard => return now >= at.plus(self.config.trial_deadline),
            _ => self.trial_progress = Some((now, heard)),
        }
        false
    }

    fn open(&mut self, reason: Reason, seen: &Observation, now: Nanos, random: f64) -> Transition {
        let guess = self.config.backoff(self.backoff_level).mul_f64(random.clamp(0.0, 1.0));
        let asked = seen.retry_until.since(now);
        let open_for = match reason {
            Reason::QuotaExhausted => None,
            Reason::Unauthorized => Some(self.config.unauthorized_open),
            _ => Some(guess.max(asked).max(self.config.open_floor).min(self.config.open_cap)),
        };
        let mut transition = self.enter(State::Open, reason, seen, now);
        self.until = open_for.map_or(seen.quota_until, |wait| now.plus(wait));
        transition.open_for = (self.until != Nanos::NEVER).then(|| self.until.since(now));
        self.backoff_level = (self.backoff_level + 1).min(31);
        transition
    }

    fn half_open(&mut self, reason: Reason, seen: &Observation, now: Nanos) -> Transition {
        let transition = self.enter(State::HalfOpen, reason, seen, now);
        self.allowed = 1;
        transition
    }

    fn enter(&mut self, to: State, reason: Reason, seen: &Observation, now: Nanos) -> Transition {
        let from = std::mem::replace(&mut self.state, to);
        self.generation += 1;
        self.reason = reason.clone();
        self.since = now;
        self.until = Nanos(0);
        self.window = Window::new(now, seen.totals.health());
        self.base = seen.totals;
        self.level_since = now;
        self.allowed = 0;
        self.judged_failures = 0;
        self.trial_progress = None;
        Transition { from, to, generation: self.generation, reason, open_for: None }
    }

    /// One level of backoff is forgiven for every healthy period.
    fn heal(&mut self, now: Nanos) {
        while self.backoff_level > 0 && now.since(self.level_since) >= self.config.healthy_period {
            self.backoff_level -= 1;
            self.level_since = self.level_since.plus(self.config.healthy_period);
        }
    }

    /// The failure rate of the window, as counted.
    pub fn failure_rate(&self) -> f64 {
        let recent = self.window.sum();
        if recent.calls == 0 { 0.0 } else { recent.failures as f64 / recent.calls as f64 }
    }

    /// Whether an operator's order is in force.
    pub const fn is_ordered(&self) -> bool {
        self.state.is_ordered()
    }
}
