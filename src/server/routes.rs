//! The routes, one file a noun.

pub mod after;
pub mod breakers;
pub mod conversations;
pub mod customers;
pub mod dead_letters;
pub mod demo;
pub mod documents;
pub mod events;
pub mod health;
pub mod keys;
pub mod messages;
pub mod money;
pub mod openai;
pub mod payments;
pub mod sales;
pub mod search;
pub mod turns;
pub mod webhook;
