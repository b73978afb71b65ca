//! What a channel is: it understands what customers send, renders what the shop says, and sends it.
//!
//! Knows nothing of tenants' data or of the engine. Reading order: [`port`] (what every channel can do),
//! [`whatsapp`] (the Cloud API: signatures, webhooks, rendering, sending), [`api`] (replies for whoever asked over
//! HTTP), [`webhooks`] (events for a shop's own systems), [`plain`] (options as numbered text), [`pacing`] (how fast), [`window`] (until when).

pub mod api;
pub mod pacing;
pub mod plain;
pub mod port;
pub mod webhooks;
pub mod whatsapp;
pub mod window;

pub use port::{Channel, Indication, Outgoing, SendError, SendReceipt, Target};
