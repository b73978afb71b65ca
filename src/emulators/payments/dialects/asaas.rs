//! Asaas: no idempotency keys, the code is a call of its own, reports carry a static token.

use serde_json::{Value, json};

use super::{Charge, Dialect, Heard, Hook, NewCharge, News, Repeated, Report, Wish, plain};
use crate::payments::world::decimal;

/// See the module.
pub(super) struct Asaas;

fn reais(minor: i64) -> Value {
    serde_json::from_str(&decimal(minor)).unwrap_or_default()
}

impl Dialect for Asaas {
    fn name(&self) -> &'static str {
        "asaas"
    }

    fn ids(&self, _reference: &str, word: &str, _number: u64) -> (String, String) {
        (format!("pay_{word}"), String::new())
    }

    fn wish(&self, heard: &Heard) -> Option<Wish> {
        Some(match (heard.method.as_str(), heard.parts().as_slice()) {
            ("POST", ["v3", "payments"]) => {
                heard.text("/customer")?;
                heard.text("/dueDate")?;
                // Due dates are days.
                Wish::Create(NewCharge {
                    reference: heard.text("/externalReference")?,
                    key: None,
                    minor: heard.decimal("/value")?,
                    title: heard.text("/description").unwrap_or_default(),
                    expires_in: 86_400,
                })
            }
            ("GET", ["v3", "payments"]) => Wish::List(heard.parameter("externalReference")?),
            ("GET", ["v3", "payments", id]) => Wish::Find((*id).to_owned()),
            ("GET", ["v3", "payments", id, "pixQrCode"]) => Wish::Code((*id).to_owned()),
            ("POST", ["v3", "payments", id, "refund"]) => Wish::Refund {
                of: (*id).to_owned(),
                id: heard.text("/description")?,
                minor: heard.decimal("/value")?,
            },
            _ => return None,
        })
    }

    fn charge(&self, charge: &Charge) -> Value {
        let refunds: Vec<Value> = charge
            .refunds
            .iter()
            .map(|refund| json!({ "status": "DONE", "value": reais(refund.minor) }))
            .collect();
        let status = match charge.receipt() {
            Some(_) if charge.refunded() >= charge.paid() => "REFUNDED",
            Some(_) => "RECEIVED",
            None if charge.is_over() => "OVERDUE",
            None => "PENDING",
        };
        let value = if charge.receipts.is_empty() { charge.minor } else { charge.paid() };
        json!({
            "object": "payment",
            "id": charge.id,
            "status": status,
            "billingType": "PIX",
            "value": reais(value),
            "netValue": reais(value - value.min(99)),
            "externalReference": charge.reference,
            "description": charge.title,
            "refunds": if refunds.is_empty() { Value::Null } else { refunds.into() },
        })
    }

    fn list(&self, charges: &[&Charge]) -> Value {
        let all: Vec<Value> = charges.iter().map(|charge| self.charge(charge)).collect();
        json!({ "object": "list", "hasMore": false, "totalCount": all.len(), "data": all })
    }

    fn refund(&self, charge: &Charge, _at: usize) -> Value {
        self.charge(charge)
    }

    fn repeated_refund(&self) -> Repeated {
        Repeated::Another
    }

    fn report(&self, charge: &Charge, news: News, hook: &Hook) -> Report {
        let (event, number) = match news {
            News::Paid(at) => ("PAYMENT_RECEIVED", at * 2),
            News::Refunded(at) if charge.refunded() >= charge.paid() => ("PAYMENT_REFUNDED", at * 2 + 1),
            News::Refunded(at) => ("PAYMENT_PARTIALLY_REFUNDED", at * 2 + 1),
        };
        let mut report = plain(&json!({
            "id": format!("evt_05b708f961d739ea7eba7e4db318f621&{}{number}", charge.id),
            "event": event,
            "dateCreated": chrono::Utc::now().format("%Y-%m-%d %H:%M:%S").to_string(),
            "payment": self.charge(charge),
        }));
        report.headers = vec![("asaas-access-token", hook.secret.clone())];
        report
    }
}
