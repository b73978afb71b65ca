//! Nuvemshop: `X-Linkedstore-Hmac-Sha256`, HMAC-SHA256 in **hex** over the body with the app's secret.
//!
//! A call only names the order, so the order is fetched. There is neither an event id nor a time: a later event of the
//! same name about the same order has the same key, so whoever stores these may forget a key once its fetch is done.
//! Source: `TiendaNube/api-docs`, webhook.md.

use serde::Deserialize;

use super::read::{self, Scalar};
use super::{
    Event, Kind, Malformed, Reference, Rejected, Request, Secrets, Truth, WebhookProvider, signature,
};

/// See the module.
pub(super) struct Nuvemshop;

const HEADER: &str = "x-linkedstore-hmac-sha256";

#[derive(Deserialize)]
struct Body {
    store_id: Scalar,
    event: String,
    id: Option<Scalar>,
}

impl WebhookProvider for Nuvemshop {
    fn name(&self) -> &'static str {
        "nuvemshop"
    }

    fn verify(&self, request: &Request<'_>, secrets: &Secrets, _now: i64) -> Result<(), Rejected> {
        let keys = secrets.keys()?;
        let shown = request.header(HEADER)?.ok_or(Rejected::Absent)?;
        signature::hmac_sha256(&keys, &[request.body], &[signature::from_hex(shown, HEADER)?])
    }

    fn events(&self, request: &Request<'_>) -> Result<Vec<Event>, Malformed> {
        let Body { store_id, event: name, id } = read::json(request.body)?;
        let kind = match (&id, name.starts_with("order/")) {
            (Some(_), true) => Kind::Changed,
            (None, true) => return Err(Malformed::Field("id")),
            _ => Kind::Other,
        };
        let mut event = Event::new(kind, name);
        event.truth = Truth::Fetch;
        if let Some(Scalar(id)) = id {
            event.dedupe_key = Some(format!("nuvemshop:{}:{}:{id}", store_id.0, event.provider_type));
            event.reference = Reference { provider_id: Some(id), ..Reference::default() };
        }
        Ok(vec![event])
    }
}
