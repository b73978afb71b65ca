//! Stand-ins that speak the real protocols, for the demo, the tests and other people's local development.
//!
//! They know nothing of the rest of Balcão: whatever talks to them must speak HTTP as it would to the real service.

pub mod openai;
pub mod payments;
pub mod whatsapp;
