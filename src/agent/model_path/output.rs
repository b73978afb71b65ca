//! What the model must answer with, and whether it did.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Limits;

/// The model's answer: what to say and what to do are separate things.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// What the customer reads.
    pub reply: String,
    /// What happens next.
    pub action: Next,
    /// The numbers of the sources the reply stands on.
    pub sources_used: Vec<u32>,
    /// Whether the customer asked for something this shop can help with.
    pub in_scope: bool,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// The conversation goes on.
    Continue,
    /// A person takes over.
    HandOff,
    /// The conversation is over for now.
    End,
}

/// The name of the schema, as endpoints want one.
pub const SCHEMA_NAME: &str = "answer";

impl Output {
    /// Reads the model's text: one JSON object, perhaps in a code fence. The error says what was wrong, for the model.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, String> {
        let text = text.trim();
        let inner = text.strip_prefix("```json").or_else(|| text.strip_prefix("```")).unwrap_or(text);
        let inner = inner.trim().strip_suffix("```").unwrap_or(inner).trim();
        let output: Self = serde_json::from_str(inner)
            .map_err(|error| format!("it is not the JSON object that was asked for ({error})"))?;
        match output.reply.trim().chars().count() {
            0 => Err("`reply` is empty".into()),
            count if count > limits.reply_chars => Err("`reply` is far too long".into()),
            _ => Ok(output),
        }
    }
}
