//! One copy of a gate's counters.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use crate::breaker::{Class, histogram, window::Counts};

/// Steps of age at which running calls are told apart.
pub(super) const AGES: usize = 64;

/// Counts of results by class, since the gate was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Successes, slow ones included.
    pub succeeded: u64,
    /// Slow successes.
    pub slow: u64,
    /// Failures.
    pub failed: u64,
    /// Outcomes nobody knows.
    pub unknown: u64,
    /// Rate limits.
    pub rate_limited: u64,
    /// Exhausted quotas.
    pub quota_exhausted: u64,
    /// Refused credentials.
    pub unauthorized: u64,
    /// Our own mistakes.
    pub client_bugs: u64,
    /// Callers that went away.
    pub cancelled: u64,
    /// Refusals by other gates of ours.
    pub local_rejects: u64,
    /// Calls this gate refused.
    pub rejected: u64,
    /// Results that belonged to an earlier generation; they are in no other count.
    pub late: u64,
}

impl Totals {
    /// Every call that has ended, whatever came of it.
    pub const fn calls(&self) -> u64 {
        self.succeeded
            + self.failed
            + self.unknown
            + self.rate_limited
            + self.quota_exhausted
            + self.unauthorized
            + self.client_bugs
            + self.cancelled
            + self.local_rejects
            + self.late
    }

    /// What speaks for or against the dependency's health.
    pub const fn health(&self) -> Counts {
        let failures = self.failed + self.unknown;
        Counts { calls: self.succeeded + failures, failures, slow: self.slow }
    }

    /// Adds another gate's counts.
    pub const fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.slow += other.slow;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.rate_limited += other.rate_limited;
        self.quota_exhausted += other.quota_exhausted;
        self.unauthorized += other.unauthorized;
        self.client_bugs += other.client_bugs;
        self.cancelled += other.cancelled;
        self.local_rejects += other.local_rejects;
        self.rejected += other.rejected;
        self.late += other.late;
    }

    /// Each count with the word used in metrics.
    pub const fn by_class(&self) -> [(&'static str, u64); 11] {
        [
            ("success", self.succeeded - self.slow),
            ("slow", self.slow),
            ("failure", self.failed),
            ("unknown", self.unknown),
            ("rate_limited", self.rate_limited),
            ("quota_exhausted", self.quota_exhausted),
            ("unauthorized", self.unauthorized),
            ("client_bug", self.client_bugs),
            ("cancelled", self.cancelled),
            ("local_reject", self.local_rejects),
            ("late", self.late),
        ]
    }
}

/// A copy of the counters, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Stripe {
    /// Running calls by the time they began, modulo [`AGES`] steps.
    pub(super) running: [AtomicU32; AGES],
    /// Successful calls by how long they took; their sum is the number of successes.
    pub(super) took: [AtomicU64; histogram::BUCKETS],
    slow: AtomicU64,
    failed: AtomicU64,
    unknown: AtomicU64,
    rate_limited: AtomicU64,
    quota_exhausted: AtomicU64,
    unauthorized: AtomicU64,
    client_bugs: AtomicU64,
    cancelled: AtomicU64,
    local_rejects: AtomicU64,
}

impl Default for Stripe {
    fn default() -> Self {
        Self {
            running: [const { AtomicU32::new(0) }; AGES],
            took: [const { AtomicU64::new(0) }; histogram::BUCKETS],
            slow: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            rate_limited: AtomicU64::new(0),
            quota_exhausted: AtomicU64::new(0),
            unauthorized: AtomicU64::new(0),
            client_bugs: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            local_rejects: AtomicU64::new(0),
        }
    }
}

impl Stripe {
    pub(super) fn count(&self, class: Class, took: Duration) {
        if matches!(class, Class::Success | Class::Slow) {
            self.took[histogram::bucket(took.as_nanos() as u64)].fetch_add(1, Relaxed);
        }
        let counter = match class {
            Class::Success => return,
            Class::Slow => &self.slow,
            Class::Failure { .. } => &self.failed,
            Class::Unknown => &self.unknown,
            Class::RateLimited { .. } => &self.rate_limited,
            Class::QuotaExhausted { .. } => &self.quota_exhausted,
            Class::Unauthorized => &self.unauthorized,
            Class::ClientBug => &self.client_bugs,
            Class::Cancelled => &self.cancelled,
            Class::LocalReject => &self.local_rejects,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn add_to(&self, totals: &mut Totals) {
        let slow = self.slow.load(Relaxed);
        let took: u64 = self.took.iter().map(|n| n.load(Relaxed)).sum();
        totals.slow += slow;
        totals.succeeded += took.max(slow);
        totals.failed += self.failed.load(Relaxed);
        totals.unknown += self.unknown.load(Relaxed);
        totals.rate_limited += self.rate_limited.load(Relaxed);
        totals.quota_exhausted += self.quota_exhausted.load(Relaxed);
        totals.unauthorized += self.unauthorized.load(Relaxed);
        totals.client_bugs += self.client_bugs.load(Relaxed);
        totals.cancelled += self.cancelled.load(Relaxed);
        totals.local_rejects += self.local_rejects.load(Relaxed);
    }
}

/// A small number that differs between the first threads of the process.
#[inline]
pub(super) fn stripe_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    const UNSET: usize = usize::MAX;
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(UNSET) };
    }
    MINE.with(|mine| {
        if mine.get() == UNSET {
            mine.set(NEXT.fetch_add(1, Relaxed) & 0xFF);
        }
        mine.get()
    })
}
