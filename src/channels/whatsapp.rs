//! WhatsApp over Meta's Cloud API, in and out.
//!
//! In: [`signature`] (is this body really Meta's?), [`parse()`](parse::parse) (bytes to [`WebhookItem`]s, each on
//! its own). Out: [`render`] (a reply as few messages), [`client`] (the send call), [`errors`] (what a refusal means),
//! [`template`] (the only thing allowed outside the 24-hour window).

pub mod client;
pub mod errors;
mod fields;
#[cfg(test)]
mod fixtures_test;
pub mod markdown;
pub mod parse;
pub mod payload;
pub mod render;
mod repair;
pub mod signature;
pub mod split;
pub mod template;

pub use client::{HttpClient, WhatsappChannel, WhatsappSettings};
pub use parse::parse;
pub use payload::{
    AccountEffect, AccountEvent, BodyError, Echo, IgnoredWhy, Pricing, ProviderError, Severity, StatusUpdate,
    WebhookItem,
};
pub use signature::{Handshake, SignatureError, handshake, verify};
