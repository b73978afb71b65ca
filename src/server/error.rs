//! What may go wrong, as callers see it: RFC 9457 problems, with one code for each thing a caller would do about it.
//!
//! The cause goes to the log and never into a body. Handlers return [`ApiError`]; the outermost layer
//! ([`finish`]) adds the request's path and id, and turns whatever the framework itself answers (an unknown
//! path, a wrong method, a panic) into the same shape.

use std::time::Duration;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use balcao_actors::AcceptError;
use balcao_domain::Scope;
use balcao_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

/// The header that carries a request's id.
pub const REQUEST_ID: &str = "x-request-id";

/// Errors of the API; each variant tells the caller to do something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No key, or one that is unknown or revoked.
    #[error("send a valid API key: `Authorization: Bearer bk_…`")]
    Unauthorized,
    /// A good key that may not do this.
    #[error("this key lacks the scope `{}`", .0.as_str())]
    Forbidden(Scope),
    /// Not there, or not yours: the two look the same.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The path exists, the method does not.
    #[error("this path does not answer this method")]
    MethodNotAllowed,
    /// The body or a parameter cannot be read at all.
    #[error("{0}")]
    Malformed(String),
    /// The body was read and says something that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// The body is of another type.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// The body is too long.
    #[error("the body is longer than this path takes")]
    TooLarge,
    /// Something stands in the way; another request may remove it.
    #[error("{0}")]
    Conflict(String),
    /// The idempotency key was used for a different request.
    #[error("this Idempotency-Key was used for a different request")]
    IdempotencyMismatch,
    /// The first request with this idempotency key is still at work.
    #[error("the first request with this Idempotency-Key is still at work")]
    InProgress,
    /// This key calls too often.
    #[error("too many requests with this key")]
    RateLimited(Duration),
    /// The server has too much to do.
    #[error("too much is waiting already; try again shortly")]
    Overloaded,
    /// A part of the server is away.
    #[error("a part of the server is not available; try again shortly")]
    Unavailable,
    /// The answer takes longer than the caller may wait.
    #[error("no answer in time; the message is stored and its answer will be in the conversation's history")]
    AnswerLate,
    /// The request took too long.
    #[error("the request took too long")]
    TimedOut,
    /// A bug, or a damaged row.
    #[error("something went wrong on our side")]
    Internal,
}

/// The body of an error, as RFC 9457 describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// A URI that names this kind of problem.
    #[serde(rename = "type")]
    #[schema(rename = "type", example = "urn:balcao:problem:not_found")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The path of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The kind as one word, for programs.
    #[schema(example = "not_found")]
    pub code: String,
    /// For asking us about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl ApiError {
    /// Status, code and title.
    fn parts(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "Who are you?"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", "This key may not do that"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found", "Not found"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed")
            }
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed", "The request cannot be read"),
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", "The request is not valid"),
            Self::UnsupportedMediaType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too large"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict", "Conflict"),
            Self::IdempotencyMismatch => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_mismatch",
                "The idempotency key was used before",
            ),
            Self::InProgress => (StatusCode::CONFLICT, "in_progress", "Still at work"),
            Self::RateLimited(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available"),
            Self::AnswerLate => (StatusCode::GATEWAY_TIMEOUT, "answer_late", "The answer is late"),
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "timed_out", "Timed out"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.parts().0
    }

    /// Its code, the same word in every body.
    pub fn code(&self) -> &'static str {
        self.parts().1
    }

    /// The body, without what only the outermost layer knows.
    pub fn problem(&self) -> Problem {
        let (status, code, title) = self.parts();
        Problem {
            kind: format!("urn:balcao:problem:{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            instance: None,
            code: code.to_owned(),
            request_id: None,
        }
    }

    /// What the framework meant by a bare status.
    fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound("path"),
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Self::UnsupportedMediaType("this path does not take a body of this type".into())
            }
            StatusCode::UNPROCESSABLE_ENTITY => Self::Invalid("the request is not valid".into()),
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Self::TimedOut,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            status if status.is_client_error() => Self::Malformed("the request cannot be read".into()),
            _ => Self::Internal,
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound("thing"),
            StoreError::Conflict { constraint } => {
                tracing::info!(constraint, "the database refused a write");
                Self::Conflict("this conflicts with what is there already".into())
            }
            StoreError::Unavailable { message, .. } => {
                tracing::error!(error = message, "the database is not available");
                Self::Unavailable
            }
            StoreError::Corrupt(message) => {
                tracing::error!(error = message, "unexpected data in the database");
                Self::Internal
            }
        }
    }
}

impl From<AcceptError> for ApiError {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Overloaded => Self::Overloaded,
            AcceptError::Store(error) => error.into(),
        }
    }
}

