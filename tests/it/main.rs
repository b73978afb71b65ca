//! One binary for all end-to-end tests.

mod api;
mod architecture;
mod crash;
mod embedded;
mod engine;
mod isolation;
mod knowledge;
mod page;
mod sales;
mod store;
mod traces;
pub mod walk;
