//! Payment providers' own APIs: make a charge, ask what became of it, give money back.
//!
//! A provider ([`PaymentProvider`]) touches no network: it turns what is wanted into a [`Call`] and reads an [`Answer`].
//! What it reads are the same [`Event`]s that its webhooks report, with the same keys for the same movement of money, so
//! whoever applies them need not know which way they came. [`Client`] carries the calls; it has no breaker and no
//! retries, because whoever holds it has.
//!
//! Reading order: this file, [`access`], [`client`], then the providers. What the webhooks of each look like is in
//! [`crate::webhook`]. Nothing here is asked about orders of shop systems (Shopify, WooCommerce): those are paid there.

pub mod access;
mod asaas;
mod client;
mod efi_bcb_pix;
mod mercadopago;
mod nuvemshop;
mod pagarme;
mod pagbank;
mod standard;
mod stripe;
#[cfg(test)]
mod tests;
mod woovi;

use std::time::Duration;

use balcao_domain::money::Money;
use chrono::{DateTime, Utc};
use http::Method;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::webhook::{Event, Malformed};
pub use access::Access;
pub use client::{Client, Window};

/// One provider's API.
pub trait PaymentProvider: Sync {
    /// Its name, the same as its webhooks have.
    fn name(&self) -> &'static str;

    /// Where its API is, unless the shop's [`Access`] says otherwise. None where there is no one place.
    fn base_url(&self) -> Option<&'static str>;

    /// What of [`Access`] cannot be done without; the names of its fields.
    fn needs(&self) -> &'static [&'static str];

    /// The call that gets a token, where calls are not simply signed with a key.
    fn sign_in(&self, _access: &Access) -> Option<Call> {
        None
    }

    /// Headers that prove who calls; `token` is what [`sign_in`](Self::sign_in) brought.
    fn credentials(&self, access: &Access, token: Option<&SecretString>) -> Vec<(&'static str, String)>;

    /// Makes a PIX charge. None: it makes none, it only knows of charges made elsewhere.
    fn create(&self, access: &Access, charge: &NewCharge<'_>) -> Option<Call>;

    /// Finds a charge by our reference whose making was not answered. None where [`create`](Self::create) may simply be
    /// called again: the provider takes the same key for the same charge.
    fn created_before(&self, _access: &Access, _reference: &str) -> Option<Call> {
        None
    }

    /// Reads the answer of either; `None` where there is no such charge.
    ///
    /// # Errors
    /// When it is not of the provider's form.
    fn created(&self, answer: &[u8]) -> Result<Option<Created>, Malformed>;

    /// Asks for the code of a charge whose making did not bring it along.
    fn code(&self, _access: &Access, _provider_id: &str) -> Option<Call> {
        None
    }

    /// Asks what became of a charge.
    fn look_up(&self, access: &Access, names: &Names) -> Option<Call>;

    /// Reads it, as events.
    ///
    /// # Errors
    /// When it is not of the provider's form.
    fn found(&self, answer: &[u8]) -> Result<Vec<Event>, Malformed>;

    /// Asks for everything that was received in a window, a page at a time. None where the provider has no such list.
    fn received(&self, _access: &Access, _window: &Window, _page: u32) -> Option<Call> {
        None
    }

    /// Reads a page of it; whether there are more.
    ///
    /// # Errors
    /// When it is not of the provider's form.
    fn page(&self, _answer: &[u8]) -> Result<(Vec<Event>, bool), Malformed> {
        Ok((Vec::new(), false))
    }

    /// Whether a refund that is asked for again under the same reference is the same refund. Where it is not, it is asked for
    /// once.
    fn knows_repeated_refunds(&self) -> bool {
        true
    }

    /// Gives money back. None where it cannot be done with what is known of the charge.
    fn refund(&self, access: &Access, refund: &NewRefund<'_>) -> Option<Call>;
}

/// A call to make. The path starts at the provider's base address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// GET, POST, …
    pub method: Method,
    /// `/v2/cob/…`, with its query.
    pub path: String,
    /// Besides the credentials.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: Body,
}

/// The body of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    Empty,
    /// JSON.
    Json(String),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), headers: Vec::new(), body: Body::Empty }
    }

    pub(crate) fn json(method: Method, path: impl Into<String>, body: &impl Serialize) -> Self {
        // Maps with keys of text, which is all that is sent, are always JSON.
        let body = serde_json::to_string(body).unwrap_or_default();
        Self { method, path: path.into(), headers: Vec::new(), body: Body::Json(body) }
    }

    pub(crate) fn form(path: impl Into<String>, fields: &[(&str, String)]) -> Self {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Self { method: Method::POST, path: path.into(), headers: Vec::new(), body: Body::Form(fields) }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A charge to make.
#[derive(Debug, Clone)]
pub struct NewCharge<'a> {
    /// Ours, stored before the call: 26 to 35 lower-case letters and digits, unique. The idempotency key.
    pub reference: &'a str,
    /// How much, above zero.
    pub amount: Money,
    /// How long it may be paid.
    pub expires_in: Duration,
    /// Now, for providers that want a date.
    pub now: DateTime<Utc>,
    /// What the payer reads, at most 100 characters.
    pub title: &'a str,
}

