//! A shop's money: carts that may become orders, charges, money that goes back, who earns what, and whether the
//! providers' books are ours.

use axum::{Json as Answer, extract::State, http::StatusCode};
use balcao_domain::{OrderId, PaymentId, RefundId, sale::Sale};
use balcao_store::{
    sales::{
        books::{self, Commission},
        orders,
        payments::{self, Charge},
        reconciliations::{self, Reconciliation},
        refunds::{self, Refund, RefundError},
    },
    turns,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{conversations, sales::limit};
use crate::{
    ApiError, App,
    auth::{Admin, Chat},
    error::{Missing, Problem},
    extract::{Json, Path, Query},
};

/// The longest reason that is kept, in characters.
const REASON_MAX: usize = 300;

/// What a customer has put together so far.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cart {
    /// Lines, at the prices the customer was shown. Prices and stock are looked up again before anything is placed.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<CartLine>,
    /// What was asked of the customer last: `open`, `choosing`, `quantity`, `cart`, `delivery`, `address`, `confirming`
    /// or `placed`.
    #[schema(value_type = Object)]
    pub stage: serde_json::Value,
    /// Where it is to be delivered, in the customer's words.
    pub address: Option<String>,
    /// What the last summary came to, in minor units.
    pub due_minor: Option<i64>,
}

/// A line of a cart.
#[derive(Debug, Serialize)]
pub struct CartLine {
    #[serde(flatten)]
    item: balcao_domain::sale::Item,
    total_minor: Option<i64>,
}

/// A conversation's cart.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/cart", tag = "sales",
    params(("id" = String, Path, description = "Your own id of the conversation, or ours (`conv_…`)")),
    responses((status = 200, body = Cart), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn cart(
    State(app): State<App>,
    Chat(caller): Chat,
    Path(id): Path<String>,
) -> Result<Answer<Cart>, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let found = conversations::find(&mut tx, &caller, &id).await?;
    let sale = turns::sale(&mut tx, found.conversation_id).await?;
    tx.commit().await?;
    let sale: Sale = sale.map(|(sale, _)| sale).unwrap_or_default();
    let stage = serde_json::to_value(&sale.stage).map_err(|_| ApiError::Internal)?;
    let line = |item: balcao_domain::sale::Item| {
        let total_minor = item.what.unit.minor().checked_mul(item.quantity);
        CartLine { item, total_minor }
    };
    Ok(Answer(Cart {
        items: sale.cart.into_iter().map(line).collect(),
        stage: stage.get("stage").cloned().unwrap_or_default(),
        address: sale.address,
        due_minor: sale.due_minor,
    }))
}

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Many {
    /// 1 to 200.
    pub limit: Option<i64>,
}

/// Charges.
#[derive(Debug, Serialize, ToSchema)]
pub struct Charges {
    /// Newest first.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<Charge>,
}

/// The shop's last charges: what was asked for, what came, what went back.
#[utoipa::path(
    get, path = "/v1/admin/payments", tag = "sales", params(Many),
    responses((status = 200, body = Charges), (status = 422, body = Problem, content_type = "application/problem+json")),
)]
pub async fn charges(
    State(app): State<App>,
    Admin(caller): Admin,
    Query(many): Query<Many>,
) -> Result<Answer<Charges>, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let items = payments::list(&mut tx, limit(many.limit)?).await?;
    tx.commit().await?;
    Ok(Answer(Charges { items }))
}

/// A charge with its refunds.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeCharge {
    /// As it stands.
    #[schema(value_type = Object)]
    pub charge: Charge,
    /// Money that goes back, newest first.
    #[schema(value_type = Vec<Object>)]
    pub refunds: Vec<Refund>,
}

