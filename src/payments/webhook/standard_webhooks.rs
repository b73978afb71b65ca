//! Standard Webhooks 1.0.0, also under Svix' header names: HMAC-SHA256 in base64 over `{id}.{timestamp}.{body}`.
//!
//! The key is what follows `whsec_`, decoded. Several signatures may be listed; versions other than `v1` are passed over.

use balcao_domain::money::Money;
use balcao_domain::payment::Lifecycle;
use serde::Deserialize;

use super::{
    Event, Kind, Malformed, Reference, Rejected, Request, Secrets, WebhookProvider, read, signature,
};

/// See the module.
pub(super) struct StandardWebhooks;

const ID: [&str; 2] = ["webhook-id", "svix-id"];
const TIMESTAMP: [&str; 2] = ["webhook-timestamp", "svix-timestamp"];
const SIGNATURE: [&str; 2] = ["webhook-signature", "svix-signature"];

/// What is reported.
#[derive(Deserialize)]
pub(crate) struct Body {
    r#type: String,
    timestamp: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    id: Option<String>,
    order_id: Option<String>,
    amount: Option<i64>,
    currency: Option<String>,
    end_to_end_id: Option<String>,
    refund_id: Option<String>,
}

impl WebhookProvider for StandardWebhooks {
    fn name(&self) -> &'static str {
        "standard-webhooks"
    }

    fn verify(&self, request: &Request<'_>, secrets: &Secrets, now: i64) -> Result<(), Rejected> {
        let keys = secrets
            .keys()?
            .into_iter()
            .map(|key| signature::from_base64(key.strip_prefix("whsec_").unwrap_or(key), "key"))
            .filter(|key| key.as_ref().is_ok_and(|bytes| !bytes.is_empty()))
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(Rejected::NoKey);
        }
        let listed = either(request, SIGNATURE)?.ok_or(Rejected::Absent)?;
        let id = either(request, ID)?.filter(|id| !id.is_empty()).ok_or(Rejected::Unreadable(ID[0]))?;
        let text = either(request, TIMESTAMP)?.ok_or(Rejected::Unreadable(TIMESTAMP[0]))?;
        let signed_at = signature::seconds(text, TIMESTAMP[0])?;
        let signatures = listed
            .split(' ')
            .filter_map(|one| one.strip_prefix("v1,"))
            .map(|one| signature::from_base64(one, SIGNATURE[0]))
            .collect::<Result<Vec<_>, _>>()?;
        let parts = [id.as_bytes(), b".", text.as_bytes(), b".", request.body];
        signature::hmac_sha256(&keys, &parts, &signatures)?;
        signature::fresh(signed_at, now, secrets.tolerance_seconds)
    }

    fn events(&self, request: &Request<'_>) -> Result<Vec<Event>, Malformed> {
        let id = either(request, ID).ok().flatten().ok_or(Malformed::Field("webhook-id"))?;
        let mut event = event(read::json(request.body)?)?;
        event.dedupe_key = Some(format!("standard:{id}"));
        Ok(vec![event])
    }
}

/// The event of a body, without its key.
pub(crate) fn event(body: Body) -> Result<Event, Malformed> {
    let kind = read_kind(&body.r#type);
    let mut event = Event::new(kind, body.r#type);
    event.occurred_at = read::time(body.timestamp.as_deref());
    let Some(data) = body.data else { return Ok(event) };
    let currency = read::currency(data.currency.as_deref())?;
    event.amount = data.amount.map(|minor| Money::new(minor, currency));
    event.fact_key = match (kind, &data.end_to_end_id, &data.id) {
        (Kind::Paid, Some(money), _) => Some(format!("pix:{money}")),
        (Kind::Paid, None, Some(payment)) => Some(format!("standard:{payment}:paid")),
        (Kind::Refunded, _, Some(_)) => {
            data.refund_id.as_ref().map(|refund| format!("standard:refund:{refund}"))
        }
        _ => None,
    };
    event.end_to_end_id = data.end_to_end_id;
    event.reference = Reference { txid: None, provider_id: data.id, order: data.order_id };
    Ok(event)
}

/// A header under either of its names, not under both.
fn either<'r>(request: &'r Request<'_>, [own, svix]: [&'static str; 2]) -> Result<Option<&'r str>, Rejected> {
    match (request.header(own)?, request.header(svix)?) {
        (Some(_), Some(_)) => Err(Rejected::Doubled(own)),
        (value, None) | (None, value) => Ok(value),
    }
}

fn read_kind(name: &str) -> Kind {
    match name {
        "payment.created" => Kind::Charge(Lifecycle::Created),
        "payment.pending" => Kind::Charge(Lifecycle::Pending),
        "payment.processing" => Kind::Charge(Lifecycle::Processing),
        "payment.authorized" => Kind::Charge(Lifecycle::Authorized),
        "payment.failed" => Kind::Charge(Lifecycle::Failed),
        "payment.expired" => Kind::Charge(Lifecycle::Expired),
        "payment.canceled" => Kind::Charge(Lifecycle::Canceled),
        "payment.paid" => Kind::Paid,
        "payment.refunded" => Kind::Refunded,
        _ => Kind::Other,
    }
}
