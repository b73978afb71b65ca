//! How often each key may call: GCRA, counted per key, told in the `RateLimit-*` headers.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use axum::http::HeaderMap;
use balcao_domain::KeyId;
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};

/// After so many requests, keys that have been quiet are forgotten.
const SWEEP_EVERY: u32 = 10_000;

/// How often each key calls.
pub struct Limits {
    limiter: RateLimiter<KeyId, DefaultKeyedStateStore<KeyId>, DefaultClock, StateInformationMiddleware>,
    quota: Quota,
    clock: DefaultClock,
    counted: AtomicU32,
}

/// Where a key stands after one more request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// It must wait this long; `None` lets the request in.
    pub wait: Option<Duration>,
    limit: u32,
    remaining: u32,
    reset: Duration,
}

impl Limits {
    /// At most `per_minute` requests a minute on average, `burst` at once. Zero counts as one.
    pub fn new(per_minute: u32, burst: u32) -> Self {
        let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_minute(at_least_one(per_minute)).allow_burst(at_least_one(burst));
        Self {
            limiter: RateLimiter::keyed(quota).with_middleware(),
            quota,
            clock: DefaultClock::default(),
            counted: AtomicU32::new(0),
        }
    }

    /// Counts one request of a key.
    pub fn count(&self, key: KeyId) -> Rate {
        if self.counted.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        let limit = self.quota.burst_size().get();
        let (wait, remaining) = match self.limiter.check_key(&key) {
            Ok(state) => (None, state.remaining_burst_capacity()),
            Err(not_until) => (Some(not_until.wait_time_from(self.clock.now())), 0),
        };
        let reset = self.quota.replenish_interval() * (limit - remaining.min(limit));
        Rate { wait, limit, remaining, reset }
    }
}

impl Rate {
    /// Tells the caller.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert("ratelimit-limit", self.limit.into());
        headers.insert("ratelimit-remaining", self.remaining.into());
        headers.insert("ratelimit-reset", (self.reset.as_secs_f64().ceil() as u64).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_calls_too_often_waits_and_others_do_not() {
        let limits = Limits::new(1, 2);
        let (busy, calm) = (KeyId::generate(), KeyId::generate());
        assert_eq!(limits.count(busy).wait, None);
        assert_eq!(limits.count(busy).wait, None);
        let refused = limits.count(busy);
        assert!(refused.wait.is_some_and(|wait| wait > Duration::from_secs(50)), "{refused:?}");
        assert_eq!(limits.count(calm).wait, None);
    }

    #[test]
    fn the_headers_say_how_much_is_left() {
        let limits = Limits::new(60, 3);
        let key = KeyId::generate();
        let mut headers = HeaderMap::new();
        limits.count(key).write(&mut headers);
        assert_eq!(headers["ratelimit-limit"], "3");
        assert_eq!(headers["ratelimit-remaining"], "2");
        assert_eq!(headers["ratelimit-reset"], "1");
    }
}
