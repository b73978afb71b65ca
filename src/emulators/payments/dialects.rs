//! How each provider says it: paths, shapes, statuses and signatures. One file each; the actions behind them are all
//! the same ([`super::world`]).

mod asaas;
mod efi_bcb_pix;
mod mercadopago;
mod pagarme;
mod pagbank;
mod standard;
mod stripe;
mod woovi;

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::{
    heard::Heard,
    world::{Charge, Hook, NewCharge, News},
};

/// What a call wants.
pub enum Wish {
    /// A token.
    Token,
    /// A charge.
    Create(NewCharge),
    /// The charge of this name.
    Find(String),
    /// A list of the charges of this name.
    List(String),
    /// The code of this charge.
    Code(String),
    /// All that was received.
    Received,
    /// Money back.
    Refund {
        /// A name of the charge or of its receipt.
        of: String,
        /// The caller's id.
        id: String,
        /// How much.
        minor: i64,
    },
}

/// What a refund with an id that was used before is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    /// The one before.
    Same,
    /// An error.
    Refused,
    /// Another one.
    Another,
}

/// A webhook.
pub struct Report {
    /// What is appended to the address.
    pub suffix: String,
    /// Signatures and the like.
    pub headers: Vec<(&'static str, String)>,
    /// What is said.
    pub body: String,
}

/// One provider.
pub(super) trait Dialect: Send + Sync {
    /// The first part of its paths.
    fn name(&self) -> &'static str;

    /// Ids of a new charge and of what stands around it, from the caller's reference, a random word, or a number.
    fn ids(&self, reference: &str, word: &str, number: u64) -> (String, String);

    /// What a call wants; `None`: there is no such path.
    fn wish(&self, heard: &Heard) -> Option<Wish>;

    /// A charge, as it is answered.
    fn charge(&self, charge: &Charge) -> Value;

    /// Several.
    fn list(&self, charges: &[&Charge]) -> Value;

    /// A refund, as it is answered.
    fn refund(&self, charge: &Charge, at: usize) -> Value;

    /// What a refund that is asked for again is: the same one (`Same`), refused, or paid once more.
    fn repeated_refund(&self) -> Repeated {
        Repeated::Same
    }

    /// There is no such charge.
    fn not_found(&self) -> (u16, Value) {
        (404, serde_json::json!({ "error": "not found" }))
    }

    /// A webhook about it.
    fn report(&self, charge: &Charge, news: News, hook: &Hook) -> Report;
}

const DIALECTS: [&dyn Dialect; 8] = [
    &asaas::Asaas,
    &efi_bcb_pix::EfiBcbPix,
    &mercadopago::MercadoPago,
    &pagarme::Pagarme,
    &pagbank::PagBank,
    &standard::Standard,
    &stripe::Stripe,
    &woovi::Woovi,
];

/// The names of all that are played.
pub fn names() -> Vec<&'static str> {
    DIALECTS.iter().map(|dialect| dialect.name()).collect()
}

pub(super) fn dialect(name: &str) -> Option<&'static dyn Dialect> {
    DIALECTS.iter().copied().find(|dialect| dialect.name() == name)
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

fn plain(body: &Value) -> Report {
    Report { suffix: String::new(), headers: Vec::new(), body: body.to_string() }
}
