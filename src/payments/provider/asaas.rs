//! Asaas: a payment is made first, its code is asked for afterwards. It has no idempotency keys, so a charge whose making
//! was not answered is looked for by our reference. Source: docs.asaas.com, "Cobranças via Pix".

use balcao_domain::money::{Currency, Money};
use balcao_domain::payment::Lifecycle;
use chrono::FixedOffset;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Access, Call, Created, Names, NewCharge, NewRefund, PaymentProvider, number, segment};
use crate::webhook::{
    Event, Kind, Malformed,
    asaas::{self as webhook, Payment},
    read,
};

/// See the module.
pub(super) struct Asaas;

/// A payment, a list of payments, or a code.
#[derive(Deserialize)]
struct Answer {
    id: Option<String>,
    payload: Option<String>,
    data: Option<Vec<Listed>>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
}

#[derive(Deserialize)]
struct Status {
    status: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct New<'a> {
    customer: &'a str,
    billing_type: &'a str,
    value: Box<RawValue>,
    due_date: String,
    external_reference: &'a str,
    description: &'a str,
}

#[derive(Serialize)]
struct Back<'a> {
    value: Box<RawValue>,
    description: &'a str,
}

impl PaymentProvider for Asaas {
    fn name(&self) -> &'static str {
        "asaas"
    }

    fn base_url(&self) -> Option<&'static str> {
        Some("https://api.asaas.com")
    }

    fn needs(&self) -> &'static [&'static str] {
        &["token", "customer"]
    }

    fn credentials(&self, access: &Access, _token: Option<&SecretString>) -> Vec<(&'static str, String)> {
        let token = access.token.as_ref().map(|token| ("access_token", token.expose_secret().to_owned()));
        token.into_iter().collect()
    }

    fn create(&self, access: &Access, charge: &NewCharge<'_>) -> Option<Call> {
        // Due dates are days of São Paulo.
        let zone = FixedOffset::west_opt(webhook::SAO_PAULO_BEHIND_SECONDS)?;
        let due = (charge.now + charge.expires_in).with_timezone(&zone).date_naive();
        let body = New {
            customer: access.customer.as_deref()?,
            billing_type: "PIX",
            value: number(charge.amount)?,
            due_date: due.to_string(),
            external_reference: charge.reference,
            description: charge.title,
        };
        Some(Call::json(Method::POST, "/v3/payments", &body))
    }

    fn created_before(&self, _access: &Access, reference: &str) -> Option<Call> {
        Some(Call::get(format!("/v3/payments?externalReference={}", segment(reference))))
    }

    fn created(&self, answer: &[u8]) -> Result<Option<Created>, Malformed> {
        let answer: Answer = read::json(answer)?;
        let listed = answer.data.and_then(|list| list.into_iter().next()).map(|payment| payment.id);
        let created = Created { provider_id: answer.id.or(listed), br_code: answer.payload };
        Ok((created.provider_id.is_some() || created.br_code.is_some()).then_some(created))
    }

    fn code(&self, _access: &Access, provider_id: &str) -> Option<Call> {
        Some(Call::get(format!("/v3/payments/{}/pixQrCode", segment(provider_id))))
    }

    fn look_up(&self, _access: &Access, names: &Names) -> Option<Call> {
        let id = names.provider_id.as_ref()?;
        Some(Call::get(format!("/v3/payments/{}", segment(id))))
    }

    fn found(&self, answer: &[u8]) -> Result<Vec<Event>, Malformed> {
        let Status { status } = read::json(answer)?;
        let payment: Payment = read::json(answer)?;
        let of = |kind| {
            let mut event = Event::new(kind, &status);
            event.dedupe_key = Some(format!("asaas:{}:{status}", payment.id));
            event
        };
        let lifecycle = match status.as_str() {
            "PENDING" => Some(Lifecycle::Pending),
            "AWAITING_RISK_ANALYSIS" => Some(Lifecycle::Processing),
            "OVERDUE" => Some(Lifecycle::Expired),
            _ => None,
        };
        let kinds: &[Kind] = match (lifecycle, status.as_str()) {
            (Some(lifecycle), _) => &[Kind::Charge(lifecycle)],
            (None, "RECEIVED" | "CONFIRMED" | "REFUND_REQUESTED" | "REFUND_IN_PROGRESS") => &[Kind::Paid],
            (None, "REFUNDED") => &[Kind::Paid, Kind::RefundedSoFar],
            (None, "CHARGEBACK_REQUESTED" | "CHARGEBACK_DISPUTE" | "AWAITING_CHARGEBACK_REVERSAL") => {
                &[Kind::Paid, Kind::DisputeOpened]
            }
            _ => &[Kind::Other],
        };
        let mut events = Vec::new();
        for kind in kinds {
            let mut event = of(*kind);
            webhook::fill(&mut event, &payment)?;
            events.push(event);
        }
        // Part of it went back: the status does not say so, the list of refunds does.
        if kinds == [Kind::Paid] && webhook::refunds_done(&payment)?.is_some_and(|sum| sum.minor() > 0) {
            let mut event = of(Kind::RefundedSoFar);
            webhook::fill(&mut event, &payment)?;
            events.push(event);
        }
        for (number, event) in events.iter_mut().enumerate().skip(1) {
            let of = event.amount.unwrap_or(Money::zero(Currency::BRL)).minor();
            event.dedupe_key = event.dedupe_key.take().map(|key| format!("{key}:{number}:{of}"));
        }
        Ok(events)
    }

    fn knows_repeated_refunds(&self) -> bool {
        // It has no idempotency keys: the same again would be paid again.
        false
    }

    fn refund(&self, _access: &Access, refund: &NewRefund<'_>) -> Option<Call> {
        let path = format!("/v3/payments/{}/refund", segment(refund.names.provider_id.as_ref()?));
        let body = Back { value: number(refund.amount)?, description: refund.reference };
        Some(Call::json(Method::POST, path, &body))
    }
}
