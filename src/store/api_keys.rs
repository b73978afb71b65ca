//! API keys: stored as SHA-256 of a random secret, shown once, scoped, revocable.

use balcao_domain::{KeyId, Scope, TenantId};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Serialize;

use crate::{Store, StoreError, TenantTx};

/// A key as it may be listed.
#[derive(Debug, Clone, Serialize)]
pub struct ApiKey {
    pub key_id: KeyId,
    pub name: String,
    /// The first characters of the secret, to recognise it by.
    pub hint: String,
    pub scopes: Vec<Scope>,
    pub created_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    pub tenant_id: TenantId,
    pub key_id: KeyId,
    pub scopes: Vec<Scope>,
}

/// Makes a key. The secret (`bk_…`) is returned here and nowhere else.
pub async fn issue(
    _tx: &mut TenantTx,
    _name: &str,
    _scopes: &[Scope],
) -> Result<(ApiKey, SecretString), StoreError> {
    unimplemented!()
}
/// Whose key this is; `None` when unknown or revoked. Notes the use at most once a minute.
pub async fn authenticate(_store: &Store, _secret: &str) -> Result<Option<Authenticated>, StoreError> {
    unimplemented!()
}
/// All keys of the tenant.
pub async fn list(_tx: &mut TenantTx) -> Result<Vec<ApiKey>, StoreError> {
    unimplemented!()
}
/// Revokes a key at once.
pub async fn revoke(_tx: &mut TenantTx, _key_id: KeyId) -> Result<(), StoreError> {
    unimplemented!()
}
