//! Who is told what happens, and how telling them went.

use std::time::Duration;

use balcao_domain::{DeliveryId, EndpointId, EventId, TenantId};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{Store, StoreError, TenantTx, dead_letters, milliseconds};

/// How long a key that was replaced still signs beside the new one.
const OVERLAP: TimeDelta = TimeDelta::hours(24);

/// One of a shop's own systems.
#[derive(Debug, Clone, Serialize)]
pub struct Endpoint {
    pub endpoint_id: EndpointId,
    pub url: String,
    /// Which kinds of events; empty: all.
    pub kinds: Vec<String>,
    /// What to sign with now, newest first.
    #[serde(skip)]
    pub secrets: Vec<SecretString>,
    /// Why nothing is sent there any more.
    pub disabled: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// A key as it is kept.
#[derive(Serialize, Deserialize)]
struct Key {
    secret: String,
    /// When a newer one took its place.
    #[serde(default)]
    replaced_at: Option<DateTime<Utc>>,
}

struct Row {
    endpoint_id: Uuid,
    url: String,
    kinds: Vec<String>,
    secrets: Vec<u8>,
    disabled: Option<String>,
    created_at: DateTime<Utc>,
}

impl Row {
    fn keys(&self, tx: &TenantTx) -> Result<Vec<Key>, StoreError> {
        let context = context(tx.tenant_id(), self.endpoint_id);
        let plain =
            tx.keyring().open(&self.secrets, &context).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        Ok(serde_json::from_slice(&plain)?)
    }

    fn open(self, tx: &TenantTx) -> Result<Endpoint, StoreError> {
        let now = Utc::now();
        let counts = |key: &Key| key.replaced_at.is_none_or(|at| now < at + OVERLAP);
        let secrets = self.keys(tx)?.into_iter().filter(counts).map(|key| key.secret.into()).collect();
        Ok(Endpoint {
            endpoint_id: EndpointId::from_uuid(self.endpoint_id),
            url: self.url,
            kinds: self.kinds,
            secrets,
            disabled: self.disabled,
            created_at: self.created_at,
        })
    }
}

/// Sealed for one endpoint: the keys of another row do not open here.
fn context(tenant_id: TenantId, endpoint_id: Uuid) -> Vec<u8> {
    format!("webhook_endpoint/{}/{endpoint_id}", tenant_id.as_uuid()).into_bytes()
}

fn sealed(tx: &TenantTx, endpoint_id: Uuid, keys: &[Key]) -> Result<Vec<u8>, StoreError> {
    let context = context(tx.tenant_id(), endpoint_id);
    tx.keyring().seal(&serde_json::to_vec(keys)?, &context).map_err(|e| StoreError::Corrupt(e.to_string()))
}

/// Tells a system of the shop what happens from now on.
///
/// # Errors
/// `Conflict` where its address is told already.
pub async fn add(
    tx: &mut TenantTx,
    url: &str,
    kinds: &[String],
    secret: &SecretString,
) -> Result<EndpointId, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let id = EndpointId::generate();
    let key = Key { secret: secret.expose_secret().to_owned(), replaced_at: None };
    let secrets = sealed(tx, id.as_uuid(), &[key])?;
    sqlx::query!(
        "insert into webhook_endpoint (tenant_id, endpoint_id, url, kinds, secrets) values ($1, $2, $3, $4, $5)",
        tenant_id,
        id.as_uuid(),
        url,
        kinds,
        secrets,
    )
    .execute(tx.conn())
    .await?;
    Ok(id)
}

/// The shop's systems that are told.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<Endpoint>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query_as!(
        Row,
        "select endpoint_id, url, kinds, secrets, disabled, created_at from webhook_endpoint
         where tenant_id = $1 order by created_at, endpoint_id",
        tenant_id,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| row.open(tx)).collect()
}

