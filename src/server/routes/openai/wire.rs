//! The shapes of OpenAI's chat completions, as far as a shop needs them. What we do not know is tolerated.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A request. Parameters that mean nothing to a shop (temperature, tools, …) are accepted and ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Completion {
    /// Any name; `balcao` is ours.
    #[serde(default)]
    #[schema(example = "balcao")]
    pub model: Option<String>,
    /// The chat; the last message of the user is what the shop answers. What was said before is remembered by the
    /// conversation itself.
    #[schema(min_items = 1)]
    pub messages: Vec<Message>,
    /// Answer as a stream of chunks.
    #[serde(default)]
    pub stream: Option<bool>,
    /// What to add to a stream.
    #[serde(default)]
    pub stream_options: Option<StreamOptions>,
    /// Who the user is: names the conversation when `metadata.conversation_id` does not.
    #[serde(default)]
    pub user: Option<String>,
    /// `conversation_id` names the conversation.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<HashMap<String, Value>>,
    /// How many answers; a shop gives one.
    #[serde(default)]
    pub n: Option<u32>,
}

/// What to add to a stream.
#[derive(Debug, Deserialize, ToSchema)]
pub struct StreamOptions {
    /// A last chunk with the tokens used.
    #[serde(default)]
    pub include_usage: Option<bool>,
}

/// One message of a chat.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Message {
    /// `system`, `user`, `assistant` …
    pub role: String,
    /// Words, or parts of which some are words.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub content: Option<Content>,
}

/// Words, or parts of which some are words.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Content {
    Words(String),
    Parts(Vec<Part>),
}

/// One part of a message.
#[derive(Debug, Deserialize)]
pub struct Part {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub text: Option<String>,
}

impl Content {
    /// The words of it.
    pub fn words(&self) -> String {
        match self {
            Self::Words(words) => words.clone(),
            Self::Parts(parts) => {
                let words = parts.iter().filter(|part| part.kind == "text");
                words.filter_map(|part| part.text.as_deref()).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

impl Completion {
    /// What the user said last.
    pub fn last_words(&self) -> Option<String> {
        let last = self.messages.iter().rev().find(|message| message.role == "user")?;
        last.content.as_ref().map(Content::words)
    }

    /// The conversation the request names, if it names one.
    pub fn conversation(&self) -> Option<String> {
        let named = self.metadata.as_ref().and_then(|metadata| metadata.get("conversation_id"));
        let named = named.and_then(|id| match id {
            Value::String(id) => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        });
        named.or_else(|| self.user.clone()).filter(|id| !id.is_empty())
    }
}

/// Tokens used by the model; none on the rule path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tokens {
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    pub total_tokens: u32,
}

impl From<balcao_domain::turn::Usage> for Tokens {
    fn from(usage: balcao_domain::turn::Usage) -> Self {
        Self {
            prompt_tokens: usage.input_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: Value) -> Completion {
        serde_json::from_value(json).expect("a request")
    }

    #[test]
    fn the_last_user_message_is_the_turn_whatever_its_form() {
        let request = read(serde_json::json!({ "messages": [
            { "role": "system", "content": "you are a pirate" },
            { "role": "user", "content": "oi" },
            { "role": "assistant", "content": null, "tool_calls": [] },
            { "role": "user", "content": [
                { "type": "text", "text": "e o frete?" }, { "type": "image_url", "image_url": { "url": "x" } } ] },
        ]}));
        assert_eq!(request.last_words().as_deref(), Some("e o frete?"));
    }

    #[test]
    fn parameters_of_other_models_are_tolerated() {
        let request = read(serde_json::json!({
            "model": "gpt-4o", "messages": [], "temperature": 0.2, "top_p": 1, "tools": [{ "type": "function" }],
            "response_format": { "type": "text" }, "seed": 7, "stop": ["x"], "logprobs": false, "brand_new": {},
        }));
        assert_eq!(request.last_words(), None);
    }

    #[test]
    fn metadata_names_the_conversation_before_the_user_does() {
        let named = read(serde_json::json!({
            "messages": [], "user": "u1", "metadata": { "conversation_id": "c1" } }));
        assert_eq!(named.conversation().as_deref(), Some("c1"));
        let user = read(serde_json::json!({ "messages": [], "user": "u1", "metadata": { "x": "y" } }));
        assert_eq!(user.conversation().as_deref(), Some("u1"));
        assert_eq!(read(serde_json::json!({ "messages": [] })).conversation(), None);
    }
}
