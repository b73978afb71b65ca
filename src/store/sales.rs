//! What a shop sells, what was ordered, and the money of it. The schema's own reasons stand in its migration.
//!
//! Reading order: [`products`], [`feeds`] (where they come from by themselves), [`orders`], [`payments`], [`charges`] and [`refunds`] (what providers are asked to do),
//! [`reports`] (what they say), [`reconciliations`] (whether that was all), [`after`] (what becomes of an order later), then [`books`], which checks what the others
//! wrote.

pub mod after;
pub mod books;
pub mod charges;
pub mod feeds;
pub mod orders;
pub mod payments;
pub mod products;
pub mod reconciliations;
pub mod refunds;
pub mod reports;
pub mod trail;
