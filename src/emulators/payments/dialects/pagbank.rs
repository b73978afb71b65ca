//! PagBank: an order with a QR code; its charge comes into being when it is paid.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Charge, Dialect, Heard, Hook, NewCharge, News, Report, Wish, now, plain};
use crate::payments::world::time;

/// See the module.
pub(super) struct PagBank;

impl Dialect for PagBank {
    fn name(&self) -> &'static str {
        "pagbank"
    }

    fn ids(&self, _reference: &str, word: &str, _number: u64) -> (String, String) {
        let word = word.to_ascii_uppercase();
        (format!("ORDE_{word}"), format!("CHAR_{word}"))
    }

    fn wish(&self, heard: &Heard) -> Option<Wish> {
        Some(match (heard.method.as_str(), heard.parts().as_slice()) {
            ("POST", ["orders"]) => {
                let until = heard.text("/qr_codes/0/expiration_date")?;
                let until = chrono::DateTime::parse_from_rfc3339(&until).ok()?;
                Wish::Create(NewCharge {
                    reference: heard.text("/reference_id")?,
                    key: Some(heard.idempotency_key.clone()?),
                    minor: heard.whole("/qr_codes/0/amount/value")?,
                    title: heard.text("/items/0/name").unwrap_or_default(),
                    expires_in: until.timestamp() - now(),
                })
            }
            ("GET", ["orders" | "charges", id]) => Wish::Find((*id).to_owned()),
            ("POST", ["charges", id, "cancel"]) => Wish::Refund {
                of: (*id).to_owned(),
                id: heard.idempotency_key.clone()?,
                minor: heard.whole("/amount/value")?,
            },
            _ => return None,
        })
    }

    fn charge(&self, charge: &Charge) -> Value {
        let charges: Vec<Value> = charge
            .receipt()
            .map(|receipt| {
                json!({
                    "id": charge.around,
                    "reference_id": charge.reference,
                    "status": if charge.refunded() >= charge.paid() { "CANCELED" } else { "PAID" },
                    "created_at": time(receipt.at),
                    "paid_at": time(receipt.at),
                    "amount": {
                        "value": charge.minor, "currency": "BRL",
                        "summary": { "total": charge.minor, "paid": charge.paid(), "refunded": charge.refunded() },
                    },
                    "payment_method": { "type": "PIX", "pix": { "end_to_end_id": receipt.end_to_end_id } },
                })
            })
            .into_iter()
            .collect();
        json!({
            "id": charge.id,
            "reference_id": charge.reference,
            "qr_codes": [{
                "id": format!("QRCO_{}", charge.id),
                "amount": { "value": charge.minor },
                "text": charge.br_code,
                "expiration_date": time(charge.expires_at),
            }],
            "charges": charges,
        })
    }

    fn list(&self, charges: &[&Charge]) -> Value {
        let all: Vec<Value> = charges.iter().map(|charge| self.charge(charge)).collect();
        json!({ "orders": all })
    }

    fn refund(&self, charge: &Charge, _at: usize) -> Value {
        self.charge(charge)
    }

    fn report(&self, charge: &Charge, _news: News, hook: &Hook) -> Report {
        let mut report = plain(&self.charge(charge));
        let signature = Sha256::digest(format!("{}-{}", hook.secret, report.body));
        report.headers = vec![("x-authenticity-token", hex::encode(signature))];
        report
    }
}
