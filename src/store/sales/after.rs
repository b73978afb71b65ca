//! What becomes of an order after it was placed: called off, sent elsewhere, shipped, handed over, brought back. Each is a
//! guarded step under the order's lock; what a step does not allow changes nothing.

use balcao_domain::{OrderId, ReturnId, order::Status, sale::Ask};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{
    orders::{self, Order},
    payments,
    refunds::{self, RefundError},
};
use crate::{StoreError, TenantTx};

/// Why something cannot be done with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Where it stands does not allow it.
    #[error("the order is {}: it cannot be done any more, or not yet", .0.as_str())]
    Status(Status),
    /// It is called off already.
    #[error("the order is called off")]
    CalledOff,
    /// It is delivered in another way, so there is no address to change.
    #[error("the order is not delivered to an address")]
    NoAddress,
    /// So many of these were not sold with it, or are back already.
    #[error("more would come back than was sold with this order")]
    TooMany,
}

/// What calling an order off came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalledOff {
    /// Nothing was paid: its stock is free again.
    Unpaid,
    /// Its money goes back by itself, so much in minor units.
    Refunding(i64),
    /// It was paid, and a person must give the money back.
    ByPerson,
}

/// Calls an order off that was not sent. The same again comes to the same.
///
/// # Errors
/// The outer: the database, `NotFound`. The inner: [`Refused`].
pub async fn call_off(tx: &mut TenantTx, id: OrderId) -> Result<Result<CalledOff, Refused>, StoreError> {
    let order = lock(tx, id).await?;
    if order.status == Status::Canceled {
        return Ok(Ok(CalledOff::Unpaid));
    }
    if !Ask::Cancel.is_allowed(order.status) {
        return Ok(Err(Refused::Status(order.status)));
    }
    if order.status == Status::AwaitingPayment {
        return Ok(match orders::cancel(tx, id).await? {
            Status::Canceled => Ok(CalledOff::Unpaid),
            status => Err(Refused::Status(status)),
        });
    }
    let charges = payments::of_order(tx, id).await?;
    let Some(paid) = charges.iter().find(|charge| charge.captured_minor > 0) else {
        return Ok(Ok(CalledOff::ByPerson));
    };
    if order.called_off {
        let asked = refunds::of_payment(tx, paid.payment_id).await?;
        let sum: i64 =
            asked.iter().filter(|refund| refund.state != "failed").map(|refund| refund.minor).sum();
        return Ok(Ok(if sum > 0 { CalledOff::Refunding(sum) } else { CalledOff::ByPerson }));
    }
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update sales_order set called_off_at = clock_timestamp(), updated_at = clock_timestamp(),
                attention = coalesce(attention, 'called off by the customer: do not send it')
         where tenant_id = $1 and order_id = $2",
        tenant_id,
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    // They never left the shelf.
    let lines = orders::get(tx, id).await?.lines;
    let goods: Vec<(Uuid, i64)> = lines.iter().map(|line| (line.variant_id, line.quantity)).collect();
    if !take_back(tx, id, &goods).await? {
        return Err(StoreError::Corrupt(format!("order {id} was paid without its goods being sold")));
    }
    let news = serde_json::json!({ "order_id": id });
    crate::events::push(tx, "order.called_off", None, &news).await?;
    Ok(Ok(match refunds::request(tx, paid.payment_id, None, "called off by the customer").await {
        Ok(Some(_)) => CalledOff::Refunding(paid.captured_minor - paid.refunded_minor),
        Ok(None) | Err(RefundError::NoProvider | RefundError::TooMuch { .. }) => CalledOff::ByPerson,
        Err(RefundError::Store(error)) => return Err(error),
    }))
}

/// Sends an order somewhere else that was not sent yet.
///
/// # Errors
/// As [`call_off`].
pub async fn set_address(
    tx: &mut TenantTx,
    id: OrderId,
    address: &str,
) -> Result<Result<(), Refused>, StoreError> {
    let locked = lock(tx, id).await?;
    if locked.called_off {
        return Ok(Err(Refused::CalledOff));
    }
    if !Ask::Address.is_allowed(locked.status) {
        return Ok(Err(Refused::Status(locked.status)));
    }
    let tenant_id = tx.tenant_id().as_uuid();
    let changed = sqlx::query!(
        "update sales_order set delivery = jsonb_set(delivery, '{address}', to_jsonb($3::text)), updated_at = now()
         where tenant_id = $1 and order_id = $2 and delivery ->> 'address' is not null",
        tenant_id,
        id.as_uuid(),
        address,
    )
    .execute(tx.conn())
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(Err(Refused::NoAddress));
    }
    crate::events::push(tx, "order.address_changed", None, &serde_json::json!({ "order_id": id })).await?;
    Ok(Ok(()))
}

