//! The way in: a transaction that knows its tenant for exactly its own length.

use balcao_domain::TenantCtx;

use crate::StoreError;

/// The database, as the server's role sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {}

/// One transaction of one tenant. Dropping it rolls back.
pub struct TenantTx {}

impl Store {
    /// Begins a transaction that sees `ctx`'s tenant and nothing else. Safe to cancel at every await.
    pub async fn tenant_tx(&self, _ctx: &TenantCtx) -> Result<TenantTx, StoreError> {
        unimplemented!()
    }
}

impl TenantTx {
    /// Commits.
    pub async fn commit(self) -> Result<(), StoreError> {
        unimplemented!()
    }
}
