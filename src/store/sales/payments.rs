//! Charges, what is known of them, and what that books. A fact, its ledger entries, the payment's numbers and what the
//! order becomes are one transaction.

use balcao_domain::{
    OrderId, PaymentAccountId, PaymentId,
    ledger::Entry,
    money::{Currency, Money},
    payment::{Admission, CommissionTerms, Fact, Payment, Refusal, State, admit},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::orders;
use crate::{StoreError, TenantTx};

/// A charge to be made.
#[derive(Debug, Clone)]
pub struct NewPayment {
    pub order_id: OrderId,
    /// Who collects it: `pix` where the shop's own key does, else a provider.
    pub provider: String,
    /// `pix`, `card`, `boleto`.
    pub method: String,
    /// What the charge goes by at the provider; of PIX, the txid. Unique.
    pub reference: String,
    /// The account that is to make it; none where nobody needs to. It is then called soon, unless somebody does at once.
    pub account_id: Option<PaymentAccountId>,
    pub terms: CommissionTerms,
    /// What the customer is shown.
    pub instructions: Value,
    pub expires_at: Option<DateTime<Utc>>,
}

/// A charge as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Charge {
    pub payment_id: PaymentId,
    pub order_id: OrderId,
    pub provider: String,
    pub method: String,
    pub reference: String,
    pub currency: String,
    pub expected_minor: i64,
    pub captured_minor: i64,
    pub refunded_minor: i64,
    pub state: State,
    pub instructions: Value,
    pub expires_at: Option<DateTime<Utc>>,
    /// The account that made it, or is to.
    pub account_id: Option<PaymentAccountId>,
    #[serde(skip)]
    terms: CommissionTerms,
}

impl Charge {
    /// The PIX code it is paid with, once it is made.
    pub fn br_code(&self) -> Option<&str> {
        self.instructions.get("br_code")?.as_str()
    }

    /// Its currency.
    ///
    /// # Errors
    /// `Corrupt` where it is none.
    pub fn currency(&self) -> Result<Currency, StoreError> {
        self.currency.parse().map_err(|_| orders::corrupt_currency(&self.currency))
    }

    fn expected(&self) -> Result<Money, StoreError> {
        Ok(Money::new(self.expected_minor, self.currency()?))
    }
}

/// What became of a fact.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// It is news, and booked.
    Now(State),
    /// It was known.
    Known,
    /// The same key told another story before: nothing is changed, a person must look.
    Conflict,
    /// It contradicts what is known: nothing is changed, a person must look.
    Refused(Refusal),
}

/// Makes a charge for all that an order comes to.
///
/// # Errors
/// `NotFound` without the order, `Conflict` where the reference is taken.
pub async fn create(tx: &mut TenantTx, new: &NewPayment) -> Result<PaymentId, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let id = PaymentId::generate();
    let made = sqlx::query!(
        "insert into payment (tenant_id, payment_id, order_id, provider, method, reference, currency, expected_minor,
                              terms, instructions, state, expires_at, account_id, issue_due_at)
         select $1, $2, o.order_id, $4, $5, $6, o.currency, o.total_minor, $7, $8, $9, $10, $11,
                case when $11::uuid is not null then clock_timestamp() + interval '10 seconds' end
         from sales_order o where o.tenant_id = $1 and o.order_id = $3",
        tenant_id,
        id.as_uuid(),
        new.order_id.as_uuid(),
        new.provider,
        new.method,
        new.reference,
        serde_json::to_value(&new.terms)?,
        new.instructions,
        word(State::Created)?,
        new.expires_at,
        new.account_id.map(|id| id.as_uuid()),
    )
    .execute(tx.conn())
    .await?;
    if made.rows_affected() == 0 { Err(StoreError::NotFound) } else { Ok(id) }
}

fn word(state: State) -> Result<String, StoreError> {
    match serde_json::to_value(state)? {
        Value::String(word) => Ok(word),
        other => Err(StoreError::Corrupt(format!("a state written as {other}"))),
    }
}

struct Row {
    payment_id: Uuid,
    order_id: Uuid,
    provider: String,
    method: String,
    reference: String,
    currency: String,
    expected_minor: i64,
    captured_minor: i64,
    refunded_minor: i64,
    state: String,
    instructions: Value,
    expires_at: Option<DateTime<Utc>>,
    account_id: Option<Uuid>,
    terms: Value,
}

