//! Shops.

use balcao_domain::tenant::{Settings, Tenant};
use balcao_domain::{Language, TenantId};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Store, StoreError, TenantTx};

struct Row {
    tenant_id: Uuid,
    slug: String,
    name: String,
    language: String,
    settings: serde_json::Value,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Tenant {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Tenant {
            tenant_id: TenantId::from_uuid(row.tenant_id),
            slug: row.slug,
            name: row.name,
            language: Language::from_code(&row.language)
                .ok_or_else(|| StoreError::Corrupt(format!("unknown language `{}`", row.language)))?,
            settings: serde_json::from_value(row.settings)?,
            created_at: row.created_at,
        })
    }
}

/// Creates a shop (through a definer function: it is not any tenant's own act). `Conflict` on a taken slug.
pub async fn create(
    store: &Store,
    slug: &str,
    name: &str,
    language: Language,
    settings: &Settings,
) -> Result<Tenant, StoreError> {
    let tenant_id = TenantId::generate();
    let mut lease = store.lease().await?;
    let created_at = sqlx::query_scalar!(
        r#"select tenant_create($1, $2, $3, $4, $5) as "created_at!""#,
        tenant_id.as_uuid(),
        slug,
        name,
        language.code(),
        serde_json::to_value(settings)?,
    )
    .fetch_one(&mut *lease)
    .await
    .map_err(StoreError::around_commit)?;
    lease.done();
    Ok(Tenant {
        tenant_id,
        slug: slug.to_owned(),
        name: name.to_owned(),
        language,
        settings: settings.clone(),
        created_at,
    })
}

/// The shop of a slug.
pub async fn by_slug(store: &Store, slug: &str) -> Result<Option<Tenant>, StoreError> {
    let mut lease = store.lease().await?;
    let row = sqlx::query_as!(
        Row,
        r#"select tenant_id as "tenant_id!", slug as "slug!", name as "name!", language as "language!",
                  settings as "settings!", created_at as "created_at!"
           from tenant_by_slug($1)"#,
        slug,
    )
    .fetch_optional(&mut *lease)
    .await?;
    lease.done();
    row.map(Tenant::try_from).transpose()
}

/// All shops, by slug.
pub async fn list(store: &Store) -> Result<Vec<Tenant>, StoreError> {
    let mut lease = store.lease().await?;
    let rows = sqlx::query_as!(
        Row,
        r#"select tenant_id as "tenant_id!", slug as "slug!", name as "name!", language as "language!",
                  settings as "settings!", created_at as "created_at!"
           from tenant_list()"#,
    )
    .fetch_all(&mut *lease)
    .await?;
    lease.done();
    rows.into_iter().map(Tenant::try_from).collect()
}

/// The shop of this transaction.
pub async fn get(tx: &mut TenantTx) -> Result<Tenant, StoreError> {
    sqlx::query_as!(
        Row,
        "select tenant_id, slug, name, language, settings, created_at from tenant where tenant_id = $1",
        tx.tenant_id().as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// Replaces its settings.
pub async fn update_settings(tx: &mut TenantTx, settings: &Settings) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let done = sqlx::query!(
        "update tenant set settings = $2 where tenant_id = $1",
        tenant_id,
        serde_json::to_value(settings)?,
    )
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

/// Removes a shop and everything it owns.
pub async fn delete(store: &Store, tenant_id: TenantId) -> Result<(), StoreError> {
    let mut lease = store.lease().await?;
    let found = sqlx::query_scalar!(r#"select tenant_delete($1) as "found!""#, tenant_id.as_uuid())
        .fetch_one(&mut *lease)
        .await
        .map_err(StoreError::around_commit)?;
    lease.done();
    if found { Ok(()) } else { Err(StoreError::NotFound) }
}
