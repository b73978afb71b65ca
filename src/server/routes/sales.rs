//! What the shop sells, what was ordered and what it came to.

use axum::{Json as Answer, body::Bytes, extract::State};
use balcao_catalog::{
    File, Options, Source,
    import::{Import, ImportError, Report},
};
use balcao_domain::{ConversationId, OrderId, money::Currency, order::Status};
use balcao_store::{
    sales::{
        books::{self, Balance, Breach},
        orders::{self, Order},
        payments::{self, Charge},
        products::{self, Found},
        trail,
    },
    tenants,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, App,
    auth::{Admin, Chat, Ingest},
    error::{Missing, Problem},
    extract::{Path, Query},
};

/// Items of a list at most.
const MOST: i64 = 200;

/// The longest question, in characters.
const QUERY_MAX: usize = 500;

/// What a customer looks for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// As the customer would type it.
    pub query: String,
    /// How many products, 1 to 200.
    pub limit: Option<i64>,
}

/// Products by a customer's words, with prices and stock as they are now.
#[utoipa::path(
    get, path = "/v1/products", tag = "sales", params(Wanted),
    responses((status = 200, body = Object), (status = 422, body = Problem, content_type = "application/problem+json")),
)]
pub async fn find(
    State(app): State<App>,
    Chat(caller): Chat,
    Query(wanted): Query<Wanted>,
) -> Result<Answer<Found>, ApiError> {
    if wanted.query.trim().is_empty() || wanted.query.chars().count() > QUERY_MAX {
        return Err(ApiError::Invalid(format!("`query` must have 1 to {QUERY_MAX} characters")));
    }
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let found = products::search(&mut tx, &wanted.query, limit(wanted.limit)?).await?;
    tx.commit().await?;
    Ok(Answer(found))
}

/// How a catalogue is taken in.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Taking {
    /// The file's name; it matters where a source says something by it.
    pub name: Option<String>,
    /// What prices without a currency are in; the default is BRL.
    pub currency: Option<String>,
    /// The file is all this source has: what it had before and it does not name leaves the shelf.
    #[serde(default)]
    pub complete: bool,
}

/// Take in a catalogue: one file of a source, as it came. The same again changes nothing.
#[utoipa::path(
    post, path = "/v1/catalog/{source}", tag = "sales",
    params(("source" = String, Path, description = "`planilha`, `google`, `shopify_rest` …"), Taking),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Object), (status = 404, body = Problem, content_type = "application/problem+json"),
              (status = 422, body = Problem, content_type = "application/problem+json")),
)]
pub async fn take_in(
    State(app): State<App>,
    Ingest(caller): Ingest,
    Path(source): Path<String>,
    Query(taking): Query<Taking>,
    body: Bytes,
) -> Result<Answer<Report>, ApiError> {
    let source: Source = source.parse().map_err(|_| ApiError::NotFound("source"))?;
    let currency = match &taking.currency {
        Some(code) => code.parse().map_err(|error| ApiError::Invalid(format!("{error}")))?,
        None => Currency::BRL,
    };
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let language = tenants::get(&mut tx).await?.language;
    tx.commit().await?;
    let name = taking.name.unwrap_or_else(|| source.id().to_owned());
    let import = Import {
        source,
        files: vec![File::of(name, &body[..])],
        options: Options::new(currency, language, chrono::Utc::now()),
        complete: taking.complete,
    };
    match import.run(&app.store, &caller.ctx(), &|_| {}).await {
        Ok(report) => Ok(Answer(report)),
        Err(ImportError::Read(error)) => Err(ApiError::Invalid(error.to_string())),
        Err(ImportError::Store(error)) => Err(error.into()),
        Err(ImportError::Ended) => Err(ApiError::Internal),
    }
}

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// `awaiting_payment`, `paid`, `shipped`, `delivered`, `canceled`, `expired` or `refunded`.
    pub status: Option<String>,
    /// How many, 1 to 200.
    pub limit: Option<i64>,
}

/// Orders.
#[derive(Debug, Serialize, ToSchema)]
pub struct Orders {
    /// Newest first.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<Order>,
}

