//! The gate callers pass: atomics only, no lock, no allocation, nobody to ask.
//!
//! One word holds what the machine last ruled: the mode, the generation and the free places for trials. A call
//! through a closed breaker loads that word, counts itself in, and at its end counts itself out and its result
//! up. Counters only ever rise (the machine keeps the differences) and exist in several copies, one per
//! thread or so, so that cores do not fight over cache lines.
//!
//! Which order the atomics need: the word is published with `Release` and read with `Acquire`, so a caller that
//! sees a new generation also sees the deadlines set before it. Counters are `Relaxed`: each is exact, and the
//! machine may read one a moment before another.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*},
    },
    time::Duration,
};

mod owner;
mod permit;
mod stripe;
mod word;

use super::{Class, Config, Nanos, histogram};
pub use permit::Permit;
pub use stripe::Totals;
use stripe::{AGES, Stripe, stripe_of_this_thread};
pub use word::Ruling;
use word::{Mode, Word};

/// Whoever judges, to be told that there is something to judge. Never called by a success through a closed
/// breaker, except for the first one after a quiet time.
pub trait Bell: Send + Sync {
    /// There is something to judge. Must not block.
    fn ring(&self);
    /// A place in the bulkhead has become free while somebody waits for one. Must not block.
    fn freed(&self) {}
}

/// Why a call may not be made. Nothing has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// The circuit is open, until then at least; [`Nanos::NEVER`] means until a person acts.
    Open {
        /// When a trial may be made.
        until: Nanos,
    },
    /// The circuit is half-open, and all places for trials are taken.
    TrialsBusy,
    /// The dependency asked this key to wait.
    RateLimited {
        /// Until when.
        until: Nanos,
    },
    /// As many calls are in flight as may be.
    Full,
}

/// Which tenant a call is for, as far as a gate cares: one of 64 marks. Two tenants may share one; then they
/// count as one, for calling and for failing alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantMark(u8);

impl TenantMark {
    /// A call for no tenant in particular.
    pub const NONE: Self = Self(0);

    /// The mark of a tenant, from any well-spread number that stands for it (such as the bits of its id).
    pub const fn of(number: u128) -> Self {
        let folded = (number ^ (number >> 64)) as u64;
        // Fibonacci hashing (Knuth, TAOCP 6.4): the top bits are the well-mixed ones.
        Self((folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as u8)
    }

    const fn bit(self) -> u64 {
        1 << self.0
    }
}

/// What every call reads and almost none writes: on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Ruled {
    word: AtomicU64,
    /// Rate limit of this key, in nanoseconds; 0 is none.
    limited_until: AtomicU64,
    /// Failures in a row: generation (48 bits) and count (16 bits).
    consecutive: AtomicU64,
    /// Marks of the tenants whose calls have completed, and of those with failures: this half of the window …
    tenants: [AtomicU64; 2],
}

/// What only failures, refusals and the owner touch.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Rare {
    /// … and the half before, as the owner turned it over.
    tenants_before: [AtomicU64; 2],
    tenants_turned_at: AtomicU64,
    /// When an open breaker may be tried, for the refusals.
    until: AtomicU64,
    /// The latest moment any failure asked to be left alone until.
    retry_until: AtomicU64,
    /// When the quota is reset, as last heard; 0 is unknown.
    quota_until: AtomicU64,
    rejected: AtomicU64,
    late: AtomicU64,
    rung: AtomicBool,
}

/// The number of calls inside, where it is limited; on a line of its own because every call writes it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Places {
    taken: AtomicU32,
    waiting: AtomicU32,
}

/// The gate of one breaker. Shared by all its callers.
pub struct Gate {
    ruled: Ruled,
    places: Places,
    rare: Rare,
    stripes: Box<[Stripe]>,
    /// `1 << age_shift` nanoseconds is the resolution at which the age of running calls is known.
    age_shift: u32,
    config: Config,
    bell: OnceLock<Box<dyn Bell>>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("ruling", &self.ruling()).finish_non_exhaustive()
    }
}

impl Gate {
    /// A closed gate.
    pub fn new(config: Config) -> Self {
        let stripes = config.stripes.clamp(1, 16).next_power_of_two();
        let resolution = (config.slow_in_flight.as_nanos() / 4).clamp(1 << 20, 1 << 50) as u64;
        Self {
            ruled: Ruled {
                word: AtomicU64::new(Word::new(Mode::Closed, 1, 0).asleep().bits()),
                limited_until: AtomicU64::new(0),
                consecutive: AtomicU64::new(1 << 16),
                tenants: Default::default(),
            },
            places: Places::default(),
            rare: Rare::default(),
            stripes: (0..stripes).map(|_| Stripe::default()).collect(),
            age_shift: resolution.ilog2(),
            config,
            bell: OnceLock::new(),
        }
    }

    /// Its settings.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Hangs up the bell, once; `false` if there is one already.
    pub fn hang_bell(&self, bell: Box<dyn Bell>) -> bool {
        self.bell.set(bell).is_ok()
    }

