//! A turn's end: one transaction, fenced by the epoch.

use std::time::Duration;

use balcao_domain::{
    ConversationId, Language, OutboxId, TenantCtx, TurnId, delivery,
    turn::{Action, Outcome},
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Store, StoreError, TenantTx, inbox::Claim, milliseconds, outbox::parse_state};

/// A message to send, as its channel rendered it.
#[derive(Debug, Clone)]
pub struct NewOutgoing {
    pub outbox_id: OutboxId,
    /// The channel's own type, the words for histories, the channel's own body.
    pub kind: String,
    pub text: String,
    pub body: serde_json::Value,
}

/// What a turn writes.
#[derive(Debug, Clone)]
pub struct NewTurn {
    pub turn_id: TurnId,
    /// The first and the last message it answers.
    pub first_seq: i64,
    pub last_seq: i64,
    pub outcome: Outcome,
    /// Empty when nothing is said. On the API channel these are stored as delivered.
    pub outgoing: Vec<NewOutgoing>,
    pub started_at: DateTime<Utc>,
}

/// What became of the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    Yes,
    /// Another node has the conversation: nothing was written.
    Fenced,
}

/// A turn as it was recorded.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RecordedTurn {
    pub turn_id: TurnId,
    pub conversation_id: ConversationId,
    pub first_seq: i64,
    pub last_seq: i64,
    pub outcome: Outcome,
    pub started_at: DateTime<Utc>,
    pub committed_at: DateTime<Utc>,
    pub deliveries: Vec<delivery::State>,
}

/// Writes the turn, its replies, its action (hand-off, opt-out) and events, and marks its messages done; or nothing.
///
/// Repeating a commit whose answer was lost is harmless: it finds its turn written and says `Yes`. A turn that would
/// speak while a person has taken the conversation over since the claim is `Fenced` too.
pub async fn commit(
    store: &Store,
    ctx: &TenantCtx,
    claim: &Claim,
    turn: &NewTurn,
) -> Result<Committed, StoreError> {
    let (action, action_reason) = action_words(&turn.outcome.action);
    let ids: Vec<Uuid> = turn.outgoing.iter().map(|out| out.outbox_id.as_uuid()).collect();
    let kinds: Vec<String> = turn.outgoing.iter().map(|out| out.kind.clone()).collect();
    let texts: Vec<String> = turn.outgoing.iter().map(|out| out.text.clone()).collect();
    let bodies: Vec<String> = turn.outgoing.iter().map(|out| out.body.to_string()).collect();
    let mut lease = store.lease().await?;
    let written = sqlx::query_scalar!(
        r#"select turn_commit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) as "written!""#,
        ctx.tenant_id.as_uuid(),
        claim.conversation_id.as_uuid(),
        claim.epoch,
        claim.handed_off,
        turn.turn_id.as_uuid(),
        turn.first_seq,
        turn.last_seq,
        turn.outcome.path.as_str(),
        turn.outcome.reason.as_str(),
        serde_json::to_value(&turn.outcome)?,
        turn.started_at,
        action,
        action_reason,
        &ids,
        &kinds,
        &texts,
        &bodies,
    )
    .fetch_one(&mut *lease)
    .await
    .map_err(StoreError::around_commit)?;
    lease.done();
    Ok(if written { Committed::Yes } else { Committed::Fenced })
}

fn action_words(action: &Action) -> (&'static str, Option<&str>) {
    match action {
        Action::Continue => ("continue", None),
        Action::HandOff { reason } => ("hand_off", Some(reason)),
        Action::End => ("end", None),
        Action::OptOut => ("opt_out", None),
        Action::OptIn => ("opt_in", None),
    }
}

/// Notes that a turn failed; the messages are due again after `backoff`. Returns the number of failures. Fenced: `None`.
pub async fn fail(
    store: &Store,
    ctx: &TenantCtx,
    claim: &Claim,
    error: &str,
    backoff: Duration,
) -> Result<Option<i32>, StoreError> {
    let mut lease = store.lease().await?;
    let attempts = sqlx::query_scalar!(
        "select turn_fail($1, $2, $3, $4, $5)",
        ctx.tenant_id.as_uuid(),
        claim.conversation_id.as_uuid(),
        claim.epoch,
        error,
        milliseconds(backoff),
    )
    .fetch_one(&mut *lease)
    .await
    .map_err(StoreError::around_commit)?;
    lease.done();
    Ok(attempts)
}

