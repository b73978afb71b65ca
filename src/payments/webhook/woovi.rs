//! Woovi (OpenPix): `x-webhook-signature`, RSA-SHA256 in base64 over the body, with the provider's public key.
//!
//! The old `X-OpenPix-Signature` (HMAC-SHA1) counts only while the shop has no public key: accepting either would make
//! the weaker one the lock. Source: developers.woovi.com, "webhook-signature-validation" and "webhook-hmac".

use balcao_domain::money::Money;
use balcao_domain::payment::Lifecycle;
use serde::Deserialize;

use super::{
    Event, Kind, Malformed, Reference, Rejected, Request, Secrets, Truth, WebhookProvider, read, signature,
};

/// See the module.
pub(super) struct Woovi;

const HEADER: &str = "x-webhook-signature";
const OLD_HEADER: &str = "x-openpix-signature";

#[derive(Deserialize)]
struct Body {
    event: Option<String>,
    evento: Option<String>,
    charge: Option<Charge>,
    pix: Option<Pix>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Charge {
    value: Option<i64>,
    identifier: Option<String>,
    #[serde(rename = "transactionID")]
    transaction_id: Option<String>,
    #[serde(rename = "correlationID")]
    correlation_id: Option<String>,
    updated_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pix {
    time: Option<String>,
    value: Option<i64>,
    #[serde(rename = "transactionID")]
    transaction_id: Option<String>,
    end_to_end_id: Option<String>,
}

impl WebhookProvider for Woovi {
    fn name(&self) -> &'static str {
        "woovi"
    }

    fn verify(&self, request: &Request<'_>, secrets: &Secrets, _now: i64) -> Result<(), Rejected> {
        if secrets.public_keys_pem().is_empty() {
            let keys = secrets.legacy_keys()?;
            let shown = request.header(OLD_HEADER)?.ok_or(Rejected::Absent)?;
            return signature::hmac_sha1(&keys, request.body, signature::from_base64(shown, OLD_HEADER)?);
        }
        let shown = request.header(HEADER)?.ok_or(Rejected::Absent)?;
        let shown = signature::from_base64(shown, HEADER)?;
        signature::rsa_sha256(secrets.public_keys_pem(), request.body, &shown)
    }

    fn events(&self, request: &Request<'_>) -> Result<Vec<Event>, Malformed> {
        let body: Body = read::json(request.body)?;
        let name = body.event.or(body.evento).ok_or(Malformed::Field("event"))?;
        let kind = match name.as_str() {
            "teste_webhook" => return Ok(vec![Event::new(Kind::Test, name)]),
            "OPENPIX:CHARGE_CREATED" => Kind::Charge(Lifecycle::Pending),
            "OPENPIX:CHARGE_EXPIRED" => Kind::Charge(Lifecycle::Expired),
            // One payment fires both; the money's own id tells that it is one.
            "OPENPIX:CHARGE_COMPLETED" | "OPENPIX:TRANSACTION_RECEIVED" => Kind::Paid,
            _ => Kind::Other,
        };
        let txid = body
            .pix
            .as_ref()
            .and_then(|pix| pix.transaction_id.clone())
            .or_else(|| body.charge.as_ref().and_then(|charge| charge.transaction_id.clone()));
        let money = body.pix.as_ref().and_then(|pix| pix.end_to_end_id.clone());
        let mut event = Event::new(kind, name);
        let about = money.as_ref().or(txid.as_ref());
        event.dedupe_key = about.map(|id| format!("woovi:{}:{id}", event.provider_type));
        if kind == Kind::Paid {
            let received = body.pix.as_ref().and_then(|pix| pix.value);
            let asked = body.charge.as_ref().and_then(|charge| charge.value);
            event.amount = Some(Money::brl(received.or(asked).ok_or(Malformed::Field("pix.value"))?));
            event.fact_key = money.as_ref().map(|id| format!("pix:{id}"));
            if money.is_none() {
                // Without the money's id, two events about one payment would count it twice.
                event.truth = Truth::Fetch;
            }
        }
        let at = body.pix.as_ref().and_then(|pix| pix.time.as_deref());
        let at = at.or_else(|| body.charge.as_ref().and_then(|charge| charge.updated_at.as_deref()));
        event.occurred_at = read::time(at);
        event.end_to_end_id = money;
        let (provider_id, order) =
            body.charge.map(|charge| (charge.identifier, charge.correlation_id)).unwrap_or_default();
        event.reference = Reference { txid, provider_id, order };
        Ok(vec![event])
    }
}
