//! The leases this node must keep alive: conversations that listen or think. Renewed in one batch by Clockwork.
//!
//! A conversation without work is not in here: its lease lapses by itself, and the next look takes a new one.

use std::collections::HashMap;

use balcao_domain::{ConversationId, TenantId};
use parking_lot::Mutex;

/// Which conversations are in our hands, and under which epoch.
#[derive(Default)]
pub(crate) struct Leases {
    held: Mutex<HashMap<ConversationId, (TenantId, i64)>>,
}

impl Leases {
    /// Keeps the lease of a conversation alive from now on.
    pub(crate) fn hold(&self, tenant_id: TenantId, id: ConversationId, epoch: i64) {
        self.held.lock().insert(id, (tenant_id, epoch));
    }

    /// Lets it lapse.
    pub(crate) fn forget(&self, id: ConversationId) {
        self.held.lock().remove(&id);
    }

    /// All that must be renewed.
    pub(crate) fn all(&self) -> Vec<(TenantId, ConversationId, i64)> {
        self.held.lock().iter().map(|(id, (tenant_id, epoch))| (*tenant_id, *id, *epoch)).collect()
    }
}
