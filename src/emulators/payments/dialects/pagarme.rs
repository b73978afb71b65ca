//! Pagar.me v5: an order with its charge; reports are authenticated by Basic credentials (`user:password`).

use serde_json::{Value, json};

use super::{Charge, Dialect, Heard, Hook, NewCharge, News, Report, Wish, base64, plain};
use crate::payments::world::time;

/// See the module.
pub(super) struct Pagarme;

impl Pagarme {
    fn inner(charge: &Charge) -> Value {
        let receipt = charge.receipt();
        let status = match receipt {
            Some(_) if charge.refunded() >= charge.paid() => "canceled",
            Some(_) => "paid",
            None if charge.is_over() => "failed",
            None => "pending",
        };
        json!({
            "id": charge.id,
            "code": charge.reference,
            "amount": charge.minor,
            "paid_amount": receipt.map(|_| charge.paid()),
            "canceled_amount": Some(charge.refunded()).filter(|minor| *minor > 0),
            "currency": "BRL",
            "status": status,
            "payment_method": "pix",
            "paid_at": receipt.map(|receipt| time(receipt.at)),
            "last_transaction": {
                "transaction_type": "pix",
                "qr_code": charge.br_code,
                "expires_at": time(charge.expires_at),
                "end_to_end_id": receipt.map(|receipt| receipt.end_to_end_id.as_str()),
            },
        })
    }
}

impl Dialect for Pagarme {
    fn name(&self) -> &'static str {
        "pagarme"
    }

    fn ids(&self, _reference: &str, word: &str, _number: u64) -> (String, String) {
        (format!("ch_{word}"), format!("or_{word}"))
    }

    fn wish(&self, heard: &Heard) -> Option<Wish> {
        Some(match (heard.method.as_str(), heard.parts().as_slice()) {
            ("POST", ["orders"]) => {
                heard.text("/customer/name")?;
                Wish::Create(NewCharge {
                    reference: heard.text("/code")?,
                    key: Some(heard.idempotency_key.clone()?),
                    minor: heard.whole("/items/0/amount")?,
                    title: heard.text("/items/0/description").unwrap_or_default(),
                    expires_in: heard.whole("/payments/0/pix/expires_in")?,
                })
            }
            ("GET", ["charges", id]) => Wish::Find((*id).to_owned()),
            ("DELETE", ["charges", id]) => Wish::Refund {
                of: (*id).to_owned(),
                id: heard.idempotency_key.clone()?,
                minor: heard.whole("/amount")?,
            },
            ("GET", ["orders", id]) => Wish::List((*id).to_owned()),
            _ => return None,
        })
    }

    fn charge(&self, charge: &Charge) -> Value {
        // An order is answered when one is made, a charge when one is asked for: it is both.
        let mut both = Self::inner(charge);
        both["charges"] = json!([Self::inner(charge)]);
        both
    }

    fn list(&self, charges: &[&Charge]) -> Value {
        let all: Vec<Value> = charges.iter().map(|charge| Self::inner(charge)).collect();
        json!({ "charges": all })
    }

    fn refund(&self, charge: &Charge, _at: usize) -> Value {
        Self::inner(charge)
    }

    fn report(&self, charge: &Charge, news: News, hook: &Hook) -> Report {
        let (kind, number) = match news {
            News::Paid(at) => ("charge.paid", at * 2),
            News::Refunded(at) if charge.refunded() >= charge.paid() => ("charge.refunded", at * 2 + 1),
            News::Refunded(at) => ("charge.partial_canceled", at * 2 + 1),
        };
        let mut report = plain(&json!({
            "id": format!("hook_{}{number}", charge.id),
            "type": kind,
            "created_at": time(chrono::Utc::now()),
            "data": Self::inner(charge),
        }));
        report.headers = vec![("authorization", format!("Basic {}", base64(hook.secret.as_bytes())))];
        report
    }
}
