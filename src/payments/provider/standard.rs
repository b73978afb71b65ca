//! A provider that has no file here: whoever puts these five calls in front of it can be paid through. Its webhooks are
//! Standard Webhooks ([`crate::webhook`]), and a charge looked up is the same `data`.
//!
//! `PUT /charges/{reference}` `{"amount", "currency", "expires_in", "description"}` → `{"id", "br_code"}`, idempotent;
//! `GET /charges/{reference}` → `{"events": [{"type": "payment.paid", "data": {…}}, …]}`;
//! `PUT /charges/{reference}/refunds/{id}` `{"amount"}`, idempotent. Amounts are minor units, the token a bearer's.

use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::{Access, Call, Created, Names, NewCharge, NewRefund, PaymentProvider, segment};
use crate::webhook::{
    Event, Malformed, read,
    standard_webhooks::{self as webhook, Body},
};

/// See the module.
pub(super) struct Standard;

#[derive(Deserialize)]
struct Charge {
    id: Option<String>,
    br_code: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    events: Vec<Body>,
}

impl PaymentProvider for Standard {
    fn name(&self) -> &'static str {
        "standard-webhooks"
    }

    fn base_url(&self) -> Option<&'static str> {
        None
    }

    fn needs(&self) -> &'static [&'static str] {
        &["base_url", "token"]
    }

    fn credentials(&self, access: &Access, _token: Option<&SecretString>) -> Vec<(&'static str, String)> {
        access.bearer()
    }

    fn create(&self, _access: &Access, charge: &NewCharge<'_>) -> Option<Call> {
        let body = json!({
            "amount": charge.amount.minor(),
            "currency": charge.amount.currency().code(),
            "expires_in": charge.expires_in.as_secs(),
            "description": charge.title,
        });
        Some(Call::json(Method::PUT, format!("/charges/{}", segment(charge.reference)), &body))
    }

    fn created(&self, answer: &[u8]) -> Result<Option<Created>, Malformed> {
        let charge: Charge = read::json(answer)?;
        Ok(Some(Created { provider_id: charge.id, br_code: charge.br_code }))
    }

    fn look_up(&self, _access: &Access, names: &Names) -> Option<Call> {
        Some(Call::get(format!("/charges/{}", segment(names.reference.as_ref()?))))
    }

    fn found(&self, answer: &[u8]) -> Result<Vec<Event>, Malformed> {
        let Found { events } = read::json(answer)?;
        let event = |(number, body): (usize, Body)| {
            let mut event = webhook::event(body)?;
            event.dedupe_key = event.fact_key.clone().or_else(|| {
                let id = event.reference.provider_id.as_deref().unwrap_or_default();
                Some(format!("standard:{id}:{number}:{}", event.provider_type))
            });
            Ok(event)
        };
        events.into_iter().enumerate().map(event).collect()
    }

    fn refund(&self, _access: &Access, refund: &NewRefund<'_>) -> Option<Call> {
        let charge = segment(refund.names.reference.as_ref()?);
        let path = format!("/charges/{charge}/refunds/{}", segment(refund.reference));
        Some(Call::json(Method::PUT, path, &json!({ "amount": refund.amount.minor() })))
    }
}