/// It is on its way. `tracking`: the carrier's number.
///
/// # Errors
/// As [`call_off`].
pub async fn ship(
    tx: &mut TenantTx,
    id: OrderId,
    tracking: Option<&str>,
) -> Result<Result<(), Refused>, StoreError> {
    let locked = lock(tx, id).await?;
    if locked.called_off {
        return Ok(Err(Refused::CalledOff));
    }
    if !locked.status.may_become(Status::Shipped) {
        return Ok(Err(Refused::Status(locked.status)));
    }
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update sales_order set shipped_at = clock_timestamp(), tracking = $3 where tenant_id = $1 and order_id = $2",
        tenant_id,
        id.as_uuid(),
        tracking,
    )
    .execute(tx.conn())
    .await?;
    orders::set_status(tx, id, Status::Shipped, None).await.map(Ok)
}

/// It was handed over; also one that was never sent, but fetched.
///
/// # Errors
/// As [`call_off`].
pub async fn deliver(tx: &mut TenantTx, id: OrderId) -> Result<Result<(), Refused>, StoreError> {
    let locked = lock(tx, id).await?;
    if locked.called_off {
        return Ok(Err(Refused::CalledOff));
    }
    if !locked.status.may_become(Status::Delivered) {
        return Ok(Err(Refused::Status(locked.status)));
    }
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update sales_order set delivered_at = clock_timestamp() where tenant_id = $1 and order_id = $2",
        tenant_id,
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    orders::set_status(tx, id, Status::Delivered, None).await.map(Ok)
}

/// A customer's wish to bring something back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Return {
    pub return_id: ReturnId,
    pub order_id: OrderId,
    /// `return` or `exchange`.
    pub kind: String,
    /// In the customer's words.
    pub reason: String,
    /// `asked`, `approved`, `received`, `refused`.
    pub state: String,
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Writes down that somebody wants to bring an order back; an open wish of the order is the same wish.
///
/// # Errors
/// As [`call_off`].
pub async fn ask_return(
    tx: &mut TenantTx,
    id: OrderId,
    exchange: bool,
    reason: &str,
) -> Result<Result<ReturnId, Refused>, StoreError> {
    let locked = lock(tx, id).await?;
    let ask = if exchange { Ask::Exchange } else { Ask::Return };
    if !ask.is_allowed(locked.status) {
        return Ok(Err(Refused::Status(locked.status)));
    }
    let tenant_id = tx.tenant_id().as_uuid();
    let open = sqlx::query_scalar!(
        "select return_id from order_return
         where tenant_id = $1 and order_id = $2 and state in ('asked', 'approved')",
        tenant_id,
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?;
    if let Some(open) = open {
        return Ok(Ok(ReturnId::from_uuid(open)));
    }
    let return_id = ReturnId::generate();
    sqlx::query!(
        "insert into order_return (tenant_id, return_id, order_id, kind, reason) values ($1, $2, $3, $4, $5)",
        tenant_id,
        return_id.as_uuid(),
        id.as_uuid(),
        ask.as_str(),
        reason,
    )
    .execute(tx.conn())
    .await?;
    let news = serde_json::json!({ "return_id": return_id, "order_id": id, "kind": ask.as_str() });
    crate::events::push(tx, "return.asked", None, &news).await?;
    Ok(Ok(return_id))
}

/// The shop's last returns, newest first; only open ones where asked so.
pub async fn returns(tx: &mut TenantTx, open_only: bool, limit: i64) -> Result<Vec<Return>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query_as!(
        Row,
        "select return_id, order_id, kind, reason, state, note, created_at, updated_at from order_return
         where tenant_id = $1 and (not $2 or state in ('asked', 'approved'))
         order by return_id desc limit $3",
        tenant_id,
        open_only,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Return::from).collect())
}

