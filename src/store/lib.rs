//! Postgres: everything that must survive a crash. The only crate that names sqlx.
//!
//! The way to a tenant's data is [`Store::tenant_tx`]; there is no other way to a connection outside this crate.
//! What crosses tenants (routing, sweeps, the group commit of the inbox) goes through a few SECURITY DEFINER
//! functions, each with its reason in its migration.
//!
//! Reading order: [`tx`] (the way in), [`error`], then a module for each noun.

pub mod api_keys;
pub mod channels;
pub mod conversations;
pub mod customers;
pub mod dead_letters;
pub mod error;
pub mod events;
pub mod idempotency;
pub mod inbox;
pub mod knowledge;
pub mod outbox;
pub mod tenants;
pub mod turns;
pub mod tx;

pub use error::{Outcome, StoreError};
pub use tx::{Store, TenantTx};
