//! Orders: placed whole or not at all, once for each intent.

use balcao_domain::{
    ConversationId, CustomerId, OrderId, TenantId, VariantId,
    money::{Currency, Money, MoneyError},
    order::{self, Status, Wanted},
    payment::CommissionTerms,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::time::Duration;
use uuid::Uuid;

use crate::{Store, StoreError, TenantTx, milliseconds};

/// An order as it was confirmed.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOrder {
    /// What was confirmed, unique within the shop: the conversation and the version of the summary that was shown.
    pub intent: String,
    pub customer_id: Option<CustomerId>,
    pub conversation_id: Option<ConversationId>,
    /// At least one line, all in one currency, at the prices that were shown.
    pub wanted: Vec<Wanted>,
    /// Minor units of the same currency.
    pub delivery_minor: i64,
    /// Minor units of the same currency.
    pub discount_minor: i64,
    /// How it is delivered, as the channel collected it.
    pub delivery: serde_json::Value,
    /// How long its stock is held while nothing is paid.
    pub hold: Duration,
    /// Who earns how much of it.
    pub commission: CommissionTerms,
    /// Random bytes for its code; held by tests.
    pub code: [u8; 8],
}

/// What became of a confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// It is an order now.
    Now(OrderId),
    /// It was one already.
    Before(OrderId),
    /// It cannot be had as it was confirmed; nothing was written.
    Refused(Vec<Refused>),
}

/// Why a variant cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Refused {
    pub variant_id: VariantId,
    pub why: Why,
}

/// What stands against a line of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It is not sold any more.
    Gone,
    /// It costs something else now, in minor units.
    Price {
        /// Today's price.
        now_minor: i64,
    },
    /// There are not so many.
    Stock {
        /// So many may still be had.
        left: i64,
    },
}

