//! How money comes in: PIX codes, payment providers, their webhooks.
//!
//! Knows nothing of the database, of conversations or of actors. What a payment's facts come to is decided in
//! `balcao_domain::payment`; this crate speaks the providers' languages.
//!
//! Reading order: [`brcode`] (PIX "copia e cola", built and read), [`qr`] (as a picture), [`webhook`] (what
//! providers and shops report), [`provider`] (what is asked of providers).

pub mod brcode;
pub mod provider;
pub mod qr;
pub mod webhook;
