//! Is it alive, is it ready, and how is it doing.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use balcao_store::tenants;
use serde_json::json;

use crate::App;

/// A database that has not answered by then is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// Health and metrics, with the common aliases.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/health/live", get(live))
        .route("/livez", get(live))
        .route("/health/ready", get(ready))
        .route("/readyz", get(ready))
        .route("/healthz", get(ready))
        .route("/metrics", get(metrics))
}

/// The process runs and answers. Says nothing of what it depends on: a restart would not mend that.
async fn live() -> Response {
    Json(json!({ "status": "live" })).into_response()
}

/// The database answers: traffic may come. A model that is away does not count, since the rules answer then.
async fn ready(State(app): State<App>) -> Response {
    let not = |why: &str| {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "not_ready", "reason": why })))
            .into_response()
    };
    if app.stopping.is_cancelled() {
        return not("stopping");
    }
    match tokio::time::timeout(PATIENCE, tenants::by_slug(&app.store, "ready")).await {
        Ok(Ok(_)) => Json(json!({ "status": "ready" })).into_response(),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            not("database")
        }
        Err(_) => not("database_slow"),
    }
}

/// Prometheus' text format.
async fn metrics(State(app): State<App>) -> Response {
    metrics::gauge!("balcao_open_conversations").set(app.system.open_conversations() as f64);
    for breaker in app.system.breakers().views() {
        // One series a state, of which one is 1: readable in a graph, and a new state breaks no query.
        for state in ["closed", "open", "half_open", "forced_open", "forced_closed", "metrics_only"] {
            let on = f64::from(u8::from(breaker.state == state));
            metrics::gauge!("balcao_breaker_state", "key" => breaker.key.clone(), "state" => state).set(on);
        }
        for (name, count) in [
            ("balcao_breaker_calls_total", breaker.calls),
            ("balcao_breaker_failures_total", breaker.failures),
            ("balcao_breaker_slow_total", breaker.slow),
            ("balcao_breaker_rejected_total", breaker.rejected),
            ("balcao_breaker_cancelled_total", breaker.cancelled),
        ] {
            metrics::counter!(name, "key" => breaker.key.clone()).absolute(count);
        }
        let labels = [("key", breaker.key.clone())];
        metrics::gauge!("balcao_breaker_failure_rate", &labels).set(breaker.failure_rate);
        metrics::gauge!("balcao_breaker_in_flight", &labels).set(breaker.in_flight as f64);
    }
    app.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
        .into_response()
}