/// A charge as the provider made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// What the provider calls it.
    pub provider_id: Option<String>,
    /// What the customer pays with.
    pub br_code: Option<String>,
}

/// What a charge goes by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Ours.
    pub reference: Option<String>,
    /// The provider's.
    pub provider_id: Option<String>,
}

/// Money to give back.
#[derive(Debug, Clone)]
pub struct NewRefund<'a> {
    /// Ours, deterministic: 1 to 35 lower-case letters and digits. The idempotency key.
    pub reference: &'a str,
    /// Of which charge.
    pub names: &'a Names,
    /// Which receipt of it, by the bank's id, where one is known that is large enough.
    pub end_to_end_id: Option<&'a str>,
    /// How much.
    pub amount: Money,
}

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It cannot be asked for at all.
    #[error("{0}")]
    Impossible(String),
    /// The provider knows no such thing.
    #[error("the provider knows no such charge")]
    Unknown,
    /// Our credentials are not taken.
    #[error("the provider does not take the credentials (status {0})")]
    Unauthorized(u16),
    /// It said no, and will say it again.
    #[error("the provider refused (status {status}): {why}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its words, shortened.
        why: String,
    },
    /// Too many calls.
    #[error("the provider wants fewer calls")]
    Limited {
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// It is not there, or not well. `sent`: the call may have been carried out.
    #[error("the provider is away: {why}")]
    Away {
        /// What happened.
        why: String,
        /// Whether the call may have been carried out.
        sent: bool,
    },
    /// It answered something that is not of its form.
    #[error("the provider's answer cannot be read: {0}")]
    Unreadable(#[from] Malformed),
}

impl Failure {
    /// Whether the same call may succeed later.
    pub const fn may_pass(&self) -> bool {
        !matches!(self, Self::Impossible(_) | Self::Refused { .. })
    }
}

/// Every provider with an API that is called.
pub const PROVIDERS: [&dyn PaymentProvider; 9] = [
    &asaas::Asaas,
    &efi_bcb_pix::EfiBcbPix,
    &mercadopago::MercadoPago,
    &nuvemshop::Nuvemshop,
    &pagarme::Pagarme,
    &pagbank::PagBank,
    &standard::Standard,
    &stripe::Stripe,
    &woovi::Woovi,
];

/// The provider of that name.
pub fn provider(name: &str) -> Option<&'static dyn PaymentProvider> {
    PROVIDERS.iter().copied().find(|provider| provider.name() == name)
}

/// `137.80`, as providers of reais write amounts.
fn decimal(amount: Money) -> String {
    format!("{}.{:02}", amount.minor() / 100, amount.minor() % 100)
}

/// The same as a JSON number that was never a float.
fn number(amount: Money) -> Option<Box<RawValue>> {
    RawValue::from_string(decimal(amount)).ok()
}

/// A path segment that cannot leave its place.
fn segment(text: &str) -> String {
    // Dots alone would be a step up, encoded or not.
    if text.bytes().all(|byte| byte == b'.') {
        return "-".into();
    }
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