async fn row(tx: &mut TenantTx, id: EndpointId) -> Result<Row, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query_as!(
        Row,
        "select endpoint_id, url, kinds, secrets, disabled, created_at from webhook_endpoint
         where tenant_id = $1 and endpoint_id = $2",
        tenant_id,
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(StoreError::NotFound)
}

/// Signs with a new key from now on; for a day the one before signs beside it, so that nothing has to change at once.
/// An endpoint that was given up is told again.
pub async fn rotate(tx: &mut TenantTx, id: EndpointId, secret: &SecretString) -> Result<(), StoreError> {
    let row = row(tx, id).await?;
    let mut keys = row.keys(tx)?;
    let now = Utc::now();
    keys.iter_mut().for_each(|key| key.replaced_at = key.replaced_at.or(Some(now)));
    keys.retain(|key| key.replaced_at.is_none_or(|at| now < at + OVERLAP));
    keys.insert(0, Key { secret: secret.expose_secret().to_owned(), replaced_at: None });
    let secrets = sealed(tx, id.as_uuid(), &keys)?;
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update webhook_endpoint set secrets = $3, disabled = null where tenant_id = $1 and endpoint_id = $2",
        tenant_id,
        id.as_uuid(),
        secrets,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Tells it no more; what waits goes with it.
pub async fn remove(tx: &mut TenantTx, id: EndpointId) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let gone = sqlx::query!(
        "delete from webhook_endpoint where tenant_id = $1 and endpoint_id = $2",
        tenant_id,
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    if gone.rows_affected() == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

/// Claims deliveries of any shop whose time has come. What is not [`settle`]d within the lease is due again.
pub async fn claim(
    store: &Store,
    limit: i32,
    lease: Duration,
) -> Result<Vec<(TenantId, DeliveryId)>, StoreError> {
    let mut connection = store.lease().await?;
    let rows = sqlx::query!(
        r#"select tenant_id as "tenant_id!", delivery_id as "delivery_id!" from webhook_claim($1, $2)"#,
        limit,
        milliseconds(lease),
    )
    .fetch_all(&mut *connection)
    .await?;
    connection.done();
    let ids = |row: (Uuid, Uuid)| (TenantId::from_uuid(row.0), DeliveryId::from_uuid(row.1));
    Ok(rows.into_iter().map(|row| ids((row.tenant_id, row.delivery_id))).collect())
}

/// What is to be sent.
#[derive(Debug, Clone)]
pub struct ToSend {
    pub endpoint: Endpoint,
    pub event_id: EventId,
    pub kind: String,
    pub data: Value,
    pub created_at: DateTime<Utc>,
    /// How often it was tried before.
    pub attempts: i32,
}

/// A claimed delivery with all it needs; nothing where it is settled or its endpoint is told no more.
pub async fn take(tx: &mut TenantTx, id: DeliveryId) -> Result<Option<ToSend>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let found = sqlx::query!(
        "select d.endpoint_id, d.event_id, d.attempts, v.kind, v.data, v.conversation_id, v.created_at
         from webhook_delivery d join event v on v.tenant_id = d.tenant_id and v.event_id = d.event_id
         where d.tenant_id = $1 and d.delivery_id = $2 and d.state = 'waiting'",
        tenant_id,
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(found) = found else { return Ok(None) };
    let endpoint = row(tx, EndpointId::from_uuid(found.endpoint_id)).await?.open(tx)?;
    if endpoint.disabled.is_some() {
        return Ok(None);
    }
    let mut data = found.data;
    if let (Some(conversation), Some(fields)) = (found.conversation_id, data.as_object_mut()) {
        let conversation = balcao_domain::ConversationId::from_uuid(conversation);
        fields.entry("conversation_id").or_insert_with(|| conversation.to_string().into());
    }
    Ok(Some(ToSend {
        endpoint,
        event_id: EventId::from_uuid(found.event_id),
        kind: found.kind,
        data,
        created_at: found.created_at,
        attempts: found.attempts,
    }))
}

/// How an attempt went.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What was answered; `None` where nothing was.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    pub took: Duration,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Delivered,
    /// Once more, after this long.
    Again(Duration),
    /// Never: it is set aside for a person.
    Dead(String),
    /// The endpoint wants no more of it, nor of anything.
    Gone(String),
}

/// Notes an attempt and what becomes of the delivery.
pub async fn settle(
    tx: &mut TenantTx,
    id: DeliveryId,
    attempt: &Attempt,
    verdict: &Verdict,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let (state, pause) = match verdict {
        Verdict::Delivered => ("delivered", Duration::ZERO),
        Verdict::Again(pause) => ("waiting", *pause),
        Verdict::Dead(_) | Verdict::Gone(_) => ("dead", Duration::ZERO),
    };
    let delivery = sqlx::query!(
        "update webhook_delivery
         set state = $3, attempts = attempts + 1, updated_at = clock_timestamp(),
             due_at = clock_timestamp() + $4 * interval '1 millisecond'
         where tenant_id = $1 and delivery_id = $2 and state = 'waiting'
         returning endpoint_id, event_id",
        tenant_id,
        id.as_uuid(),
        state,
        milliseconds(pause) as f64,
    )
    .fetch_optional(tx.conn())
    .await?;
    // Another node was quicker.
    let Some(delivery) = delivery else { return Ok(()) };
    sqlx::query!(
        "insert into webhook_attempt (tenant_id, delivery_id, number, status, error, took_ms)
         select $1, $2, coalesce(max(a.number), 0) + 1, $3, $4, $5
         from webhook_attempt a where a.tenant_id = $1 and a.delivery_id = $2",
        tenant_id,
        id.as_uuid(),
        attempt.status.map(i32::from),
        attempt.error.as_deref(),
        milliseconds(attempt.took),
    )
    .execute(tx.conn())
    .await?;
    match verdict {
        Verdict::Delivered | Verdict::Again(_) => {}
        Verdict::Dead(why) => {
            let evidence = serde_json::json!({
                "delivery_id": id.as_uuid(), "endpoint_id": EndpointId::from_uuid(delivery.endpoint_id),
                "event_id": EventId::from_uuid(delivery.event_id),
            });
            dead_letters::push(tx, "webhook", None, why, &evidence).await?;
        }
        Verdict::Gone(why) => {
            sqlx::query!(
                "update webhook_endpoint set disabled = $3 where tenant_id = $1 and endpoint_id = $2",
                tenant_id,
                delivery.endpoint_id,
                why,
            )
            .execute(tx.conn())
            .await?;
        }
    }
    Ok(())
}

/// An attempt as a person looks at it.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    pub at: DateTime<Utc>,
    pub url: String,
    pub event_id: EventId,
    pub kind: String,
    pub number: i32,
    pub status: Option<i32>,
    pub error: Option<String>,
    pub took_ms: i64,
    /// Where the delivery stands now: `waiting`, `delivered` or `dead`.
    pub state: String,
}

/// The last attempts of a shop, newest first.
pub async fn attempts(tx: &mut TenantTx, limit: i64) -> Result<Vec<Seen>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query!(
        "select a.at, e.url, d.event_id, v.kind, a.number, a.status, a.error, a.took_ms, d.state
         from webhook_attempt a
         join webhook_delivery d on d.tenant_id = a.tenant_id and d.delivery_id = a.delivery_id
         join webhook_endpoint e on e.tenant_id = d.tenant_id and e.endpoint_id = d.endpoint_id
         join event v on v.tenant_id = d.tenant_id and v.event_id = d.event_id
         where a.tenant_id = $1 order by a.at desc limit $2",
        tenant_id,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let seen = rows.into_iter().map(|row| Seen {
        at: row.at,
        url: row.url,
        event_id: EventId::from_uuid(row.event_id),
        kind: row.kind,
        number: row.number,
        status: row.status,
        error: row.error,
        took_ms: row.took_ms,
        state: row.state,
    });
    Ok(seen.collect())
}
