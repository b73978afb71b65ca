//! Postgres: everything that must survive a crash. The only crate that names sqlx.
//!
//! The way to a tenant's data is [`Store::tenant_tx`]; there is no other way to a connection outside this crate.
//! What crosses tenants (routing, sweeps, the group commit of the inbox) goes through a few SECURITY DEFINER
//! functions, each with its reason in its migration.
//!
//! Reading order: [`tx`] (the way in), [`error`], then a module for each noun.

#[doc(hidden)]
pub mod admin;
pub mod api_keys;
pub mod channels;
pub mod check;
pub mod conversations;
pub mod customers;
pub mod dead_letters;
mod dsn;
pub mod embedded;
pub mod error;
pub mod events;
pub mod failpoint;
pub mod idempotency;
pub mod inbox;
pub mod keyring;
pub mod knowledge;
pub mod migrate;
pub mod nodes;
pub mod outbox;
pub mod retention;
pub mod sales;
mod scram;
pub mod tenants;
pub mod turns;
pub mod tx;
pub mod webhooks;

pub use error::{Outcome, StoreError};
pub use keyring::Keyring;
pub use tx::{ConnectOptions, Store, TenantTx};

/// A duration as the SQL functions take it; saturates at the end of time.
pub(crate) fn milliseconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
