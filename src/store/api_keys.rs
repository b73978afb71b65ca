//! API keys: stored as SHA-256 of a random secret, shown once, scoped, revocable.

use balcao_domain::{KeyId, Scope, TenantId};
use chrono::{DateTime, Utc};
use rand::RngCore;
use secrecy::SecretString;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Store, StoreError, TenantTx};

/// What every secret starts with, so that scanners find one that leaked.
const PREFIX: &str = "bk_";
/// How much of a secret is kept to recognise it by: the prefix and 24 of its 256 bits.
const HINT_LEN: usize = PREFIX.len() + 6;

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
    tx: &mut TenantTx,
    name: &str,
    scopes: &[Scope],
) -> Result<(ApiKey, SecretString), StoreError> {
    let mut random = [0; 32];
    rand::rng().fill_bytes(&mut random);
    let secret = format!("{PREFIX}{}", hex::encode(random));
    let (tenant_id, key_id) = (tx.tenant_id().as_uuid(), KeyId::generate());
    let words: Vec<String> = scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    let row = sqlx::query_as!(
        Row,
        "insert into api_key (tenant_id, key_id, name, hint, secret_hash, scopes)
         values ($1, $2, $3, $4, $5, $6)
         returning key_id, name, hint, scopes, created_at, last_used_at, revoked_at",
        tenant_id,
        key_id.as_uuid(),
        name,
        &secret[..HINT_LEN],
        hash(&secret),
        &words,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok((row.try_into()?, SecretString::from(secret)))
}

/// Whose key this is; `None` when unknown or revoked. Notes the use at most once a minute.
pub async fn authenticate(store: &Store, secret: &str) -> Result<Option<Authenticated>, StoreError> {
    if !secret.starts_with(PREFIX) {
        return Ok(None);
    }
    let mut lease = store.lease().await?;
    // Found by the hash of a 256-bit secret: there is nothing to compare that timing could betray.
    let row = sqlx::query!(
        r#"select tenant_id as "tenant_id!", key_id as "key_id!", scopes as "scopes!" from api_key_authenticate($1)"#,
        hash(secret),
    )
    .fetch_optional(&mut *lease)
    .await?;
    lease.done();
    row.map(|row| {
        Ok(Authenticated {
            tenant_id: TenantId::from_uuid(row.tenant_id),
            key_id: KeyId::from_uuid(row.key_id),
            scopes: parse_scopes(&row.scopes)?,
        })
    })
    .transpose()
}

/// All keys of the tenant.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<ApiKey>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query_as!(
        Row,
        "select key_id, name, hint, scopes, created_at, last_used_at, revoked_at
         from api_key where tenant_id = $1 order by key_id",
        tenant_id,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(ApiKey::try_from).collect()
}

/// Revokes a key at once.
pub async fn revoke(tx: &mut TenantTx, key_id: KeyId) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let done = sqlx::query!(
        "update api_key set revoked_at = coalesce(revoked_at, now()) where tenant_id = $1 and key_id = $2",
        tenant_id,
        key_id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

struct Row {
    key_id: Uuid,
    name: String,
    hint: String,
    scopes: Vec<String>,
    created_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for ApiKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            key_id: KeyId::from_uuid(row.key_id),
            scopes: parse_scopes(&row.scopes)?,
            name: row.name,
            hint: row.hint,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
        })
    }
}

fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret).to_vec()
}

fn parse_scopes(words: &[String]) -> Result<Vec<Scope>, StoreError> {
    words
        .iter()
        .map(|word| Scope::parse(word).ok_or_else(|| StoreError::Corrupt(format!("unknown scope `{word}`"))))
        .collect()
}
