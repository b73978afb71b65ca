//! Woovi (OpenPix), with its older signature: HMAC-SHA1 of a shared key.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;

use super::{Charge, Dialect, Heard, Hook, NewCharge, News, Repeated, Report, Wish, base64, plain};
use crate::payments::world::time;

/// See the module.
pub(super) struct Woovi;

impl Woovi {
    fn inner(charge: &Charge) -> Value {
        let status = match charge.receipt() {
            Some(_) => "COMPLETED",
            None if charge.is_over() => "EXPIRED",
            None => "ACTIVE",
        };
        json!({
            "status": status,
            "value": charge.minor,
            "comment": charge.title,
            "identifier": charge.id,
            "transactionID": charge.id,
            "correlationID": charge.reference,
            "brCode": charge.br_code,
            "expiresDate": time(charge.expires_at),
            "updatedAt": time(charge.receipt().map_or(charge.created_at, |receipt| receipt.at)),
        })
    }
}

impl Dialect for Woovi {
    fn name(&self) -> &'static str {
        "woovi"
    }

    fn ids(&self, _reference: &str, word: &str, _number: u64) -> (String, String) {
        (format!("{word}woovi"), String::new())
    }

    fn wish(&self, heard: &Heard) -> Option<Wish> {
        Some(match (heard.method.as_str(), heard.parts().as_slice()) {
            ("POST", ["api", "v1", "charge"]) => Wish::Create(NewCharge {
                reference: heard.text("/correlationID")?,
                key: None,
                minor: heard.whole("/value")?,
                title: heard.text("/comment").unwrap_or_default(),
                expires_in: heard.whole("/expiresIn").unwrap_or(86_400),
            }),
            ("GET", ["api", "v1", "charge", name]) => Wish::Find((*name).to_owned()),
            ("GET", ["api", "v1", "transaction"]) => Wish::List(heard.parameter("charge")?),
            ("POST", ["api", "v1", "charge", name, "refund"]) => Wish::Refund {
                of: (*name).to_owned(),
                id: heard.text("/correlationID")?,
                minor: heard.whole("/value")?,
            },
            _ => return None,
        })
    }

    fn charge(&self, charge: &Charge) -> Value {
        json!({ "charge": Self::inner(charge), "brCode": charge.br_code })
    }

    fn list(&self, charges: &[&Charge]) -> Value {
        let of = |charge: &&Charge| {
            let received = charge.receipts.iter().map(|receipt| {
                json!({ "type": "PAYMENT", "value": receipt.minor, "time": time(receipt.at),
                        "endToEndId": receipt.end_to_end_id, "charge": Self::inner(charge) })
            });
            let returned = charge.refunds.iter().map(|refund| {
                json!({ "type": "REFUND", "value": refund.minor, "time": time(refund.at),
                        "endToEndId": refund.id, "charge": Self::inner(charge) })
            });
            received.chain(returned).collect::<Vec<Value>>()
        };
        json!({ "transactions": charges.iter().flat_map(of).collect::<Vec<Value>>() })
    }

    fn refund(&self, charge: &Charge, at: usize) -> Value {
        let refund = &charge.refunds[at];
        json!({ "refund": { "status": "CONFIRMED", "value": refund.minor, "correlationID": refund.id } })
    }

    fn repeated_refund(&self) -> Repeated {
        Repeated::Refused
    }

    fn report(&self, charge: &Charge, news: News, hook: &Hook) -> Report {
        let (event, receipt) = match news {
            News::Paid(at) => ("OPENPIX:CHARGE_COMPLETED", &charge.receipts[at]),
            News::Refunded(_) => ("OPENPIX:TRANSACTION_REFUND_RECEIVED", &charge.receipts[0]),
        };
        let mut report = plain(&json!({
            "event": event,
            "charge": Self::inner(charge),
            "pix": { "value": receipt.minor, "time": time(receipt.at), "transactionID": charge.id,
                     "endToEndId": receipt.end_to_end_id },
        }));
        // HMAC takes keys of any length.
        if let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(hook.secret.as_bytes()) {
            mac.update(report.body.as_bytes());
            report.headers = vec![("x-openpix-signature", base64(&mac.finalize().into_bytes()))];
        }
        report
    }
}
