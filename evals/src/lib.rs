//! What the engine is scored with: metrics, data sets, runners and reports.
//!
//! This crate knows no SQL, no server and no model; the program plugs the real engine into it.

//!
//! Reading order: [`retrieval`], [`answers`], [`dialogues`] and [`scope`] are the suites; [`runs`] keeps, compares and shows
//! what they measured; [`pass_k`] and [`tau_retail`] score what others recorded.

pub mod answers;
pub mod dialogues;
pub mod lines;
pub mod pass_k;
pub mod retrieval;
pub mod runs;
pub mod scope;
pub mod tau_retail;
pub mod text;
