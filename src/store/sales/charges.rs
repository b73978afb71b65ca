//! Charges that a provider makes: which are to be made, which are to be asked about. Nothing here calls anybody: who does
//! claims a charge ([`take_to_issue`], [`take_to_check`]), commits, calls, and writes down what came of it.

use std::time::Duration;

use balcao_domain::{OrderId, PaymentAccountId, PaymentId, TenantId};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{orders, payments};
use crate::{Store, StoreError, TenantTx, dead_letters, milliseconds};

/// A charge that a provider is to make.
#[derive(Debug, Clone)]
pub struct ToIssue {
    pub payment_id: PaymentId,
    pub order_id: OrderId,
    pub account_id: PaymentAccountId,
    pub order_code: String,
    /// Ours, known to the provider if it was called before.
    pub reference: String,
    pub currency: String,
    pub expected_minor: i64,
    pub expires_at: Option<DateTime<Utc>>,
    /// How often it was tried before.
    pub attempts: i32,
}

/// A charge to ask about.
#[derive(Debug, Clone)]
pub struct ToCheck {
    pub payment_id: PaymentId,
    pub account_id: PaymentAccountId,
    pub reference: String,
    pub provider_id: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

type Due = Vec<(TenantId, PaymentId)>;

/// Charges of any shop that are to be made, longest due first.
pub async fn issue_due(store: &Store, limit: i32) -> Result<Due, StoreError> {
    let mut lease = store.lease().await?;
    let rows = sqlx::query!(
        r#"select tenant_id as "tenant_id!", payment_id as "payment_id!" from payment_issue_due($1)"#,
        limit
    )
    .fetch_all(&mut *lease)
    .await?;
    lease.done();
    let id = |row: (uuid::Uuid, uuid::Uuid)| (TenantId::from_uuid(row.0), PaymentId::from_uuid(row.1));
    Ok(rows.into_iter().map(|row| id((row.tenant_id, row.payment_id))).collect())
}

/// Charges of any shop to ask about, longest due first.
pub async fn check_due(store: &Store, limit: i32) -> Result<Due, StoreError> {
    let mut lease = store.lease().await?;
    let rows = sqlx::query!(
        r#"select tenant_id as "tenant_id!", payment_id as "payment_id!" from payment_check_due($1)"#,
        limit
    )
    .fetch_all(&mut *lease)
    .await?;
    lease.done();
    let id = |row: (uuid::Uuid, uuid::Uuid)| (TenantId::from_uuid(row.0), PaymentId::from_uuid(row.1));
    Ok(rows.into_iter().map(|row| id((row.tenant_id, row.payment_id))).collect())
}

/// Claims a charge to make for so long; nothing where it is made, given up, or in another's hands. `early`: also where
/// its time has not come yet, which is for whoever has just placed the order.
pub async fn take_to_issue(
    tx: &mut TenantTx,
    id: PaymentId,
    early: bool,
    claim: Duration,
) -> Result<Option<ToIssue>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query!(
        r#"update payment p
           set issue_due_at = clock_timestamp() + $4 * interval '1 millisecond', issue_attempts = p.issue_attempts + 1
           from sales_order o
           where p.tenant_id = $1 and p.payment_id = $2 and p.account_id is not null
             and (p.issue_due_at <= clock_timestamp() or ($3 and p.issue_attempts = 0 and p.issue_due_at is not null))
             and o.tenant_id = p.tenant_id and o.order_id = p.order_id
           returning p.order_id, p.account_id as "account_id!", o.code, p.reference, p.currency, p.expected_minor,
                     p.expires_at, p.issue_attempts"#,
        tenant_id,
        id.as_uuid(),
        early,
        milliseconds(claim) as f64,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| ToIssue {
        payment_id: id,
        order_id: OrderId::from_uuid(row.order_id),
        account_id: PaymentAccountId::from_uuid(row.account_id),
        order_code: row.code,
        reference: row.reference,
        currency: row.currency,
        expected_minor: row.expected_minor,
        expires_at: row.expires_at,
        attempts: row.issue_attempts - 1,
    }))
}

/// The provider has made it.
pub async fn issued(
    tx: &mut TenantTx,
    id: PaymentId,
    provider_id: Option<&str>,
    instructions: &Value,
    check_at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update payment
         set provider_id = $3, instructions = $4, issue_due_at = null, check_due_at = $5, updated_at = clock_timestamp()
         where tenant_id = $1 and payment_id = $2",
        tenant_id,
        id.as_uuid(),
        provider_id,
        instructions,
        check_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// It could not be made: again later, or `None`: set aside for a person.
pub async fn not_issued(
    tx: &mut TenantTx,
    id: PaymentId,
    why: &str,
    again: Option<Duration>,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update payment
         set issue_due_at = clock_timestamp() + $3 * interval '1 millisecond', updated_at = clock_timestamp()
         where tenant_id = $1 and payment_id = $2",
        tenant_id,
        id.as_uuid(),
        again.map(|again| milliseconds(again) as f64),
    )
    .execute(tx.conn())
    .await?;
    if again.is_some() {
        return Ok(());
    }
    let charge = payments::get(tx, id).await?;
    let attention = format!("its charge could not be made: {why}");
    orders::needs_attention(tx, charge.order_id, &attention).await?;
    let evidence = serde_json::json!({ "payment_id": id.as_uuid(), "order_id": charge.order_id });
    dead_letters::push(tx, "charge", None, why, &evidence).await.map(drop)
}

/// Claims a charge to ask about for so long; nothing where there is nothing to ask, or another asks.
pub async fn take_to_check(
    tx: &mut TenantTx,
    id: PaymentId,
    claim: Duration,
) -> Result<Option<ToCheck>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query!(
        r#"update payment set check_due_at = clock_timestamp() + $3 * interval '1 millisecond'
           where tenant_id = $1 and payment_id = $2 and account_id is not null and check_due_at <= clock_timestamp()
           returning account_id as "account_id!", reference, provider_id, created_at, expires_at"#,
        tenant_id,
        id.as_uuid(),
        milliseconds(claim) as f64,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| ToCheck {
        payment_id: id,
        account_id: PaymentAccountId::from_uuid(row.account_id),
        reference: row.reference,
        provider_id: row.provider_id,
        created_at: row.created_at,
        expires_at: row.expires_at,
    }))
}

/// When it is asked about next; `None`: no more.
pub async fn check_again(
    tx: &mut TenantTx,
    id: PaymentId,
    at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update payment set check_due_at = $3 where tenant_id = $1 and payment_id = $2",
        tenant_id,
        id.as_uuid(),
        at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
