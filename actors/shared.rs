//! What every actor of the tree may use: settings, ports, and the seats of the others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use balcao_agent::Agent;
use balcao_channels::webhooks::Sender;
use balcao_store::Store;

use crate::{
    breakers::Breakers, cashier::Cashier, directory::Directory, handles::Seat, leases::Leases, outbox,
    tenants, watchers::Watchers,
};

/// One per tree.
pub(crate) struct Shared {
    pub(crate) node: String,
    pub(crate) store: Store,
    pub(crate) agent: Arc<dyn Agent>,
    pub(crate) webhooks: Sender,
    pub(crate) cashier: Cashier,
    pub(crate) breakers: Breakers,
    pub(crate) directory: Directory,
    pub(crate) watchers: Watchers,
    pub(crate) leases: Leases,
    pub(crate) tenants: Seat<tenants::Msg>,
    pub(crate) outbox: Seat<outbox::Msg>,
    pub(crate) lease: Duration,
    pub(crate) idle: Duration,
    pub(crate) sweep: Duration,
    pub(crate) forget: Duration,
    pub(crate) unknown_grace: Duration,
    pub(crate) stale_after: Duration,
    /// Conversations that have an actor.
    pub(crate) open: AtomicUsize,
    /// No more work is taken on.
    pub(crate) closing: AtomicBool,
}

impl Shared {
    /// Whether the tree is being stopped.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}

/// Counts one open conversation for as long as it lives, however its actor ends.
pub(crate) struct Open(Arc<Shared>);

impl Open {
    pub(crate) fn count(shared: Arc<Shared>) -> Self {
        let now = shared.open.fetch_add(1, Ordering::Relaxed) + 1;
        metrics::gauge!("balcao_open_conversations").set(now as f64);
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let now = self.0.open.fetch_sub(1, Ordering::Relaxed) - 1;
        metrics::gauge!("balcao_open_conversations").set(now as f64);
    }
}
