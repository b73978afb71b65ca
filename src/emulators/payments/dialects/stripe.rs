//! Stripe's payment intents with PIX.

use serde_json::{Value, json};

use super::{Charge, Dialect, Heard, Hook, NewCharge, News, Report, Wish, hmac_sha256, now, plain};

/// See the module.
pub(super) struct Stripe;

impl Dialect for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn ids(&self, _reference: &str, word: &str, _number: u64) -> (String, String) {
        (format!("pi_{word}"), format!("ch_{word}"))
    }

    fn wish(&self, heard: &Heard) -> Option<Wish> {
        Some(match (heard.method.as_str(), heard.parts().as_slice()) {
            ("POST", ["v1", "payment_intents"]) => Wish::Create(NewCharge {
                reference: heard.text("/metadata[order_id]")?,
                key: Some(heard.idempotency_key.clone()?),
                minor: heard.whole("/amount")?,
                title: heard.text("/description").unwrap_or_default(),
                expires_in: heard.whole("/payment_method_options[pix][expires_after_seconds]")?,
            }),
            ("GET", ["v1", "payment_intents", id]) => Wish::Find((*id).to_owned()),
            ("POST", ["v1", "refunds"]) => Wish::Refund {
                of: heard.text("/payment_intent")?,
                id: heard.idempotency_key.clone()?,
                minor: heard.whole("/amount")?,
            },
            _ => return None,
        })
    }

    fn charge(&self, charge: &Charge) -> Value {
        let receipt = charge.receipt();
        let status = match receipt {
            Some(_) => "succeeded",
            None if charge.is_over() => "requires_payment_method",
            None => "requires_action",
        };
        let expired = status == "requires_payment_method";
        json!({
            "id": charge.id,
            "object": "payment_intent",
            "status": status,
            "amount": charge.minor,
            "amount_received": charge.paid(),
            "currency": "brl",
            "metadata": { "order_id": charge.reference },
            "last_payment_error": expired.then(|| json!({ "code": "payment_intent_payment_attempt_expired" })),
            "next_action": receipt.is_none().then(|| json!({
                "type": "pix_display_qr_code",
                "pix_display_qr_code": { "data": charge.br_code, "expires_at": charge.expires_at.timestamp() },
            })),
            "latest_charge": receipt.map(|receipt| json!({
                "id": charge.around,
                "amount_refunded": charge.refunded(),
                "payment_method_details": { "pix": { "bank_transaction_id": receipt.end_to_end_id } },
            })),
        })
    }

    fn list(&self, charges: &[&Charge]) -> Value {
        let all: Vec<Value> = charges.iter().map(|charge| self.charge(charge)).collect();
        json!({ "object": "list", "data": all })
    }

    fn refund(&self, charge: &Charge, at: usize) -> Value {
        json!({ "id": format!("re_{at}"), "status": "succeeded", "amount": charge.refunds[at].minor })
    }

    fn report(&self, charge: &Charge, news: News, hook: &Hook) -> Report {
        let (kind, number, object) = match news {
            News::Paid(at) => ("payment_intent.succeeded", at * 2, self.charge(charge)),
            News::Refunded(at) => (
                "charge.refunded",
                at * 2 + 1,
                json!({
                    "id": charge.around, "payment_intent": charge.id, "currency": "brl",
                    "amount": charge.minor,
                    "amount_refunded": charge.refunds[..=at].iter().map(|refund| refund.minor).sum::<i64>(),
                    "metadata": { "order_id": charge.reference },
                }),
            ),
        };
        let mut report = plain(&json!({
            "id": format!("evt_{}_{number}", charge.id),
            "type": kind,
            "created": now(),
            "data": { "object": object },
        }));
        let t = now();
        let signed = hmac_sha256(hook.secret.as_bytes(), format!("{t}.{}", report.body).as_bytes());
        report.headers = vec![("stripe-signature", format!("t={t},v1={}", hex::encode(signed)))];
        report
    }
}