/// One turn.
pub async fn get(tx: &mut TenantTx, id: TurnId) -> Result<RecordedTurn, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query_as!(
        Row,
        r#"select t.turn_id, t.conversation_id, t.first_seq, t.last_seq, t.outcome, t.started_at, t.committed_at,
                  array(select o.state from outbox o
                        where o.tenant_id = t.tenant_id and o.turn_id = t.turn_id order by o.seq) as "deliveries!"
           from turn t
           where t.tenant_id = $1 and t.turn_id = $2"#,
        tenant_id,
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// The turn that answered message `seq`, once there is one.
pub async fn covering(
    tx: &mut TenantTx,
    conversation: ConversationId,
    seq: i64,
) -> Result<Option<RecordedTurn>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query_as!(
        Row,
        r#"select t.turn_id, t.conversation_id, t.first_seq, t.last_seq, t.outcome, t.started_at, t.committed_at,
                  array(select o.state from outbox o
                        where o.tenant_id = t.tenant_id and o.turn_id = t.turn_id order by o.seq) as "deliveries!"
           from (select * from turn
                 where tenant_id = $1 and conversation_id = $2 and last_seq >= $3
                 order by last_seq limit 1) t
           where t.first_seq <= $3"#,
        tenant_id,
        conversation.as_uuid(),
        seq,
    )
    .fetch_optional(tx.conn())
    .await?
    .map(RecordedTurn::try_from)
    .transpose()
}

/// The language of a conversation so far: that of the last turn whose customer let it show.
pub async fn language(
    tx: &mut TenantTx,
    conversation: ConversationId,
) -> Result<Option<Language>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let code = sqlx::query_scalar!(
        r#"select outcome #>> '{evidence,language}' as "code!" from turn
           where tenant_id = $1 and conversation_id = $2 and outcome #> '{evidence,language}' is not null
           order by last_seq desc limit 1"#,
        tenant_id,
        conversation.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(code.and_then(|code| Language::from_code(&code)))
}

/// Where the customer stands in buying: what the last turn that had to do with it left, and whether nothing was said
/// since.
pub async fn sale(
    tx: &mut TenantTx,
    conversation: ConversationId,
) -> Result<Option<(balcao_domain::sale::Sale, bool)>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query!(
        r#"select outcome #> '{evidence,sale}' as "sale!",
                  not exists (select from turn later
                              where later.tenant_id = $1 and later.conversation_id = $2
                                and later.last_seq > turn.last_seq) as "last!"
           from turn
           where tenant_id = $1 and conversation_id = $2 and outcome #> '{evidence,sale}' is not null
           order by last_seq desc limit 1"#,
        tenant_id,
        conversation.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| Ok((serde_json::from_value(row.sale)?, row.last))).transpose()
}

/// Turns on the model path since midnight UTC.
pub async fn model_turns_today(tx: &mut TenantTx) -> Result<u32, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from turn
           where tenant_id = $1 and path = 'model'
             and committed_at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc'"#,
        tenant_id,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

struct Row {
    turn_id: Uuid,
    conversation_id: Uuid,
    first_seq: i64,
    last_seq: i64,
    outcome: serde_json::Value,
    started_at: DateTime<Utc>,
    committed_at: DateTime<Utc>,
    deliveries: Vec<String>,
}

impl TryFrom<Row> for RecordedTurn {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            turn_id: TurnId::from_uuid(row.turn_id),
            conversation_id: ConversationId::from_uuid(row.conversation_id),
            first_seq: row.first_seq,
            last_seq: row.last_seq,
            outcome: serde_json::from_value(row.outcome)?,
            started_at: row.started_at,
            committed_at: row.committed_at,
            deliveries: row.deliveries.iter().map(|word| parse_state(word)).collect::<Result<_, _>>()?,
        })
    }
}
