//! `/webhooks/whatsapp/{channel}`: where Meta delivers.
//!
//! The signature is checked over the raw bytes before anything is parsed, and 200 is answered only after the
//! commit. Nothing slow happens before it. What is wrong with one item never costs another: Meta would deliver
//! the whole body again for seven days.

pub mod accounts;
mod apply;
mod news;

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use balcao_channels::whatsapp::{self, BodyError, Handshake, SignatureError};
use balcao_domain::ChannelId;
use balcao_store::{StoreError, channels::ChannelAccount};
use secrecy::SecretString;

use crate::App;

/// The webhook's routes: bare, without the layers of the API.
pub fn routes() -> Router<App> {
    Router::new().route("/webhooks/whatsapp/{channel}", get(handshake).post(deliver).fallback(other))
}

/// Any other method.
async fn other() -> Response {
    let mut refused = problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
    refused.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD, POST"));
    refused
}

/// Why a delivery is not acknowledged. Bodies say no more than the status: nothing here helps a forger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// No account has this path.
    UnknownChannel,
    /// The body is not signed with the account's app secret.
    BadSignature,
    /// The body is longer than any of Meta's.
    TooLarge,
    /// The body is signed and says nothing.
    Unreadable,
    /// It was not stored; Meta will deliver it again.
    Later,
}

impl Refusal {
    const fn status(self) -> StatusCode {
        match self {
            Self::UnknownChannel => StatusCode::NOT_FOUND,
            Self::BadSignature => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::Later => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownChannel => "unknown_channel",
            Self::BadSignature => "bad_signature",
            Self::TooLarge => "too_large",
            Self::Unreadable => "unreadable",
            Self::Later => "later",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        metrics::counter!("balcao_webhook_refused_total", "reason" => self.as_str()).increment(1);
        problem(self.status(), self.as_str())
    }
}

/// The shape of all errors (RFC 9457), short: it tells a forger nothing.
fn problem(status: StatusCode, code: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = serde_json::json!({
        "type": format!("urn:balcao:problem:{code}"), "title": title, "status": status.as_u16(), "code": code,
    });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

/// `GET`: Meta asks whether this address is ours. There is no body and no signature.
async fn handshake(
    State(app): State<App>,
    Path(channel): Path<String>,
    query: Result<Query<Handshake>, QueryRejection>,
) -> Response {
    let account = match account(&app, &channel).await {
        Ok(account) => account,
        Err(refusal) => return refusal.into_response(),
    };
    let Some(credentials) = &account.credentials else { return Refusal::UnknownChannel.into_response() };
    let query = query.map(|Query(query)| query).unwrap_or_default();
    match whatsapp::handshake(&query, &credentials.verify_token) {
        Ok(challenge) => challenge.into_response(),
        Err(error) => {
            tracing::warn!(channel.id = %account.channel_id, %error, "refused a webhook handshake");
            problem(StatusCode::FORBIDDEN, "forbidden")
        }
    }
}

/// `POST`: Meta delivers.
async fn deliver(State(app): State<App>, Path(channel): Path<String>, request: Request) -> Response {
    let started = std::time::Instant::now();
    let answer = match accept(&app, &channel, request).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => refusal.into_response(),
    };
    metrics::histogram!("balcao_webhook_seconds").record(started.elapsed());
    answer
}

async fn accept(app: &App, channel: &str, request: Request) -> Result<(), Refusal> {
    let account = account(app, channel).await?;
    let secret = &account.credentials.as_ref().ok_or(Refusal::UnknownChannel)?.app_secret;
    let (parts, body) = request.into_parts();
    let limit = app.settings.webhook_body_bytes;
    if announced(&parts.headers).is_some_and(|length| length > limit) {
        return Err(Refusal::TooLarge);
    }
    let body = axum::body::to_bytes(body, limit).await.map_err(|_| Refusal::TooLarge)?;
    verify(secret, &parts.headers, &body).map_err(|error| {
        tracing::warn!(channel.id = %account.channel_id, %error, "refused a webhook");
        Refusal::BadSignature
    })?;
    let items = whatsapp::parse(&body, chrono::Utc::now())
        .map_err(|error| unreadable(&account, error, body.len()))?;
    apply::apply(app, &account, items).await
}

/// The length a request announces.
fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn verify(secret: &SecretString, headers: &HeaderMap, body: &Bytes) -> Result<(), SignatureError> {
    let signature = headers.get(whatsapp::signature::SIGNATURE_HEADER).map(|value| value.as_bytes());
    whatsapp::verify(secret, signature, body)
}

fn unreadable(account: &ChannelAccount, error: BodyError, bytes: usize) -> Refusal {
    tracing::error!(channel.id = %account.channel_id, %error, bytes, "a signed webhook cannot be read");
    Refusal::Unreadable
}

async fn account(app: &App, channel: &str) -> Result<Arc<ChannelAccount>, Refusal> {
    let id: ChannelId = channel.parse().map_err(|_| Refusal::UnknownChannel)?;
    let account = app.accounts.of_channel(&app.store, id).await.map_err(|error| later(&error))?;
    account.ok_or(Refusal::UnknownChannel)
}

/// The database is away: say so in the log, once, and let Meta come back.
fn later(error: &StoreError) -> Refusal {
    tracing::error!(%error, "a webhook could not be stored");
    Refusal::Later
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_refusal_is_a_success_and_none_tells_a_digest() {
        let all = [
            Refusal::UnknownChannel,
            Refusal::BadSignature,
            Refusal::TooLarge,
            Refusal::Unreadable,
            Refusal::Later,
        ];
        for refusal in all {
            assert!(!refusal.status().is_success(), "{refusal:?}");
            assert!(!refusal.as_str().bytes().any(|b| b.is_ascii_digit()), "{refusal:?}");
        }
    }
}
