//! What the shop says, on its way out; and what the channel reports of it.

use std::time::Duration;

use balcao_domain::{
    ChannelId, ConversationId, OutboxId, TenantCtx, TenantId, VariantId, delivery::State, sale::Fact,
};
use chrono::{DateTime, Utc};

use crate::{Store, StoreError, TenantTx, milliseconds};

/// A message to send.
#[derive(Debug, Clone)]
pub struct Due {
    pub tenant_id: TenantId,
    pub outbox_id: OutboxId,
    pub conversation_id: ConversationId,
    pub channel_id: ChannelId,
    pub kind: String,
    pub text: String,
    pub body: serde_json::Value,
    pub phone: Option<String>,
    pub user_id: Option<String>,
    /// This attempt, from 1.
    pub attempt: i32,
    /// When the customer last wrote: the start of the 24-hour window.
    pub last_inbound_at: Option<DateTime<Utc>>,
    pub opted_out: bool,
    /// An earlier attempt's outcome was never settled; this is the one resend that rule allows.
    pub after_unknown: bool,
}

/// A status webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusReport {
    pub provider_message_id: String,
    /// Our tag, if the channel echoed it.
    pub outbox_id: Option<OutboxId>,
    pub state: State,
    pub at: DateTime<Utc>,
    pub error_code: Option<i64>,
    pub error_detail: Option<String>,
    /// As it came: pricing, conversation and so on.
    pub raw: serde_json::Value,
}

/// What became of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The message moved to this state.
    Moved(State),
    /// It stays as it was.
    Unchanged(State),
    /// No such message (yet): parked until the send is recorded.
    Parked,
}

/// Takes messages of one channel account that may be sent now, at most one a conversation, in the order of the
/// conversation; marks them `sending` (durably, before anything goes out) until the lease ends.
///
/// What is still `sending` when its lease is over has an unknown outcome: it is given one more lease's time for a
/// status, then one resend, then up. Nothing is taken while the account is paused.
pub async fn take(
    store: &Store,
    ctx: &TenantCtx,
    channel: ChannelId,
    node: &str,
    lease: Duration,
    limit: i64,
) -> Result<Vec<Due>, StoreError> {
    let mut connection = store.lease().await?;
    let rows = sqlx::query!(
        r#"select outbox_id as "outbox_id!", conversation_id as "conversation_id!", kind as "kind!", text as "text!",
                  body as "body!", phone, user_id, attempt as "attempt!", last_inbound_at,
                  opted_out as "opted_out!", after_unknown as "after_unknown!"
           from outbox_take($1, $2, $3, $4, $5)"#,
        ctx.tenant_id.as_uuid(),
        channel.as_uuid(),
        node,
        milliseconds(lease),
        limit,
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(StoreError::around_commit)?;
    connection.done();
    Ok(rows
        .into_iter()
        .map(|row| Due {
            tenant_id: ctx.tenant_id,
            outbox_id: OutboxId::from_uuid(row.outbox_id),
            conversation_id: ConversationId::from_uuid(row.conversation_id),
            channel_id: channel,
            kind: row.kind,
            text: row.text,
            body: row.body,
            phone: row.phone,
            user_id: row.user_id,
            attempt: row.attempt,
            last_inbound_at: row.last_inbound_at,
            opted_out: row.opted_out,
            after_unknown: row.after_unknown,
        })
        .collect())
}

/// The channel accepted it. Applies statuses that were parked for this id.
pub async fn sent(tx: &mut TenantTx, id: OutboxId, provider_message_id: &str) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let found = sqlx::query_scalar!(
        r#"select outbox_sent($1, $2, $3) as "found!""#,
        tenant_id,
        id.as_uuid(),
        provider_message_id,
    )
    .fetch_one(tx.conn())
    .await?;
    if found { Ok(()) } else { Err(StoreError::NotFound) }
}

