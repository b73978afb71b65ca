//! The breakers in front of what Balcão depends on, and an operator's orders to them.

use std::time::Duration;

use axum::{Json as Answer, extract::State};
use balcao_actors::breakers::{BreakerView, Order};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiError, App,
    auth::Admin,
    error::Problem,
    extract::{Json, Path},
};

/// The longest an order may last.
const TTL_MAX_SECONDS: u64 = 7 * 24 * 3600;

/// Every breaker of this process.
#[derive(Debug, Serialize, ToSchema)]
pub struct Breakers {
    /// By key.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<BreakerView>,
}

/// The breakers: their state, since when, why, and what they counted.
#[utoipa::path(get, path = "/v1/admin/breakers", tag = "admin", responses((status = 200, body = Breakers)))]
pub async fn list(State(app): State<App>, _caller: Admin) -> Answer<Breakers> {
    Answer(Breakers { items: app.system.breakers().views() })
}

/// What a breaker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Let nothing through.
    ForceOpen,
    /// Let everything through.
    ForceClosed,
    /// Let everything through and go on counting.
    MetricsOnly,
    /// Back to its own judgement.
    Automatic,
}

/// An order.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Orders {
    /// What it is told.
    pub order: Word,
    /// After so many seconds the order ends by itself.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 604800)]
    pub ttl_seconds: Option<u64>,
}

/// Force a breaker open or closed, or give it back to its own judgement.
#[utoipa::path(
    post, path = "/v1/admin/breakers/{key}", tag = "admin",
    params(("key" = String, Path, description = "As the list names it; a slash inside is written `%2F`")),
    request_body = Orders,
    responses((status = 200, description = "The breaker, after the order", body = Object),
              (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn order(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(key): Path<String>,
    Json(orders): Json<Orders>,
) -> Result<Answer<BreakerView>, ApiError> {
    if orders.ttl_seconds.is_some_and(|ttl| !(1..=TTL_MAX_SECONDS).contains(&ttl)) {
        return Err(ApiError::Invalid(format!("`ttl_seconds` must be between 1 and {TTL_MAX_SECONDS}")));
    }
    let order = match orders.order {
        Word::ForceOpen => Order::ForceOpen,
        Word::ForceClosed => Order::ForceClose,
        Word::MetricsOnly => Order::MetricsOnly,
        Word::Automatic => Order::Automatic,
    };
    let by = format!("api key {}", caller.key_id);
    let ttl = orders.ttl_seconds.map(Duration::from_secs);
    let breakers = app.system.breakers();
    if !breakers.order(&key, order, &by, ttl).await {
        return Err(ApiError::NotFound("breaker"));
    }
    tracing::warn!(breaker = key, ?order, by, "an operator ordered a breaker");
    breakers.views().into_iter().find(|view| view.key == key).map(Answer).ok_or(ApiError::NotFound("breaker"))
}
