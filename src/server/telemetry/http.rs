//! What is counted and traced of each request.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use tracing::Span;

use crate::error::REQUEST_ID;

/// Counts requests by route and status. Unknown paths share one label, so that a scanner makes no new series.
pub async fn count(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let method = request.method().as_str().to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    let labels = [("method", method), ("route", route.clone()), ("status", status)];
    metrics::counter!("balcao_http_requests_total", &labels).increment(1);
    metrics::histogram!("balcao_http_request_seconds", "route" => route).record(started.elapsed());
    response
}

/// The span of a request: its route, never its query or its ids of people.
pub fn span<B>(request: &axum::http::Request<B>) -> Span {
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str);
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::info_span!(
        "http",
        otel.name = format!("{} {route}", request.method()),
        otel.kind = "server",
        http.request.method = %request.method(),
        http.route = route,
        request.id = id,
    )
}
