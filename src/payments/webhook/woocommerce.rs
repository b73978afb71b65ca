//! WooCommerce: `X-WC-Webhook-Signature`, HMAC-SHA256 in base64 over the body.
//!
//! The secret is used after its HTML entities were decoded. There is no event id: a delivery id is a hash of the second
//! it was sent in, so the key is what changed. A new webhook is tried out by an unsigned form that must be answered.
//! Source: `woocommerce/woocommerce`, class-wc-webhook.php.

use balcao_domain::payment::Lifecycle;
use serde::Deserialize;

use super::read::{self, Scalar};
use super::{
    Event, Kind, Malformed, Reference, Rejected, Request, Secrets, Unsigned, WebhookProvider, signature,
};

/// See the module.
pub(super) struct WooCommerce;

const HEADER: &str = "x-wc-webhook-signature";

#[derive(Deserialize)]
struct Order {
    id: Scalar,
    status: Option<String>,
    currency: Option<String>,
    total: Option<Scalar>,
    date_modified_gmt: Option<String>,
    date_paid_gmt: Option<String>,
    transaction_id: Option<String>,
    #[serde(default)]
    meta_data: Vec<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    key: Option<String>,
    // Plugins store whole structures here.
    value: Option<serde_json::Value>,
}

impl WebhookProvider for WooCommerce {
    fn name(&self) -> &'static str {
        "woocommerce"
    }

    fn verify(&self, request: &Request<'_>, secrets: &Secrets, _now: i64) -> Result<(), Rejected> {
        let shown = request.header(HEADER)?.ok_or(Rejected::Absent)?;
        let keys: Vec<String> = secrets.keys()?.into_iter().map(decode_entities).collect();
        signature::hmac_sha256(&keys, &[request.body], &[signature::from_base64(shown, HEADER)?])
    }

    fn events(&self, request: &Request<'_>) -> Result<Vec<Event>, Malformed> {
        let topic = request.header("x-wc-webhook-topic").ok().flatten();
        let topic = topic.ok_or(Malformed::Field("x-wc-webhook-topic"))?;
        if !matches!(topic, "order.created" | "order.updated" | "order.deleted" | "order.restored") {
            return Ok(vec![Event::new(Kind::Other, topic)]);
        }
        order(request.shop, topic, read::json(request.body)?).map(|event| vec![event])
    }

    fn unsigned(&self, request: &Request<'_>) -> Unsigned {
        let digits = request.body.strip_prefix(b"webhook_id=");
        let is_ping = digits.is_some_and(|id| !id.is_empty() && id.iter().all(u8::is_ascii_digit));
        if is_ping { Unsigned::Acknowledged } else { Unsigned::Refused }
    }
}

fn order(shop: &str, topic: &str, order: Order) -> Result<Event, Malformed> {
    let status = order.status.as_deref().unwrap_or("deleted");
    let kind = match status {
        "processing" | "completed" if order.date_paid_gmt.is_some() => Kind::Paid,
        "pending" | "on-hold" => Kind::Charge(Lifecycle::Pending),
        "failed" => Kind::Charge(Lifecycle::Failed),
        "cancelled" => Kind::Charge(Lifecycle::Canceled),
        "refunded" => Kind::RefundedSoFar,
        _ => Kind::Other,
    };
    let id = order.id.0;
    let mut event = Event::new(kind, topic);
    let modified = order.date_modified_gmt.as_deref().unwrap_or_default();
    event.dedupe_key = Some(format!("woocommerce:{shop}:order:{id}:{status}:{modified}"));
    event.occurred_at = read::time(order.date_modified_gmt.as_deref());
    event.end_to_end_id = order.transaction_id.filter(|id| read::is_end_to_end_id(id));
    if matches!(kind, Kind::Paid | Kind::RefundedSoFar) {
        let total = order.total.as_ref().ok_or(Malformed::Field("total"))?;
        let total = read::decimal(total, read::currency(order.currency.as_deref())?, "total")?;
        event.amount = Some(total);
        event.fact_key = Some(match (&event.end_to_end_id, kind) {
            (Some(money), Kind::Paid) => format!("pix:{money}"),
            (None, Kind::Paid) => format!("woocommerce:{id}:paid"),
            _ => format!("woocommerce:{id}:refunded:{}", total.minor()),
        });
    }
    let ours = order.meta_data.into_iter().find(|meta| meta.key.as_deref() == Some("pedido"));
    event.reference = Reference {
        txid: None,
        provider_id: Some(id),
        order: ours.and_then(|meta| Some(meta.value?.as_str()?.to_owned())),
    };
    Ok(event)
}

/// As WordPress decodes them; `&amp;` last, or `&amp;lt;` would be decoded twice.
fn decode_entities(secret: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#039;", "'"), ("&#39;", "'"), ("&amp;", "&")]
        .into_iter()
        .fold(secret.to_owned(), |text, (entity, character)| text.replace(entity, character))
}
