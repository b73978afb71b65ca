//! The supervision tree and every actor. The only crate that names ractor.
//!
//! Mailboxes are doorbells: first the row, then the ring. Outside the crate one sees [`System`] and
//! [`breakers::Breakers`], cheap handles, never an `ActorRef`.

pub mod breakers;
pub mod system;

pub use system::{AcceptError, ChannelFactory, System, SystemConfig, TurnEvent};
