//! The server as its callers see it: over real HTTP, on a real Postgres, with the real embedding model.

mod auth;
mod bad_input;
mod chat;
mod customers;
mod description;
mod hand_off;
mod knowledge;
mod openai;
mod sales;
mod webhook;
