//! A call as the dialects read it: JSON or a form, both as JSON.

use axum::{
    body::Bytes,
    http::{Method, request::Parts},
};
use serde_json::{Map, Value};

/// What was called.
pub(super) struct Heard {
    pub(super) method: Method,
    /// Without the provider's name, without a slash in front.
    pub(super) path: String,
    pub(super) query: Map<String, Value>,
    pub(super) body: Value,
    /// `Idempotency-Key` and its like.
    pub(super) idempotency_key: Option<String>,
    signed: bool,
}

impl Heard {
    pub(super) fn read(parts: &Parts, path: &str, body: &Bytes) -> Option<Self> {
        let header =
            |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let is_form =
            header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let body = if body.is_empty() {
            Value::Null
        } else if is_form {
            Value::Object(fields(body))
        } else {
            serde_json::from_slice(body).ok()?
        };
        let signed =
            ["authorization", "access_token", "authentication"].iter().any(|name| header(name).is_some());
        Some(Self {
            method: parts.method.clone(),
            path: path.to_owned(),
            query: fields(parts.uri.query().unwrap_or_default().as_bytes()),
            body,
            idempotency_key: header("idempotency-key").or_else(|| header("x-idempotency-key")),
            signed,
        })
    }

    pub(super) fn is_signed(&self) -> bool {
        self.signed
    }

    /// The path's parts.
    pub(super) fn parts(&self) -> Vec<&str> {
        self.path.split('/').collect()
    }

    /// A text of the body, by its JSON pointer.
    pub(super) fn text(&self, pointer: &str) -> Option<String> {
        self.body.pointer(pointer)?.as_str().map(str::to_owned)
    }

    /// A whole number of the body, also written as a text.
    pub(super) fn whole(&self, pointer: &str) -> Option<i64> {
        let value = self.body.pointer(pointer)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    }

    /// An amount with decimals, in minor units, also written as a text.
    pub(super) fn decimal(&self, pointer: &str) -> Option<i64> {
        let value = self.body.pointer(pointer)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        if part.len() > 2 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(format!("{part:0<2}").parse().ok()?)
    }

    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        self.query.get(name)?.as_str().map(str::to_owned)
    }
}

fn fields(text: &[u8]) -> Map<String, Value> {
    let pairs = reqwest::Url::parse(&format!("http://x/?{}", String::from_utf8_lossy(text)));
    let Ok(url) = pairs else { return Map::new() };
    url.query_pairs().map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect()
}