    /// May a call be made now?
    #[inline]
    pub fn try_acquire(&self, now: Nanos) -> Result<Permit<'_>, Rejected> {
        self.try_acquire_for(now, TenantMark::NONE)
    }

    /// May a call be made now, on behalf of this tenant?
    #[inline]
    pub fn try_acquire_for(&self, now: Nanos, tenant: TenantMark) -> Result<Permit<'_>, Rejected> {
        self.enter(now, tenant, Self::take_place)
    }

    /// The same, for somebody who has announced with [`Gate::start_waiting`] that he waits for a place.
    pub fn try_acquire_in_turn(&self, now: Nanos, tenant: TenantMark) -> Result<Permit<'_>, Rejected> {
        self.enter(now, tenant, Self::take_place_exactly)
    }

    #[inline]
    fn enter(
        &self,
        now: Nanos,
        tenant: TenantMark,
        take_place: fn(&Self) -> bool,
    ) -> Result<Permit<'_>, Rejected> {
        let word = Word::from_bits(self.ruled.word.load(Acquire));
        let (generation, trial) =
            if word.is_closed_and_awake() && now.0 >= self.ruled.limited_until.load(Relaxed) {
                (word.generation(), false)
            } else {
                self.admit_carefully(now)?
            };
        if !take_place(self) {
            if trial {
                self.give_back_trial(generation);
            }
            // Not counted yet: the caller may wait for its turn.
            return Err(Rejected::Full);
        }
        let stripe = stripe_of_this_thread() & (self.stripes.len() - 1);
        let age = ((now.0 >> self.age_shift) as usize) % AGES;
        self.stripes[stripe].running[age].fetch_add(1, Relaxed);
        Ok(Permit::new(self, generation, now, stripe, age, tenant, trial))
    }

    /// Every case but the common one.
    #[cold]
    fn admit_carefully(&self, now: Nanos) -> Result<(u64, bool), Rejected> {
        let mut word = Word::from_bits(self.ruled.word.load(Acquire));
        if word.is_asleep() {
            self.ruled.word.fetch_and(!Word::ASLEEP, AcqRel);
            self.ring();
            word = Word::from_bits(self.ruled.word.load(Acquire));
        }
        match word.mode() {
            Mode::Closed => {
                let until = Nanos(self.ruled.limited_until.load(Relaxed));
                if now < until {
                    return Err(self.refuse(Rejected::RateLimited { until }));
                }
                Ok((word.generation(), false))
            }
            Mode::ForcedClosed | Mode::MetricsOnly => Ok((word.generation(), false)),
            Mode::Open | Mode::ForcedOpen => {
                let until = Nanos(self.rare.until.load(Relaxed));
                if now >= until {
                    // Due, and not judged yet: the owner's timer is late or lost.
                    self.ring();
                }
                Err(self.refuse(Rejected::Open { until }))
            }
            Mode::HalfOpen => self.take_trial(word, now),
        }
    }

    fn take_trial(&self, mut word: Word, now: Nanos) -> Result<(u64, bool), Rejected> {
        let until = Nanos(self.ruled.limited_until.load(Relaxed));
        if now < until {
            return Err(self.refuse(Rejected::RateLimited { until }));
        }
        loop {
            if word.mode() != Mode::HalfOpen || word.free() == 0 {
                return Err(self.refuse(Rejected::TrialsBusy));
            }
            let taken = word.with_free(word.free() - 1);
            match self.ruled.word.compare_exchange_weak(word.bits(), taken.bits(), AcqRel, Acquire) {
                Ok(_) => {
                    self.ring();
                    return Ok((word.generation(), true));
                }
                Err(seen) => word = Word::from_bits(seen),
            }
        }
    }

    /// Returns a trial's place, if its generation is still the one that gave it.
    fn give_back_trial(&self, generation: u64) {
        let _ = self.ruled.word.fetch_update(AcqRel, Acquire, |bits| {
            let word = Word::from_bits(bits);
            let same = word.mode() == Mode::HalfOpen && word.generation() == generation;
            same.then(|| word.with_free(word.free() + 1).bits())
        });
    }

    #[cold]
    fn refuse(&self, why: Rejected) -> Rejected {
        self.rare.rejected.fetch_add(1, Relaxed);
        why
    }

    /// Takes a place in the bulkhead, if there is one. One addition is cheaper than an exchange that may have to
    /// be repeated; one too many is given back, and announced like any place that becomes free.
    #[inline]
    fn take_place(&self) -> bool {
        let limit = self.config.max_in_flight;
        let taken = limit == 0 || self.places.taken.fetch_add(1, SeqCst) < limit;
        if !taken {
            self.leave_place();
        }
        taken
    }

    /// Takes a place without ever taking one too many: a waiter that gave one back would wake itself.
    fn take_place_exactly(&self) -> bool {
        let limit = self.config.max_in_flight;
        limit == 0
            || self
                .places
                .taken
                .fetch_update(SeqCst, SeqCst, |taken| (taken < limit).then_some(taken + 1))
                .is_ok()
    }

    fn leave_place(&self) {
        if self.config.max_in_flight == 0 {
            return;
        }
        self.places.taken.fetch_sub(1, SeqCst);
        // A waiter counts itself before it tries again, and we free the place before we look: with both in
        // one total order, one of the two sees the other.
        if self.places.waiting.load(SeqCst) > 0
            && let Some(bell) = self.bell.get()
        {
            bell.freed();
        }
    }

    /// Counts somebody who found no place and will not wait, or not any longer.
    pub fn turn_away(&self) -> Rejected {
        self.refuse(Rejected::Full)
    }

    /// Announces somebody who waits for a place in the bulkhead; `false` when too many wait already.
    /// Balance it with [`Gate::stop_waiting`].
    pub fn start_waiting(&self) -> bool {
        let before = self.places.waiting.fetch_add(1, SeqCst);
        let room = before < self.config.max_waiting;
        if !room {
            self.stop_waiting();
        }
        room
    }

    /// The end of a wait.
    pub fn stop_waiting(&self) {
        self.places.waiting.fetch_sub(1, SeqCst);
    }

    #[cold]
    fn ring(&self) {
        if !self.rare.rung.swap(true, AcqRel)
            && let Some(bell) = self.bell.get()
        {
            bell.ring();
        }
    }

    /// The end of a permit.
    #[inline]
    fn finish(&self, permit: &Permit<'_>, class: Class, took: Duration, now: Nanos) {
        let stripe = &self.stripes[permit.stripe()];
        stripe.running[permit.age()].fetch_sub(1, Relaxed);
        self.leave_place();
        let word = Word::from_bits(self.ruled.word.load(Acquire));
        if class == Class::Success && word.generation() == permit.generation() && !permit.is_trial() {
            stripe.took[histogram::bucket(took.as_nanos() as u64)].fetch_add(1, Relaxed);
            self.mark_tenant(permit.tenant(), false);
            self.end_row_of_failures(permit.generation());
        } else {
            self.finish_carefully(permit, stripe, class, took, now);
        }
    }

    #[cold]
    fn finish_carefully(
        &self,
        permit: &Permit<'_>,
        stripe: &Stripe,
        class: Class,
        took: Duration,
        now: Nanos,
    ) {
        self.heed_advice(class, now);
        let word = Word::from_bits(self.ruled.word.load(Acquire));
        if word.generation() != permit.generation() {
            self.rare.late.fetch_add(1, Relaxed);
            self.ring();
            return;
        }
        stripe.count(class, took);
        match class {
            Class::Success | Class::Slow => {
                self.mark_tenant(permit.tenant(), false);
                self.end_row_of_failures(permit.generation());
            }
            Class::Failure { .. } | Class::Unknown => {
                self.mark_tenant(permit.tenant(), true);
                self.lengthen_row_of_failures(permit.generation());
            }
            _ => {}
        }
        // A failed trial keeps its place until it has been judged: the next one must not slip through.
        if permit.is_trial() && !class.is_failure() && class != Class::Slow {
            self.give_back_trial(permit.generation());
        }
        if permit.is_trial() || !matches!(class, Class::ClientBug | Class::Cancelled | Class::LocalReject) {
            self.ring();
        }
    }

    /// What the dependency asked for holds whatever generation the asking call had: a later, longer deadline
    /// extends the one in force, a shorter one never shortens it.
    fn heed_advice(&self, class: Class, now: Nanos) {
        let cap = self.config.open_cap;
        match class {
            Class::RateLimited { retry_after } => {
                let wait = retry_after.unwrap_or(self.config.rate_limit_default).min(cap);
                self.ruled.limited_until.fetch_max(now.plus(wait).0, Relaxed);
            }
            Class::Failure { retry_after: Some(wait) } => {
                self.rare.retry_until.fetch_max(now.plus(wait.min(cap)).0, Relaxed);
            }
            Class::QuotaExhausted { reset_after } => {
                let until = reset_after.map_or(Nanos::NEVER, |wait| now.plus(wait));
                self.rare.quota_until.fetch_max(until.0, Relaxed);
            }
            _ => {}
        }
    }

    #[inline]
    fn mark_tenant(&self, tenant: TenantMark, failed: bool) {
        let bit = tenant.bit();
        for seen in &self.ruled.tenants[..1 + usize::from(failed)] {
            if seen.load(Relaxed) & bit == 0 {
                seen.fetch_or(bit, Relaxed);
            }
        }
    }

    #[inline]
    fn end_row_of_failures(&self, generation: u64) {
        let row = self.ruled.consecutive.load(Relaxed);
        if row & 0xFFFF != 0 && row >> 16 == generation {
            // Whoever changed it meanwhile knows something newer.
            let _ = self.ruled.consecutive.compare_exchange(row, generation << 16, Relaxed, Relaxed);
        }
    }

    fn lengthen_row_of_failures(&self, generation: u64) {
        let _ = self.ruled.consecutive.fetch_update(Relaxed, Relaxed, |row| {
            let longer = (row & 0xFFFF) < 0xFFFF && row >> 16 == generation;
            longer.then_some(row + 1)
        });
    }
}
