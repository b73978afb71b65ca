//! Whether a shop's stock, orders and books add up.

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
