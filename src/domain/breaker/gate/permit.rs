//! The right to make one call.

use crate::breaker::{Class, Nanos};

use super::{Gate, TenantMark};

/// The right to make one call, and the duty to say what came of it. Dropped without a word (a cancelled
/// future), it counts as cancelled and gives back what it held.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts as a cancelled call"]
pub struct Permit<'gate> {
    gate: &'gate Gate,
    generation: u64,
    started: Nanos,
    stripe: u8,
    age: u8,
    tenant: TenantMark,
    trial: bool,
    done: bool,
}

impl<'gate> Permit<'gate> {
    #[inline]
    pub(super) const fn new(
        gate: &'gate Gate,
        generation: u64,
        started: Nanos,
        stripe: usize,
        age: usize,
        tenant: TenantMark,
        trial: bool,
    ) -> Self {
        Self { gate, generation, started, stripe: stripe as u8, age: age as u8, tenant, trial, done: false }
    }

    /// Says what came of the call.
    #[inline]
    pub fn record(mut self, class: Class, now: Nanos) {
        self.done = true;
        self.gate.finish(&self, class, now.since(self.started), now);
    }

    /// The generation it was given in.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// When it was given.
    pub const fn started(&self) -> Nanos {
        self.started
    }

    /// Whether the call is a trial of a half-open circuit.
    pub const fn is_trial(&self) -> bool {
        self.trial
    }

    pub(super) const fn stripe(&self) -> usize {
        self.stripe as usize
    }

    pub(super) const fn age(&self) -> usize {
        self.age as usize
    }

    pub(super) const fn tenant(&self) -> TenantMark {
        self.tenant
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.done {
            self.gate.finish(self, Class::Cancelled, std::time::Duration::ZERO, self.started);
        }
    }
}
