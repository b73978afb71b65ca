//! One turn: gather, decide, act, answer. The model proposes; the rule path answers when it cannot.
//!
//! Knows nothing of actors, channels' protocols or SQL statements. Reading order: [`turn`] (what a turn is given and
//! gives back), [`engine`] (the order of decisions), [`reading`] (what the customer's messages are), the two paths
//! [`model_path`] and [`rule_path`], buying, which needs no model ([`desk`]), what keeps the model honest ([`claims`], [`redact`], [`tools`]), and where
//! the words come from ([`packs`], [`prompts`]).

pub mod claims;
pub mod config;
pub mod desk;
pub mod engine;
mod extract;
pub mod model_path;
pub mod packs;
pub mod prompts;
pub mod reading;
pub mod redact;
mod rule_path;
mod sources;
pub mod tools;
pub mod turn;

#[cfg(test)]
mod scenes;

pub use config::{EngineConfig, Limits, Price, PriceTable};
pub use desk::{port::Sales, till::Till};
pub use engine::Engine;
pub use packs::{PacksError, RulePacks};
pub use prompts::{PromptError, Prompts};
pub use turn::{Agent, Author, HistoryItem, TurnRequest};
