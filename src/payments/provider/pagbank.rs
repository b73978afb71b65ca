//! PagBank's orders with a QR code. Charges come into being with the payment, so a charge of ours goes by the order's id
//! until then and by our reference always. Source: developer.pagbank.com.br, "Criar pedido com QR Code".

use chrono::SecondsFormat;
use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::{Access, Call, Created, Names, NewCharge, NewRefund, PaymentProvider, segment};
use crate::webhook::{Event, Malformed, pagbank as webhook, read};

/// See the module.
pub(super) struct PagBank;

#[derive(Deserialize)]
struct Order {
    id: String,
    #[serde(default)]
    qr_codes: Vec<QrCode>,
}

#[derive(Deserialize)]
struct QrCode {
    text: Option<String>,
}

impl PaymentProvider for PagBank {
    fn name(&self) -> &'static str {
        "pagbank"
    }

    fn base_url(&self) -> Option<&'static str> {
        Some("https://api.pagseguro.com")
    }

    fn needs(&self) -> &'static [&'static str] {
        &["token", "payer_name", "payer_email", "payer_document"]
    }

    fn credentials(&self, access: &Access, _token: Option<&SecretString>) -> Vec<(&'static str, String)> {
        access.bearer()
    }

    fn create(&self, access: &Access, charge: &NewCharge<'_>) -> Option<Call> {
        let until = charge.now + charge.expires_in;
        let body = json!({
            "reference_id": charge.reference,
            "customer": {
                "name": access.payer_name,
                "email": access.payer_email,
                "tax_id": access.payer_document,
            },
            "items": [{ "name": charge.title, "quantity": 1, "unit_amount": charge.amount.minor() }],
            "qr_codes": [{
                "amount": { "value": charge.amount.minor() },
                "expiration_date": until.to_rfc3339_opts(SecondsFormat::Secs, false),
            }],
        });
        Some(Call::json(Method::POST, "/orders", &body).with_header("x-idempotency-key", charge.reference))
    }

    fn created(&self, answer: &[u8]) -> Result<Option<Created>, Malformed> {
        let order: Order = read::json(answer)?;
        let code = order.qr_codes.into_iter().next().and_then(|code| code.text);
        Ok(Some(Created { provider_id: Some(order.id), br_code: code }))
    }

    fn look_up(&self, _access: &Access, names: &Names) -> Option<Call> {
        let id = names.provider_id.as_ref()?;
        let list = if id.starts_with("CHAR_") { "charges" } else { "orders" };
        Some(Call::get(format!("/{list}/{}", segment(id))))
    }

    fn found(&self, answer: &[u8]) -> Result<Vec<Event>, Malformed> {
        webhook::read_order(answer)
    }

    fn refund(&self, _access: &Access, refund: &NewRefund<'_>) -> Option<Call> {
        // A charge is given back, and only charges begin so; the order's id does not name one.
        let charge = refund.names.provider_id.as_ref().filter(|id| id.starts_with("CHAR_"))?;
        let body = json!({ "amount": { "value": refund.amount.minor() } });
        let call = Call::json(Method::POST, format!("/charges/{}/cancel", segment(charge)), &body);
        Some(call.with_header("x-idempotency-key", refund.reference))
    }
}
