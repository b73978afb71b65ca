//! Stripe: `Stripe-Signature: t=…,v1=…`, HMAC-SHA256 in hex over `{t}.{body}`.
//!
//! The secret is used as text, with its `whsec_`. While it is rotated there are several `v1`; `v0` is never accepted.
//! Source: `stripe-python`, `_webhook.py`. Unlike it, times in the future are refused too.

use balcao_domain::money::Money;
use balcao_domain::payment::Lifecycle;
use chrono::DateTime;
use serde::Deserialize;

use super::{
    Event, Kind, Malformed, Reference, Rejected, Request, Secrets, WebhookProvider, read, signature,
};

/// See the module.
pub(super) struct Stripe;

const HEADER: &str = "stripe-signature";

#[derive(Deserialize)]
struct Body {
    id: String,
    r#type: String,
    created: Option<i64>,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    id: Option<String>,
    amount: Option<i64>,
    amount_received: Option<i64>,
    amount_refunded: Option<i64>,
    currency: Option<String>,
    payment_intent: Option<String>,
    status: Option<String>,
    metadata: Option<Metadata>,
    last_payment_error: Option<PaymentError>,
    payment_method_details: Option<Details>,
}

#[derive(Deserialize)]
struct Metadata {
    order_id: Option<String>,
}

#[derive(Deserialize)]
struct PaymentError {
    code: Option<String>,
}

#[derive(Deserialize)]
struct Details {
    pix: Option<Pix>,
}

#[derive(Deserialize)]
struct Pix {
    bank_transaction_id: Option<String>,
}

impl WebhookProvider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn verify(&self, request: &Request<'_>, secrets: &Secrets, now: i64) -> Result<(), Rejected> {
        let keys = secrets.keys()?;
        let header = request.header(HEADER)?.ok_or(Rejected::Absent)?;
        let mut signed_at = None;
        let mut signatures = Vec::new();
        for (name, value) in header.split(',').filter_map(|part| part.trim().split_once('=')) {
            match name {
                "t" if signed_at.is_some() => return Err(Rejected::Doubled(HEADER)),
                "t" => signed_at = Some(value),
                "v1" => signatures.push(signature::from_hex(value, HEADER)?),
                _ => {}
            }
        }
        let text = signed_at.ok_or(Rejected::Unreadable(HEADER))?;
        let signed_at = signature::seconds(text, HEADER)?;
        signature::hmac_sha256(&keys, &[text.as_bytes(), b".", request.body], &signatures)?;
        signature::fresh(signed_at, now, secrets.tolerance_seconds)
    }

    fn events(&self, request: &Request<'_>) -> Result<Vec<Event>, Malformed> {
        let Body { id, r#type, created, data: Data { object } } = read::json(request.body)?;
        let (kind, minor) = read_kind(&r#type, &object);
        let about = object.id.clone().unwrap_or_default();
        // A refund or dispute names the payment it is about; a payment is its own.
        let payment = object.payment_intent.clone().or_else(|| object.id.clone());
        let owner = payment.clone().unwrap_or_default();
        let mut event = Event::new(kind, r#type);
        event.fact_key = match kind {
            Kind::Paid => Some(format!("stripe:{owner}:paid")),
            Kind::RefundedSoFar => Some(format!("stripe:{owner}:refunded:{}", minor.unwrap_or_default())),
            Kind::DisputeOpened => Some(format!("stripe:{about}:opened")),
            Kind::DisputeWon | Kind::DisputeLost => Some(format!("stripe:{about}:closed")),
            _ => None,
        };
        event.dedupe_key = Some(format!("stripe:{id}"));
        let currency = read::currency(object.currency.as_deref())?;
        event.amount = minor.map(|minor| Money::new(minor, currency));
        event.end_to_end_id =
            object.payment_method_details.and_then(|details| details.pix?.bank_transaction_id);
        event.reference = Reference {
            txid: None,
            provider_id: payment,
            order: object.metadata.and_then(|metadata| metadata.order_id),
        };
        event.occurred_at = created.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        Ok(vec![event])
    }

    fn refusal_status(&self) -> u16 {
        400
    }
}

fn read_kind(name: &str, object: &Object) -> (Kind, Option<i64>) {
    let error = object.last_payment_error.as_ref().and_then(|error| error.code.as_deref());
    match (name, object.status.as_deref()) {
        ("payment_intent.succeeded", _) => (Kind::Paid, object.amount_received.or(object.amount)),
        ("payment_intent.created", _) => (Kind::Charge(Lifecycle::Created), None),
        ("payment_intent.requires_action", _) => (Kind::Charge(Lifecycle::Pending), None),
        ("payment_intent.processing", _) => (Kind::Charge(Lifecycle::Processing), None),
        ("payment_intent.amount_capturable_updated", _) => (Kind::Charge(Lifecycle::Authorized), None),
        ("payment_intent.canceled", _) => (Kind::Charge(Lifecycle::Canceled), None),
        // An expired PIX is no state of its own: the payment waits for another method again.
        ("payment_intent.payment_failed", _) if error == Some("payment_intent_payment_attempt_expired") => {
            (Kind::Charge(Lifecycle::Expired), None)
        }
        ("payment_intent.payment_failed", _) => (Kind::Charge(Lifecycle::Failed), None),
        ("charge.refunded", _) => (Kind::RefundedSoFar, object.amount_refunded),
        ("refund.failed", _) => (Kind::RefundFailed, object.amount),
        ("charge.dispute.created", _) => (Kind::DisputeOpened, object.amount),
        ("charge.dispute.closed", Some("won")) => (Kind::DisputeWon, object.amount),
        ("charge.dispute.closed", Some("lost")) => (Kind::DisputeLost, object.amount),
        _ => (Kind::Other, None),
    }
}
