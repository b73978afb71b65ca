//! PagBank: `x-authenticity-token`, a plain SHA-256 in hex over `{token}-{body}`.
//!
//! Not an HMAC, so whoever saw one pair can append bytes and sign them: the body must be exactly one JSON value. The
//! sandbox often leaves the header out; such a call is a hint. There is no event id: the key is what a charge came to.
//! Source: developer.pagbank.com.br, "Confirmar autenticidade da notificação".

use balcao_domain::money::Money;
use balcao_domain::payment::Lifecycle;
use serde::Deserialize;

use super::{
    Event, Kind, Malformed, Reference, Rejected, Request, Secrets, Unsigned, WebhookProvider, read, signature,
};

/// See the module.
pub(super) struct PagBank;

const HEADER: &str = "x-authenticity-token";

#[derive(Deserialize)]
struct Order {
    id: String,
    reference_id: Option<String>,
    #[serde(default)]
    charges: Vec<Charge>,
}

#[derive(Deserialize)]
struct Charge {
    id: String,
    status: String,
    created_at: Option<String>,
    paid_at: Option<String>,
    amount: Amount,
    payment_method: Option<Method>,
}

#[derive(Deserialize)]
struct Amount {
    currency: Option<String>,
    summary: Option<Summary>,
}

#[derive(Deserialize, Default)]
struct Summary {
    #[serde(default)]
    paid: i64,
    #[serde(default)]
    refunded: i64,
}

#[derive(Deserialize)]
struct Method {
    pix: Option<Pix>,
}

#[derive(Deserialize)]
struct Pix {
    end_to_end_id: Option<String>,
}

impl WebhookProvider for PagBank {
    fn name(&self) -> &'static str {
        "pagbank"
    }

    fn verify(&self, request: &Request<'_>, secrets: &Secrets, _now: i64) -> Result<(), Rejected> {
        let shown = request.header(HEADER)?.ok_or(Rejected::Absent)?;
        signature::keyed_sha256(&secrets.keys()?, request.body, signature::from_hex(shown, HEADER)?)
    }

    fn events(&self, request: &Request<'_>) -> Result<Vec<Event>, Malformed> {
        read_order(request.body)
    }

    fn unsigned(&self, _request: &Request<'_>) -> Unsigned {
        Unsigned::Hint
    }
}

/// An order as it is reported, or answered.
pub(crate) fn read_order(body: &[u8]) -> Result<Vec<Event>, Malformed> {
    let order: Order = read::json(body)?;
    let mut events = Vec::new();
    for charge in &order.charges {
        push(&order, charge, &mut events)?;
    }
    if events.is_empty() {
        let mut event = Event::new(Kind::Other, "order");
        event.dedupe_key = Some(format!("pagbank:{}", order.id));
        events.push(event);
    }
    Ok(events)
}

/// What a charge came to, and what of it went back.
fn push(order: &Order, charge: &Charge, events: &mut Vec<Event>) -> Result<(), Malformed> {
    let nothing = Summary::default();
    let sums = charge.amount.summary.as_ref().unwrap_or(&nothing);
    let currency = read::currency(charge.amount.currency.as_deref())?;
    let kind = match charge.status.as_str() {
        "PAID" => Kind::Paid,
        "WAITING" => Kind::Charge(Lifecycle::Pending),
        "IN_ANALYSIS" => Kind::Charge(Lifecycle::Processing),
        "AUTHORIZED" => Kind::Charge(Lifecycle::Authorized),
        "DECLINED" => Kind::Charge(Lifecycle::Failed),
        "CANCELED" if sums.refunded == 0 => Kind::Charge(Lifecycle::Canceled),
        _ => Kind::Other,
    };
    let end_to_end_id =
        charge.payment_method.as_ref().and_then(|method| method.pix.as_ref()?.end_to_end_id.clone());
    let mut event = Event::new(kind, &charge.status);
    let key = format!("pagbank:{}:{}:{}:{}", order.id, charge.id, charge.status, sums.paid);
    event.dedupe_key = Some(key.clone());
    event.reference =
        Reference { txid: None, provider_id: Some(charge.id.clone()), order: order.reference_id.clone() };
    event.occurred_at = read::time(charge.paid_at.as_deref().or(charge.created_at.as_deref()));
    event.end_to_end_id = end_to_end_id;
    let known = matches!(charge.status.as_str(), "PAID" | "CANCELED");
    let refund = (known && sums.refunded > 0).then(|| Event {
        kind: Kind::RefundedSoFar,
        dedupe_key: Some(format!("{key}:refunded:{}", sums.refunded)),
        fact_key: Some(format!("pagbank:{}:refunded:{}", charge.id, sums.refunded)),
        amount: Some(Money::new(sums.refunded, currency)),
        // A refund has another time than the payment, and the order does not tell it.
        occurred_at: None,
        ..event.clone()
    });
    if kind == Kind::Paid {
        event.amount = Some(Money::new(sums.paid, currency));
        event.fact_key = Some(match &event.end_to_end_id {
            Some(money) => format!("pix:{money}"),
            None => format!("pagbank:{}:paid", charge.id),
        });
    }
    events.push(event);
    events.extend(refund);
    Ok(())
}
