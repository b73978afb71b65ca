//! A language model behind any OpenAI-compatible endpoint, through async-openai.
//!
//! Always streamed: the first words arrive early, and a call that hangs is noticed early. Requests and chunks are
//! plain JSON ("bring your own types"), since servers that call themselves compatible leave out ids, usage or roles.
//! Nothing is retried here: the breaker, the turn's budget and the rule path decide what happens after a failure.

mod dialect;
mod failure;
mod reading;
mod request;
mod transport;

use std::time::Duration;

use async_openai::Client;
use async_trait::async_trait;
use balcao_domain::turn::Usage;
use futures::StreamExt;
use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use self::{dialect::Dialect, reading::Reading};
use crate::model::{ChatRequest, ChatResponse, LanguageModel, LlmError};

/// How the endpoint is asked for JSON of a given shape.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Structured {
    /// The endpoint enforces the schema.
    #[default]
    JsonSchema,
    /// The endpoint enforces JSON; the schema stands in the prompt.
    JsonObject,
    /// The prompt asks for it, and that is all.
    Prompt,
}

impl Structured {
    /// Reads the word used in settings: `json_schema`, `json_object` or `prompt`.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "json_schema" => Some(Self::JsonSchema),
            "json_object" => Some(Self::JsonObject),
            "prompt" => Some(Self::Prompt),
            _ => None,
        }
    }
}

/// Where the endpoint is and how it is used.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What comes before `/chat/completions`: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The key; local servers often need none.
    pub api_key: Option<SecretString>,
    /// The model's name.
    pub model: String,
    /// US dollars per million tokens sent.
    pub input_price: f64,
    /// US dollars per million tokens received.
    pub output_price: f64,
    /// How it is asked for JSON.
    pub structured: Structured,
    /// The longest a whole call may take; a request may ask for less.
    pub timeout: Duration,
    /// The longest wait for the first word.
    pub first_token_timeout: Duration,
    /// The longest answer that is read, in bytes of the stream.
    pub max_response_bytes: usize,
}

impl Settings {
    /// Usual limits for an endpoint and a model.
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key: None,
            model: model.into(),
            input_price: 0.0,
            output_price: 0.0,
            structured: Structured::default(),
            timeout: Duration::from_secs(20),
            first_token_timeout: Duration::from_secs(5),
            // A chat answer is a few kilobytes, its chunks perhaps fifty times that.
            max_response_bytes: 4 << 20,
        }
    }
}

/// A language model behind an endpoint.
pub struct OpenAi {
    settings: Settings,
    client: Client<Endpoint>,
    /// What this endpoint turned out not to understand.
    dialect: Mutex<Dialect>,
}

impl OpenAi {
    /// Prepares the connection; nothing is sent yet.
    ///
    /// # Errors
    /// [`LlmError::Unauthorized`] when the key cannot be a key, [`LlmError::Permanent`] when the address is no URL.
    pub fn new(settings: Settings) -> Result<Self, LlmError> {
        let endpoint = Endpoint::new(&settings)?;
        let http = transport::http_client()?;
        let client = Client::build(http.clone(), endpoint)
            .with_http_service(transport::service(http, settings.max_response_bytes));
        let dialect = Mutex::new(Dialect::new(settings.structured));
        Ok(Self { settings, client, dialect })
    }

    /// Asks for the endpoint's list of models: the cheapest sign of life, and of the key being right.
    /// Gives their names; some endpoints list none.
    ///
    /// # Errors
    /// As [`LanguageModel::chat`].
    pub async fn probe(&self, limit: Duration) -> Result<Vec<String>, LlmError> {
        let models = self.client.models();
        let list =
            timeout(limit, models.list_byot::<Value>()).await.map_err(|_| LlmError::TimedOut(limit))?;
        let list = list.map_err(failure::of_call)?;
        let entries = list["data"].as_array().map_or(&[][..], Vec::as_slice);
        Ok(entries.iter().filter_map(|entry| entry["id"].as_str().map(str::to_owned)).collect())
    }