struct Row {
    return_id: Uuid,
    order_id: Uuid,
    kind: String,
    reason: String,
    state: String,
    note: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Return {
    fn from(row: Row) -> Self {
        Self {
            return_id: ReturnId::from_uuid(row.return_id),
            order_id: OrderId::from_uuid(row.order_id),
            kind: row.kind,
            reason: row.reason,
            state: row.state,
            note: row.note,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// One return.
///
/// # Errors
/// `NotFound`.
pub async fn get_return(tx: &mut TenantTx, id: ReturnId) -> Result<Return, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query_as!(
        Row,
        "select return_id, order_id, kind, reason, state, note, created_at, updated_at from order_return
         where tenant_id = $1 and return_id = $2",
        tenant_id,
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Return::from)
    .ok_or(StoreError::NotFound)
}

/// What the shop decides about a return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may come back.
    Approve,
    /// It may not.
    Refuse {
        /// Why, for the customer.
        why: String,
    },
    /// It is here.
    Receive {
        /// Variants and how many of each go back on the shelf; what cannot be sold again is left out.
        goods: Vec<(Uuid, i64)>,
        /// What is given back, in minor units; nothing for an exchange.
        refund_minor: Option<i64>,
    },
}

/// What a decision came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub order_id: OrderId,
    /// `return` or `exchange`.
    pub kind: String,
    /// What goes back by itself; none where a person gives it back, or nothing does.
    pub refunding_minor: Option<i64>,
}

/// Why a decision cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// It is decided already.
    #[error("this return is {0} already")]
    State(String),
    /// What is to come back was not sold.
    #[error(transparent)]
    Goods(#[from] Refused),
    /// What is to be given back cannot be.
    #[error(transparent)]
    Refund(#[from] RefundError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for DecisionError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Takes the next step with a return.
///
/// # Errors
/// [`DecisionError`]; `NotFound` without the return.
pub async fn decide(tx: &mut TenantTx, id: ReturnId, decision: &Decision) -> Result<Decided, DecisionError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query!(
        "select order_id, kind, state from order_return where tenant_id = $1 and return_id = $2 for update",
        tenant_id,
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(StoreError::NotFound)?;
    let order_id = OrderId::from_uuid(row.order_id);
    let (state, note) = match (decision, row.state.as_str()) {
        (Decision::Approve, "asked") => ("approved", None),
        (Decision::Refuse { why }, "asked" | "approved") => ("refused", Some(why.clone())),
        (Decision::Receive { .. }, "asked" | "approved") => ("received", None),
        _ => return Err(DecisionError::State(row.state)),
    };
    let mut decided = Decided { order_id, kind: row.kind, refunding_minor: None };
    if let Decision::Receive { goods, refund_minor } = decision {
        lock(tx, order_id).await?;
        if !goods.is_empty() && !take_back(tx, order_id, goods).await? {
            return Err(Refused::TooMany.into());
        }
        if let Some(minor) = refund_minor {
            decided.refunding_minor = refund(tx, order_id, *minor).await?;
        }
    }
    sqlx::query!(
        "update order_return set state = $3, note = $4, updated_at = clock_timestamp()
         where tenant_id = $1 and return_id = $2",
        tenant_id,
        id.as_uuid(),
        state,
        note,
    )
    .execute(tx.conn())
    .await?;
    let news = serde_json::json!({ "return_id": id, "order_id": order_id, "kind": decided.kind });
    crate::events::push(tx, &format!("return.{state}"), None, &news).await?;
    Ok(decided)
}

/// Gives so much back; none where no provider can, so that a person does.
async fn refund(tx: &mut TenantTx, id: OrderId, minor: i64) -> Result<Option<i64>, RefundError> {
    let charges = payments::of_order(tx, id).await?;
    let Some(paid) = charges.into_iter().find(|charge| charge.captured_minor > 0) else { return Ok(None) };
    match refunds::request(tx, paid.payment_id, Some(minor), "brought back").await {
        Ok(asked) => Ok(asked.map(|_| minor)),
        Err(RefundError::NoProvider) => {
            orders::needs_attention(tx, id, "brought back: give the money back by hand").await?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

struct Locked {
    status: Status,
    called_off: bool,
}

async fn lock(tx: &mut TenantTx, id: OrderId) -> Result<Locked, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query!(
        r#"select status, called_off_at is not null as "called_off!" from sales_order
           where tenant_id = $1 and order_id = $2 for update"#,
        tenant_id,
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(StoreError::NotFound)?;
    let status = Status::parse(&row.status)
        .ok_or_else(|| StoreError::Corrupt(format!("an order that is `{}`", row.status)))?;
    Ok(Locked { status, called_off: row.called_off })
}

async fn take_back(tx: &mut TenantTx, id: OrderId, goods: &[(Uuid, i64)]) -> Result<bool, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let variants: Vec<Uuid> = goods.iter().map(|(variant, _)| *variant).collect();
    let quantities: Vec<i64> = goods.iter().map(|(_, quantity)| *quantity).collect();
    Ok(sqlx::query_scalar!(
        r#"select order_take_back($1, $2, $3, $4) as "taken!""#,
        tenant_id,
        id.as_uuid(),
        &variants,
        &quantities,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// All of an order's goods, as they would come back.
pub fn all_goods(order: &Order) -> Vec<(Uuid, i64)> {
    order.lines.iter().map(|line| (line.variant_id, line.quantity)).collect()
}
