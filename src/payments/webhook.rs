//! Webhooks of payment providers and shop systems: is a call genuine, and what does it say.
//!
//! Every sender signs by its own recipe, so each has its own file. All of them answer the same two questions
//! ([`WebhookProvider`]): [`verify`](WebhookProvider::verify) looks at the raw bytes and fails closed,
//! [`events`](WebhookProvider::events) reads them into [`Event`]s. [`receive`] asks both in the right order and is what a
//! route calls. Reading order: this file, [`event`], `signature` (comparisons), `read` (JSON), then the senders.
//!
//! Nothing here knows the clock, the database or the network: time is a parameter, and what must be fetched is said so.

pub(crate) mod asaas;
pub(crate) mod efi_bcb_pix;
pub mod event;
mod mercadopago;
mod nuvemshop;
pub(crate) mod pagarme;
pub(crate) mod pagbank;
pub(crate) mod read;
mod request;
mod secrets;
mod shopify;
mod signature;
pub(crate) mod standard_webhooks;
mod stripe;
mod woocommerce;
mod woovi;

pub use event::{Event, Kind, Reference, Truth};
pub use request::Request;
pub use secrets::Secrets;

/// One sender of webhooks.
pub trait WebhookProvider: Sync {
    /// Its name in URLs and configuration.
    fn name(&self) -> &'static str;

    /// Whether the call is the sender's. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// When it is not proven to be: whatever is missing, doubled, unreadable or unconfigured refuses the call.
    fn verify(&self, request: &Request<'_>, secrets: &Secrets, now: i64) -> Result<(), Rejected>;

    /// What the call says. Call it after [`verify`](Self::verify), or believe nothing of it.
    ///
    /// # Errors
    /// When the body is not of the sender's form.
    fn events(&self, request: &Request<'_>) -> Result<Vec<Event>, Malformed>;

    /// What a call without any signature is worth; most senders always sign.
    fn unsigned(&self, _request: &Request<'_>) -> Unsigned {
        Unsigned::Refused
    }

    /// The HTTP status that refuses a call.
    fn refusal_status(&self) -> u16 {
        401
    }
}

/// What a call without a signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsigned {
    /// Nothing.
    Refused,
    /// A reason to ask the provider; its content is not to be believed.
    Hint,
    /// A test call that carries nothing and only wants an answer.
    Acknowledged,
}

/// Why a call is not believed. It names the reason only: neither secrets nor digests, for it ends in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// There is no signature at all.
    #[error("the call is not signed")]
    Absent,
    /// A header or parameter that must be single came more than once.
    #[error("`{0}` is there more than once")]
    Doubled(&'static str),
    /// A header or parameter is missing or cannot be read.
    #[error("`{0}` cannot be read")]
    Unreadable(&'static str),
    /// The signature is of other bytes or by another key.
    #[error("the signature does not match")]
    Mismatch,
    /// Rightly signed, at another time.
    #[error("signed {0} seconds away from now")]
    Stale(i64),
    /// The shop requires a client certificate and the proxy verified none.
    #[error("no verified client certificate")]
    NoClientCertificate,
    /// The shop has no usable key for this sender.
    #[error("no key is configured")]
    NoKey,
}

/// Why a body says nothing that can be read. Sending it again would not help: it is acknowledged and set aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON of the expected form; the text says where, not what.
    #[error("not the expected JSON: {0}")]
    Json(String),
    /// Something needed is missing or out of form.
    #[error("`{0}` is missing or out of form")]
    Field(&'static str),
}

/// What a route does with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reception {
    /// Genuine: store the events, answer 200, apply them in the background.
    Trusted(Vec<Event>),
    /// Not signed: ask the provider about what these name, believe nothing else. Answer 200.
    Hint(Vec<Event>),
    /// A test call: answer 200, store nothing.
    Acknowledged,
    /// Genuine but unreadable: set the body aside, answer 200.
    SetAside(Malformed),
    /// Not believed: answer with this status, store nothing.
    Refused {
        /// Why, for the log.
        why: Rejected,
        /// The HTTP status.
        status: u16,
    },
}

impl Reception {
    /// The HTTP status to answer, provided that what is to be stored was stored.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Refused { status, .. } => *status,
            _ => 200,
        }
    }
}

/// Verifies a call and reads it, in this order. `now` is in seconds since 1970.
pub fn receive(
    provider: &dyn WebhookProvider,
    request: &Request<'_>,
    secrets: &Secrets,
    now: i64,
) -> Reception {
    let refused = |why| Reception::Refused { why, status: provider.refusal_status() };
    let signed = match provider.verify(request, secrets, now) {
        Ok(()) => true,
        Err(Rejected::Absent) => match provider.unsigned(request) {
            Unsigned::Refused => return refused(Rejected::Absent),
            Unsigned::Acknowledged => return Reception::Acknowledged,
            Unsigned::Hint => false,
        },
        Err(why) => return refused(why),
    };
    match provider.events(request) {
        // An unsigned body that cannot be read is not evidence of anything.
        Err(_) if !signed => refused(Rejected::Absent),
        Err(malformed) => Reception::SetAside(malformed),
        Ok(events) if !events.is_empty() && events.iter().all(|event| event.kind == Kind::Test) => {
            Reception::Acknowledged
        }
        Ok(events) if signed => Reception::Trusted(events),
        Ok(events) => {
            Reception::Hint(events.into_iter().map(|event| Event { truth: Truth::Fetch, ..event }).collect())
        }
    }
}

/// Every sender that is understood.
pub const PROVIDERS: [&dyn WebhookProvider; 11] = [
    &asaas::Asaas,
    &efi_bcb_pix::EfiBcbPix,
    &mercadopago::MercadoPago,
    &nuvemshop::Nuvemshop,
    &pagarme::Pagarme,
    &pagbank::PagBank,
    &shopify::Shopify,
    &standard_webhooks::StandardWebhooks,
    &stripe::Stripe,
    &woocommerce::WooCommerce,
    &woovi::Woovi,
];

/// Whether one charge of this sender is paid once, so that two receipts of it under different keys are one: some name the
/// bank's id of the money in one place and not in the other. API Pix and Woovi always name it, and a shop system's order
/// may be paid in parts.
pub fn pays_once(name: &str) -> bool {
    ["asaas", "mercadopago", "pagarme", "pagbank", "stripe"].contains(&name)
}

/// The sender of that name.
pub fn provider(name: &str) -> Option<&'static dyn WebhookProvider> {
    PROVIDERS.iter().copied().find(|provider| provider.name() == name)
}

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod tests;
