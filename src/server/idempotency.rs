//! `Idempotency-Key` on writes: the same key and request give the same answer, once.

use axum::{
    Json,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use balcao_store::idempotency::{self, Begin};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{ApiError, App, auth::Caller};

/// The longest key.
const KEY_MAX: usize = 200;

/// The key of a request, if it carries one: the caller's word behind the id of its API key, so that two API keys
/// of a shop never see each other's answers.
pub fn key(headers: &HeaderMap, caller: &Caller) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let word = value.to_str().ok().map(str::trim).filter(|word| (1..=KEY_MAX).contains(&word.len()));
    let word = word.ok_or_else(|| {
        ApiError::Malformed(format!("`Idempotency-Key` must be 1 to {KEY_MAX} visible ASCII characters"))
    })?;
    Ok(Some(format!("{}/{word}", caller.key_id)))
}

/// What tells one request from another: what it does, to what, and with which words.
pub fn fingerprint(parts: &[&str]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().to_vec()
}

/// Whether the work is to be done.
pub enum Start {
    /// Yes; then [`keep`] the answer.
    Fresh,
    /// No: it was done, and this was the answer.
    Replay(StatusCode, Value),
    /// Someone is at it right now.
    InProgress,
}

/// Reserves a key.
pub async fn start(app: &App, caller: &Caller, key: &str, fingerprint: &[u8]) -> Result<Start, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let begin = idempotency::begin(&mut tx, key, fingerprint).await?;
    tx.commit().await?;
    match begin {
        Begin::Fresh => Ok(Start::Fresh),
        Begin::Replay { status, body } => {
            Ok(Start::Replay(StatusCode::from_u16(status).unwrap_or(StatusCode::OK), body))
        }
        Begin::InProgress => Ok(Start::InProgress),
        Begin::Mismatch => Err(ApiError::IdempotencyMismatch),
    }
}

/// Keeps an answer.
pub async fn keep(
    app: &App,
    caller: &Caller,
    key: &str,
    status: StatusCode,
    body: &Value,
) -> Result<(), ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    idempotency::finish(&mut tx, key, status.as_u16(), body).await?;
    Ok(tx.commit().await?)
}

/// Does `work` once for a key; without one, each time.
pub async fn once(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    request: &[&str],
    work: impl Future<Output = Result<(StatusCode, Value), ApiError>>,
) -> Result<Response, ApiError> {
    let Some(key) = key(headers, caller)? else {
        let (status, body) = work.await?;
        return Ok((status, Json(body)).into_response());
    };
    match start(app, caller, &key, &fingerprint(request)).await? {
        Start::Replay(status, body) => Ok(replayed(status, body)),
        Start::InProgress => Err(ApiError::InProgress),
        Start::Fresh => {
            let (status, body) = work.await?;
            keep(app, caller, &key, status, &body).await?;
            Ok((status, Json(body)).into_response())
        }
    }
}

/// An answer given before, marked as such.
pub fn replayed(status: StatusCode, body: Value) -> Response {
    (status, [("idempotency-replayed", "true")], Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use balcao_domain::{KeyId, Scope, TenantId};

    use super::*;

    #[test]
    fn a_fingerprint_knows_where_one_part_ends() {
        assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
        assert_eq!(fingerprint(&["a", "b"]), fingerprint(&["a", "b"]));
    }

    #[test]
    fn a_key_belongs_to_the_api_key_that_sent_it() {
        let caller = |key_id| Caller { tenant_id: TenantId::generate(), key_id, scopes: vec![Scope::Chat] };
        let headers =
            HeaderMap::from_iter([("idempotency-key".parse().unwrap(), HeaderValue::from_static("k"))]);
        let (one, two) = (caller(KeyId::generate()), caller(KeyId::generate()));
        assert_ne!(key(&headers, &one).unwrap(), key(&headers, &two).unwrap());
        assert_eq!(key(&HeaderMap::new(), &one).unwrap(), None);
    }

    #[test]
    fn an_empty_or_endless_key_is_refused() {
        let caller = Caller { tenant_id: TenantId::generate(), key_id: KeyId::generate(), scopes: vec![] };
        for word in [String::new(), "x".repeat(201)] {
            let value = HeaderValue::from_str(&word).unwrap();
            let headers = HeaderMap::from_iter([("idempotency-key".parse().unwrap(), value)]);
            assert!(matches!(key(&headers, &caller), Err(ApiError::Malformed(_))), "{}", word.len());
        }
    }
}
