//! The supervision tree and every actor. The only crate that names ractor.
//!
//! Mailboxes are doorbells: first the row, then the ring. Outside the crate one sees [`System`] and
//! [`breakers::Breakers`], cheap handles, never an `ActorRef`.
//!
//! Reading order: [`system`] draws the tree; `inbox_writer`, `tenants`, `tenant`, `conversation` follow a message in,
//! `look`, `request` and `turn` are the work of one turn, `outbox`, `sender` and `delivery` follow the reply out;
//! `clockwork` finds what was missed, [`cashier`] and `payments` speak with and
//! hear from payment providers, `supervise` brings back what fell.

pub mod breakers;
pub mod cashier;
mod children;
mod clockwork;
mod conversation;
mod delivery;
mod directory;
mod feeds;
mod handles;
mod inbox_writer;
mod leases;
mod look;
mod outbox;
mod payments;
mod request;
mod sender;
mod shared;
mod supervise;
pub mod system;
mod tenant;
mod tenants;
mod turn;
mod watchers;
mod webhooks;

pub use cashier::Cashier;
pub use system::{AcceptError, ChannelFactory, System, SystemConfig, TurnEvent};
