//! One turn: gather, decide, act, answer. The model proposes; the rule path answers when it cannot.
//!
//! Knows nothing of actors, channels' protocols or SQL statements.

pub mod turn;

pub use turn::{Agent, HistoryItem, TurnRequest};
