//! The port to a language model.

use std::time::Duration;

use async_trait::async_trait;
use balcao_domain::{TenantId, turn::Usage};
use serde::{Deserialize, Serialize};

/// Who speaks in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    User,
    Assistant,
    Tool,
}

/// One message of a chat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: Role,
    /// The words.
    pub content: String,
    /// What an assistant asked to be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_requests: Vec<ToolRequest>,
    /// The call a tool message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl ChatMessage {
    /// A message of words alone.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_requests: Vec::new(), tool_call_id: None }
    }
}

/// A tool the model may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: serde_json::Value,
}

/// The model's wish that a tool be called. Its arguments are not validated yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolRequest {
    /// The endpoint's id of the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as the model wrote them: a JSON text, hopefully.
    pub arguments: String,
}

/// One request to a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// For whom: the key of budgets and of the tenant's own breaker. Not sent.
    #[serde(skip)]
    pub tenant_id: Option<TenantId>,
    /// The chat so far.
    pub messages: Vec<ChatMessage>,
    /// What the model may call.
    pub tools: Vec<ToolSpec>,
    /// JSON Schema the reply must follow (name, schema).
    pub response_schema: Option<(String, serde_json::Value)>,
    /// 0 is the most predictable.
    pub temperature: f32,
    /// The longest reply, in tokens.
    pub max_output_tokens: u32,
    /// For endpoints that honour it.
    pub seed: Option<i64>,
    /// How long the whole call may take.
    #[serde(skip)]
    pub timeout: Duration,
}

/// What a model answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatResponse {
    /// The words (for a request with a schema: the JSON text).
    pub text: String,
    /// What it wants called.
    pub tool_requests: Vec<ToolRequest>,
    /// The model, as the endpoint named it.
    pub model: String,
    /// Tokens and cost.
    pub usage: Usage,
}

/// Why a call to a model failed. Each variant leads to a different action.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LlmError {
    /// Overload, a broken connection, a 5xx: may work the next time.
    #[error("the model's endpoint failed: {0}")]
    Transient(String),
    /// No answer in time.
    #[error("the model did not answer within {0:?}")]
    TimedOut(Duration),
    /// Too many requests: not before `retry_after`.
    #[error("the model's endpoint limits our rate")]
    RateLimited { retry_after: Option<Duration> },
    /// Credit or spend limit exhausted: a person must act.
    #[error("the quota of the model's endpoint is exhausted: {0}")]
    QuotaExhausted(String),
    /// The key is wrong or may not do this.
    #[error("the model's endpoint refused our credential: {0}")]
    Unauthorized(String),
    /// The request does not fit the model's context.
    #[error("the request does not fit the model's context")]
    ContextTooLong,
    /// The endpoint's content filter refused.
    #[error("the model's endpoint refused the content")]
    Refused,
    /// Our own request is wrong; sending it again is useless.
    #[error("the model's endpoint rejected our request: {0}")]
    Permanent(String),
    /// The breaker in front of the model is open.
    #[error("the breaker in front of the model is open")]
    BreakerOpen,
}

/// A language model.
#[async_trait]
pub trait LanguageModel: Send + Sync {
    /// The model's name, for records and metrics.
    fn name(&self) -> &str;

    /// Sends one request; `on_text` hears the words as they arrive, the result holds them all.
    /// (`for<'t>` is spelled out because `async_trait` would give an elided lifetime a name of its own, and no
    /// adapter could then pass on words it has just put together.)
    async fn chat(
        &self,
        request: &ChatRequest,
        on_text: &mut (dyn for<'t> FnMut(&'t str) + Send),
    ) -> Result<ChatResponse, LlmError>;
}

#[async_trait]
impl<M: LanguageModel + ?Sized> LanguageModel for std::sync::Arc<M> {
    fn name(&self) -> &str {
        (**self).name()
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_text: &mut (dyn for<'t> FnMut(&'t str) + Send),
    ) -> Result<ChatResponse, LlmError> {
        (**self).chat(request, on_text).await
    }
}
