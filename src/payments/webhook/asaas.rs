//! Asaas: a token of our choice in `asaas-access-token`. Nothing is signed and nothing is dated.
//!
//! An event's id has two parts around `&`; the first one repeats over different events, so the whole is the key.
//! Amounts are decimals in reais. Times have no zone: they are São Paulo's, three hours behind UTC all year since 2019.
//! Source: docs.asaas.com, "Eventos para cobranças".

use balcao_domain::money::{Currency, Money};
use balcao_domain::payment::Lifecycle;
use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
use serde::Deserialize;

use super::read::{self, Scalar};
use super::{Event, Kind, Malformed, Reference, Rejected, Request, Secrets, WebhookProvider, signature};

/// See the module.
pub(super) struct Asaas;

pub(crate) const SAO_PAULO_BEHIND_SECONDS: i32 = 3 * 3600;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    id: String,
    event: String,
    date_created: Option<String>,
    payment: Option<Payment>,
}

/// A payment, in webhooks and in the API's answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payment {
    pub(crate) id: String,
    value: Scalar,
    net_value: Option<Scalar>,
    external_reference: Option<String>,
    refunds: Option<Vec<Refund>>,
}

#[derive(Deserialize)]
struct Refund {
    status: Option<String>,
    value: Scalar,
}

impl WebhookProvider for Asaas {
    fn name(&self) -> &'static str {
        "asaas"
    }

    fn verify(&self, request: &Request<'_>, secrets: &Secrets, _now: i64) -> Result<(), Rejected> {
        let keys = secrets.keys()?;
        let shown = request.header("asaas-access-token")?.ok_or(Rejected::Absent)?;
        signature::token(&keys, shown.as_bytes())
    }

    fn events(&self, request: &Request<'_>) -> Result<Vec<Event>, Malformed> {
        let body: Body = read::json(request.body)?;
        let kind = read_kind(&body.event);
        let mut event = Event::new(kind, body.event);
        event.dedupe_key = Some(format!("asaas:{}", body.id));
        event.occurred_at = local_time(body.date_created.as_deref());
        let Some(payment) = body.payment else {
            // Money that moved without saying whose is not a thing to guess about.
            return if kind == Kind::Other { Ok(vec![event]) } else { Err(Malformed::Field("payment")) };
        };
        fill(&mut event, &payment)?;
        Ok(vec![event])
    }
}

/// Whose payment it is, the amount that the kind is about, and the key of its money.
pub(crate) fn fill(event: &mut Event, payment: &Payment) -> Result<(), Malformed> {
    let value = read::decimal(&payment.value, Currency::BRL, "value")?;
    match event.kind {
        Kind::Paid => {
            event.amount = Some(value);
            event.fee = fee(value, payment.net_value.as_ref())?;
            event.fact_key = Some(format!("asaas:{}:paid", payment.id));
        }
        Kind::RefundedSoFar => {
            let sum = refunds_done(payment)?.unwrap_or(value);
            event.amount = Some(sum);
            event.fact_key = Some(format!("asaas:{}:refunded:{}", payment.id, sum.minor()));
        }
        Kind::DisputeOpened => {
            event.amount = Some(value);
            event.fact_key = Some(format!("asaas:{}:dispute", payment.id));
        }
        _ => {}
    }
    event.reference = Reference {
        txid: None,
        provider_id: Some(payment.id.clone()),
        order: payment.external_reference.clone(),
    };
    Ok(())
}

fn read_kind(event: &str) -> Kind {
    match event {
        "PAYMENT_CREATED" | "PAYMENT_UPDATED" | "PAYMENT_RESTORED" => Kind::Charge(Lifecycle::Pending),
        "PAYMENT_AWAITING_RISK_ANALYSIS" => Kind::Charge(Lifecycle::Processing),
        "PAYMENT_AUTHORIZED" => Kind::Charge(Lifecycle::Authorized),
        "PAYMENT_REPROVED_BY_RISK_ANALYSIS" => Kind::Charge(Lifecycle::Failed),
        "PAYMENT_OVERDUE" => Kind::Charge(Lifecycle::Expired),
        "PAYMENT_DELETED" => Kind::Charge(Lifecycle::Canceled),
        // A card is confirmed first and received later: the same money, under one key.
        "PAYMENT_CONFIRMED" | "PAYMENT_RECEIVED" => Kind::Paid,
        "PAYMENT_REFUNDED" | "PAYMENT_PARTIALLY_REFUNDED" => Kind::RefundedSoFar,
        "PAYMENT_CHARGEBACK_REQUESTED" => Kind::DisputeOpened,
        _ => Kind::Other,
    }
}

fn fee(value: Money, net: Option<&Scalar>) -> Result<Option<Money>, Malformed> {
    let Some(net) = net else { return Ok(None) };
    let net = read::decimal(net, Currency::BRL, "netValue")?;
    value.checked_sub(net).map(Some).map_err(|_| Malformed::Field("netValue"))
}

/// All refunds done so far; `None` without a list.
pub(crate) fn refunds_done(payment: &Payment) -> Result<Option<Money>, Malformed> {
    let Some(refunds) = payment.refunds.as_ref().filter(|refunds| !refunds.is_empty()) else {
        return Ok(None);
    };
    let done = refunds.iter().filter(|refund| refund.status.as_deref() == Some("DONE"));
    done.map(|refund| read::decimal(&refund.value, Currency::BRL, "refunds"))
        .try_fold(Money::zero(Currency::BRL), |sum, one| {
            sum.checked_add(one?).map_err(|_| Malformed::Field("refunds"))
        })
        .map(Some)
}

fn local_time(text: Option<&str>) -> Option<DateTime<Utc>> {
    let naive = NaiveDateTime::parse_from_str(text?, "%Y-%m-%d %H:%M:%S").ok()?;
    let zone = FixedOffset::west_opt(SAO_PAULO_BEHIND_SECONDS)?;
    naive.and_local_timezone(zone).single().map(|time| time.to_utc())
}
