//! One call behind one breaker: in, out, and what is between.

use std::{sync::Arc, time::Duration};

use balcao_domain::breaker::{Class, Nanos, Permit, Rejected, RetryTicket, TenantMark, Timing};

use super::family::{Family, Member};

/// What a caller holds to make calls behind a breaker. Cheap to clone.
#[derive(Clone)]
pub struct GuardHandle {
    pub(super) family: Arc<Family>,
    pub(super) member: Arc<Member>,
}

/// Why a guarded call brought no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError<E> {
    /// The breaker refused; nothing was sent.
    #[error("the breaker refused the call: {0:?}")]
    Rejected(Rejected),
    /// The call was made and failed.
    #[error(transparent)]
    Failed(E),
}

impl GuardHandle {
    /// Makes a call behind the breaker. `classify` says what its result means; a success that took too long is
    /// found out here. A dropped future counts as cancelled.
    pub async fn call<T, E>(
        &self,
        classify: impl FnOnce(&Result<T, E>) -> Class,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        let permit = self.acquire(TenantMark::NONE).await.map_err(CallError::Rejected)?;
        let result = call.await;
        let now = self.now();
        let class = match classify(&result) {
            Class::Success => {
                let total = now.since(permit.started());
                self.member.gate.config().speed(&Timing { total, ..Timing::default() })
            }
            class => class,
        };
        let trial = permit.is_trial();
        permit.record(class, now);
        self.settled(class, trial).await;
        result.map_err(CallError::Failed)
    }

    /// May a failed call be repeated, with so much time left? Hold the ticket while it is.
    pub fn try_retry(&self, remaining: Duration) -> Option<RetryTicket> {
        self.member.retries.try_retry(&self.member.gate, remaining)
    }

    /// The key, as operators know it.
    pub fn key(&self) -> &str {
        &self.member.key
    }

    pub(super) fn now(&self) -> Nanos {
        self.family.clock.now()
    }

    /// In; waits its turn where the bulkhead is full and has room to wait.
    pub(super) async fn acquire(&self, tenant: TenantMark) -> Result<Permit<'_>, Rejected> {
        match self.member.gate.try_acquire_for(self.now(), tenant) {
            Err(Rejected::Full) => self.acquire_in_turn(tenant).await,
            admitted_or_refused => admitted_or_refused,
        }
    }

    async fn acquire_in_turn(&self, tenant: TenantMark) -> Result<Permit<'_>, Rejected> {
        let gate = &self.member.gate;
        if !gate.start_waiting() {
            return Err(gate.turn_away());
        }
        let _waiting = StopWaiting(&self.member);
        let turn = async {
            loop {
                let freed = self.member.freed.notified();
                match gate.try_acquire_in_turn(self.now(), tenant) {
                    Err(Rejected::Full) => freed.await,
                    admitted_or_refused => return admitted_or_refused,
                }
            }
        };
        tokio::time::timeout(gate.config().max_wait, turn).await.unwrap_or_else(|_| Err(gate.turn_away()))
    }

    /// After what may open or close the circuit: waits for the judgement, so that the next call meets its
    /// consequences. A success through a closed circuit waits for nobody.
    pub(super) async fn settled(&self, class: Class, trial: bool) {
        use Class::*;
        if trial || matches!(class, Failure { .. } | Unknown | QuotaExhausted { .. } | Unauthorized | Slow) {
            self.family.settle().await;
        }
    }
}

/// Counts a waiter out, also when its future is dropped; a free place it was told of goes to the next.
struct StopWaiting<'a>(&'a Member);

impl Drop for StopWaiting<'_> {
    fn drop(&mut self) {
        self.0.gate.stop_waiting();
        self.0.freed.notify_one();
    }
}
