//! Stripe's payment intents with PIX. Source: `stripe/stripe-python` (`_payment_intent.py`, `_refund.py`).

use balcao_domain::money::Money;
use balcao_domain::payment::Lifecycle;
use secrecy::SecretString;
use serde::Deserialize;

use super::{Access, Call, Created, Names, NewCharge, NewRefund, PaymentProvider, segment};
use crate::webhook::{Event, Kind, Malformed, Reference, read};

/// See the module.
pub(super) struct Stripe;

const IDEMPOTENCY: &str = "idempotency-key";

#[derive(Deserialize)]
struct Intent {
    id: String,
    status: String,
    amount: i64,
    amount_received: Option<i64>,
    currency: Option<String>,
    next_action: Option<NextAction>,
    last_payment_error: Option<PaymentError>,
    metadata: Option<Metadata>,
    latest_charge: Option<Latest>,
}

#[derive(Deserialize)]
struct NextAction {
    pix_display_qr_code: Option<QrCode>,
}

#[derive(Deserialize)]
struct QrCode {
    data: Option<String>,
}

#[derive(Deserialize)]
struct PaymentError {
    code: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    order_id: Option<String>,
}

/// An id, or the charge itself where it was asked for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Latest {
    Charge {
        #[serde(default)]
        amount_refunded: i64,
        #[serde(default)]
        payment_method_details: Option<Details>,
    },
    Id(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Details {
    pix: Option<Pix>,
}

#[derive(Deserialize)]
struct Pix {
    bank_transaction_id: Option<String>,
}

impl PaymentProvider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn base_url(&self) -> Option<&'static str> {
        Some("https://api.stripe.com")
    }

    fn needs(&self) -> &'static [&'static str] {
        &["token"]
    }

    fn credentials(&self, access: &Access, _token: Option<&SecretString>) -> Vec<(&'static str, String)> {
        access.bearer()
    }

    fn create(&self, _access: &Access, charge: &NewCharge<'_>) -> Option<Call> {
        let fields = [
            ("amount", charge.amount.minor().to_string()),
            ("currency", charge.amount.currency().code().to_ascii_lowercase()),
            ("payment_method_types[]", "pix".into()),
            ("payment_method_data[type]", "pix".into()),
            ("payment_method_options[pix][expires_after_seconds]", charge.expires_in.as_secs().to_string()),
            ("metadata[order_id]", charge.reference.into()),
            ("description", charge.title.into()),
            ("confirm", "true".into()),
        ];
        Some(Call::form("/v1/payment_intents", &fields).with_header(IDEMPOTENCY, charge.reference))
    }

    fn created(&self, answer: &[u8]) -> Result<Option<Created>, Malformed> {
        let intent: Intent = read::json(answer)?;
        let code = intent.next_action.and_then(|action| action.pix_display_qr_code?.data);
        Ok(Some(Created { provider_id: Some(intent.id), br_code: code }))
    }

    fn look_up(&self, _access: &Access, names: &Names) -> Option<Call> {
        let id = names.provider_id.as_ref()?;
        Some(Call::get(format!("/v1/payment_intents/{}?expand%5B%5D=latest_charge", segment(id))))
    }

    fn found(&self, answer: &[u8]) -> Result<Vec<Event>, Malformed> {
        let intent: Intent = read::json(answer)?;
        let id = &intent.id;
        let currency = read::currency(intent.currency.as_deref())?;
        let about = |kind: Kind, key: &str| {
            let mut event = Event::new(kind, &intent.status);
            event.dedupe_key = Some(format!("stripe:{id}:{key}"));
            event.reference = Reference {
                txid: None,
                provider_id: Some(id.clone()),
                order: intent.metadata.as_ref().and_then(|metadata| metadata.order_id.clone()),
            };
            event
        };
        let error = intent.last_payment_error.as_ref().and_then(|error| error.code.as_deref());
        let lifecycle = match intent.status.as_str() {
            "requires_payment_method" => match error {
                Some("payment_intent_payment_attempt_expired") => Some(Lifecycle::Expired),
                Some(_) => Some(Lifecycle::Failed),
                None => Some(Lifecycle::Created),
            },
            "requires_confirmation" => Some(Lifecycle::Created),
            "requires_action" => Some(Lifecycle::Pending),
            "processing" => Some(Lifecycle::Processing),
            "requires_capture" => Some(Lifecycle::Authorized),
            "canceled" => Some(Lifecycle::Canceled),
            _ => None,
        };
        if let Some(lifecycle) = lifecycle {
            let key = match lifecycle {
                Lifecycle::Expired => "expired",
                Lifecycle::Failed => "failed",
                _ => &intent.status,
            };
            return Ok(vec![about(Kind::Charge(lifecycle), key)]);
        }
        if intent.status != "succeeded" {
            return Ok(vec![about(Kind::Other, &intent.status)]);
        }
        let mut paid = about(Kind::Paid, "paid");
        paid.fact_key.clone_from(&paid.dedupe_key);
        paid.amount = Some(Money::new(intent.amount_received.unwrap_or(intent.amount), currency));
        let mut events = vec![paid];
        if let Some(Latest::Charge { amount_refunded, payment_method_details }) = &intent.latest_charge {
            events[0].end_to_end_id = payment_method_details
                .as_ref()
                .and_then(|details| details.pix.as_ref()?.bank_transaction_id.clone());
            if *amount_refunded > 0 {
                let mut refund = about(Kind::RefundedSoFar, &format!("refunded:{amount_refunded}"));
                refund.fact_key.clone_from(&refund.dedupe_key);
                refund.amount = Some(Money::new(*amount_refunded, currency));
                events.push(refund);
            }
        }
        Ok(events)
    }

    fn refund(&self, _access: &Access, refund: &NewRefund<'_>) -> Option<Call> {
        let fields = [
            ("payment_intent", refund.names.provider_id.clone()?),
            ("amount", refund.amount.minor().to_string()),
        ];
        Some(Call::form("/v1/refunds", &fields).with_header(IDEMPOTENCY, refund.reference))
    }
}
