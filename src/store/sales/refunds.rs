//! Money that is to go back through the provider it came from. A refund is asked for here ([`request`]) and settled by
//! the fact that its money moved ([`settle`]).

use std::time::Duration;

use balcao_domain::{PaymentAccountId, PaymentId, RefundId, TenantId, payment::FactKind};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::payments;
use crate::{Store, StoreError, TenantTx, dead_letters, milliseconds};

/// A refund as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct Refund {
    pub refund_id: RefundId,
    pub payment_id: PaymentId,
    pub reference: String,
    pub minor: i64,
    pub reason: String,
    /// `requested`, `sent`, `settled`, `failed`.
    pub state: String,
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// Why money cannot be given back.
#[derive(Debug, thiserror::Error)]
pub enum RefundError {
    /// The shop has no account at a provider for this charge: the money came to its own key.
    #[error("no provider holds this money: give it back from your bank's app, then book it")]
    NoProvider,
    /// More than there is.
    #[error("at most {left} (in minor units) can be given back")]
    TooMuch {
        /// What was received and is neither back nor on its way.
        left: i64,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for RefundError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What is still to be asked of a provider.
#[derive(Debug, Clone)]
pub struct ToRefund {
    pub refund_id: RefundId,
    pub payment_id: PaymentId,
    pub account_id: PaymentAccountId,
    pub reference: String,
    pub minor: i64,
    pub currency: String,
    pub payment_reference: String,
    pub provider_id: Option<String>,
    /// It may have been sent before.
    pub sent: bool,
    /// And the provider has said that it took it: only what became of it is to be asked.
    pub taken: bool,
    /// How often it was tried before.
    pub attempts: i32,
}

/// Asks for money to go back: all that is left without an amount. `None`: nothing is left. The payment's row is locked,
/// so that two requests cannot promise the same money.
///
/// # Errors
/// [`RefundError`].
pub async fn request(
    tx: &mut TenantTx,
    payment: PaymentId,
    minor: Option<i64>,
    reason: &str,
) -> Result<Option<RefundId>, RefundError> {
    let charge = payments::get(tx, payment).await?;
    let tenant_id = tx.tenant_id().as_uuid();
    let known = sqlx::query!(
        r#"select p.account_id, p.lost_minor,
                  (select coalesce(sum(r.minor), 0)::bigint from refund r
                   where r.tenant_id = p.tenant_id and r.payment_id = p.payment_id
                     and r.state in ('requested', 'sent')) as "promised!"
           from payment p where p.tenant_id = $1 and p.payment_id = $2"#,
        tenant_id,
        payment.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    let left = charge.captured_minor - charge.refunded_minor - known.lost_minor - known.promised;
    let minor = minor.unwrap_or(left);
    if left <= 0 && known.promised == 0 && charge.captured_minor == 0 {
        return Ok(None);
    }
    if minor < 1 || minor > left {
        return Err(RefundError::TooMuch { left: left.max(0) });
    }
    if known.account_id.is_none() {
        return Err(RefundError::NoProvider);
    }
    let id = RefundId::generate();
    sqlx::query!(
        "insert into refund (tenant_id, refund_id, payment_id, reference, minor, reason) values ($1, $2, $3, $4, $5, $6)",
        tenant_id,
        id.as_uuid(),
        payment.as_uuid(),
        id.as_uuid().simple().to_string(),
        minor,
        reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(Some(id))
}

/// Refunds of any shop to be asked for, or asked about, longest due first.
pub async fn due(store: &Store, limit: i32) -> Result<Vec<(TenantId, RefundId)>, StoreError> {
    let mut lease = store.lease().await?;
    let rows = sqlx::query!(
        r#"select tenant_id as "tenant_id!", refund_id as "refund_id!" from refund_due($1)"#,
        limit
    )
    .fetch_all(&mut *lease)
    .await?;
    lease.done();
    let id = |row: (uuid::Uuid, uuid::Uuid)| (TenantId::from_uuid(row.0), RefundId::from_uuid(row.1));
    Ok(rows.into_iter().map(|row| id((row.tenant_id, row.refund_id))).collect())
}

/// What stands beside a refund that was sent as long as no answer came.
const UNHEARD: &str = "sent, and no answer was heard yet";

/// Claims a refund for so long. It counts as sent from here on: whoever dies while the provider is called leaves a refund that
/// may have been carried out.
pub async fn take(tx: &mut TenantTx, id: RefundId, claim: Duration) -> Result<Option<ToRefund>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query!(
        r#"update refund r
           set due_at = clock_timestamp() + $3 * interval '1 millisecond', attempts = r.attempts + 1, state = 'sent',
               note = case when before.state = 'requested' then $4 else r.note end
           from payment p, refund before
           where r.tenant_id = $1 and r.refund_id = $2 and r.state in ('requested', 'sent')
             and r.due_at <= clock_timestamp() and p.tenant_id = r.tenant_id and p.payment_id = r.payment_id
             and p.account_id is not null and before.tenant_id = r.tenant_id and before.refund_id = r.refund_id
           returning r.payment_id, p.account_id as "account_id!", r.reference, r.minor, p.currency,
                     p.reference as payment_reference, p.provider_id, before.state, before.note is null as "taken!",
                     r.attempts"#,
        tenant_id,
        id.as_uuid(),
        milliseconds(claim) as f64,
        UNHEARD,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| ToRefund {
        refund_id: id,
        payment_id: PaymentId::from_uuid(row.payment_id),
        account_id: PaymentAccountId::from_uuid(row.account_id),
        reference: row.reference,
        minor: row.minor,
        currency: row.currency,
        payment_reference: row.payment_reference,
        provider_id: row.provider_id,
        sent: row.state == "sent",
        taken: row.state == "sent" && row.taken,
        attempts: row.attempts - 1,
    }))
}

/// What came of it: it was sent, or (`why`) it is tried again later, or with no `again` set aside for a person.
pub async fn progress(
    tx: &mut TenantTx,
    id: RefundId,
    sent: bool,
    why: Option<&str>,
    again: Option<Duration>,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let state = match again {
        None => "failed",
        Some(_) if sent => "sent",
        Some(_) => "requested",
    };
    sqlx::query!(
        "update refund
         set state = $3, note = $4, due_at = clock_timestamp() + $5 * interval '1 millisecond',
             updated_at = clock_timestamp()
         where tenant_id = $1 and refund_id = $2 and state in ('requested', 'sent')",
        tenant_id,
        id.as_uuid(),
        state,
        why,
        milliseconds(again.unwrap_or_default()) as f64,
    )
    .execute(tx.conn())
    .await?;
    if again.is_none() {
        let evidence = serde_json::json!({ "refund_id": id.as_uuid() });
        dead_letters::push(tx, "refund", None, why.unwrap_or("it was not carried out"), &evidence).await?;
    }
    Ok(())
}

/// After money of a charge has gone back: the oldest refunds that its sum covers are settled. Not those that were never sent:
/// that money went back at the provider's own desk.
pub async fn settle(tx: &mut TenantTx, payment: PaymentId) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update refund r set state = 'settled', note = null, updated_at = clock_timestamp()
         from (select refund_id, sum(minor) over (order by created_at, refund_id) as so_far from refund
               where tenant_id = $1 and payment_id = $2 and state in ('sent', 'settled')) s
         where r.tenant_id = $1 and r.refund_id = s.refund_id and r.state = 'sent'
           and s.so_far <= (select refunded_minor from payment where tenant_id = $1 and payment_id = $2)",
        tenant_id,
        payment.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The provider could not carry a refund out: the one whose reference the movement's key names.
pub async fn refused(tx: &mut TenantTx, payment: PaymentId, key: &str) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let ids = sqlx::query_scalar!(
        "select refund_id from refund
         where tenant_id = $1 and payment_id = $2 and state in ('requested', 'sent') and strpos($3, reference) > 0",
        tenant_id,
        payment.as_uuid(),
        key,
    )
    .fetch_all(tx.conn())
    .await?;
    for id in ids {
        let why = "the provider could not carry it out";
        progress(tx, RefundId::from_uuid(id), true, Some(why), None).await?;
    }
    Ok(())
}

/// The refunds of a charge, newest first.
pub async fn of_payment(tx: &mut TenantTx, payment: PaymentId) -> Result<Vec<Refund>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query!(
        "select refund_id, reference, minor, reason, state, note, created_at from refund
         where tenant_id = $1 and payment_id = $2 order by refund_id desc",
        tenant_id,
        payment.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Refund {
            refund_id: RefundId::from_uuid(row.refund_id),
            payment_id: payment,
            reference: row.reference,
            minor: row.minor,
            reason: row.reason,
            state: row.state,
            note: row.note,
            created_at: row.created_at,
        })
        .collect())
}

/// A receipt of a charge that is large enough to give so much back of: the bank's id of it, where it has one, and what
/// the provider called the charge when it reported it.
pub async fn receipt(
    tx: &mut TenantTx,
    payment: PaymentId,
    minor: i64,
) -> Result<(Option<String>, Option<String>), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query!(
        "select key, kind, evidence from payment_fact where tenant_id = $1 and payment_id = $2 order by seq",
        tenant_id,
        payment.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        let FactKind::Receipt { minor: received, .. } = serde_json::from_value(row.kind)? else { continue };
        if received < minor {
            continue;
        }
        let name = row.evidence.pointer("/reference/provider_id").and_then(Value::as_str);
        return Ok((row.key.strip_prefix("pix:").map(str::to_owned), name.map(str::to_owned)));
    }
    Ok((None, None))
}
