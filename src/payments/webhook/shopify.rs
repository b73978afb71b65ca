//! Shopify: `X-Shopify-Hmac-Sha256`, HMAC-SHA256 in base64 over the body with the app's client secret.
//!
//! `X-Shopify-Webhook-Id` is the event; `X-Shopify-Event-Id` is shared by the topics that one action fires, and would
//! swallow all but one of them. The headers are not signed, so what is paid is read from the body, not from the topic.
//! Source: `Shopify/shopify-api-js`.

use balcao_domain::money::Money;
use balcao_domain::payment::Lifecycle;
use serde::Deserialize;

use super::read::{self, Scalar};
use super::{
    Event, Kind, Malformed, Reference, Rejected, Request, Secrets, Truth, WebhookProvider, signature,
};

/// See the module.
pub(super) struct Shopify;

const HEADER: &str = "x-shopify-hmac-sha256";

#[derive(Deserialize)]
struct Order {
    id: Scalar,
    financial_status: Option<String>,
    currency: Option<String>,
    total_price: Option<Scalar>,
    updated_at: Option<String>,
    #[serde(default)]
    note_attributes: Vec<Note>,
}

#[derive(Deserialize)]
struct Note {
    name: Option<String>,
    value: Option<Scalar>,
}

#[derive(Deserialize)]
struct Refund {
    id: Scalar,
    order_id: Scalar,
    processed_at: Option<String>,
    #[serde(default)]
    transactions: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Transaction {
    kind: Option<String>,
    status: Option<String>,
    amount: Scalar,
    currency: Option<String>,
}

impl WebhookProvider for Shopify {
    fn name(&self) -> &'static str {
        "shopify"
    }

    fn verify(&self, request: &Request<'_>, secrets: &Secrets, _now: i64) -> Result<(), Rejected> {
        let keys = secrets.keys()?;
        let shown = request.header(HEADER)?.ok_or(Rejected::Absent)?;
        signature::hmac_sha256(&keys, &[request.body], &[signature::from_base64(shown, HEADER)?])
    }

    fn events(&self, request: &Request<'_>) -> Result<Vec<Event>, Malformed> {
        let header = |name| request.header(name).ok().flatten();
        let id = header("x-shopify-webhook-id").ok_or(Malformed::Field("x-shopify-webhook-id"))?;
        let topic = header("x-shopify-topic").ok_or(Malformed::Field("x-shopify-topic"))?;
        let mut event = match topic {
            "orders/create" | "orders/updated" | "orders/paid" | "orders/cancelled" => {
                order(topic, read::json(request.body)?)?
            }
            "refunds/create" => refund(topic, read::json(request.body)?)?,
            _ => Event::new(Kind::Other, topic),
        };
        event.dedupe_key = Some(format!("shopify:{id}"));
        Ok(vec![event])
    }
}

fn order(topic: &str, order: Order) -> Result<Event, Malformed> {
    let kind = match (order.financial_status.as_deref(), topic) {
        (Some("paid"), _) => Kind::Paid,
        (Some("pending"), "orders/cancelled") | (Some("voided"), _) => Kind::Charge(Lifecycle::Canceled),
        (Some("pending"), _) => Kind::Charge(Lifecycle::Pending),
        (Some("authorized"), _) => Kind::Charge(Lifecycle::Authorized),
        // Partly paid or refunded: the order does not say how much of it is news.
        _ => Kind::Changed,
    };
    let mut event = Event::new(kind, topic);
    if kind == Kind::Changed {
        event.truth = Truth::Fetch;
    }
    if kind == Kind::Paid {
        let total = order.total_price.as_ref().ok_or(Malformed::Field("total_price"))?;
        event.amount = Some(read::decimal(total, read::currency(order.currency.as_deref())?, "total_price")?);
        event.fact_key = Some(format!("shopify:{}:paid", order.id.0));
    }
    let ours = order.note_attributes.into_iter().find(|note| note.name.as_deref() == Some("pedido"));
    event.reference = Reference {
        txid: None,
        provider_id: Some(order.id.0),
        order: ours.and_then(|note| note.value).map(|value| value.0),
    };
    event.occurred_at = read::time(order.updated_at.as_deref());
    Ok(event)
}

fn refund(topic: &str, refund: Refund) -> Result<Event, Malformed> {
    let done = |one: &&Transaction| {
        one.kind.as_deref() == Some("refund") && one.status.as_deref() == Some("success")
    };
    let mut sum: Option<Money> = None;
    for one in refund.transactions.iter().filter(done) {
        let currency = read::currency(one.currency.as_deref())?;
        let amount = read::decimal(&one.amount, currency, "transactions.amount")?;
        let before = sum.unwrap_or(Money::zero(currency));
        sum = Some(before.checked_add(amount).map_err(|_| Malformed::Field("transactions.amount"))?);
    }
    // Goods taken back without money are a refund to Shopify, and nothing to a payment.
    let kind = if sum.is_some() { Kind::Refunded } else { Kind::Other };
    let mut event = Event::new(kind, topic);
    event.amount = sum;
    event.fact_key = Some(format!("shopify:refund:{}", refund.id.0));
    event.reference = Reference { provider_id: Some(refund.order_id.0), ..Reference::default() };
    event.occurred_at = read::time(refund.processed_at.as_deref());
    Ok(event)
}