    /// One call in the dialect as known so far.
    async fn attempt(
        &self,
        request: &ChatRequest,
        first_words_by: Instant,
        on_text: &mut (dyn for<'t> FnMut(&'t str) + Send),
    ) -> Result<ChatResponse, LlmError> {
        let dialect = self.dialect.lock().clone();
        let body = request::body(&self.settings.model, request, &dialect);
        let first_limit = self.settings.first_token_timeout;
        let too_late = |_| LlmError::TimedOut(first_limit);
        let chat = self.client.chat();
        let opening = chat.create_stream_byot::<_, Value>(&body);
        let mut stream =
            timeout_at(first_words_by, opening).await.map_err(too_late)?.map_err(failure::of_call)?;
        let mut reading = Reading::default();
        loop {
            let next = match reading.has_begun() {
                true => stream.next().await,
                false => timeout_at(first_words_by, stream.next()).await.map_err(too_late)?,
            };
            match next {
                Some(Ok(chunk)) => reading.take(&chunk, on_text)?,
                Some(Err(error)) => return Err(failure::of_call(error)),
                None => break,
            }
        }
        let mut response = reading.finish(request, &self.settings.model)?;
        response.usage.cost_micros = self.cost_micros(response.usage);
        Ok(response)
    }

    /// Dollars per million tokens are micro-dollars per token.
    fn cost_micros(&self, usage: Usage) -> u64 {
        let cost = f64::from(usage.input_tokens) * self.settings.input_price
            + f64::from(usage.output_tokens) * self.settings.output_price;
        cost.round() as u64
    }
}

#[async_trait]
impl LanguageModel for OpenAi {
    fn name(&self) -> &str {
        &self.settings.model
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_text: &mut (dyn for<'t> FnMut(&'t str) + Send),
    ) -> Result<ChatResponse, LlmError> {
        let limit = request.timeout.min(self.settings.timeout);
        let begun = Instant::now();
        let first_words_by = begun + self.settings.first_token_timeout.min(limit);
        let attempts = async {
            loop {
                match self.attempt(request, first_words_by, &mut *on_text).await {
                    // Rejected for a parameter: leave it out, now and from now on. Each lesson is learnt once, so
                    // this ends.
                    Err(LlmError::Permanent(reason)) if self.dialect.lock().learn(&reason) => {
                        tracing::info!(llm.model = %self.settings.model, reason, "the endpoint speaks another dialect");
                    }
                    result => return result,
                }
            }
        };
        timeout_at(begun + limit, attempts).await.unwrap_or(Err(LlmError::TimedOut(limit)))
    }
}

/// The endpoint as async-openai wants to know it. Its own configuration would fill gaps from environment variables
/// and send an empty key where there is none.
#[derive(Debug, Clone)]
struct Endpoint {
    base_url: String,
    key: SecretString,
    headers: HeaderMap,
}

impl Endpoint {
    fn new(settings: &Settings) -> Result<Self, LlmError> {
        let base_url = settings.base_url.trim().trim_end_matches('/').to_owned();
        let url = reqwest::Url::parse(&base_url)
            .map_err(|error| LlmError::Permanent(format!("the base URL is no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(LlmError::Permanent("the base URL is neither http nor https".to_owned()));
        }
        let key = settings.api_key.as_ref().map(|key| key.expose_secret().trim()).unwrap_or_default();
        let mut headers = HeaderMap::new();
        if !key.is_empty() {
            let mut value = HeaderValue::try_from(format!("Bearer {key}"))
                .map_err(|_| LlmError::Unauthorized("the key holds characters no key holds".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(Self { base_url, key: SecretString::from(key), headers })
    }
}

impl async_openai::config::Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base_url
    }

    fn api_key(&self) -> &SecretString {
        &self.key
    }
}

#[cfg(test)]
mod tests;
