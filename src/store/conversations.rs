//! Conversations as the API shows them.

use balcao_domain::{ChannelId, ConversationId, CustomerId, TurnId, channel::Kind, delivery, reply::Source};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{StoreError, TenantTx, channels::parse_kind, inbox::read_payload, outbox::parse_state};

/// One conversation.
#[derive(Debug, Clone, Serialize)]
pub struct Conversation {
    pub conversation_id: ConversationId,
    /// The caller's own id (API channel only).
    pub external_id: Option<String>,
    pub channel_id: ChannelId,
    pub channel: Kind,
    pub customer_id: CustomerId,
    pub customer_name: Option<String>,
    /// In a person's hands since; the agent is mute.
    pub handed_off_at: Option<DateTime<Utc>>,
    pub handoff_reason: Option<String>,
    pub last_inbound_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// Messages not answered yet.
    pub pending: i64,
}

/// One line of a conversation, as a person reads it.
#[derive(Debug, Clone, Serialize)]
pub struct HistoryLine {
    /// `customer`, `agent` or `human`.
    pub author: String,
    pub text: String,
    /// The content's kind: `text`, `media`, `choice` …
    pub kind: String,
    pub at: DateTime<Utc>,
    pub turn_id: Option<TurnId>,
    /// How far an outgoing message has come.
    pub delivery: Option<delivery::State>,
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Position in the conversation, for paging.
    pub cursor: String,
}

/// One page of things.
#[derive(Debug, Clone, Serialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Give this back to read on; `None` at the end.
    pub next_cursor: Option<String>,
}

/// The conversation of a customer, the one last begun.
pub async fn of_customer(tx: &mut TenantTx, id: CustomerId) -> Result<Option<ConversationId>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let found = sqlx::query_scalar!(
        "select conversation_id from conversation
         where tenant_id = $1 and customer_id = $2 and merged_into is null
         order by created_at desc, conversation_id desc limit 1",
        tenant_id,
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(found.map(ConversationId::from_uuid))
}

/// One conversation.
pub async fn get(tx: &mut TenantTx, id: ConversationId) -> Result<Conversation, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query_as!(
        Row,
        r#"select v.conversation_id, v.external_id, v.channel_id, h.kind as channel, v.customer_id,
                  p.name as customer_name, v.handed_off_at, v.handoff_reason, c.last_inbound_at, v.created_at,
                  c.head_seq - c.acked_seq as "pending!"
           from conversation v
           join conversation_cursor c using (tenant_id, conversation_id)
           join channel h using (tenant_id, channel_id)
           join customer p using (tenant_id, customer_id)
           where v.tenant_id = $1 and v.conversation_id = $2"#,
        tenant_id,
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// The conversation of a caller's own id on the API channel.
pub async fn by_external(tx: &mut TenantTx, external_id: &str) -> Result<Option<Conversation>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let id = sqlx::query_scalar!(
        "select v.conversation_id
         from conversation v
         join channel h using (tenant_id, channel_id)
         where v.tenant_id = $1 and v.external_id = $2 and h.kind = 'api'",
        tenant_id,
        external_id,
    )
    .fetch_optional(tx.conn())
    .await?;
    match id {
        Some(id) => get(tx, ConversationId::from_uuid(id)).await.map(Some),
        None => Ok(None),
    }
}

