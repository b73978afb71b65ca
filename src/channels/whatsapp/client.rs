//! The sending side of one WhatsApp number.
//!
//! The send call has no idempotency key, so what matters here is honesty about outcomes: [`SendError::Retry`] only
//! when the message certainly did not go out, [`SendError::Unknown`] whenever it may have.

use std::time::Duration;

use async_trait::async_trait;
use balcao_domain::Language;
use balcao_domain::customer::{is_bsuid, phone_digits};
use balcao_domain::reply::Reply;
use reqwest::{StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::{errors, fields, render};
use crate::{Channel, Indication, Outgoing, SendError, SendReceipt, Target};

/// Where Meta answers.
pub const GRAPH_URL: &str = "https://graph.facebook.com";
/// The API version this was written against. Pinned: payloads change with it.
pub const API_VERSION: &str = "v26.0";
/// The longest tag the API echoes, in bytes.
const MAX_TAG: usize = 512;
/// No answer of this API is near this long.
const MAX_ANSWER: usize = 256 * 1024;

/// An HTTP client that is safe to give a token to. Cheap to clone; share one among all numbers.
#[derive(Debug, Clone)]
pub struct HttpClient(reqwest::Client);

impl HttpClient {
    /// No redirects (the token would travel along), no retries of its own (they would hide unknown outcomes), a
    /// User-Agent (some of Meta's hosts refuse requests without), and an end to waiting.
    pub fn new(connect: Duration, total: Duration) -> Result<Self, reqwest::Error> {
        reqwest::Client::builder()
            .user_agent(concat!("balcao/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(connect)
            .timeout(total)
            .build()
            .map(Self)
    }

    /// 5 s to connect, 30 s in all.
    pub fn with_defaults() -> Result<Self, reqwest::Error> {
        Self::new(Duration::from_secs(5), Duration::from_secs(30))
    }
}

/// What is known of one number.
#[derive(Debug, Clone)]
pub struct WhatsappSettings {
    /// [`GRAPH_URL`], or an emulator's address.
    pub base_url: String,
    /// [`API_VERSION`].
    pub api_version: String,
    /// The number that sends.
    pub phone_number_id: String,
    /// Its bearer token.
    pub access_token: SecretString,
}

/// One WhatsApp number, ready to send.
#[derive(Debug, Clone)]
pub struct WhatsappChannel {
    messages_url: String,
    access_token: SecretString,
    http: HttpClient,
}

impl WhatsappChannel {
    /// A number behind its settings.
    pub fn new(settings: WhatsappSettings, http: HttpClient) -> Self {
        let base = settings.base_url.trim_end_matches('/');
        let messages_url = format!("{base}/{}/{}/messages", settings.api_version, settings.phone_number_id);
        Self { messages_url, access_token: settings.access_token, http }
    }

    /// Posts a body and returns what a 200 says.
    async fn post(&self, body: &Value) -> Result<Value, SendError> {
        let sent =
            self.http.0.post(&self.messages_url).bearer_auth(self.access_token.expose_secret()).json(body);
        let answer = sent.send().await.map_err(not_answered)?;
        let status = answer.status();
        let retry_after = retry_after(answer.headers());
        let bytes = read_capped(answer).await;
        if status.is_success() {
            // Whatever is wrong with the answer, the message was taken.
            let bytes = bytes.map_err(SendError::Unknown)?;
            return serde_json::from_slice(&bytes)
                .map_err(|_| SendError::Unknown("accepted with an answer that is not JSON".into()));
        }
        Err(refusal(status, retry_after, bytes.as_deref().unwrap_or_default()))
    }
}

#[async_trait]
impl Channel for WhatsappChannel {
    fn render(&self, reply: &Reply, language: Language) -> Vec<Outgoing> {
        render::render(reply, language)
    }

    async fn send(&self, to: &Target, message: &Outgoing, tag: &str) -> Result<SendReceipt, SendError> {
        let body = addressed(to, message, tag)?;
        receipt(&self.post(&Value::Object(body)).await?)
    }

    async fn indicate(&self, provider_message_id: &str, what: Indication) -> Result<(), SendError> {
        let mut body = json!({
            "messaging_product": "whatsapp", "status": "read", "message_id": provider_message_id
        });
        if what == Indication::Typing {
            body["typing_indicator"] = json!({ "type": "text" });
        }
        self.post(&body).await.map(drop)
    }
}

/// The whole body of a send: the message, to whom, and the tag its statuses will carry.
///
/// A phone goes into `to` with its `+`, a BSUID into `recipient`. A BSUID in `to` would be answered 200 and never
/// arrive.
fn addressed(to: &Target, message: &Outgoing, tag: &str) -> Result<Map<String, Value>, SendError> {
    let never = |detail: &str| SendError::Never { code: None, detail: detail.into() };
    let mut body =
        message.body.as_object().cloned().ok_or_else(|| never("the rendered message is not an object"))?;
    if tag.len() > MAX_TAG {
        return Err(never("the tag is longer than the channel echoes"));
    }
    body.insert("messaging_product".into(), json!("whatsapp"));
    body.insert("recipient_type".into(), json!("individual"));
    body.insert("biz_opaque_callback_data".into(), json!(tag));
    let misplaced = to.phone.as_ref().filter(|phone| is_bsuid(phone));
    if let Some(digits) = to.phone.as_deref().and_then(phone_digits) {
        body.insert("to".into(), json!(format!("+{digits}")));
    } else if let Some(user_id) = to.user_id.as_ref().or(misplaced).filter(|id| !id.is_empty()) {
        body.insert("recipient".into(), json!(user_id));
    } else {
        return Err(never("nobody to send it to: neither a phone nor a user id"));
    }
    Ok(body)
}

/// What an accepted send says.
fn receipt(answer: &Value) -> Result<SendReceipt, SendError> {
    let first = |list: &str, key: &str| fields::word(answer.get(list)?.get(0)?, &[key]);
    let provider_message_id = first("messages", "id")
        .ok_or_else(|| SendError::Unknown("accepted with an answer that names no message".into()))?;
    Ok(SendReceipt {
        provider_message_id,
        resolved_phone: first("contacts", "wa_id").and_then(|id| phone_digits(&id)),
        resolved_user_id: first("contacts", "user_id")
            .or_else(|| first("contacts", "wa_id"))
            .filter(|id| is_bsuid(id)),
    })
}

/// No answer came. Before the connection stood nothing can have gone out; after that nobody knows.
fn not_answered(error: reqwest::Error) -> SendError {
    let error = error.without_url();
    if error.is_connect() {
        return SendError::Retry { code: None, detail: format!("cannot connect: {error}"), after: None };
    }
    if error.is_builder() {
        return SendError::Never { code: None, detail: format!("cannot be sent: {error}") };
    }
    SendError::Unknown(format!("no answer: {error}"))
}

/// A refusal, by its error if it has one.
fn refusal(status: StatusCode, retry_after: Option<Duration>, bytes: &[u8]) -> SendError {
    let answer: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let error = answer.get("error").unwrap_or(&Value::Null);
    let Some(code) = fields::integer(error, "code") else {
        return errors::classify_bare(status.as_u16(), retry_after);
    };
    let mut detail = fields::word(error, &["error_data", "details"])
        .or_else(|| fields::word(error, &["error_data"]))
        .or_else(|| fields::word(error, &["message"]))
        .unwrap_or_default();
    let classified = errors::classify(code, Some(status.as_u16()), &detail);
    if let Some(trace) = fields::word(error, &["fbtrace_id"]) {
        // Meta's support asks for it.
        detail.push_str(&format!(" (trace {trace})"));
    }
    with_detail(classified, detail, retry_after)
}

fn with_detail(error: SendError, detail: String, retry_after: Option<Duration>) -> SendError {
    match error {
        SendError::Retry { code, after, .. } => {
            SendError::Retry { code, detail, after: after.max(retry_after) }
        }
        SendError::PairLimited { code, .. } => SendError::PairLimited { code, detail },
        SendError::Never { code, .. } => SendError::Never { code, detail },
        SendError::WindowClosed { code, .. } => SendError::WindowClosed { code, detail },
        SendError::AccountBlocked { code, .. } => SendError::AccountBlocked { code, detail },
        SendError::Unknown(_) => SendError::Unknown(detail),
        SendError::BreakerOpen => SendError::BreakerOpen,
    }
}

/// `Retry-After` in seconds, at most a day.
fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(86_400)))
}

/// The body of an answer, as far as it is not absurdly long.
async fn read_capped(mut answer: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if all.len() + chunk.len() <= MAX_ANSWER => all.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err("the answer is too long".into()),
            Ok(None) => return Ok(all),
            Err(error) => return Err(format!("the answer broke off: {}", error.without_url())),
        }
    }
}

#[cfg(test)]
mod tests;