/// Names what was not found: `store_call().await.missing("turn")?`.
pub trait Missing<T> {
    /// The same result, its `NotFound` with the noun.
    fn missing(self, noun: &'static str) -> Result<T, ApiError>;
}

impl<T> Missing<T> for Result<T, StoreError> {
    fn missing(self, noun: &'static str) -> Result<T, ApiError> {
        self.map_err(|error| match error {
            StoreError::NotFound => ApiError::NotFound(noun),
            other => other.into(),
        })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        match &self {
            Self::Unauthorized => {
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"balcao\""));
            }
            Self::RateLimited(wait) => {
                let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            Self::Overloaded | Self::Unavailable => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        // The body is written by `finish`, which knows the path and the shape the route promises.
        response.extensions_mut().insert(self);
        response
    }
}

/// Which shape a route's errors have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Problem,
    OpenAi,
}

/// The outermost layer: every error leaves in the shape its route promises.
pub async fn finish(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let shape = match path.as_str() {
        "/v1/chat/completions" | "/v1/models" => Shape::OpenAi,
        path if path.starts_with("/v1/models/") => Shape::OpenAi,
        _ => Shape::Problem,
    };
    let response = next.run(request).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        return dressed(response, path, shape);
    }
    response
}

fn dressed(response: Response, path: String, shape: Shape) -> Response {
    let (mut parts, _) = response.into_parts();
    let error = parts.extensions.remove().unwrap_or_else(|| ApiError::of_status(parts.status));
    let mut problem = error.problem();
    problem.status = parts.status.as_u16();
    problem.instance = Some(path);
    problem.request_id = parts.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let (media_type, body) = match shape {
        Shape::Problem => ("application/problem+json", serde_json::to_vec(&problem)),
        Shape::OpenAi => ("application/json", serde_json::to_vec(&openai_error(&error, &problem))),
    };
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body.unwrap_or_default()))
}

/// The same error as OpenAI's API would put it.
pub fn openai_error(error: &ApiError, problem: &Problem) -> serde_json::Value {
    let (kind, code) = match error {
        ApiError::Unauthorized => ("invalid_request_error", "invalid_api_key"),
        ApiError::RateLimited(_) => ("rate_limit_error", "rate_limit_exceeded"),
        other if other.status().is_client_error() => ("invalid_request_error", other.code()),
        other => ("server_error", other.code()),
    };
    serde_json::json!({
        "error": { "message": problem.detail, "type": kind, "param": null, "code": code }
    })
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn ask(method: &str, path: &str) -> (StatusCode, String, serde_json::Value) {
        let app = Router::new()
            .route("/v1/things", get(async || ApiError::Invalid("`limit` must be at least 1".into())))
            .route("/v1/chat/completions", get(async || ApiError::Unauthorized))
            .route("/v1/busy", get(async || ApiError::RateLimited(Duration::from_millis(1200))))
            .route("/v1/ok", get(async || "fine"))
            .layer(axum::middleware::from_fn(finish));
        let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
        let response = app.oneshot(request).await.expect("infallible");
        let status = response.status();
        let media = response.headers().get(header::CONTENT_TYPE).cloned();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        let media = media.and_then(|m| m.to_str().ok().map(str::to_owned)).unwrap_or_default();
        (status, media, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn an_error_of_a_handler_is_a_problem_with_its_path() {
        let (status, media, body) = ask("GET", "/v1/things").await;
        assert_eq!((status.as_u16(), media.as_str()), (422, "application/problem+json"));
        assert_eq!(
            body,
            serde_json::json!({
                "type": "urn:balcao:problem:invalid", "title": "The request is not valid", "status": 422,
                "detail": "`limit` must be at least 1", "instance": "/v1/things", "code": "invalid",
            })
        );
    }

    #[tokio::test]
    async fn unknown_paths_and_methods_are_problems_too() {
        let (status, media, body) = ask("GET", "/v1/nothing").await;
        assert_eq!((status.as_u16(), media.as_str()), (404, "application/problem+json"));
        assert_eq!(body["code"], "not_found");
        let (status, _, body) = ask("DELETE", "/v1/things").await;
        assert_eq!((status.as_u16(), body["code"].as_str()), (405, Some("method_not_allowed")));
    }

    #[tokio::test]
    async fn the_openai_routes_speak_openais_errors() {
        let (status, media, body) = ask("GET", "/v1/chat/completions").await;
        assert_eq!((status.as_u16(), media.as_str()), (401, "application/json"));
        assert_eq!(body["error"]["code"], "invalid_api_key");
        assert_eq!(body["error"]["type"], "invalid_request_error");
    }

    #[tokio::test]
    async fn an_answer_that_is_no_error_passes_untouched() {
        let (status, media, _) = ask("GET", "/v1/ok").await;
        assert_eq!((status.as_u16(), media.as_str()), (200, "text/plain; charset=utf-8"));
    }

    #[test]
    fn the_cause_of_a_database_failure_never_reaches_the_caller() {
        let error = StoreError::Unavailable {
            message: "connection to 10.0.0.7 refused".into(),
            outcome: balcao_store::Outcome::NotWritten,
        };
        assert!(!ApiError::from(error).problem().detail.contains("10.0.0.7"));
    }
}