/// Why an order cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It asks for nothing, or for less than one of something.
    #[error("an order needs at least one line, each with a quantity above zero")]
    Nothing,
    /// Its amounts do not add up in one currency, or fall below zero.
    #[error("the order's amounts do not add up: {0}")]
    Amounts(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<MoneyError> for PlaceError {
    fn from(error: MoneyError) -> Self {
        Self::Amounts(error.to_string())
    }
}

impl From<sqlx::Error> for PlaceError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The total of an order, and each beneficiary's part of it.
fn amounts(new: &NewOrder) -> Result<(Money, Vec<i64>), PlaceError> {
    if new.wanted.iter().any(|line| line.quantity < 1) {
        return Err(PlaceError::Nothing);
    }
    let items = order::items_total(&new.wanted)?.ok_or(PlaceError::Nothing)?;
    let with = |minor| Money::new(minor, items.currency());
    let total = items.checked_add(with(new.delivery_minor))?.checked_sub(with(new.discount_minor))?;
    if new.delivery_minor < 0 || new.discount_minor < 0 || total.minor() < 0 {
        return Err(PlaceError::Amounts("a part of it, or all of it, is below zero".into()));
    }
    let parts = new.commission.parts(total)?;
    Ok((total, parts))
}

/// Places an order: lines, held stock and commission, or nothing. The locks are held until the transaction ends.
///
/// # Errors
/// [`PlaceError`]; what the shop cannot fulfil is [`Placed::Refused`].
pub async fn place(tx: &mut TenantTx, new: &NewOrder) -> Result<Placed, PlaceError> {
    let (total, parts) = amounts(new)?;
    let currency = total.currency();
    let currency = currency.code();
    let tenant_id = tx.tenant_id().as_uuid();
    let variants: Vec<Uuid> = new.wanted.iter().map(|line| line.variant_id.as_uuid()).collect();
    let quantities: Vec<i64> = new.wanted.iter().map(|line| line.quantity).collect();
    let units: Vec<i64> = new.wanted.iter().map(|line| line.unit.minor()).collect();
    let beneficiaries: Vec<String> =
        new.commission.beneficiaries.iter().map(|(name, _)| name.clone()).collect();
    let rows = sqlx::query!(
        r#"select outcome as "outcome!", order_id, variant_id, price_minor, available
           from order_place($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"#,
        tenant_id,
        OrderId::generate().as_uuid(),
        order::code(new.code),
        new.intent,
        new.customer_id.map(|id| id.as_uuid()),
        new.conversation_id.map(|id| id.as_uuid()),
        currency,
        new.delivery_minor,
        new.discount_minor,
        new.delivery,
        milliseconds(new.hold),
        &variants,
        &quantities,
        &units,
        &beneficiaries,
        &parts,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut refused = Vec::new();
    for row in rows {
        let why = match (row.outcome.as_str(), row.order_id) {
            ("placed", Some(id)) => return Ok(Placed::Now(OrderId::from_uuid(id))),
            ("known", Some(id)) => return Ok(Placed::Before(OrderId::from_uuid(id))),
            ("gone", _) => Why::Gone,
            ("price", _) => Why::Price { now_minor: row.price_minor.unwrap_or_default() },
            ("stock", _) => Why::Stock { left: row.available.unwrap_or_default().max(0) },
            (other, _) => return Err(StoreError::Corrupt(format!("unknown outcome `{other}`")).into()),
        };
        let variant_id = row.variant_id.map(VariantId::from_uuid);
        let variant_id = variant_id.ok_or_else(|| StoreError::Corrupt("a refusal of nothing".into()))?;
        refused.push(Refused { variant_id, why });
    }
    Ok(Placed::Refused(refused))
}

/// An order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Order {
    pub order_id: OrderId,
    pub code: String,
    pub customer_id: Option<CustomerId>,
    pub conversation_id: Option<ConversationId>,
    pub status: Status,
    pub currency: String,
    pub items_minor: i64,
    pub delivery_minor: i64,
    pub discount_minor: i64,
    pub total_minor: i64,
    pub delivery: serde_json::Value,
    /// Until when its stock is held while nothing is paid.
    pub expires_at: Option<DateTime<Utc>>,
    /// Why a person must look at it.
    pub attention: Option<String>,
    pub placed_at: DateTime<Utc>,
    pub lines: Vec<Line>,
}

/// Why a person must look at an order that was paid when its goods were gone.
const GOODS_GONE: &str = "paid late, and its stock is gone: refund or replace";

impl Order {
    /// It was paid when its goods were gone.
    pub fn goods_are_gone(&self) -> bool {
        self.attention.as_deref() == Some(GOODS_GONE)
    }

    /// What it comes to.
    ///
    /// # Errors
    /// `Corrupt` where its currency is none.
    pub fn total(&self) -> Result<Money, StoreError> {
        let currency: Currency = self.currency.parse().map_err(|_| corrupt_currency(&self.currency))?;
        Ok(Money::new(self.total_minor, currency))
    }
}

pub(super) fn corrupt_currency(code: &str) -> StoreError {
    StoreError::Corrupt(format!("the currency `{code}`"))
}

/// A line of an order, as it was sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Line {
    pub variant_id: Uuid,
    pub title: String,
    pub sku: Option<String>,
    pub quantity: i64,
    pub unit_minor: i64,
    pub total_minor: i64,
}

struct Row {
    order_id: Uuid,
    code: String,
    customer_id: Option<Uuid>,
    conversation_id: Option<Uuid>,
    status: String,
    currency: String,
    items_minor: i64,
    delivery_minor: i64,
    discount_minor: i64,
    total_minor: i64,
    delivery: serde_json::Value,
    expires_at: Option<DateTime<Utc>>,
    attention: Option<String>,
    placed_at: DateTime<Utc>,
    lines: serde_json::Value,
}

impl TryFrom<Row> for Order {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            order_id: OrderId::from_uuid(row.order_id),
            code: row.code,
            customer_id: row.customer_id.map(CustomerId::from_uuid),
            conversation_id: row.conversation_id.map(ConversationId::from_uuid),
            status: Status::parse(&row.status)
                .ok_or_else(|| StoreError::Corrupt(format!("an order that is `{}`", row.status)))?,
            currency: row.currency,
            items_minor: row.items_minor,
            delivery_minor: row.delivery_minor,
            discount_minor: row.discount_minor,
            total_minor: row.total_minor,
            delivery: row.delivery,
            expires_at: row.expires_at,
            attention: row.attention,
            placed_at: row.placed_at,
            lines: serde_json::from_value(row.lines)?,
        })
    }
}