/// Newest activity first. A conversation in which something happens while one pages moves to the front: it may
/// be missed further down, and is never shown twice unless it moved.
pub async fn list(
    tx: &mut TenantTx,
    cursor: Option<&str>,
    limit: i64,
) -> Result<Page<Conversation>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let before = match cursor {
        None => None,
        Some(cursor) => Some(parse_cursor(cursor).ok_or(StoreError::NotFound)?),
    };
    let rows = sqlx::query_as!(
        Row,
        r#"select v.conversation_id, v.external_id, v.channel_id, h.kind as channel, v.customer_id,
                  p.name as customer_name, v.handed_off_at, v.handoff_reason, c.last_inbound_at, v.created_at,
                  c.head_seq - c.acked_seq as "pending!"
           from conversation v
           join conversation_cursor c using (tenant_id, conversation_id)
           join channel h using (tenant_id, channel_id)
           join customer p using (tenant_id, customer_id)
           where v.tenant_id = $1 and v.merged_into is null
             and ($2::timestamptz is null
                  or (coalesce(c.last_inbound_at, v.created_at), v.conversation_id) < ($2, $3::uuid))
           order by coalesce(c.last_inbound_at, v.created_at) desc, v.conversation_id desc
           limit $4"#,
        tenant_id,
        before.map(|(at, _)| at),
        before.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let items: Vec<Conversation> = rows.into_iter().map(Conversation::try_from).collect::<Result<_, _>>()?;
    let next_cursor = items.last().filter(|_| is_full(items.len(), limit)).map(|last| {
        let at = last.last_inbound_at.unwrap_or(last.created_at);
        format!("{}-{}", at.timestamp_micros(), last.conversation_id.as_uuid().simple())
    });
    Ok(Page { items, next_cursor })
}

fn parse_cursor(cursor: &str) -> Option<(DateTime<Utc>, Uuid)> {
    let (at, id) = cursor.rsplit_once('-')?;
    Some((DateTime::from_timestamp_micros(at.parse().ok()?)?, Uuid::try_parse(id).ok()?))
}

fn is_full(len: usize, limit: i64) -> bool {
    i64::try_from(len).is_ok_and(|len| len == limit)
}

/// The lines of a conversation, newest page first, lines of a page oldest first. What was edited is shown as it is
/// now; what was taken back is shown as `revoked`, without its words. Reactions and edits are not lines of their own.
pub async fn history(
    tx: &mut TenantTx,
    id: ConversationId,
    cursor: Option<&str>,
    limit: i64,
) -> Result<Page<HistoryLine>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let before = match cursor {
        None => (DateTime::<Utc>::MAX_UTC.min(far_future()), i16::MAX, i64::MAX),
        Some(cursor) => parse_place(cursor).ok_or(StoreError::NotFound)?,
    };
    // Each half stops at the page's length by itself, so that a long conversation costs what a page costs.
    let mut rows = sqlx::query_as!(
        LineRow,
        r#"with here as (
             select conversation_id from conversation
             where tenant_id = $1 and (conversation_id = $2 or merged_into = $2)
           ), said as (
             select i.received_at as at, 0::int2 as side, i.seq as place, 'customer' as author, i.kind,
                    null::text as text, i.payload, e.kind is not null as edited, e.value as edit,
                    r.kind is not null as revoked, null::uuid as turn_id, null::text as state, null::text as path,
                    null::jsonb as sources
             from inbox i
             left join message_mark e on e.tenant_id = i.tenant_id and e.conversation_id = i.conversation_id
                                     and e.message_id = i.provider_message_id and e.kind = 'edit'
             left join message_mark r on r.tenant_id = i.tenant_id and r.conversation_id = i.conversation_id
                                     and r.message_id = i.provider_message_id and r.kind = 'revoke'
             where i.tenant_id = $1 and i.conversation_id in (select conversation_id from here)
               and i.kind not in ('reaction', 'edit', 'revoke')
               and (i.received_at, 0::int2, i.seq) < ($3, $4, $5)
             order by i.received_at desc, i.seq desc
             limit $6
           ), answered as (
             select o.created_at as at, 1::int2 as side, o.seq as place, o.author, o.kind, o.text, null::jsonb as payload,
                    false as edited, null::text as edit, false as revoked, o.turn_id, o.state, t.path,
                    t.outcome #> '{reply,sources}' as sources
             from outbox o
             left join turn t on t.tenant_id = o.tenant_id and t.turn_id = o.turn_id
             where o.tenant_id = $1 and o.conversation_id in (select conversation_id from here)
               and (o.created_at, 1::int2, o.seq) < ($3, $4, $5)
             order by o.created_at desc, o.seq desc
             limit $6
           )
           select at as "at!", side as "side!", place as "place!", author as "author!", kind as "kind!", text, payload,
                  edited as "edited!", edit, revoked as "revoked!", turn_id, state, path, sources
           from (select * from said union all select * from answered) line
           order by at desc, side desc, place desc
           limit $6"#,
        tenant_id,
        id.as_uuid(),
        before.0,
        before.1,
        before.2,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    if rows.is_empty() {
        // An empty conversation and one that is not there must not look the same.
        get(tx, id).await?;
    }
    let next_cursor = rows.last().filter(|_| is_full(rows.len(), limit)).map(LineRow::place);
    rows.reverse();
    let items = rows.into_iter().map(HistoryLine::try_from).collect::<Result<_, _>>()?;
    Ok(Page { items, next_cursor })
}

