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
    app.system.breakers().publish();
    app.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
        .into_response()
}
