//! What payment providers report: whose account it is, the events as they came, and which of them wait to be applied.

use std::time::Duration;

use balcao_domain::{ConversationId, PaymentAccountId, PaymentEventId, TenantId};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{Store, StoreError, TenantTx, dead_letters, milliseconds, turns::NewOutgoing};

/// A shop's account with a provider.
#[derive(Debug, Clone)]
pub struct Account {
    pub tenant_id: TenantId,
    pub account_id: PaymentAccountId,
    /// The provider's name, as in `balcao_payments::webhook::provider`.
    pub provider: String,
    /// What the provider signs with, and how it is called; the payments crate reads it.
    pub credentials: SecretString,
    /// It can be called.
    pub calls: bool,
    pub created_at: DateTime<Utc>,
}

struct Row {
    tenant_id: Uuid,
    account_id: Uuid,
    provider: String,
    credentials: Vec<u8>,
    calls: bool,
    created_at: DateTime<Utc>,
}

impl Row {
    fn open(self, keyring: &crate::Keyring) -> Result<Account, StoreError> {
        let corrupt = |why: String| StoreError::Corrupt(why);
        let plain = keyring
            .open(&self.credentials, &context(self.tenant_id, self.account_id))
            .map_err(|error| corrupt(error.to_string()))?;
        let text = String::from_utf8(plain).map_err(|error| corrupt(error.to_string()))?;
        Ok(Account {
            tenant_id: TenantId::from_uuid(self.tenant_id),
            account_id: PaymentAccountId::from_uuid(self.account_id),
            provider: self.provider,
            credentials: text.into(),
            calls: self.calls,
            created_at: self.created_at,
        })
    }
}

/// Sealed for one account: the credentials of another row do not open here.
fn context(tenant_id: Uuid, account_id: Uuid) -> Vec<u8> {
    format!("payment_account/{tenant_id}/{account_id}").into_bytes()
}

/// Connects a provider, or replaces what it signs with; the webhook's path stays. `calls`: the credentials say how to call
/// it, so its books are compared from now on.
pub async fn connect(
    tx: &mut TenantTx,
    provider: &str,
    credentials: &SecretString,
    calls: bool,
) -> Result<Account, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let known = sqlx::query_scalar!(
        "select account_id from payment_account where tenant_id = $1 and provider = $2",
        tenant_id,
        provider,
    )
    .fetch_optional(tx.conn())
    .await?;
    let id = known.unwrap_or_else(|| PaymentAccountId::generate().as_uuid());
    let sealed = tx
        .keyring()
        .seal(credentials.expose_secret().as_bytes(), &context(tenant_id, id))
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    sqlx::query!(
        "insert into payment_account (tenant_id, account_id, provider, credentials, calls, reconcile_due_at)
         values ($1, $2, $3, $4, $5, case when $5 then clock_timestamp() end)
         on conflict (tenant_id, account_id) do update
         set credentials = excluded.credentials, calls = excluded.calls, reconcile_due_at = excluded.reconcile_due_at",
        tenant_id,
        id,
        provider,
        sealed,
        calls,
    )
    .execute(tx.conn())
    .await?;
    accounts(tx)
        .await?
        .into_iter()
        .find(|account| account.account_id.as_uuid() == id)
        .ok_or(StoreError::NotFound)
}

/// The shop's accounts.
pub async fn accounts(tx: &mut TenantTx) -> Result<Vec<Account>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query_as!(
        Row,
        "select tenant_id, account_id, provider, credentials, calls, created_at from payment_account
         where tenant_id = $1 order by provider",
        tenant_id,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| row.open(tx.keyring())).collect()
}

/// The account behind a webhook's path, whoever's it is.
pub async fn account(store: &Store, id: PaymentAccountId) -> Result<Option<Account>, StoreError> {
    let mut lease = store.lease().await?;
    let row = sqlx::query_as!(
        Row,
        r#"select tenant_id as "tenant_id!", account_id as "account_id!", provider as "provider!",
                  credentials as "credentials!", calls as "calls!", created_at as "created_at!"
           from payment_account_by_id($1)"#,
        id.as_uuid(),
    )
    .fetch_optional(&mut *lease)
    .await?;
    lease.done();
    row.map(|row| row.open(&store.keyring)).transpose()
}

/// An event to keep.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The same for every delivery of this event.
    pub dedupe_key: String,
    /// As it was read.
    pub event: Value,
}

/// Keeps the events of one call. Returns how many are new.
pub async fn keep(
    tx: &mut TenantTx,
    account: PaymentAccountId,
    events: &[NewEvent],
    body: &[u8],
) -> Result<u64, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let ids: Vec<Uuid> = events.iter().map(|_| PaymentEventId::generate().as_uuid()).collect();
    let keys: Vec<String> = events.iter().map(|event| event.dedupe_key.clone()).collect();
    let values: Vec<Value> = events.iter().map(|event| event.event.clone()).collect();
    let done = sqlx::query!(
        "insert into payment_event (tenant_id, payment_event_id, account_id, dedupe_key, event, body)
         select $1, e.id, $2, e.key, e.event, $6
         from unnest($3::uuid[], $4::text[], $5::jsonb[]) as e (id, key, event)
         on conflict (tenant_id, account_id, dedupe_key) do nothing",
        tenant_id,
        account.as_uuid(),
        &ids,
        &keys,
        &values,
        body,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Events of any shop that wait to be applied, longest due first.
pub async fn due(store: &Store, limit: i32) -> Result<Vec<(TenantId, PaymentEventId)>, StoreError> {
    let mut lease = store.lease().await?;
    let rows = sqlx::query!(
        r#"select tenant_id as "tenant_id!", payment_event_id as "payment_event_id!" from payment_event_due($1)"#,
        limit
    )
    .fetch_all(&mut *lease)
    .await?;
    lease.done();
    let id = |row: (Uuid, Uuid)| (TenantId::from_uuid(row.0), PaymentEventId::from_uuid(row.1));
    Ok(rows.into_iter().map(|row| id((row.tenant_id, row.payment_event_id))).collect())
}

/// An event that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub account_id: PaymentAccountId,
    pub provider: String,
    pub event: Value,
    /// How often it was tried.
    pub attempts: i32,
}