/// One charge.
#[utoipa::path(
    get, path = "/v1/admin/payments/{id}", tag = "sales",
    params(("id" = String, Path, description = "`pay_…`")),
    responses((status = 200, body = WholeCharge), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn charge(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<Answer<WholeCharge>, ApiError> {
    let id: PaymentId = id.parse().map_err(|_| ApiError::NotFound("payment"))?;
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let charge = payments::get(&mut tx, id).await.missing("payment")?;
    let refunds = refunds::of_payment(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Answer(WholeCharge { charge, refunds }))
}

/// What is to go back, and why.
#[derive(Debug, Deserialize, ToSchema)]
pub struct GiveBack {
    /// Minor units; all that is left without.
    #[serde(default)]
    pub minor: Option<i64>,
    /// For whoever asks later.
    #[schema(example = "arrived broken", min_length = 1, max_length = 300)]
    pub reason: String,
}

/// A refund that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Asked {
    /// Follow it in `GET /v1/admin/payments/{id}`.
    #[schema(value_type = String)]
    pub refund_id: RefundId,
    /// Of which charge.
    #[schema(value_type = String)]
    pub payment_id: PaymentId,
}

/// Give an order's money back through the provider it came from. The provider is asked in the background, once however
/// often it is tried; the customer hears when the money has moved.
#[utoipa::path(
    post, path = "/v1/admin/orders/{id}/refund", tag = "sales",
    params(("id" = String, Path, description = "`ord_…`")), request_body = GiveBack,
    responses((status = 202, body = Asked), (status = 404, body = Problem, content_type = "application/problem+json"),
              (status = 409, body = Problem, content_type = "application/problem+json"),
              (status = 422, body = Problem, content_type = "application/problem+json")),
)]
pub async fn give_back(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
    Json(body): Json<GiveBack>,
) -> Result<(StatusCode, Answer<Asked>), ApiError> {
    let id: OrderId = id.parse().map_err(|_| ApiError::NotFound("order"))?;
    let reason = body.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_MAX {
        return Err(ApiError::Invalid(format!("`reason` must have 1 to {REASON_MAX} characters")));
    }
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    orders::get(&mut tx, id).await.missing("order")?;
    let paid = payments::of_order(&mut tx, id).await?.into_iter().find(|charge| charge.captured_minor > 0);
    let payment_id =
        paid.ok_or_else(|| ApiError::Conflict("nothing was received for this order".into()))?.payment_id;
    let refund_id = match refunds::request(&mut tx, payment_id, body.minor, reason).await {
        Ok(Some(id)) => id,
        Ok(None) => return Err(ApiError::Conflict("nothing was received for this order".into())),
        Err(RefundError::Store(error)) => return Err(error.into()),
        Err(why @ RefundError::TooMuch { .. }) => return Err(ApiError::Invalid(why.to_string())),
        Err(why @ RefundError::NoProvider) => return Err(ApiError::Conflict(why.to_string())),
    };
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Answer(Asked { refund_id, payment_id })))
}

/// Who earned what.
#[derive(Debug, Serialize, ToSchema)]
pub struct Commissions {
    /// Each beneficiary of each order, newest order first.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<Commission>,
}

/// The commissions of the shop's last orders: computed when the order was placed, booked when it was paid.
#[utoipa::path(
    get, path = "/v1/admin/commissions", tag = "sales", params(Many),
    responses((status = 200, body = Commissions), (status = 422, body = Problem, content_type = "application/problem+json")),
)]
pub async fn commissions(
    State(app): State<App>,
    Admin(caller): Admin,
    Query(many): Query<Many>,
) -> Result<Answer<Commissions>, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let items = books::commissions(&mut tx, limit(many.limit)?).await?;
    tx.commit().await?;
    Ok(Answer(Commissions { items }))
}

/// Comparisons.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reconciliations {
    /// Newest first.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<Reconciliation>,
}

/// The last comparisons of providers' books with ours: what was told, and what had never been reported.
#[utoipa::path(
    get, path = "/v1/admin/reconciliations", tag = "sales", params(Many),
    responses((status = 200, body = Reconciliations), (status = 422, body = Problem, content_type = "application/problem+json")),
)]
pub async fn compared(
    State(app): State<App>,
    Admin(caller): Admin,
    Query(many): Query<Many>,
) -> Result<Answer<Reconciliations>, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let items = reconciliations::list(&mut tx, limit(many.limit)?).await?;
    tx.commit().await?;
    Ok(Answer(Reconciliations { items }))
}