/// It may be tried again after `backoff`. Changes nothing once a status has said how the message fared.
pub async fn retry(
    tx: &mut TenantTx,
    id: OutboxId,
    backoff: Duration,
    code: Option<i64>,
    detail: &str,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let done = sqlx::query!(
        "update outbox
         set state = case when state = 'sending' then 'queued' else state end,
             due_at = clock_timestamp() + $3 * interval '1 millisecond',
             unknown_since = null, error_code = $4, error_detail = $5, updated_at = clock_timestamp()
         where tenant_id = $1 and outbox_id = $2",
        tenant_id,
        id.as_uuid(),
        milliseconds(backoff) as f64,
        code,
        detail,
    )
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

/// The outcome is unknown: wait `grace` for a status that carries the tag, then one resend is allowed.
pub async fn unknown(
    tx: &mut TenantTx,
    id: OutboxId,
    grace: Duration,
    detail: &str,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let done = sqlx::query!(
        "update outbox
         set unknown_since = case when state = 'sending' then clock_timestamp() end,
             due_at = clock_timestamp() + $3 * interval '1 millisecond',
             error_detail = $4, updated_at = clock_timestamp()
         where tenant_id = $1 and outbox_id = $2",
        tenant_id,
        id.as_uuid(),
        milliseconds(grace) as f64,
        detail,
    )
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

/// Given up on: dead letter with the reason. Changes nothing once a status has said that it arrived.
pub async fn dead(
    tx: &mut TenantTx,
    id: OutboxId,
    code: Option<i64>,
    detail: &str,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let found = sqlx::query_scalar!(
        r#"select outbox_dead($1, $2, $3, $4) as "found!""#,
        tenant_id,
        id.as_uuid(),
        code,
        detail,
    )
    .fetch_one(tx.conn())
    .await?;
    if found { Ok(()) } else { Err(StoreError::NotFound) }
}

/// Something a message says that is no longer so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    pub variant_id: VariantId,
    pub title: String,
    /// What it costs now, in minor units; `None`: it has no price.
    pub price_minor: Option<i64>,
    pub currency: String,
    /// It can be had.
    pub there: bool,
}

/// What a message says of prices and stock that is no longer so; nothing where all holds. To be asked right before it is
/// sent.
pub async fn stale(tx: &mut TenantTx, id: OutboxId) -> Result<Vec<Stale>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query!(
        r#"select variant_id as "variant_id!", title as "title!", price_minor, currency as "currency!", there as "there!"
           from outbox_stale($1, $2)"#,
        tenant_id,
        id.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Stale {
            variant_id: VariantId::from_uuid(row.variant_id),
            title: row.title,
            price_minor: row.price_minor,
            currency: row.currency,
            there: row.there,
        })
        .collect())
}

/// What a message that was put in another's place says of prices and stock; looked at again when it is sent.
pub async fn set_facts(tx: &mut TenantTx, id: OutboxId, facts: &[Fact]) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update outbox set facts = $3 where tenant_id = $1 and outbox_id = $2",
        tenant_id,
        id.as_uuid(),
        serde_json::to_value(facts)?,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Replaces what is to be sent (a template instead of text outside the window) and queues it again. `Conflict` when
/// the channel has the message already.
pub async fn replace(
    tx: &mut TenantTx,
    id: OutboxId,
    kind: &str,
    text: &str,
    body: &serde_json::Value,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let state = sqlx::query_scalar!(
        "select state from outbox where tenant_id = $1 and outbox_id = $2 for update",
        tenant_id,
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    if !matches!(parse_state(&state)?, State::Queued | State::Sending | State::Failed) {
        return Err(StoreError::Conflict { constraint: "outbox_not_sent".into() });
    }
    sqlx::query!(
        "update outbox
         set kind = $3, text = $4, body = $5, state = 'queued', due_at = clock_timestamp(), unknown_since = null,
             provider_message_id = null, updated_at = clock_timestamp()
         where tenant_id = $1 and outbox_id = $2",
        tenant_id,
        id.as_uuid(),
        kind,
        text,
        body,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Applies a status webhook; settles unknown outcomes.
pub async fn report(
    tx: &mut TenantTx,
    channel: ChannelId,
    report: &StatusReport,
) -> Result<Applied, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query!(
        r#"select moved as "moved!", state as "state!" from outbox_report($1, $2, $3, $4, $5, $6, $7, $8, $9)"#,
        tenant_id,
        channel.as_uuid(),
        report.provider_message_id,
        report.outbox_id.map(|id| id.as_uuid()),
        report.state.as_str(),
        report.at,
        report.error_code,
        report.error_detail,
        report.raw,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(match row {
        None => Applied::Parked,
        Some(row) if row.moved => Applied::Moved(parse_state(&row.state)?),
        Some(row) => Applied::Unchanged(parse_state(&row.state)?),
    })
}

/// A message of a person of the shop (typed in the shop's app or through the API). `sent` when the channel has
/// it already, `queued` when we are to send it. An echo that comes twice is stored once.
pub async fn push_human(
    tx: &mut TenantTx,
    conversation: ConversationId,
    outgoing: &crate::turns::NewOutgoing,
    provider_message_id: Option<&str>,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let found = sqlx::query_scalar!(
        r#"select outbox_push_human($1, $2, $3, $4, $5, $6, $7) as "found!""#,
        tenant_id,
        conversation.as_uuid(),
        outgoing.outbox_id.as_uuid(),
        outgoing.kind,
        outgoing.text,
        outgoing.body,
        provider_message_id,
    )
    .fetch_one(tx.conn())
    .await?;
    if found { Ok(()) } else { Err(StoreError::NotFound) }
}

/// Accounts that have something to send now, of any tenant: the truth behind lost rings.
pub async fn due_channels(store: &Store) -> Result<Vec<(TenantId, ChannelId)>, StoreError> {
    let mut lease = store.lease().await?;
    let rows = sqlx::query!(
        r#"select tenant_id as "tenant_id!", channel_id as "channel_id!" from outbox_due_channels()"#,
    )
    .fetch_all(&mut *lease)
    .await?;
    lease.done();
    Ok(rows
        .into_iter()
        .map(|row| (TenantId::from_uuid(row.tenant_id), ChannelId::from_uuid(row.channel_id)))
        .collect())
}

pub(crate) fn parse_state(word: &str) -> Result<State, StoreError> {
    State::parse(word).ok_or_else(|| StoreError::Corrupt(format!("unknown delivery state `{word}`")))
}