/// Takes an event to apply it; nothing where another node has it, or it was applied meanwhile.
pub async fn take(tx: &mut TenantTx, id: PaymentEventId) -> Result<Option<Waiting>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query!(
        "select e.account_id, a.provider, e.event, e.attempts
         from payment_event e
         join payment_account a on a.tenant_id = e.tenant_id and a.account_id = e.account_id
         where e.tenant_id = $1 and e.payment_event_id = $2 and e.state = 'waiting'
         for update of e skip locked",
        tenant_id,
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Waiting {
        account_id: PaymentAccountId::from_uuid(row.account_id),
        provider: row.provider,
        event: row.event,
        attempts: row.attempts,
    }))
}

/// It is dealt with: `applied`, or `ignored` where there was nothing to do.
pub async fn done(
    tx: &mut TenantTx,
    id: PaymentEventId,
    applied: bool,
    note: &str,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update payment_event
         set state = $3, note = $4, attempts = attempts + 1, updated_at = clock_timestamp()
         where tenant_id = $1 and payment_event_id = $2",
        tenant_id,
        id.as_uuid(),
        if applied { "applied" } else { "ignored" },
        note,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// How many reports are of the account and still to be applied, or set aside, by these keys.
pub async fn unsettled(
    tx: &mut TenantTx,
    account: PaymentAccountId,
    keys: &[String],
) -> Result<i64, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "count!" from payment_event
           where tenant_id = $1 and account_id = $2 and dedupe_key = any($3) and state in ('waiting', 'dead')"#,
        tenant_id,
        account.as_uuid(),
        keys,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// It cannot be applied yet: look again later.
pub async fn later(
    tx: &mut TenantTx,
    id: PaymentEventId,
    why: &str,
    backoff: Duration,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update payment_event
         set note = $3, attempts = attempts + 1, updated_at = clock_timestamp(),
             due_at = clock_timestamp() + $4 * interval '1 millisecond'
         where tenant_id = $1 and payment_event_id = $2",
        tenant_id,
        id.as_uuid(),
        why,
        milliseconds(backoff) as f64,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// It is set aside for a person, with all that is needed to apply it after all.
pub async fn set_aside(tx: &mut TenantTx, id: PaymentEventId, why: &str) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let event = sqlx::query_scalar!(
        "update payment_event
         set state = 'dead', note = $3, attempts = attempts + 1, updated_at = clock_timestamp()
         where tenant_id = $1 and payment_event_id = $2 returning event",
        tenant_id,
        id.as_uuid(),
        why,
    )
    .fetch_one(tx.conn())
    .await?;
    let evidence = serde_json::json!({ "payment_event_id": id.as_uuid(), "event": event });
    dead_letters::push(tx, "payment", None, why, &evidence).await.map(|_| ())
}

/// What was reported, newest first.
#[derive(Debug, Clone, Serialize)]
pub struct Reported {
    pub payment_event_id: PaymentEventId,
    pub provider: String,
    pub event: Value,
    pub state: String,
    pub attempts: i32,
    pub note: Option<String>,
    pub received_at: DateTime<Utc>,
}

/// The shop's last reports.
pub async fn list(tx: &mut TenantTx, limit: i64) -> Result<Vec<Reported>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query!(
        "select e.payment_event_id, a.provider, e.event, e.state, e.attempts, e.note, e.received_at
         from payment_event e
         join payment_account a on a.tenant_id = e.tenant_id and a.account_id = e.account_id
         where e.tenant_id = $1 order by e.payment_event_id desc limit $2",
        tenant_id,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Reported {
            payment_event_id: PaymentEventId::from_uuid(row.payment_event_id),
            provider: row.provider,
            event: row.event,
            state: row.state,
            attempts: row.attempts,
            note: row.note,
            received_at: row.received_at,
        })
        .collect())
}

/// Tells a conversation something outside a turn. Returns the channel whose sender is to be rung; nothing is said to
/// who asked not to be written to.
pub async fn tell(
    tx: &mut TenantTx,
    conversation: ConversationId,
    notice: &NewOutgoing,
) -> Result<Option<balcao_domain::ChannelId>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let channel = sqlx::query_scalar!(
        "select outbox_push_notice($1, $2, $3, $4, $5, $6)",
        tenant_id,
        conversation.as_uuid(),
        notice.outbox_id.as_uuid(),
        notice.kind,
        notice.text,
        notice.body,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(channel.map(balcao_domain::ChannelId::from_uuid))
}
