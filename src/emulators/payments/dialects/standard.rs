//! The provider without a name: five calls of one's own, and Standard Webhooks (the secret is `whsec_…`).

use ::base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{Charge, Dialect, Heard, Hook, NewCharge, News, Report, Wish, base64, hmac_sha256, now, plain};
use crate::payments::world::time;

/// See the module.
pub(super) struct Standard;

impl Standard {
    fn event(charge: &Charge, news: News) -> Value {
        let (kind, at, minor, receipt, refund) = match news {
            News::Paid(at) => {
                let receipt = &charge.receipts[at];
                ("payment.paid", receipt.at, receipt.minor, Some(receipt.end_to_end_id.clone()), None)
            }
            News::Refunded(at) => {
                let refund = &charge.refunds[at];
                ("payment.refunded", refund.at, refund.minor, None, Some(refund.id.clone()))
            }
        };
        json!({
            "type": kind,
            "timestamp": time(at),
            "data": { "id": charge.id, "order_id": charge.reference, "amount": minor, "currency": "BRL",
                      "end_to_end_id": receipt, "refund_id": refund },
        })
    }
}

impl Dialect for Standard {
    fn name(&self) -> &'static str {
        "standard-webhooks"
    }

    fn ids(&self, _reference: &str, word: &str, _number: u64) -> (String, String) {
        (format!("chg_{word}"), String::new())
    }

    fn wish(&self, heard: &Heard) -> Option<Wish> {
        Some(match (heard.method.as_str(), heard.parts().as_slice()) {
            ("PUT", ["charges", reference]) => Wish::Create(NewCharge {
                reference: (*reference).to_owned(),
                key: Some((*reference).to_owned()),
                minor: heard.whole("/amount")?,
                title: heard.text("/description").unwrap_or_default(),
                expires_in: heard.whole("/expires_in")?,
            }),
            ("GET", ["charges", reference]) => Wish::Find((*reference).to_owned()),
            ("PUT", ["charges", reference, "refunds", id]) => Wish::Refund {
                of: (*reference).to_owned(),
                id: (*id).to_owned(),
                minor: heard.whole("/amount")?,
            },
            _ => return None,
        })
    }

    fn charge(&self, charge: &Charge) -> Value {
        let paid = (0..charge.receipts.len()).map(News::Paid);
        let news = paid.chain((0..charge.refunds.len()).map(News::Refunded));
        let events: Vec<Value> = news.map(|news| Self::event(charge, news)).collect();
        json!({ "id": charge.id, "br_code": charge.br_code, "events": events })
    }

    fn list(&self, charges: &[&Charge]) -> Value {
        let all: Vec<Value> = charges.iter().map(|charge| self.charge(charge)).collect();
        json!({ "charges": all })
    }

    fn refund(&self, charge: &Charge, at: usize) -> Value {
        json!({ "id": charge.refunds[at].id, "amount": charge.refunds[at].minor })
    }

    fn report(&self, charge: &Charge, news: News, hook: &Hook) -> Report {
        let number = match news {
            News::Paid(at) => at * 2,
            News::Refunded(at) => at * 2 + 1,
        };
        let mut report = plain(&Self::event(charge, news));
        let (id, t) = (format!("msg_{}{number}", charge.id), now());
        let key = hook.secret.strip_prefix("whsec_").unwrap_or(&hook.secret);
        let key = BASE64_STANDARD.decode(key).unwrap_or_default();
        let signed = hmac_sha256(&key, format!("{id}.{t}.{}", report.body).as_bytes());
        report.headers = vec![
            ("webhook-id", id),
            ("webhook-timestamp", t.to_string()),
            ("webhook-signature", format!("v1,{}", base64(&signed))),
        ];
        report
    }
}
