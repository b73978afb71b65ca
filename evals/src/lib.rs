//! What the engine is scored with: metrics, data sets, runners and reports.
//!
//! This crate knows no SQL, no server and no model; the program plugs the real engine into it.

pub mod pass_k;
pub mod retrieval;
pub mod tau_retail;
