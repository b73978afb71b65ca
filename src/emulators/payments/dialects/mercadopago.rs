//! Mercado Pago: reports say only that something happened, signed over a manifest of ids.

use serde_json::{Value, json};

use super::{Charge, Dialect, Heard, Hook, NewCharge, News, Report, Wish, hmac_sha256, now, plain};
use crate::payments::world::{decimal, time};

/// See the module.
pub(super) struct MercadoPago;

fn reais(minor: i64) -> Value {
    serde_json::from_str(&decimal(minor)).unwrap_or_default()
}

impl Dialect for MercadoPago {
    fn name(&self) -> &'static str {
        "mercadopago"
    }

    fn ids(&self, _reference: &str, _word: &str, number: u64) -> (String, String) {
        (number.to_string(), String::new())
    }

    fn wish(&self, heard: &Heard) -> Option<Wish> {
        Some(match (heard.method.as_str(), heard.parts().as_slice()) {
            ("POST", ["v1", "payments"]) => {
                heard.text("/payer/email")?;
                let until = heard.text("/date_of_expiration")?;
                let until = chrono::DateTime::parse_from_rfc3339(&until).ok()?;
                Wish::Create(NewCharge {
                    reference: heard.text("/external_reference")?,
                    key: Some(heard.idempotency_key.clone()?),
                    minor: heard.decimal("/transaction_amount")?,
                    title: heard.text("/description").unwrap_or_default(),
                    expires_in: until.timestamp() - now(),
                })
            }
            ("GET", ["v1", "payments", id]) => Wish::Find((*id).to_owned()),
            ("POST", ["v1", "payments", id, "refunds"]) => Wish::Refund {
                of: (*id).to_owned(),
                id: heard.idempotency_key.clone()?,
                minor: heard.decimal("/amount")?,
            },
            _ => return None,
        })
    }

    fn charge(&self, charge: &Charge) -> Value {
        let receipt = charge.receipt();
        let (status, detail) = match receipt {
            Some(_) if charge.refunded() >= charge.paid() => ("refunded", "refunded"),
            Some(_) => ("approved", "accredited"),
            None if charge.is_over() => ("cancelled", "expired"),
            None => ("pending", "pending_waiting_transfer"),
        };
        json!({
            "id": charge.id.parse::<u64>().unwrap_or_default(),
            "status": status,
            "status_detail": detail,
            "currency_id": "BRL",
            "payment_method_id": "pix",
            "description": charge.title,
            "external_reference": charge.reference,
            "date_created": time(charge.created_at),
            "date_approved": receipt.map(|receipt| time(receipt.at)),
            "date_of_expiration": time(charge.expires_at),
            "transaction_amount": reais(charge.minor),
            "transaction_amount_refunded": reais(charge.refunded()),
            "transaction_details": {
                "total_paid_amount": reais(if receipt.is_some() { charge.paid() } else { charge.minor }),
                "net_received_amount": reais(if receipt.is_some() { charge.paid() } else { 0 }),
                "transaction_id": receipt.map(|receipt| receipt.end_to_end_id.as_str()),
            },
            "point_of_interaction": {
                "type": "PIX",
                "transaction_data": { "qr_code": charge.br_code },
            },
        })
    }

    fn list(&self, charges: &[&Charge]) -> Value {
        let all: Vec<Value> = charges.iter().map(|charge| self.charge(charge)).collect();
        json!({ "results": all })
    }

    fn refund(&self, charge: &Charge, at: usize) -> Value {
        let refund = &charge.refunds[at];
        json!({ "id": at + 1, "amount": reais(refund.minor), "status": "approved" })
    }

    fn report(&self, charge: &Charge, news: News, hook: &Hook) -> Report {
        let number = match news {
            News::Paid(at) => at * 2,
            News::Refunded(at) => at * 2 + 1,
        };
        let mut report = plain(&json!({
            "id": format!("{}{number}", charge.id),
            "action": "payment.updated",
            "type": "payment",
            "date_created": time(chrono::Utc::now()),
            "data": { "id": charge.id },
        }));
        let (call, ts) = (format!("call-{}", now()), now());
        let manifest = format!("id:{};request-id:{call};ts:{ts};", charge.id);
        let signature = hex::encode(hmac_sha256(hook.secret.as_bytes(), manifest.as_bytes()));
        report.suffix = format!("?data.id={}&type=payment", charge.id);
        report.headers = vec![("x-request-id", call), ("x-signature", format!("ts={ts},v1={signature}"))];
        report
    }
}