impl TryFrom<Row> for Charge {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            payment_id: PaymentId::from_uuid(row.payment_id),
            order_id: OrderId::from_uuid(row.order_id),
            provider: row.provider,
            method: row.method,
            reference: row.reference,
            currency: row.currency,
            expected_minor: row.expected_minor,
            captured_minor: row.captured_minor,
            refunded_minor: row.refunded_minor,
            state: serde_json::from_value(Value::String(row.state))?,
            instructions: row.instructions,
            expires_at: row.expires_at,
            account_id: row.account_id.map(PaymentAccountId::from_uuid),
            terms: serde_json::from_value(row.terms)?,
        })
    }
}

/// One charge, locked for this transaction.
///
/// # Errors
/// `NotFound`.
async fn lock(tx: &mut TenantTx, id: PaymentId) -> Result<Charge, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query_as!(
        Row,
        "select payment_id, order_id, provider, method, reference, currency, expected_minor, captured_minor,
                refunded_minor, state, instructions, expires_at, account_id, terms
         from payment where tenant_id = $1 and payment_id = $2 for update",
        tenant_id,
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(StoreError::NotFound)?
    .try_into()
}

/// The charges of an order, newest first.
pub async fn of_order(tx: &mut TenantTx, id: OrderId) -> Result<Vec<Charge>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query_as!(
        Row,
        "select payment_id, order_id, provider, method, reference, currency, expected_minor, captured_minor,
                refunded_minor, state, instructions, expires_at, account_id, terms
         from payment where tenant_id = $1 and order_id = $2 order by payment_id desc",
        tenant_id,
        id.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?
    .into_iter()
    .map(Charge::try_from)
    .collect()
}

/// The shop's last charges, newest first.
pub async fn list(tx: &mut TenantTx, limit: i64) -> Result<Vec<Charge>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query_as!(
        Row,
        "select payment_id, order_id, provider, method, reference, currency, expected_minor, captured_minor,
                refunded_minor, state, instructions, expires_at, account_id, terms
         from payment where tenant_id = $1 order by payment_id desc limit $2",
        tenant_id,
        limit,
    )
    .fetch_all(tx.conn())
    .await?
    .into_iter()
    .map(Charge::try_from)
    .collect()
}

/// The charge that a provider knows by this reference.
pub async fn by_reference(
    tx: &mut TenantTx,
    provider: &str,
    reference: &str,
) -> Result<Option<PaymentId>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let id = sqlx::query_scalar!(
        "select payment_id from payment where tenant_id = $1 and provider = $2 and reference = $3",
        tenant_id,
        provider,
        reference,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(id.map(PaymentId::from_uuid))
}

/// The charge that a provider's report is about: by the provider's names of it or ours, where the shop's own PIX key
/// stands for the bank that reports; else by our order, where it has one charge. `order` is what we gave the provider as
/// our name of it: the charge's reference, or the order's code or id.
pub async fn reported(
    tx: &mut TenantTx,
    provider: &str,
    references: &[String],
    order: Option<&str>,
) -> Result<Option<PaymentId>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let id = sqlx::query_scalar!(
        "select payment_id from payment
         where tenant_id = $1
           and (provider in ($2, 'pix') and reference = any($3)
                or provider = $2 and (provider_id = any($3) or reference = $4))
         order by provider = $2 desc limit 1",
        tenant_id,
        provider,
        references,
        order,
    )
    .fetch_optional(tx.conn())
    .await?;
    let (None, Some(order)) = (id, order) else { return Ok(id.map(PaymentId::from_uuid)) };
    let order_id = order.parse::<OrderId>().ok().map(|id| id.as_uuid());
    let ids = sqlx::query_scalar!(
        "select p.payment_id from payment p
         join sales_order o on o.tenant_id = p.tenant_id and o.order_id = p.order_id
         where p.tenant_id = $1 and (o.code = $2 or o.order_id = $3) limit 2",
        tenant_id,
        order,
        order_id,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(match ids.as_slice() {
        [only] => Some(PaymentId::from_uuid(*only)),
        _ => None,
    })
}

