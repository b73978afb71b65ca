//! Whether a shop's stock, orders and books add up.

use balcao_domain::OrderId;
use serde::Serialize;

use crate::{StoreError, TenantTx};

/// Something that does not add up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Breach {
    /// What should hold.
    pub invariant: String,
    /// The row where it does not.
    pub subject: String,
    /// The numbers that disagree.
    pub detail: String,
}

/// Checks all of a shop's stock, orders, payments and books; nothing is what a healthy shop returns.
pub async fn verify(tx: &mut TenantTx) -> Result<Vec<Breach>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let breaches = sqlx::query_as!(
        Breach,
        r#"select invariant as "invariant!", subject as "subject!", detail as "detail!"
           from invariant_breaches($1) order by 1, 2"#,
        tenant_id,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(breaches)
}

/// What an account stands at: the sum of its lines, in minor units of its currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Balance {
    pub account: String,
    pub currency: String,
    pub minor: i64,
}

/// Every account of a shop.
pub async fn balances(tx: &mut TenantTx) -> Result<Vec<Balance>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let balances = sqlx::query_as!(
        Balance,
        r#"select l.account, e.currency, sum(l.minor)::bigint as "minor!"
           from ledger_entry e join ledger_line l on l.tenant_id = e.tenant_id and l.entry_id = e.entry_id
           where e.tenant_id = $1 group by l.account, e.currency order by l.account, e.currency"#,
        tenant_id,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(balances)
}

/// What somebody earns of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commission {
    pub order_id: OrderId,
    pub order_code: String,
    pub order_status: String,
    pub beneficiary: String,
    pub currency: String,
    /// Computed when the order was placed.
    pub minor: i64,
    /// What the books say of it now: nothing before the order is paid, less after money went back.
    pub booked_minor: i64,
}

/// The commissions of the shop's last orders, newest order first; `limit` counts orders.
pub async fn commissions(tx: &mut TenantTx, limit: i64) -> Result<Vec<Commission>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query!(
        r#"select o.order_id, o.code, o.status, c.beneficiary, o.currency, c.minor, b.minor as "booked!"
           from (select tenant_id, order_id, code, status, currency, placed_at from sales_order
                 where tenant_id = $1 order by placed_at desc, order_id desc limit $2) o
           join commission c on c.tenant_id = o.tenant_id and c.order_id = o.order_id
           cross join lateral (
             select coalesce(sum(-l.minor), 0)::bigint as minor
             from payment p
             join ledger_entry e on e.tenant_id = p.tenant_id and e.payment_id = p.payment_id
             join ledger_line l on l.tenant_id = e.tenant_id and l.entry_id = e.entry_id
             where p.tenant_id = o.tenant_id and p.order_id = o.order_id
               and l.account = 'commission:' || c.beneficiary) b
           order by o.placed_at desc, o.order_id desc, c.beneficiary"#,
        tenant_id,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Commission {
            order_id: OrderId::from_uuid(row.order_id),
            order_code: row.code,
            order_status: row.status,
            beneficiary: row.beneficiary,
            currency: row.currency,
            minor: row.minor,
            booked_minor: row.booked,
        })
        .collect())
}