/// The shop's last orders, newest first.
#[utoipa::path(
    get, path = "/v1/admin/orders", tag = "sales", params(Which),
    responses((status = 200, body = Orders), (status = 422, body = Problem, content_type = "application/problem+json")),
)]
pub async fn list(
    State(app): State<App>,
    Admin(caller): Admin,
    Query(which): Query<Which>,
) -> Result<Answer<Orders>, ApiError> {
    let status = match which.status.as_deref() {
        Some(word) => Some(
            Status::parse(word).ok_or_else(|| ApiError::Invalid(format!("there is no status `{word}`")))?,
        ),
        None => None,
    };
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let items = orders::list(&mut tx, status, limit(which.limit)?).await?;
    tx.commit().await?;
    Ok(Answer(Orders { items }))
}

/// An order with its charges.
#[derive(Debug, Serialize, ToSchema)]
pub struct Whole {
    /// The order with its lines.
    #[schema(value_type = Object)]
    pub order: Order,
    /// What was asked for it, newest first.
    #[schema(value_type = Vec<Object>)]
    pub charges: Vec<Charge>,
}

/// One order.
#[utoipa::path(
    get, path = "/v1/admin/orders/{id}", tag = "sales",
    params(("id" = String, Path, description = "`ord_…`, or its code")),
    responses((status = 200, body = Whole), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn get(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<Answer<Whole>, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let order = match id.parse::<OrderId>() {
        Ok(id) => orders::get(&mut tx, id).await,
        Err(_) => orders::by_code(&mut tx, &id).await,
    };
    let order = order.missing("order")?;
    let charges = payments::of_order(&mut tx, order.order_id).await?;
    tx.commit().await?;
    Ok(Answer(Whole { order, charges }))
}

/// Call an order off that is not paid; its stock is free again. Answers with the order as it is then.
#[utoipa::path(
    post, path = "/v1/admin/orders/{id}/cancel", tag = "sales",
    params(("id" = String, Path, description = "`ord_…`")),
    responses((status = 200, body = Object), (status = 404, body = Problem, content_type = "application/problem+json"),
              (status = 409, body = Problem, content_type = "application/problem+json")),
)]
pub async fn cancel(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<Answer<Order>, ApiError> {
    let id: OrderId = id.parse().map_err(|_| ApiError::NotFound("order"))?;
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let status = orders::cancel(&mut tx, id).await.missing("order")?;
    if status != Status::Canceled {
        let reason = format!(
            "the order is {}: only one that waits for its payment can be called off",
            status.as_str()
        );
        return Err(ApiError::Conflict(reason));
    }
    let order = orders::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Answer(order))
}

/// The shop's accounts.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ledger {
    /// By account.
    #[schema(value_type = Vec<Object>)]
    pub balances: Vec<Balance>,
    /// What does not add up, over stock, orders, payments and books; empty where all holds.
    #[schema(value_type = Vec<Object>)]
    pub breaches: Vec<Breach>,
}

/// The books: every account, and whether all of them hold.
#[utoipa::path(get, path = "/v1/admin/ledger", tag = "sales", responses((status = 200, body = Ledger)))]
pub async fn ledger(State(app): State<App>, Admin(caller): Admin) -> Result<Answer<Ledger>, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let balances = books::balances(&mut tx).await?;
    let breaches = books::verify(&mut tx).await?;
    tx.commit().await?;
    Ok(Answer(Ledger { balances, breaches }))
}

/// The money of a conversation.
#[derive(Debug, Serialize, ToSchema)]
pub struct Money {
    /// Each order, oldest first: what was said, the turn that placed it, its lines, commissions, charges and bookings.
    #[schema(value_type = Vec<Object>)]
    pub orders: Vec<serde_json::Value>,
}

/// Where a conversation's money came from: message, evidence, tool calls, order lines, payments, commissions, bookings.
#[utoipa::path(
    get, path = "/v1/admin/conversations/{id}/money", tag = "sales",
    params(("id" = String, Path, description = "`conv_…`")),
    responses((status = 200, body = Money)),
)]
pub async fn money(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<Answer<Money>, ApiError> {
    let id: ConversationId = id.parse().map_err(|_| ApiError::NotFound("conversation"))?;
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let orders = trail::of_conversation(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Answer(Money { orders }))
}

pub(super) fn limit(asked: Option<i64>) -> Result<i64, ApiError> {
    match asked.unwrap_or(20) {
        limit if (1..=MOST).contains(&limit) => Ok(limit),
        _ => Err(ApiError::Invalid(format!("`limit` must be 1 to {MOST}"))),
    }
}