/// One order.
///
/// # Errors
/// `NotFound`.
pub async fn get(tx: &mut TenantTx, id: OrderId) -> Result<Order, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query_as!(
        Row,
        r#"select o.order_id, o.code, o.customer_id, o.conversation_id, o.status, o.currency, o.items_minor,
                  o.delivery_minor, o.discount_minor, o.total_minor, o.delivery, o.expires_at, o.attention, o.placed_at,
                  (select jsonb_agg(to_jsonb(l) order by l.line_no) from order_line l
                   where l.tenant_id = o.tenant_id and l.order_id = o.order_id) as "lines!"
           from sales_order o where o.tenant_id = $1 and o.order_id = $2"#,
        tenant_id,
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(StoreError::NotFound)?
    .try_into()
}

/// The shop's last orders, newest first; with a status, only those.
pub async fn list(tx: &mut TenantTx, status: Option<Status>, limit: i64) -> Result<Vec<Order>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query_as!(
        Row,
        r#"select o.order_id, o.code, o.customer_id, o.conversation_id, o.status, o.currency, o.items_minor,
                  o.delivery_minor, o.discount_minor, o.total_minor, o.delivery, o.expires_at, o.attention, o.placed_at,
                  (select jsonb_agg(to_jsonb(l) order by l.line_no) from order_line l
                   where l.tenant_id = o.tenant_id and l.order_id = o.order_id) as "lines!"
           from sales_order o
           where o.tenant_id = $1 and ($2::text is null or o.status = $2)
           order by o.placed_at desc, o.order_id desc limit $3"#,
        tenant_id,
        status.map(Status::as_str),
        limit,
    )
    .fetch_all(tx.conn())
    .await?
    .into_iter()
    .map(Order::try_from)
    .collect()
}

/// An order by what a person calls it, in any writing: `k7q2m9xd` is `K7Q2-M9XD`.
///
/// # Errors
/// `NotFound`.
pub async fn by_code(tx: &mut TenantTx, code: &str) -> Result<Order, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let letters: String =
        code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    let code = match letters.split_at_checked(4) {
        Some((first, rest)) => format!("{first}-{rest}"),
        None => letters,
    };
    let id = sqlx::query_scalar!(
        "select order_id from sales_order where tenant_id = $1 and code = $2",
        tenant_id,
        code,
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(StoreError::NotFound)?;
    get(tx, OrderId::from_uuid(id)).await
}

/// The orders of a conversation, newest first.
pub async fn of_conversation(
    tx: &mut TenantTx,
    id: ConversationId,
    limit: i64,
) -> Result<Vec<Order>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query_as!(
        Row,
        r#"select o.order_id, o.code, o.customer_id, o.conversation_id, o.status, o.currency, o.items_minor,
                  o.delivery_minor, o.discount_minor, o.total_minor, o.delivery, o.expires_at, o.attention, o.placed_at,
                  (select jsonb_agg(to_jsonb(l) order by l.line_no) from order_line l
                   where l.tenant_id = o.tenant_id and l.order_id = o.order_id) as "lines!"
           from sales_order o where o.tenant_id = $1 and o.conversation_id = $2
           order by o.placed_at desc, o.order_id desc limit $3"#,
        tenant_id,
        id.as_uuid(),
        limit,
    )
    .fetch_all(tx.conn())
    .await?
    .into_iter()
    .map(Order::try_from)
    .collect()
}

