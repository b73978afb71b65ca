//! The walk of a message from end to end: the emulated WhatsApp, the webhook, the engine, the outbox, and the phone.

mod afterwards;
mod answers;
mod bursts;
pub mod buying;
mod charging;
mod current;
mod fixtures;
mod model_away;
mod nodes;
mod order;
mod paying;
pub mod scene;
mod telling;
