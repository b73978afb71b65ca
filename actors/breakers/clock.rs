//! The clock breakers go by.

use std::time::Duration;

use balcao_domain::breaker::Nanos;

/// Where a breaker's time comes from.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The kernel's monotonic time as of its last tick (some milliseconds ago at most): read twice per call,
    /// so it matters that a reading costs a few nanoseconds. Without such a clock, the ordinary one.
    Coarse,
    /// Tokio's, which tests may pause. Its zero is given.
    Tokio(tokio::time::Instant),
}

/// How far a coarse reading may lag behind a timer.
pub(super) const LAG: Duration = Duration::from_millis(10);

impl Clock {
    /// Tokio's clock, with its zero an hour ago, so that nothing begins at zero.
    pub fn tokio() -> Self {
        let now = tokio::time::Instant::now();
        Self::Tokio(now.checked_sub(Duration::from_secs(3_600)).unwrap_or(now))
    }

    /// The time.
    #[inline]
    pub fn now(self) -> Nanos {
        match self {
            Self::Coarse => coarse(),
            Self::Tokio(zero) => Nanos(zero.elapsed().as_nanos() as u64),
        }
    }
}

#[cfg(target_os = "linux")]
#[inline]
fn coarse() -> Nanos {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::MonotonicCoarse);
    Nanos(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

#[cfg(not(target_os = "linux"))]
fn coarse() -> Nanos {
    use std::{sync::OnceLock, time::Instant};
    static ZERO: OnceLock<Instant> = OnceLock::new();
    // An hour ahead of zero, as a machine that has just started would be.
    Nanos(ZERO.get_or_init(Instant::now).elapsed().as_nanos() as u64 + 3_600_000_000_000)
}