/// Locks an order and returns where it stands and whether its time is over.
async fn lock(tx: &mut TenantTx, id: OrderId) -> Result<(Status, bool), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query!(
        r#"select status, coalesce(expires_at <= now(), false) as "over!"
           from sales_order where tenant_id = $1 and order_id = $2 for update"#,
        tenant_id,
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(StoreError::NotFound)?;
    let status = Status::parse(&row.status)
        .ok_or_else(|| StoreError::Corrupt(format!("an order that is `{}`", row.status)))?;
    Ok((status, row.over))
}

pub(super) async fn set_status(
    tx: &mut TenantTx,
    id: OrderId,
    status: Status,
    attention: Option<&str>,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update sales_order set status = $3, attention = coalesce($4, attention), updated_at = now()
         where tenant_id = $1 and order_id = $2",
        tenant_id,
        id.as_uuid(),
        status.as_str(),
        attention,
    )
    .execute(tx.conn())
    .await?;
    let event = format!("order.{}", status.as_str());
    crate::events::push(tx, &event, None, &serde_json::json!({ "order_id": id })).await?;
    Ok(())
}

/// A person must look at it, for the first of the reasons given.
pub async fn needs_attention(tx: &mut TenantTx, id: OrderId, why: &str) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update sales_order set attention = $3, updated_at = now()
         where tenant_id = $1 and order_id = $2 and attention is null",
        tenant_id,
        id.as_uuid(),
        why,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn release(tx: &mut TenantTx, id: OrderId) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query_scalar!(r#"select order_release($1, $2) as "held!""#, tenant_id, id.as_uuid())
        .fetch_one(tx.conn())
        .await?;
    Ok(())
}

/// Calls an order off that waits for its payment, and gives its stock back. Returns where the order stands after it:
/// anything but [`Status::Canceled`] means that it was too late.
pub async fn cancel(tx: &mut TenantTx, id: OrderId) -> Result<Status, StoreError> {
    let (status, _) = lock(tx, id).await?;
    if !status.may_become(Status::Canceled) {
        return Ok(status);
    }
    release(tx, id).await?;
    set_status(tx, id, Status::Canceled, None).await?;
    Ok(Status::Canceled)
}

/// Lets an order go whose time is over. Returns whether it was let go.
pub async fn expire(tx: &mut TenantTx, id: OrderId) -> Result<bool, StoreError> {
    let (status, over) = lock(tx, id).await?;
    if !over || !status.may_become(Status::Expired) {
        return Ok(false);
    }
    release(tx, id).await?;
    set_status(tx, id, Status::Expired, None).await?;
    Ok(true)
}

/// Orders of any shop whose time is over, soonest first: each is then let go in its own shop ([`expire`]).
pub async fn due(store: &Store, limit: i32) -> Result<Vec<(TenantId, OrderId)>, StoreError> {
    let rows = sqlx::query!(
        r#"select tenant_id as "tenant_id!", order_id as "order_id!" from order_expire_due($1)"#,
        limit
    )
    .fetch_all(&store.pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (TenantId::from_uuid(row.tenant_id), OrderId::from_uuid(row.order_id)))
        .collect())
}

/// The whole price is here: what the order holds is sold. Where it had given its stock back and somebody else has it
/// now, the order is paid all the same and a person is told.
pub(super) async fn paid(tx: &mut TenantTx, id: OrderId) -> Result<(), StoreError> {
    let (status, _) = lock(tx, id).await?;
    if !status.may_become(Status::Paid) {
        return Ok(());
    }
    let tenant_id = tx.tenant_id().as_uuid();
    let sold = sqlx::query_scalar!(r#"select order_sell($1, $2) as "sold!""#, tenant_id, id.as_uuid())
        .fetch_one(tx.conn())
        .await?;
    let attention = (!sold).then_some(GOODS_GONE);
    set_status(tx, id, Status::Paid, attention).await
}

/// All of its money went back. Its stock does not: whether goods came back is counted, not guessed.
pub(super) async fn refunded(tx: &mut TenantTx, id: OrderId) -> Result<(), StoreError> {
    let (status, _) = lock(tx, id).await?;
    if status.may_become(Status::Refunded) {
        set_status(tx, id, Status::Refunded, None).await?;
    }
    Ok(())
}
