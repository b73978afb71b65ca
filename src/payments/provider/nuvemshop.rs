//! Nuvemshop's orders: its webhooks say only that something happened to one, so it is read here. Orders are paid there:
//! it makes no charges and gives nothing back for us. Source: `TiendaNube/api-docs`, "Order".

use balcao_domain::payment::Lifecycle;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Access, Call, Created, Names, NewCharge, NewRefund, PaymentProvider, segment};
use crate::webhook::{
    Event, Kind, Malformed, Reference,
    read::{self, Scalar},
};

/// See the module.
pub(super) struct Nuvemshop;

#[derive(Deserialize)]
struct Order {
    id: Scalar,
    number: Option<Scalar>,
    currency: Option<String>,
    total: Scalar,
    payment_status: String,
    paid_at: Option<String>,
}

impl PaymentProvider for Nuvemshop {
    fn name(&self) -> &'static str {
        "nuvemshop"
    }

    fn base_url(&self) -> Option<&'static str> {
        Some("https://api.nuvemshop.com.br/v1")
    }

    fn needs(&self) -> &'static [&'static str] {
        // `client_id` is the store's id, the first part of every path.
        &["token", "client_id"]
    }

    fn credentials(&self, access: &Access, _token: Option<&SecretString>) -> Vec<(&'static str, String)> {
        // Not `Authorization`: their own name for it.
        let token = access.token.as_ref().map(|token| format!("bearer {}", token.expose_secret()));
        token.map(|value| ("authentication", value)).into_iter().collect()
    }

    fn create(&self, _access: &Access, _charge: &NewCharge<'_>) -> Option<Call> {
        None
    }

    fn created(&self, _answer: &[u8]) -> Result<Option<Created>, Malformed> {
        Ok(None)
    }

    fn look_up(&self, access: &Access, names: &Names) -> Option<Call> {
        let store = segment(access.client_id.as_deref()?);
        Some(Call::get(format!("/{store}/orders/{}", segment(names.provider_id.as_ref()?))))
    }

    fn found(&self, answer: &[u8]) -> Result<Vec<Event>, Malformed> {
        let order: Order = read::json(answer)?;
        let id = &order.id.0;
        let amount = read::decimal(&order.total, read::currency(order.currency.as_deref())?, "total")?;
        let of = |kind, key: &str| {
            let mut event = Event::new(kind, &order.payment_status);
            event.dedupe_key = Some(format!("nuvemshop:{id}:{key}"));
            event.reference = Reference {
                txid: None,
                provider_id: Some(id.clone()),
                order: order.number.as_ref().map(|number| number.0.clone()),
            };
            if matches!(kind, Kind::Paid | Kind::RefundedSoFar) {
                event.fact_key.clone_from(&event.dedupe_key);
                event.amount = Some(amount);
            }
            event
        };
        let mut events = match order.payment_status.as_str() {
            "pending" => vec![of(Kind::Charge(Lifecycle::Pending), "pending")],
            "authorized" => vec![of(Kind::Charge(Lifecycle::Authorized), "authorized")],
            "abandoned" => vec![of(Kind::Charge(Lifecycle::Expired), "abandoned")],
            "voided" => vec![of(Kind::Charge(Lifecycle::Canceled), "voided")],
            "paid" => vec![of(Kind::Paid, "paid")],
            "refunded" => vec![of(Kind::Paid, "paid"), of(Kind::RefundedSoFar, "refunded")],
            other => vec![of(Kind::Other, other)],
        };
        if let Some(paid) = events.iter_mut().find(|event| event.kind == Kind::Paid) {
            paid.occurred_at = read::time(order.paid_at.as_deref());
        }
        Ok(events)
    }

    fn refund(&self, _access: &Access, _refund: &NewRefund<'_>) -> Option<Call> {
        None
    }
}
