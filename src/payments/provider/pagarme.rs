//! Pagar.me v5 (Stone): an order with one PIX payment. Source: `pagarme/pagarme-nodejs-sdk` (models and tests).

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::{Access, Call, Created, Names, NewCharge, NewRefund, PaymentProvider, segment};
use crate::webhook::{
    Event, Kind, Malformed, Reference, Truth,
    pagarme::{self as webhook, Data},
    read,
};

/// See the module.
pub(super) struct Pagarme;

#[derive(Deserialize)]
struct Order {
    #[serde(default)]
    charges: Vec<Charge>,
}

#[derive(Deserialize)]
struct Charge {
    id: String,
    last_transaction: Option<Transaction>,
}

#[derive(Deserialize)]
struct Transaction {
    qr_code: Option<String>,
}

impl PaymentProvider for Pagarme {
    fn name(&self) -> &'static str {
        "pagarme"
    }

    fn base_url(&self) -> Option<&'static str> {
        Some("https://api.pagar.me/core/v5")
    }

    fn needs(&self) -> &'static [&'static str] {
        &["token", "payer_name", "payer_email", "payer_document"]
    }

    fn credentials(&self, access: &Access, _token: Option<&SecretString>) -> Vec<(&'static str, String)> {
        // The secret key is the user, and there is no password.
        let basic =
            access.token.as_ref().map(|key| BASE64_STANDARD.encode(format!("{}:", key.expose_secret())));
        basic.map(|basic| ("authorization", format!("Basic {basic}"))).into_iter().collect()
    }

    fn create(&self, access: &Access, charge: &NewCharge<'_>) -> Option<Call> {
        let body = json!({
            "code": charge.reference,
            "items": [{ "amount": charge.amount.minor(), "description": charge.title, "quantity": 1, "code": "1" }],
            "customer": {
                "name": access.payer_name,
                "email": access.payer_email,
                "document": access.payer_document,
                "type": if access.payer_document.as_ref().is_some_and(|d| d.len() > 11) { "company" } else { "individual" },
            },
            "payments": [{ "payment_method": "pix", "pix": { "expires_in": charge.expires_in.as_secs() } }],
        });
        Some(Call::json(Method::POST, "/orders", &body).with_header("idempotency-key", charge.reference))
    }

    fn created(&self, answer: &[u8]) -> Result<Option<Created>, Malformed> {
        let order: Order = read::json(answer)?;
        let charge = order.charges.into_iter().next().ok_or(Malformed::Field("charges"))?;
        let code = charge.last_transaction.and_then(|last| last.qr_code);
        Ok(Some(Created { provider_id: Some(charge.id), br_code: code }))
    }

    fn look_up(&self, _access: &Access, names: &Names) -> Option<Call> {
        let id = names.provider_id.as_ref()?;
        Some(Call::get(format!("/charges/{}", segment(id))))
    }

    fn found(&self, answer: &[u8]) -> Result<Vec<Event>, Malformed> {
        let charge: Data = read::json(answer)?;
        let id = charge.id.clone().unwrap_or_default();
        let status = charge.status.clone().unwrap_or_default();
        let about = |kind: Kind, key: &str| {
            let mut event = Event::new(kind, &status);
            event.dedupe_key = Some(format!("pagarme:{id}:{key}"));
            event.reference =
                Reference { txid: None, provider_id: charge.id.clone(), order: charge.code.clone() };
            event
        };
        let mut events = Vec::new();
        if charge.paid_amount.is_some_and(|minor| minor > 0) {
            let mut paid = about(Kind::Paid, "paid");
            webhook::fill(&mut paid, &charge)?;
            paid.occurred_at = read::time(charge.paid_at.as_deref());
            events.push(paid);
            if let Some(minor) = charge.canceled_amount.filter(|minor| *minor > 0) {
                let mut refund = about(Kind::RefundedSoFar, &format!("refunded:{minor}"));
                webhook::fill(&mut refund, &charge)?;
                events.push(refund);
            }
            if status == "chargedback" {
                let mut dispute = about(Kind::DisputeOpened, "dispute");
                webhook::fill(&mut dispute, &charge)?;
                events.push(dispute);
            }
        } else {
            events.push(about(webhook::read_kind(&format!("charge.{status}")), &status));
        }
        // What cannot be told apart from the truth is the truth here: there is nobody else to ask.
        events.retain(|event| event.truth == Truth::Carried);
        Ok(events)
    }

    fn refund(&self, _access: &Access, refund: &NewRefund<'_>) -> Option<Call> {
        let path = format!("/charges/{}", segment(refund.names.provider_id.as_ref()?));
        let body = json!({ "amount": refund.amount.minor() });
        Some(Call::json(Method::DELETE, path, &body).with_header("idempotency-key", refund.reference))
    }
}
