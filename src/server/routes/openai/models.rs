//! The one model there is: the shop itself.

use axum::{Json, extract::State};
use balcao_store::tenants;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{ApiError, App, auth::Chat, extract::Path};

/// What answers, as clients name it.
pub const MODEL: &str = "balcao";

/// A list of models.
#[derive(Debug, Serialize, ToSchema)]
pub struct Models {
    /// `list`.
    object: &'static str,
    /// One.
    data: Vec<Model>,
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub struct Model {
    /// Its name.
    id: &'static str,
    /// `model`.
    object: &'static str,
    /// When the shop was created, in seconds since 1970.
    created: i64,
    /// The shop.
    owned_by: String,
}

/// The models: one, the shop itself.
#[utoipa::path(get, path = "/v1/models", tag = "openai", responses((status = 200, body = Models)))]
pub async fn list(State(app): State<App>, Chat(caller): Chat) -> Result<Json<Models>, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let shop = tenants::get(&mut tx).await?;
    tx.commit().await?;
    let model =
        Model { id: MODEL, object: "model", created: shop.created_at.timestamp(), owned_by: shop.slug };
    Ok(Json(Models { object: "list", data: vec![model] }))
}

/// One model.
#[utoipa::path(
    get, path = "/v1/models/{id}", tag = "openai", params(("id" = String, Path, description = "`balcao`")),
    responses((status = 200, body = Model), (status = 404, body = Object)),
)]
pub async fn get(state: State<App>, caller: Chat, Path(id): Path<String>) -> Result<Json<Model>, ApiError> {
    let Json(models) = list(state, caller).await?;
    models.data.into_iter().find(|model| model.id == id).map(Json).ok_or(ApiError::NotFound("model"))
}