/// Later than any row, and still a date Postgres knows.
fn far_future() -> DateTime<Utc> {
    DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn parse_place(cursor: &str) -> Option<(DateTime<Utc>, i16, i64)> {
    let mut parts = cursor.split('.');
    let at = DateTime::from_timestamp_micros(parts.next()?.parse().ok()?)?;
    let place = (at, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(place)
}

/// Puts the conversation in a person's hands. Idempotent; pushes an event.
pub async fn hand_off(tx: &mut TenantTx, id: ConversationId, reason: &str) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let found = sqlx::query_scalar!(
        r#"select conversation_hand_off($1, $2, $3) as "found!""#,
        tenant_id,
        id.as_uuid(),
        reason,
    )
    .fetch_one(tx.conn())
    .await?;
    if found { Ok(()) } else { Err(StoreError::NotFound) }
}

/// Gives it back to the agent. Idempotent; pushes an event.
pub async fn give_back(tx: &mut TenantTx, id: ConversationId) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let found =
        sqlx::query_scalar!(r#"select conversation_give_back($1, $2) as "found!""#, tenant_id, id.as_uuid())
            .fetch_one(tx.conn())
            .await?;
    if found { Ok(()) } else { Err(StoreError::NotFound) }
}

struct Row {
    conversation_id: Uuid,
    external_id: Option<String>,
    channel_id: Uuid,
    channel: String,
    customer_id: Uuid,
    customer_name: Option<String>,
    handed_off_at: Option<DateTime<Utc>>,
    handoff_reason: Option<String>,
    last_inbound_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    pending: i64,
}

impl TryFrom<Row> for Conversation {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            conversation_id: ConversationId::from_uuid(row.conversation_id),
            external_id: row.external_id,
            channel_id: ChannelId::from_uuid(row.channel_id),
            channel: parse_kind(&row.channel)?,
            customer_id: CustomerId::from_uuid(row.customer_id),
            customer_name: row.customer_name,
            handed_off_at: row.handed_off_at,
            handoff_reason: row.handoff_reason,
            last_inbound_at: row.last_inbound_at,
            created_at: row.created_at,
            pending: row.pending,
        })
    }
}

struct LineRow {
    at: DateTime<Utc>,
    side: i16,
    place: i64,
    author: String,
    kind: String,
    text: Option<String>,
    payload: Option<serde_json::Value>,
    edited: bool,
    edit: Option<String>,
    revoked: bool,
    turn_id: Option<Uuid>,
    state: Option<String>,
    path: Option<String>,
    sources: Option<serde_json::Value>,
}

impl LineRow {
    fn place(&self) -> String {
        format!("{}.{}.{}", self.at.timestamp_micros(), self.side, self.place)
    }
}

impl TryFrom<LineRow> for HistoryLine {
    type Error = StoreError;

    fn try_from(row: LineRow) -> Result<Self, StoreError> {
        let cursor = row.place();
        let said = row.payload.map(|payload| read_payload(payload, row.at));
        let text = match (row.text, row.revoked, row.edited) {
            (Some(text), _, _) => text,
            (None, true, _) => String::new(),
            (None, false, true) => row.edit.unwrap_or_default(),
            (None, false, false) => {
                said.as_ref().and_then(|said| said.content.words()).unwrap_or_default().to_owned()
            }
        };
        Ok(Self {
            author: row.author,
            text,
            kind: if row.revoked { "revoked".into() } else { row.kind },
            at: row.at,
            turn_id: row.turn_id.map(TurnId::from_uuid),
            delivery: row.state.as_deref().map(parse_state).transpose()?,
            path: row.path,
            sources: row.sources.map(serde_json::from_value).transpose()?.unwrap_or_default(),
            cursor,
        })
    }
}
