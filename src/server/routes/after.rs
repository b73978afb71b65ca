//! What becomes of an order after it was placed: shipped, handed over, brought back. The customer is told in the same
//! transaction.

use axum::{Json as Answer, extract::State};
use balcao_agent::desk::notices::{self, Notice};
use balcao_domain::{OrderId, ReturnId, TenantId};
use balcao_store::{
    TenantTx,
    sales::{
        after::{self, Decision, DecisionError, Return},
        orders::{self, Order},
    },
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::sales::limit;
use crate::{
    ApiError, App,
    auth::Admin,
    error::{Missing, Problem},
    extract::{Json, Path, Query},
};

/// The longest reason or number that is taken, in characters.
const WORDS_MAX: usize = 300;

/// How it is sent.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct Shipment {
    /// The carrier's number, as the customer is told it.
    #[serde(default)]
    #[schema(example = "BR123456789BR", max_length = 300)]
    pub tracking: Option<String>,
}

/// An order is on its way; the customer is told.
#[utoipa::path(
    post, path = "/v1/admin/orders/{id}/ship", tag = "sales",
    params(("id" = String, Path, description = "`ord_…`")), request_body = Shipment,
    responses((status = 200, body = Object), (status = 404, body = Problem, content_type = "application/problem+json"),
              (status = 409, body = Problem, content_type = "application/problem+json")),
)]
pub async fn ship(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
    Json(body): Json<Shipment>,
) -> Result<Answer<Order>, ApiError> {
    let id: OrderId = id.parse().map_err(|_| ApiError::NotFound("order"))?;
    let tracking = body.tracking.filter(|tracking| !tracking.trim().is_empty());
    if tracking.as_ref().is_some_and(|tracking| tracking.chars().count() > WORDS_MAX) {
        return Err(ApiError::Invalid(format!("`tracking` must have at most {WORDS_MAX} characters")));
    }
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let done = after::ship(&mut tx, id, tracking.as_deref()).await.missing("order")?;
    done.map_err(|why| ApiError::Conflict(why.to_string()))?;
    told(&app, caller.tenant_id, tx, id, Notice::Shipped(tracking)).await
}

/// An order was handed over, or fetched; the customer is told.
#[utoipa::path(
    post, path = "/v1/admin/orders/{id}/deliver", tag = "sales",
    params(("id" = String, Path, description = "`ord_…`")),
    responses((status = 200, body = Object), (status = 404, body = Problem, content_type = "application/problem+json"),
              (status = 409, body = Problem, content_type = "application/problem+json")),
)]
pub async fn deliver(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<Answer<Order>, ApiError> {
    let id: OrderId = id.parse().map_err(|_| ApiError::NotFound("order"))?;
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let done = after::deliver(&mut tx, id).await.missing("order")?;
    done.map_err(|why| ApiError::Conflict(why.to_string()))?;
    told(&app, caller.tenant_id, tx, id, Notice::Delivered).await
}

async fn told(
    app: &App,
    tenant: TenantId,
    mut tx: TenantTx,
    id: OrderId,
    notice: Notice,
) -> Result<Answer<Order>, ApiError> {
    let ring = notices::tell(&mut tx, id, notice).await?;
    let order = orders::get(&mut tx, id).await?;
    tx.commit().await?;
    if let Some(channel) = ring {
        app.system.ring_outbox(tenant, channel);
    }
    Ok(Answer(order))
}

/// Which returns.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Also those that are decided.
    #[serde(default)]
    pub all: bool,
    /// How many, 1 to 200.
    pub limit: Option<i64>,
}

/// Returns.
#[derive(Debug, Serialize, ToSchema)]
pub struct Returns {
    /// Newest first.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<Return>,
}

/// What customers want to bring back.
#[utoipa::path(
    get, path = "/v1/admin/returns", tag = "sales", params(Which),
    responses((status = 200, body = Returns), (status = 422, body = Problem, content_type = "application/problem+json")),
)]
pub async fn returns(
    State(app): State<App>,
    Admin(caller): Admin,
    Query(which): Query<Which>,
) -> Result<Answer<Returns>, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let items = after::returns(&mut tx, !which.all, limit(which.limit)?).await?;
    tx.commit().await?;
    Ok(Answer(Returns { items }))
}

/// The next step with a return.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// It may come back.
    Approve,
    /// It may not.
    Refuse {
        /// Why, for the customer.
        #[schema(min_length = 1, max_length = 300)]
        why: String,
    },
    /// It is here.
    Receive {
        /// What goes back on the shelf; all of the order's goods without, none with an empty list.
        #[serde(default)]
        goods: Option<Vec<Goods>>,
        /// What is given back, in minor units.
        #[serde(default)]
        refund_minor: Option<i64>,
    },
}

/// So many of a variant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Goods {
    /// As in the order's lines.
    pub variant_id: Uuid,
    /// How many.
    pub quantity: i64,
}

/// What a step came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stepped {
    /// As it is now.
    #[schema(value_type = Object)]
    #[serde(rename = "return")]
    pub now: Return,
    /// What goes back by itself, in minor units.
    pub refunding_minor: Option<i64>,
}

/// Decide about something that is to come back; the customer is told.
#[utoipa::path(
    post, path = "/v1/admin/returns/{id}", tag = "sales",
    params(("id" = String, Path, description = "`ret_…`")), request_body = Step,
    responses((status = 200, body = Stepped), (status = 404, body = Problem, content_type = "application/problem+json"),
              (status = 409, body = Problem, content_type = "application/problem+json"),
              (status = 422, body = Problem, content_type = "application/problem+json")),
)]
pub async fn decide(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
    Json(step): Json<Step>,
) -> Result<Answer<Stepped>, ApiError> {
    let id: ReturnId = id.parse().map_err(|_| ApiError::NotFound("return"))?;
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let known = after::get_return(&mut tx, id).await.missing("return")?;
    let decision = match step {
        Step::Approve => Decision::Approve,
        Step::Refuse { why } if (1..=WORDS_MAX).contains(&why.trim().chars().count()) => {
            Decision::Refuse { why: why.trim().to_owned() }
        }
        Step::Refuse { .. } => {
            return Err(ApiError::Invalid(format!("`why` must have 1 to {WORDS_MAX} characters")));
        }
        Step::Receive { goods, refund_minor } => {
            let goods = match goods {
                Some(goods) => goods.into_iter().map(|of| (of.variant_id, of.quantity)).collect(),
                None => after::all_goods(&orders::get(&mut tx, known.order_id).await?),
            };
            Decision::Receive { goods, refund_minor }
        }
    };
    let decided = after::decide(&mut tx, id, &decision).await.map_err(refused)?;
    let exchange = decided.kind == "exchange";
    let notice = match decision {
        Decision::Approve => Notice::ReturnDecided { exchange, refused: None },
        Decision::Refuse { why } => Notice::ReturnDecided { exchange, refused: Some(why) },
        Decision::Receive { .. } => Notice::Returned,
    };
    let ring = notices::tell(&mut tx, decided.order_id, notice).await?;
    let now = after::get_return(&mut tx, id).await?;
    tx.commit().await?;
    if let Some(channel) = ring {
        app.system.ring_outbox(caller.tenant_id, channel);
    }
    Ok(Answer(Stepped { now, refunding_minor: decided.refunding_minor }))
}

fn refused(error: DecisionError) -> ApiError {
    match error {
        DecisionError::Store(error) => error.into(),
        DecisionError::State(_) => ApiError::Conflict(error.to_string()),
        DecisionError::Goods(_) | DecisionError::Refund(_) => ApiError::Invalid(error.to_string()),
    }
}
