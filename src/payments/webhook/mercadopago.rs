//! Mercado Pago: `x-signature: ts=…,v1=…`, HMAC-SHA256 in hex over a manifest of ids, not over the body.
//!
//! So a genuine call proves only that something happened to `data.id` of the query: the truth is fetched, always.
//! Calls about QR codes are not signed at all and are hints. Sources: `mercadopago/sdk-python` 3.5, `sdk-nodejs` 3.3 and
//! its issue 458 (the case of ids).

use serde::Deserialize;

use super::read::{self, Scalar};
use super::{
    Event, Kind, Malformed, Reference, Rejected, Request, Secrets, Truth, Unsigned, WebhookProvider,
    signature,
};

/// See the module.
pub(super) struct MercadoPago;

const HEADER: &str = "x-signature";
/// Times above this are milliseconds: as seconds they would lie more than three thousand years ahead.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

#[derive(Deserialize)]
struct Body {
    id: Scalar,
    action: Option<String>,
    r#type: Option<String>,
    date_created: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    id: Option<Scalar>,
}

impl WebhookProvider for MercadoPago {
    fn name(&self) -> &'static str {
        "mercadopago"
    }

    fn verify(&self, request: &Request<'_>, secrets: &Secrets, now: i64) -> Result<(), Rejected> {
        let header = request.header(HEADER)?.ok_or(Rejected::Absent)?;
        let keys = secrets.keys()?;
        let (mut ts, mut v1) = (None, None);
        for (name, value) in header.split(',').filter_map(|part| part.split_once('=')) {
            let place = match name.trim() {
                "ts" => &mut ts,
                "v1" => &mut v1,
                _ => continue,
            };
            if place.replace(value.trim()).is_some() {
                return Err(Rejected::Doubled(HEADER));
            }
        }
        let (Some(ts), Some(v1)) = (ts, v1) else { return Err(Rejected::Unreadable(HEADER)) };
        let signed_at = signature::seconds(ts, HEADER)?;
        let signatures = [signature::from_hex(v1, HEADER)?];
        let id = request.parameter("data.id")?;
        let call = request.header("x-request-id")?;
        // Their kits disagree whether the id is signed as sent or in lower case.
        let as_sent = manifest(id, call, ts);
        let lowered = manifest(id.map(str::to_ascii_lowercase).as_deref(), call, ts);
        signature::hmac_sha256(&keys, &[as_sent.as_bytes()], &signatures)
            .or_else(|_| signature::hmac_sha256(&keys, &[lowered.as_bytes()], &signatures))?;
        let signed_at = if signed_at > MILLISECONDS_FROM { signed_at / 1000 } else { signed_at };
        signature::fresh(signed_at, now, secrets.tolerance_seconds)
    }

    fn events(&self, request: &Request<'_>) -> Result<Vec<Event>, Malformed> {
        let body: Body = read::json(request.body)?;
        let signed_id = request.parameter("data.id").map_err(|_| Malformed::Field("data.id"))?;
        let told_id = body.data.and_then(|data| data.id).map(|id| id.0);
        // The query is signed, the body is not: one that names another payment is not to be followed.
        if let (Some(signed), Some(told)) = (signed_id, &told_id)
            && !signed.eq_ignore_ascii_case(told)
        {
            return Err(Malformed::Field("data.id"));
        }
        let kind = match body.r#type.as_deref() {
            Some("payment" | "order" | "merchant_order" | "chargebacks") => Kind::Changed,
            _ => Kind::Other,
        };
        let mut event = Event::new(kind, body.action.or(body.r#type).unwrap_or_default());
        event.dedupe_key = Some(format!("mercadopago:{}", body.id.0));
        event.reference =
            Reference { provider_id: signed_id.map(str::to_owned).or(told_id), ..Reference::default() };
        event.occurred_at = read::time(body.date_created.as_deref());
        event.truth = Truth::Fetch;
        Ok(vec![event])
    }

    fn unsigned(&self, _request: &Request<'_>) -> Unsigned {
        Unsigned::Hint
    }
}

/// A missing part is left out together with its label.
fn manifest(id: Option<&str>, call: Option<&str>, ts: &str) -> String {
    let part =
        |label: &str, value: Option<&str>| value.map(|value| format!("{label}:{value};")).unwrap_or_default();
    format!("{}{}ts:{ts};", part("id", id), part("request-id", call))
}
