//! API keys: make one, list them, revoke one.

use axum::{Json as Answer, extract::State, http::StatusCode};
use balcao_domain::{KeyId, Scope, text};
use balcao_store::api_keys::{self, ApiKey};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiError, App,
    auth::Admin,
    error::{Missing, Problem},
    extract::{Json, Path},
};

/// All keys of the shop.
#[derive(Debug, Serialize, ToSchema)]
pub struct Keys {
    /// Without their secrets: those are shown once.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<ApiKey>,
}

/// The shop's keys.
#[utoipa::path(get, path = "/v1/admin/keys", tag = "admin", responses((status = 200, body = Keys)))]
pub async fn list(State(app): State<App>, Admin(caller): Admin) -> Result<Answer<Keys>, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let items = api_keys::list(&mut tx).await?;
    tx.commit().await?;
    Ok(Answer(Keys { items }))
}

/// A new key.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewKey {
    /// For people.
    #[schema(example = "the shop's own site")]
    pub name: String,
    /// What it may do: `chat`, `ingest`, `admin`.
    #[schema(value_type = Vec<String>, example = json!(["chat"]))]
    pub scopes: Vec<Scope>,
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct Issued {
    /// The key.
    #[schema(value_type = Object)]
    pub key: ApiKey,
    /// Its secret: shown here and nowhere else.
    pub secret: String,
}

/// Make a key. Its secret is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/v1/admin/keys", tag = "admin", request_body = NewKey,
    responses((status = 201, body = Issued), (status = 422, body = Problem, content_type = "application/problem+json")),
)]
pub async fn issue(
    State(app): State<App>,
    Admin(caller): Admin,
    Json(new): Json<NewKey>,
) -> Result<(StatusCode, Answer<Issued>), ApiError> {
    let name = text::clean(&new.name, 100);
    if name.trim().is_empty() || new.scopes.is_empty() {
        return Err(ApiError::Invalid("a key needs a `name` and at least one of the `scopes`".into()));
    }
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let (key, secret) = api_keys::issue(&mut tx, &name, &new.scopes).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Answer(Issued { key, secret: secret.expose_secret().to_owned() })))
}

/// Revoke a key, at once.
#[utoipa::path(
    delete, path = "/v1/admin/keys/{id}", tag = "admin",
    params(("id" = String, Path, description = "`key_…`")),
    responses((status = 204, description = "Revoked"),
              (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn revoke(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id: KeyId = id.parse().map_err(|_| ApiError::NotFound("key"))?;
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    api_keys::revoke(&mut tx, id).await.missing("key")?;
    tx.commit().await?;
    app.keys.forget();
    Ok(StatusCode::NO_CONTENT)
}
