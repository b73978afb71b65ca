//! What a channel is: it understands what customers send, renders what the shop says, and sends it.
//!
//! Knows nothing of tenants' data or of the engine. WhatsApp's Cloud API lives in [`whatsapp`].

pub mod port;

pub use port::{Channel, Indication, Outgoing, SendError, SendReceipt, Target};
