//! Shops.

use balcao_domain::tenant::{Settings, Tenant};
use balcao_domain::{Language, TenantId};

use crate::{Store, StoreError, TenantTx};

/// Creates a shop (through a definer function: it is not any tenant's own act). `Conflict` on a taken slug.
pub async fn create(
    _store: &Store,
    _slug: &str,
    _name: &str,
    _language: Language,
    _settings: &Settings,
) -> Result<Tenant, StoreError> {
    unimplemented!()
}
/// The shop of a slug.
pub async fn by_slug(_store: &Store, _slug: &str) -> Result<Option<Tenant>, StoreError> {
    unimplemented!()
}
/// All shops, by slug.
pub async fn list(_store: &Store) -> Result<Vec<Tenant>, StoreError> {
    unimplemented!()
}
/// The shop of this transaction.
pub async fn get(_tx: &mut TenantTx) -> Result<Tenant, StoreError> {
    unimplemented!()
}
/// Replaces its settings.
pub async fn update_settings(_tx: &mut TenantTx, _settings: &Settings) -> Result<(), StoreError> {
    unimplemented!()
}
/// Removes a shop and everything it owns.
pub async fn delete(_store: &Store, _tenant_id: TenantId) -> Result<(), StoreError> {
    unimplemented!()
}
