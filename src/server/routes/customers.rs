//! One customer's data: find it, hand it out, erase it (the rights of access and erasure).

use axum::{Json as Answer, extract::State, http::StatusCode};
use balcao_domain::CustomerId;
use balcao_store::customers::{self, Customer};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, App,
    auth::Admin,
    error::{Missing, Problem},
    extract::{Path, Query},
};

/// Who is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Who {
    /// A phone number in any written form, a user id of the channel, or `cus_…`.
    #[param(example = "+55 11 90000-0001", min_length = 1, max_length = 200)]
    pub who: String,
}

/// The people an id names.
#[derive(Debug, Serialize, ToSchema)]
pub struct Customers {
    /// Usually one; more when several channels know the same id.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<Customer>,
}

/// Who is known by this id?
#[utoipa::path(
    get, path = "/v1/admin/customers", tag = "admin", params(Who),
    responses((status = 200, body = Customers),
              (status = 422, body = Problem, content_type = "application/problem+json")),
)]
pub async fn find(
    State(app): State<App>,
    Admin(caller): Admin,
    Query(query): Query<Who>,
) -> Result<Answer<Customers>, ApiError> {
    let who = query.who.trim();
    if !(1..=200).contains(&who.len()) || who.contains(char::is_control) {
        return Err(ApiError::Invalid("`who` is a phone number, a user id, or `cus_…`".into()));
    }
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let items = customers::find(&mut tx, who).await?;
    tx.commit().await?;
    Ok(Answer(Customers { items }))
}

/// Everything that is stored about one customer.
#[utoipa::path(
    get, path = "/v1/admin/customers/{id}/export", tag = "admin",
    params(("id" = String, Path, description = "`cus_…`")),
    responses((status = 200, body = Object), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn export(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<Answer<serde_json::Value>, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let all = customers::export(&mut tx, parsed(&id)?).await.missing("customer")?;
    tx.commit().await?;
    Ok(Answer(all))
}

/// Erase a customer with every conversation. Cannot be undone.
#[utoipa::path(
    delete, path = "/v1/admin/customers/{id}", tag = "admin",
    params(("id" = String, Path, description = "`cus_…`")),
    responses((status = 204, description = "Nothing of them is left"),
              (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn erase(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = parsed(&id)?;
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    customers::erase(&mut tx, id).await.missing("customer")?;
    tx.commit().await?;
    // Should they write again they are somebody new.
    app.people.forget_customer(id);
    tracing::info!(tenant.id = %caller.tenant_id, customer.id = %id, "a customer was erased");
    Ok(StatusCode::NO_CONTENT)
}

fn parsed(id: &str) -> Result<CustomerId, ApiError> {
    id.parse().map_err(|_| ApiError::NotFound("customer"))
}
