//! The engine against a real Postgres: actors, leases, outbox. Only the agent and the channel's far end are
//! stand-ins, so that a test can hold, break and count them.

mod nodes;
mod out;
mod scene;
mod turns;
