//! Pagar.me v5: Basic credentials set where the webhook is registered. Nothing is signed and nothing is dated.
//!
//! One payment fires `charge.paid` and `order.paid` under different ids; the key of the money is the same. Credentials are
//! given as one key, `user:password`. Source: docs.pagar.me, "Exemplo de webhook" (the credentials are unconfirmed there).

use balcao_domain::money::Money;
use balcao_domain::payment::Lifecycle;
use serde::Deserialize;

use super::{
    Event, Kind, Malformed, Reference, Rejected, Request, Secrets, Truth, WebhookProvider, read, signature,
};

/// See the module.
pub(super) struct Pagarme;

#[derive(Deserialize)]
struct Body {
    id: String,
    r#type: String,
    created_at: Option<String>,
    data: Option<Data>,
}

/// An order with its charges, or a charge.
#[derive(Deserialize, Clone)]
pub(crate) struct Data {
    pub(crate) id: Option<String>,
    pub(crate) code: Option<String>,
    currency: Option<String>,
    amount: Option<i64>,
    pub(crate) paid_amount: Option<i64>,
    pub(crate) canceled_amount: Option<i64>,
    pub(crate) status: Option<String>,
    pub(crate) paid_at: Option<String>,
    last_transaction: Option<Transaction>,
    charges: Option<Vec<Data>>,
}

#[derive(Deserialize, Clone)]
struct Transaction {
    end_to_end_id: Option<String>,
}

impl WebhookProvider for Pagarme {
    fn name(&self) -> &'static str {
        "pagarme"
    }

    fn verify(&self, request: &Request<'_>, secrets: &Secrets, _now: i64) -> Result<(), Rejected> {
        let keys = secrets.keys()?;
        let header = request.header("authorization")?.ok_or(Rejected::Absent)?;
        let (scheme, shown) = header.split_once(' ').ok_or(Rejected::Unreadable("authorization"))?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(Rejected::Unreadable("authorization"));
        }
        signature::token(&keys, &signature::from_base64(shown, "authorization")?)
    }

    fn events(&self, request: &Request<'_>) -> Result<Vec<Event>, Malformed> {
        let body: Body = read::json(request.body)?;
        let kind = read_kind(&body.r#type);
        let key = format!("pagarme:{}", body.id);
        let Some(data) = body.data else {
            let mut event = Event::new(kind, body.r#type);
            event.dedupe_key = Some(key);
            event.truth = Truth::Fetch;
            return Ok(vec![event]);
        };
        let code = data.code.clone();
        let mut charges: Vec<Data> = match &data.charges {
            Some(charges) if kind == Kind::Paid => {
                charges.iter().filter(|charge| charge.status.as_deref() == Some("paid")).cloned().collect()
            }
            Some(charges) => charges.iter().take(1).cloned().collect(),
            None => vec![data.clone()],
        };
        if charges.is_empty() {
            charges.push(data);
        }
        let mut events = Vec::with_capacity(charges.len());
        for (index, charge) in charges.into_iter().enumerate() {
            let id = charge.id.clone().unwrap_or_default();
            // An order paid in parts says several things under one id.
            let key = if index == 0 { key.clone() } else { format!("{key}:{id}") };
            let mut event = Event::new(kind, &body.r#type);
            event.dedupe_key = Some(key);
            event.occurred_at = read::time(charge.paid_at.as_deref().or(body.created_at.as_deref()));
            fill(&mut event, &charge)?;
            event.reference =
                Reference { txid: None, provider_id: charge.id, order: charge.code.or_else(|| code.clone()) };
            events.push(event);
        }
        Ok(events)
    }
}

pub(crate) fn read_kind(name: &str) -> Kind {
    match name {
        "order.created" | "charge.created" | "charge.pending" => Kind::Charge(Lifecycle::Pending),
        "charge.processing" => Kind::Charge(Lifecycle::Processing),
        "order.payment_failed" | "charge.payment_failed" => Kind::Charge(Lifecycle::Failed),
        "order.canceled" => Kind::Charge(Lifecycle::Canceled),
        "order.paid" | "charge.paid" | "charge.underpaid" | "charge.overpaid" => Kind::Paid,
        "charge.refunded" | "charge.partial_canceled" => Kind::RefundedSoFar,
        "charge.chargedback" => Kind::DisputeOpened,
        _ => Kind::Other,
    }
}

/// The amount that the kind is about, and the key of its money. What is not said has to be fetched.
pub(crate) fn fill(event: &mut Event, charge: &Data) -> Result<(), Malformed> {
    let id = charge.id.as_deref().unwrap_or_default();
    let end_to_end_id = charge.last_transaction.as_ref().and_then(|last| last.end_to_end_id.clone());
    let minor = match event.kind {
        Kind::Paid => charge.paid_amount,
        Kind::RefundedSoFar => charge.canceled_amount,
        Kind::DisputeOpened => charge.amount,
        _ => return Ok(()),
    };
    let Some(minor) = minor else {
        event.truth = Truth::Fetch;
        return Ok(());
    };
    event.amount = Some(Money::new(minor, read::currency(charge.currency.as_deref())?));
    event.fact_key = Some(match (&end_to_end_id, event.kind) {
        (Some(money), Kind::Paid) => format!("pix:{money}"),
        (None, Kind::Paid) => format!("pagarme:{id}:paid"),
        (_, Kind::RefundedSoFar) => format!("pagarme:{id}:refunded:{minor}"),
        _ => format!("pagarme:{id}:dispute"),
    });
    event.end_to_end_id = end_to_end_id;
    Ok(())
}
