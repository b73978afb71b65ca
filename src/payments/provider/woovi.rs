//! Woovi (OpenPix). Our reference is its `correlationID`. A charge does not carry the bank's id of the money, its
//! transactions do, so those are what is looked up. Source: developers.woovi.com, "API Reference".

use balcao_domain::money::Money;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::{Access, Call, Created, Names, NewCharge, NewRefund, PaymentProvider, segment};
use crate::webhook::{Event, Kind, Malformed, Reference, read};

/// See the module.
pub(super) struct Woovi;

#[derive(Deserialize)]
struct Answer {
    charge: Charge,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Charge {
    br_code: Option<String>,
    identifier: Option<String>,
    #[serde(rename = "transactionID")]
    transaction_id: Option<String>,
    #[serde(rename = "correlationID")]
    correlation_id: Option<String>,
}

#[derive(Deserialize)]
struct Transactions {
    transactions: Vec<Transaction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    value: i64,
    time: Option<String>,
    end_to_end_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    charge: Option<Charge>,
}

impl PaymentProvider for Woovi {
    fn name(&self) -> &'static str {
        "woovi"
    }

    fn base_url(&self) -> Option<&'static str> {
        Some("https://api.woovi.com")
    }

    fn needs(&self) -> &'static [&'static str] {
        &["token"]
    }

    fn credentials(&self, access: &Access, _token: Option<&SecretString>) -> Vec<(&'static str, String)> {
        let token = access.token.as_ref().map(|token| ("authorization", token.expose_secret().to_owned()));
        token.into_iter().collect()
    }

    fn create(&self, _access: &Access, charge: &NewCharge<'_>) -> Option<Call> {
        let body = json!({
            "correlationID": charge.reference,
            "value": charge.amount.minor(),
            "comment": charge.title,
            "expiresIn": charge.expires_in.as_secs(),
        });
        Some(Call::json(Method::POST, "/api/v1/charge", &body))
    }

    fn created_before(&self, _access: &Access, reference: &str) -> Option<Call> {
        Some(Call::get(format!("/api/v1/charge/{}", segment(reference))))
    }

    fn created(&self, answer: &[u8]) -> Result<Option<Created>, Malformed> {
        let Answer { charge } = read::json(answer)?;
        let id = charge.transaction_id.or(charge.identifier).or(charge.correlation_id);
        Ok(Some(Created { provider_id: id, br_code: charge.br_code }))
    }

    fn look_up(&self, _access: &Access, names: &Names) -> Option<Call> {
        let reference = names.reference.as_ref()?;
        Some(Call::get(format!("/api/v1/transaction?charge={}", segment(reference))))
    }

    fn found(&self, answer: &[u8]) -> Result<Vec<Event>, Malformed> {
        let Transactions { transactions } = read::json(answer)?;
        let mut events = Vec::new();
        for one in transactions {
            let refund = one.kind.as_deref() == Some("REFUND");
            let Some(money) = one.end_to_end_id else { continue };
            let kind = if refund { Kind::Refunded } else { Kind::Paid };
            let mut event = Event::new(kind, one.kind.unwrap_or_else(|| "transaction".into()));
            let key = if refund { format!("woovi:refund:{money}") } else { format!("pix:{money}") };
            event.dedupe_key = Some(key.clone());
            event.fact_key = Some(key);
            event.amount = Some(Money::brl(one.value.abs()));
            event.occurred_at = read::time(one.time.as_deref());
            event.end_to_end_id = Some(money);
            if let Some(charge) = one.charge {
                event.reference = Reference {
                    txid: charge.transaction_id,
                    provider_id: charge.identifier,
                    order: charge.correlation_id,
                };
            }
            events.push(event);
        }
        Ok(events)
    }

    fn knows_repeated_refunds(&self) -> bool {
        // Nothing is said of a `correlationID` that was used before.
        false
    }

    fn refund(&self, _access: &Access, refund: &NewRefund<'_>) -> Option<Call> {
        let path = format!("/api/v1/charge/{}/refund", segment(refund.names.reference.as_ref()?));
        let body = json!({ "correlationID": refund.reference, "value": refund.amount.minor() });
        Some(Call::json(Method::POST, path, &body))
    }
}
