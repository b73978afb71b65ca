//! Mercado Pago's Payments API. What its webhooks only hint at is read here. Source: `mercadopago/sdk-nodejs` 3.3 and the
//! answer in the fixtures.

use balcao_domain::money::{Currency, Money};
use balcao_domain::payment::Lifecycle;
use chrono::SecondsFormat;
use http::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};

use super::{Access, Call, Created, Names, NewCharge, NewRefund, PaymentProvider, number, segment};
use crate::webhook::{
    Event, Kind, Malformed, Reference,
    read::{self, Scalar},
};

/// See the module.
pub(super) struct MercadoPago;

const IDEMPOTENCY: &str = "x-idempotency-key";

#[derive(Serialize)]
struct New<'a> {
    transaction_amount: Box<RawValue>,
    description: &'a str,
    payment_method_id: &'a str,
    external_reference: &'a str,
    date_of_expiration: String,
    payer: serde_json::Value,
}

#[derive(Serialize)]
struct Back {
    amount: Box<RawValue>,
}

#[derive(Deserialize)]
struct Payment {
    id: Scalar,
    status: String,
    status_detail: Option<String>,
    currency_id: Option<String>,
    external_reference: Option<String>,
    date_approved: Option<String>,
    transaction_amount: Scalar,
    transaction_amount_refunded: Option<Scalar>,
    transaction_details: Option<Details>,
    point_of_interaction: Option<Interaction>,
}

#[derive(Deserialize)]
struct Details {
    net_received_amount: Option<Scalar>,
    total_paid_amount: Option<Scalar>,
    transaction_id: Option<String>,
}

#[derive(Deserialize)]
struct Interaction {
    transaction_data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    qr_code: Option<String>,
}

impl PaymentProvider for MercadoPago {
    fn name(&self) -> &'static str {
        "mercadopago"
    }

    fn base_url(&self) -> Option<&'static str> {
        Some("https://api.mercadopago.com")
    }

    fn needs(&self) -> &'static [&'static str] {
        &["token", "payer_email"]
    }

    fn credentials(&self, access: &Access, _token: Option<&SecretString>) -> Vec<(&'static str, String)> {
        access.bearer()
    }

    fn create(&self, access: &Access, charge: &NewCharge<'_>) -> Option<Call> {
        let until = charge.now + charge.expires_in;
        let body = New {
            transaction_amount: number(charge.amount)?,
            description: charge.title,
            payment_method_id: "pix",
            external_reference: charge.reference,
            date_of_expiration: until.to_rfc3339_opts(SecondsFormat::Millis, false),
            payer: json!({ "email": access.payer_email }),
        };
        Some(Call::json(Method::POST, "/v1/payments", &body).with_header(IDEMPOTENCY, charge.reference))
    }

    fn created(&self, answer: &[u8]) -> Result<Option<Created>, Malformed> {
        let payment: Payment = read::json(answer)?;
        let code = payment.point_of_interaction.and_then(|of| of.transaction_data?.qr_code);
        Ok(Some(Created { provider_id: Some(payment.id.0), br_code: code }))
    }

    fn look_up(&self, _access: &Access, names: &Names) -> Option<Call> {
        let id = names.provider_id.as_ref()?;
        Some(Call::get(format!("/v1/payments/{}", segment(id))))
    }

    fn found(&self, answer: &[u8]) -> Result<Vec<Event>, Malformed> {
        let payment: Payment = read::json(answer)?;
        let id = &payment.id.0;
        let currency = read::currency(payment.currency_id.as_deref())?;
        let about = |kind: Kind, key: String| {
            let mut event = Event::new(kind, &payment.status);
            event.dedupe_key = Some(format!("mercadopago:{id}:{key}"));
            event.reference = Reference {
                txid: None,
                provider_id: Some(id.clone()),
                order: payment.external_reference.clone(),
            };
            event
        };
        let lifecycle = match payment.status.as_str() {
            "pending" => Some(Lifecycle::Pending),
            "in_process" => Some(Lifecycle::Processing),
            "authorized" => Some(Lifecycle::Authorized),
            "rejected" => Some(Lifecycle::Failed),
            "cancelled" if payment.status_detail.as_deref() == Some("expired") => Some(Lifecycle::Expired),
            "cancelled" => Some(Lifecycle::Canceled),
            _ => None,
        };
        if let Some(lifecycle) = lifecycle {
            return Ok(vec![about(Kind::Charge(lifecycle), payment.status.clone())]);
        }
        // A word that is not known yet moves nothing.
        if !["approved", "in_mediation", "refunded", "charged_back"].contains(&payment.status.as_str()) {
            return Ok(vec![about(Kind::Other, payment.status.clone())]);
        }
        let mut events = vec![received(&payment, currency, about(Kind::Paid, "paid".into()))?];
        let refunded = match &payment.transaction_amount_refunded {
            Some(amount) => read::decimal(amount, currency, "transaction_amount_refunded")?.minor(),
            None => 0,
        };
        if refunded > 0 {
            let mut event = about(Kind::RefundedSoFar, format!("refunded:{refunded}"));
            event.fact_key.clone_from(&event.dedupe_key);
            event.amount = Some(Money::new(refunded, currency));
            events.push(event);
        }
        let disputed = match payment.status.as_str() {
            "in_mediation" => Some((Kind::DisputeOpened, "dispute")),
            "charged_back" => Some((Kind::DisputeLost, "dispute:lost")),
            _ => None,
        };
        if let Some((kind, key)) = disputed {
            let amount = read::decimal(&payment.transaction_amount, currency, "transaction_amount")?;
            // What was lost had been disputed first, whether or not we heard of that.
            let kinds = [(Kind::DisputeOpened, "dispute"), (kind, key)];
            for (kind, key) in kinds.into_iter().take(if kind == Kind::DisputeLost { 2 } else { 1 }) {
                let mut event = about(kind, key.into());
                event.fact_key.clone_from(&event.dedupe_key);
                event.amount = Some(amount);
                events.push(event);
            }
        }
        Ok(events)
    }

    fn refund(&self, _access: &Access, refund: &NewRefund<'_>) -> Option<Call> {
        let path = format!("/v1/payments/{}/refunds", segment(refund.names.provider_id.as_ref()?));
        let body = Back { amount: number(refund.amount)? };
        Some(Call::json(Method::POST, path, &body).with_header(IDEMPOTENCY, refund.reference))
    }
}

/// What came in, and what of it Mercado Pago kept.
fn received(payment: &Payment, currency: Currency, mut event: Event) -> Result<Event, Malformed> {
    let details = payment.transaction_details.as_ref();
    let paid = details.and_then(|of| of.total_paid_amount.as_ref()).unwrap_or(&payment.transaction_amount);
    let amount = read::decimal(paid, currency, "transaction_amount")?;
    if let Some(net) = details.and_then(|of| of.net_received_amount.as_ref()) {
        let net = read::decimal(net, currency, "net_received_amount")?;
        // Before it settles, nothing is net.
        let fee = amount.checked_sub(net).map_err(|_| Malformed::Field("net_received_amount"))?;
        event.fee = Some(fee).filter(|_| net.minor() > 0 && fee.minor() >= 0);
    }
    let money = details.and_then(|of| of.transaction_id.clone()).filter(|id| read::is_end_to_end_id(id));
    event.fact_key = match &money {
        Some(money) => Some(format!("pix:{money}")),
        None => event.dedupe_key.clone(),
    };
    event.end_to_end_id = money;
    event.amount = Some(amount);
    event.occurred_at = read::time(payment.date_approved.as_deref());
    Ok(event)
}
