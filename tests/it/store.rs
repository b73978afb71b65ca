//! What the store promises to those above it, shown on a real Postgres, as the server's own role.

mod identity;
mod inbox;
mod ledgers;
mod outbox;
mod retention;
mod turns;
mod world;
