//! Catalogues that are followed: where they are, when they are read next, and how old what was read last is.

use std::time::Duration;

use balcao_domain::{FeedId, TenantId};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use uuid::Uuid;

use crate::{Store, StoreError, TenantTx, milliseconds};

/// A feed to follow.
#[derive(Debug, Clone)]
pub struct NewFeed {
    /// Who describes the products: `google`, `shopify_rest` …
    pub source: String,
    pub url: String,
    /// What prices without a currency are in.
    pub currency: String,
    /// It is all that the source has.
    pub complete: bool,
    /// How often it is read: a minute to a week.
    pub every: Duration,
    /// Headers to ask with, as a JSON object of texts.
    pub headers: Option<SecretString>,
}

/// A feed as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct Feed {
    pub feed_id: FeedId,
    pub source: String,
    pub url: String,
    pub currency: String,
    pub complete: bool,
    pub every_seconds: i32,
    pub due_at: DateTime<Utc>,
    /// How often in a row it could not be read.
    pub failures: i32,
    /// How old what is on the shelf is.
    pub last_ok_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
    /// Products that were read last.
    pub products: i64,
    #[serde(skip)]
    pub headers: Option<SecretString>,
    #[serde(skip)]
    pub etag: Option<String>,
    #[serde(skip)]
    pub last_modified: Option<String>,
}

struct Row {
    feed_id: Uuid,
    source: String,
    url: String,
    currency: String,
    complete: bool,
    every_seconds: i32,
    due_at: DateTime<Utc>,
    failures: i32,
    last_ok_at: Option<DateTime<Utc>>,
    last_error: Option<String>,
    products: i64,
    headers: Option<Vec<u8>>,
    etag: Option<String>,
    last_modified: Option<String>,
}

/// Sealed for one feed: the headers of another row do not open here.
fn context(tenant_id: Uuid, feed_id: Uuid) -> Vec<u8> {
    format!("catalogue_feed/{tenant_id}/{feed_id}").into_bytes()
}

impl Row {
    fn open(self, tx: &TenantTx) -> Result<Feed, StoreError> {
        let corrupt = |why: String| StoreError::Corrupt(why);
        let headers = match self.headers {
            Some(sealed) => {
                let plain = tx.keyring().open(&sealed, &context(tx.tenant_id().as_uuid(), self.feed_id));
                let plain = plain.map_err(|error| corrupt(error.to_string()))?;
                Some(SecretString::from(
                    String::from_utf8(plain).map_err(|error| corrupt(error.to_string()))?,
                ))
            }
            None => None,
        };
        Ok(Feed {
            feed_id: FeedId::from_uuid(self.feed_id),
            source: self.source,
            url: self.url,
            currency: self.currency,
            complete: self.complete,
            every_seconds: self.every_seconds,
            due_at: self.due_at,
            failures: self.failures,
            last_ok_at: self.last_ok_at,
            last_error: self.last_error,
            products: self.products,
            headers,
            etag: self.etag,
            last_modified: self.last_modified,
        })
    }
}

/// Follows a feed; one at the same address is replaced.
pub async fn follow(tx: &mut TenantTx, new: &NewFeed) -> Result<FeedId, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let known = sqlx::query_scalar!(
        "select feed_id from catalogue_feed where tenant_id = $1 and url = $2",
        tenant_id,
        new.url,
    )
    .fetch_optional(tx.conn())
    .await?;
    let id = known.unwrap_or_else(|| FeedId::generate().as_uuid());
    let headers = match &new.headers {
        Some(headers) => {
            let sealed = tx.keyring().seal(headers.expose_secret().as_bytes(), &context(tenant_id, id));
            Some(sealed.map_err(|error| StoreError::Corrupt(error.to_string()))?)
        }
        None => None,
    };
    sqlx::query!(
        "insert into catalogue_feed (tenant_id, feed_id, source, url, currency, complete, every_seconds, headers)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (tenant_id, feed_id) do update
         set source = excluded.source, currency = excluded.currency, complete = excluded.complete,
             every_seconds = excluded.every_seconds, headers = excluded.headers, etag = null, last_modified = null,
             due_at = clock_timestamp(), failures = 0, last_error = null",
        tenant_id,
        id,
        new.source,
        new.url,
        new.currency,
        new.complete,
        i32::try_from(new.every.as_secs()).unwrap_or(i32::MAX),
        headers,
    )
    .execute(tx.conn())
    .await?;
    Ok(FeedId::from_uuid(id))
}

/// Follows it no more; what was read from it stays on the shelf. Whether there was such a feed.
pub async fn leave(tx: &mut TenantTx, id: FeedId) -> Result<bool, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let gone = sqlx::query!(
        "delete from catalogue_feed where tenant_id = $1 and feed_id = $2",
        tenant_id,
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(gone.rows_affected() > 0)
}

/// The feeds of a shop.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<Feed>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query_as!(
        Row,
        "select feed_id, source, url, currency, complete, every_seconds, due_at, failures, last_ok_at, last_error,
                products, headers, etag, last_modified
         from catalogue_feed where tenant_id = $1 order by created_at",
        tenant_id,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| row.open(tx)).collect()
}

/// Feeds of any shop that are to be read, longest due first.
pub async fn due(store: &Store, limit: i32) -> Result<Vec<(TenantId, FeedId)>, StoreError> {
    let mut lease = store.lease().await?;
    let rows = sqlx::query!(
        r#"select tenant_id as "tenant_id!", feed_id as "feed_id!" from catalogue_feed_due($1)"#,
        limit
    )
    .fetch_all(&mut *lease)
    .await?;
    lease.done();
    Ok(rows
        .into_iter()
        .map(|row| (TenantId::from_uuid(row.tenant_id), FeedId::from_uuid(row.feed_id)))
        .collect())
}

/// Claims a feed for so long; nothing where it is not due, or another node reads it.
pub async fn take(tx: &mut TenantTx, id: FeedId, claim: Duration) -> Result<Option<Feed>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query_as!(
        Row,
        "update catalogue_feed set due_at = clock_timestamp() + $3 * interval '1 millisecond'
         where tenant_id = $1 and feed_id = $2 and due_at <= clock_timestamp()
         returning feed_id, source, url, currency, complete, every_seconds, due_at, failures, last_ok_at, last_error,
                   products, headers, etag, last_modified",
        tenant_id,
        id.as_uuid(),
        milliseconds(claim) as f64,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| row.open(tx)).transpose()
}

/// It was read. `products`: how many; `None`: it says the same as before.
pub async fn read(
    tx: &mut TenantTx,
    id: FeedId,
    products: Option<i64>,
    etag: Option<&str>,
    last_modified: Option<&str>,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update catalogue_feed
         set last_ok_at = clock_timestamp(), last_error = null, failures = 0, products = coalesce($3, products),
             etag = $4, last_modified = $5, due_at = clock_timestamp() + every_seconds * interval '1 second'
         where tenant_id = $1 and feed_id = $2",
        tenant_id,
        id.as_uuid(),
        products,
        etag,
        last_modified,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// It could not be read: again after `pause`, if that is sooner than it would be read anyway. What was read before stays.
pub async fn failed(tx: &mut TenantTx, id: FeedId, why: &str, pause: Duration) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update catalogue_feed
         set last_error = $3, failures = failures + 1,
             due_at = clock_timestamp() + $4 * interval '1 millisecond'
         where tenant_id = $1 and feed_id = $2",
        tenant_id,
        id.as_uuid(),
        why,
        milliseconds(pause) as f64,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
