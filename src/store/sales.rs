//! What a shop sells, what was ordered, and the money of it. The schema's own reasons stand in its migration.
//!
//! Reading order: [`products`], [`orders`], [`payments`], [`reports`] (what providers say of them), then
//! [`books`], which checks what the others wrote.

pub mod books;
pub mod orders;
pub mod payments;
pub mod products;
pub mod reports;
pub mod trail;