/// One charge.
///
/// # Errors
/// `NotFound`.
pub async fn get(tx: &mut TenantTx, id: PaymentId) -> Result<Charge, StoreError> {
    lock(tx, id).await
}

/// Whether this movement is booked to the charge.
pub async fn has_fact(tx: &mut TenantTx, id: PaymentId, key: &str) -> Result<bool, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    Ok(sqlx::query_scalar!(
        r#"select exists (select from payment_fact where tenant_id = $1 and payment_id = $2 and key = $3) as "has!""#,
        tenant_id,
        id.as_uuid(),
        key,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// What is known of a charge, in the order it was learned.
async fn facts(tx: &mut TenantTx, id: PaymentId) -> Result<Vec<Fact>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query!(
        "select key, kind from payment_fact where tenant_id = $1 and payment_id = $2 order by seq",
        tenant_id,
        id.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| Ok(Fact { key: row.key, kind: serde_json::from_value(row.kind)? })).collect()
}

/// Applies one fact: once, whoever reports it and how often. `evidence` is what it was read from.
///
/// # Errors
/// `NotFound` without the charge; `Conflict` on `payment_fact_key_unique` where the movement was booked to another
/// charge.
pub async fn apply(
    tx: &mut TenantTx,
    id: PaymentId,
    fact: &Fact,
    evidence: &Value,
) -> Result<Applied, StoreError> {
    let charge = lock(tx, id).await?;
    let known = facts(tx, id).await?;
    match admit(known.iter().find(|known| known.key == fact.key), fact) {
        Admission::Duplicate => return Ok(Applied::Known),
        Admission::Conflict => return Ok(Applied::Conflict),
        Admission::New => {}
    }
    let before = Payment::replay(charge.expected()?, charge.terms.clone(), &known)
        .map_err(|why| StoreError::Corrupt(format!("the facts of {id} contradict each other: {why}")))?;
    let change = match before.apply(fact) {
        Ok(change) => change,
        Err(why) => return Ok(Applied::Refused(why)),
    };
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "insert into payment_fact (tenant_id, payment_id, seq, key, kind, evidence) values ($1, $2, $3, $4, $5, $6)",
        tenant_id,
        id.as_uuid(),
        i32::try_from(known.len() + 1).unwrap_or(i32::MAX),
        fact.key,
        serde_json::to_value(fact.kind)?,
        evidence,
    )
    .execute(tx.conn())
    .await?;
    for entry in &change.entries {
        book(tx, id, &charge.currency, entry).await?;
    }
    let after = &change.payment;
    let state = after.state();
    sqlx::query!(
        "update payment set state = $3, captured_minor = $4, refunded_minor = $5, lost_minor = $6, excess_minor = $7,
                            updated_at = now()
         where tenant_id = $1 and payment_id = $2",
        tenant_id,
        id.as_uuid(),
        word(state)?,
        after.captured().minor(),
        after.refunded().minor(),
        after.lost().minor(),
        after.excess().minor(),
    )
    .execute(tx.conn())
    .await?;
    if state != before.state() {
        let news = serde_json::json!({ "payment_id": id, "order_id": charge.order_id, "state": state });
        crate::events::push(tx, "payment.moved", None, &news).await?;
    }
    match state {
        State::Paid => orders::paid(tx, charge.order_id).await?,
        State::Refunded => orders::refunded(tx, charge.order_id).await?,
        _ => {}
    }
    Ok(Applied::Now(state))
}

/// Writes an entry into the books.
async fn book(tx: &mut TenantTx, id: PaymentId, currency: &str, entry: &Entry) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let accounts: Vec<String> = entry.lines.iter().map(|line| line.account.to_string()).collect();
    let amounts: Vec<i64> = entry.lines.iter().map(|line| line.minor).collect();
    sqlx::query!(
        "with entry as (
           insert into ledger_entry (tenant_id, entry_id, reference, payment_id, currency)
           values ($1, new_id(), $2, $3, $4) returning entry_id)
         insert into ledger_line (tenant_id, entry_id, line_no, account, minor)
         select $1, e.entry_id, l.number, l.account, l.minor
         from entry e, unnest($5::text[], $6::bigint[]) with ordinality as l (account, minor, number)",
        tenant_id,
        entry.reference,
        id.as_uuid(),
        currency,
        &accounts,
        &amounts,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
