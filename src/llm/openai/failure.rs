//! Turns every failure of a call into the [`LlmError`] that says what to do about it.
//!
//! The error's type and code decide before its status: a 429 is a rate limit that passes by itself, or an exhausted
//! quota that a person must raise. Source: OpenAI API documentation, "Error codes"; other servers use the same shape,
//! more or less.

use std::error::Error;

use async_openai::error::OpenAIError;
use serde_json::Value;

use super::transport::Refusal;
use crate::model::LlmError;

/// How much of an endpoint's complaint is kept: enough to act on, too little to carry a customer's text into a log.
const REASON_CHARS: usize = 200;

/// The meaning of an error of the client.
pub(super) fn of_call(error: OpenAIError) -> LlmError {
    match error {
        OpenAIError::Boxed(error) => of_boxed(&*error),
        OpenAIError::Reqwest(error) => of_network(&error),
        OpenAIError::JSONDeserialize(error, _) => {
            LlmError::Transient(format!("the answer is not JSON: {error}"))
        }
        OpenAIError::StreamError(error) => {
            LlmError::Transient(shorten(&format!("the answer broke off: {error}")))
        }
        OpenAIError::ApiError(error) => {
            let code = error.api_error.code.or(error.api_error.r#type).unwrap_or_default();
            of_words(Some(error.status_code.as_u16()), &code, &error.api_error.message, None)
        }
        other => LlmError::Permanent(shorten(&other.to_string())),
    }
}

fn of_boxed(error: &(dyn Error + Send + Sync + 'static)) -> LlmError {
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return of_refusal(refusal);
    }
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return of_network(error);
    }
    if let Some(error) = error.downcast_ref::<OpenAIError>() {
        return LlmError::Permanent(shorten(&error.to_string()));
    }
    LlmError::Transient(shorten(&error.to_string()))
}

/// Connection refused, no such host, TLS, broken body: all may work the next time.
fn of_network(error: &reqwest::Error) -> LlmError {
    if error.is_builder() {
        return LlmError::Permanent("the request could not be built".to_owned());
    }
    // The innermost cause says most, and unlike the outer ones it holds no URL.
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let place = if error.is_connect() { "connecting failed" } else { "the connection broke" };
    LlmError::Transient(shorten(&format!("{place}: {cause}")))
}

fn of_refusal(refusal: &Refusal) -> LlmError {
    match serde_json::from_slice::<Value>(&refusal.body) {
        Ok(body) => of_error_object(Some(refusal), &body),
        Err(_) => {
            of_words(Some(refusal.status), "", &String::from_utf8_lossy(&refusal.body), refusal.retry_after)
        }
    }
}

/// The meaning of an error object: `{"error": {"message", "type", "code"}}`, or what passes for it.
pub(super) fn of_error_object(refusal: Option<&Refusal>, body: &Value) -> LlmError {
    let error = if body["error"].is_object() { &body["error"] } else { body };
    let word = |name: &str| match &error[name] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let message = match body["error"].as_str() {
        Some(text) => text.to_owned(),
        None => word("message"),
    };
    // An error inside a stream may carry the status it would have had as its code.
    let status = refusal.map(|r| r.status).or_else(|| word("code").parse().ok());
    let kind = format!("{} {}", word("type"), word("code"));
    of_words(status, &kind, &message, refusal.and_then(|r| r.retry_after))
}

fn of_words(
    status: Option<u16>,
    kind: &str,
    message: &str,
    retry_after: Option<std::time::Duration>,
) -> LlmError {
    let (kind, said) = (kind.to_lowercase(), message.to_lowercase());
    let kind_is = |words: &[&str]| words.iter().any(|word| kind.contains(word));
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let reason = if message.trim().is_empty() {
        status.map_or_else(|| "no reason given".to_owned(), |status| format!("status {status}"))
    } else {
        shorten(message)
    };
    let too_long =
        ["context_length", "maximum context", "context length", "context window", "prompt is too long"];
    if kind_is(&["insufficient_quota", "billing", "quota_exceeded", "credit"]) || status == Some(402) {
        return LlmError::QuotaExhausted(reason);
    }
    if kind_is(&["context_length_exceeded"]) || (status.is_none_or(|s| s < 429) && says(&too_long)) {
        return LlmError::ContextTooLong;
    }
    if kind_is(&["content_filter", "content_policy", "responsibleai"]) {
        return LlmError::Refused;
    }
    match status {
        Some(401 | 403) => LlmError::Unauthorized(reason),
        Some(429) if says(&["exceeded your current quota", "billing"]) => LlmError::QuotaExhausted(reason),
        Some(429) => LlmError::RateLimited { retry_after },
        Some(408 | 409 | 425 | 500..) => LlmError::Transient(reason),
        Some(_) => LlmError::Permanent(reason),
        None if kind_is(&["rate_limit"]) => LlmError::RateLimited { retry_after },
        None if kind_is(&["invalid_request"]) => LlmError::Permanent(reason),
        None => LlmError::Transient(reason),
    }
}

/// The beginning of a complaint, on one line, without anything that looks like a key.
fn shorten(message: &str) -> String {
    let word = |word: &str| if word.contains("sk-") { "[key]".to_owned() } else { word.to_owned() };
    let line = message.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(REASON_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn meaning(status: u16, body: Value) -> LlmError {
        let retry_after = Some(Duration::from_secs(3));
        of_refusal(&Refusal { status, retry_after, body: body.to_string().into() })
    }

    #[test]
    fn type_and_code_decide_before_the_status() {
        let error = |kind: &str, code: Value, message: &str| json!({ "error": { "type": kind, "code": code, "message": message } });
        let quota = meaning(429, error("insufficient_quota", json!("insufficient_quota"), "no credit"));
        assert_eq!(quota, LlmError::QuotaExhausted("no credit".into()));
        let limited = LlmError::RateLimited { retry_after: Some(Duration::from_secs(3)) };
        assert_eq!(meaning(429, error("requests", json!("rate_limit_exceeded"), "slow down")), limited);
        assert_eq!(meaning(429, error("", json!(429), "Too many requests")), limited);
        assert_eq!(meaning(400, error("x", json!("context_length_exceeded"), "")), LlmError::ContextTooLong);
        let vllm = json!({ "object": "error", "message": "This model's maximum context length is 4096 tokens", "code": 400 });
        assert_eq!(meaning(400, vllm), LlmError::ContextTooLong);
        assert_eq!(meaning(400, error("", json!("content_filter"), "")), LlmError::Refused);
        assert_eq!(meaning(402, json!({})), LlmError::QuotaExhausted("status 402".into()));
        assert_eq!(
            meaning(404, json!({ "error": "model not found" })),
            LlmError::Permanent("model not found".into())
        );
        assert_eq!(
            meaning(529, json!({ "message": "overloaded" })),
            LlmError::Transient("overloaded".into())
        );
    }

    #[test]
    fn a_complaint_is_shortened_and_loses_the_key_it_quotes() {
        let refused =
            meaning(401, json!({ "error": { "message": "Incorrect API key provided: sk-abc123" } }));
        assert_eq!(refused, LlmError::Unauthorized("Incorrect API key provided: [key]".into()));
        let LlmError::Permanent(long) = meaning(422, json!({ "message": "ação ".repeat(200) })) else {
            panic!()
        };
        assert_eq!(long.chars().count(), REASON_CHARS + 1);
    }
}
