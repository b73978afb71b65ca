//! What may be tuned about a breaker, and presets for the dependencies of a shop.

use std::time::Duration;

use super::Class;

/// The settings of one breaker. All rates lie in `0.0..=1.0`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Fewer completed calls than this in the window are no evidence.
    pub min_calls: u32,
    /// Opens when the Wilson lower bound of the failure rate reaches this.
    pub failure_rate: f64,
    /// Opens when the Wilson lower bound of the slow rate reaches this.
    pub slow_rate: f64,
    /// Opens after this many failures in a row, however few calls there were.
    pub consecutive_failures: u32,
    /// A streamed answer whose first token takes longer is slow.
    pub slow_first_token: Duration,
    /// An answer is slow that takes longer than this …
    pub slow_total: Duration,
    /// … and this for every token of output: a long answer may take long.
    pub slow_per_output_token: Duration,
    /// A call still running after this counts as slow before it ends: what hangs never completes, and would
    /// otherwise never be counted.
    pub slow_in_flight: Duration,
    /// The shortest open time.
    pub open_floor: Duration,
    /// The ceiling of the jittered open time at the first opening; doubles with each further one.
    pub backoff_base: Duration,
    /// Our own guesses never exceed this.
    pub backoff_cap: Duration,
    /// Nor does anything the dependency asks for exceed this: a typo in `Retry-After` must not close the shop.
    pub open_cap: Duration,
    /// How long a rate limit lasts when the dependency did not say.
    pub rate_limit_default: Duration,
    /// How long a refused credential is left alone before one trial: a person may have corrected it.
    pub unauthorized_open: Duration,
    /// After every such period without opening, the backoff falls by one level.
    pub healthy_period: Duration,
    /// This many successful trials close the circuit again …
    pub trial_successes: u32,
    /// … if at least this share of the trials succeeded.
    pub trial_success_rate: f64,
    /// A half-open breaker whose trials bring no result for so long opens again.
    pub trial_deadline: Duration,
    /// Most trials at once, whatever the ramp says. At most 4,095.
    pub trial_concurrency: u32,
    /// Failures must come from so many different tenants (or from all, if fewer call): one tenant's poisoned
    /// requests are that tenant's problem. 1 where there are no tenants.
    pub distinct_tenants: u32,
    /// Most calls at once (bulkhead); 0 is no limit.
    pub max_in_flight: u32,
    /// Most callers waiting for one of those places.
    pub max_waiting: u32,
    /// The longest such a wait.
    pub max_wait: Duration,
    /// Copies of the counters, so that cores do not fight over them. A power of two, at most 16.
    pub stripes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min_calls: 8,
            failure_rate: 0.5,
            slow_rate: 0.6,
            consecutive_failures: 5,
            slow_first_token: Duration::from_secs(3),
            slow_total: Duration::from_secs(5),
            slow_per_output_token: Duration::ZERO,
            slow_in_flight: Duration::from_secs(8),
            open_floor: Duration::from_secs(1),
            backoff_base: Duration::from_secs(2),
            backoff_cap: Duration::from_secs(60),
            open_cap: Duration::from_secs(15 * 60),
            rate_limit_default: Duration::from_secs(1),
            unauthorized_open: Duration::from_secs(5 * 60),
            healthy_period: Duration::from_secs(60),
            trial_successes: 3,
            trial_success_rate: 0.75,
            trial_deadline: Duration::from_secs(30),
            trial_concurrency: 16,
            distinct_tenants: 1,
            max_in_flight: 0,
            max_waiting: 0,
            max_wait: Duration::ZERO,
            stripes: 4,
        }
    }
}

impl Config {
    /// A language model's endpoint: shared by all tenants, judged by tokens.
    pub fn llm() -> Self {
        Self {
            slow_per_output_token: Duration::from_millis(40),
            slow_in_flight: Duration::from_secs(20),
            distinct_tenants: 2,
            max_in_flight: 64,
            max_waiting: 64,
            max_wait: Duration::from_secs(1),
            ..Self::default()
        }
    }

    /// An embedding endpoint.
    pub fn embeddings() -> Self {
        Self {
            slow_total: Duration::from_secs(2),
            slow_in_flight: Duration::from_secs(4),
            max_in_flight: 32,
            max_waiting: 128,
            max_wait: Duration::from_secs(2),
            ..Self::default()
        }
    }

    /// A channel account that sends messages.
    pub fn channel() -> Self {
        Self { max_in_flight: 64, max_waiting: 256, max_wait: Duration::from_secs(5), ..Self::default() }
    }

    /// A credential: opens for quota and refusal only; the health of the endpoint is judged one level up.
    pub fn credential() -> Self {
        Self { min_calls: u32::MAX, consecutive_failures: u32::MAX, ..Self::default() }
    }

    /// One tenant's own calls. Slower to open than the breaker above it, so that an outage opens that one and
    /// not a thousand of these; one copy of the counters, because there may be thousands.
    pub fn tenant() -> Self {
        Self {
            min_calls: 20,
            failure_rate: 0.7,
            consecutive_failures: 10,
            trial_successes: 1,
            stripes: 1,
            ..Self::default()
        }
    }

    /// Success or slow success, by how long a call took.
    pub fn speed(&self, timing: &Timing) -> Class {
        let allowed =
            self.slow_total.saturating_add(self.slow_per_output_token.saturating_mul(timing.output_tokens));
        let late_start = timing.first_token.is_some_and(|wait| wait > self.slow_first_token);
        if late_start || timing.total > allowed { Class::Slow } else { Class::Success }
    }

    /// Failed trials after which the success rate can no longer be reached with the successes asked for.
    pub(super) fn tolerated_trial_failures(&self) -> u64 {
        if self.trial_success_rate <= 0.0 {
            return u64::MAX;
        }
        let share = (1.0 - self.trial_success_rate) / self.trial_success_rate;
        // The sum of floating point errors must not turn exactly one failure into none.
        (f64::from(self.trial_successes) * share + 1e-9) as u64
    }

    /// The ceiling of the jittered open time at a backoff level.
    pub(super) fn backoff(&self, level: u32) -> Duration {
        self.backoff_base.saturating_mul(1u32.checked_shl(level).unwrap_or(u32::MAX)).min(self.backoff_cap)
    }
}

/// How long a successful call took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// Until the first token, for streams.
    pub first_token: Option<Duration>,
    /// Altogether.
    pub total: Duration,
    /// Tokens it wrote; 0 for what is no language model.
    pub output_tokens: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_may_take_long_but_its_first_token_may_not() {
        let config = Config::llm();
        let timing = |first_ms, total_s, tokens| Timing {
            first_token: Some(Duration::from_millis(first_ms)),
            total: Duration::from_secs(total_s),
            output_tokens: tokens,
        };
        assert_eq!(config.speed(&timing(500, 4, 10)), Class::Success);
        assert_eq!(config.speed(&timing(500, 9, 10)), Class::Slow, "5.4 s are allowed for ten tokens");
        assert_eq!(config.speed(&timing(500, 9, 200)), Class::Success, "13 s are allowed for two hundred");
        assert_eq!(config.speed(&timing(3_500, 4, 200)), Class::Slow, "the first token came late");
    }

    #[test]
    fn the_ceiling_of_the_backoff_doubles_up_to_its_cap() {
        let config = Config::default();
        let ceilings: Vec<u64> = (0..8).map(|level| config.backoff(level).as_secs()).collect();
        assert_eq!(ceilings, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(config.backoff(u32::MAX), config.backoff_cap);
    }

    #[test]
    fn one_failed_trial_is_tolerated_at_three_successes_and_three_quarters() {
        assert_eq!(Config::default().tolerated_trial_failures(), 1);
        let strict = Config { trial_success_rate: 1.0, ..Config::default() };
        assert_eq!(strict.tolerated_trial_failures(), 0);
    }
}
