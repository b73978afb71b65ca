//! What was set aside: look at it, try again, or be done with it.

use axum::{Json as Answer, extract::State, http::StatusCode};
use balcao_domain::DeadLetterId;
use balcao_store::dead_letters::{self, DeadLetter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, App,
    auth::Admin,
    error::{Missing, Problem},
    extract::{PageQuery, Path, Query},
};

/// Which of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Also those that are done with.
    #[serde(default)]
    pub include_resolved: bool,
}

/// A page of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetters {
    /// Newest first.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<DeadLetter>,
    /// Give this back as `cursor` to read on; `null` at the end.
    pub next_cursor: Option<String>,
}

/// What was set aside, newest first.
#[utoipa::path(
    get, path = "/v1/admin/dead-letters", tag = "admin", params(PageQuery, Which),
    responses((status = 200, body = DeadLetters)),
)]
pub async fn list(
    State(app): State<App>,
    Admin(caller): Admin,
    Query(page): Query<PageQuery>,
    Query(which): Query<Which>,
) -> Result<Answer<DeadLetters>, ApiError> {
    let limit = page.limit()?;
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let read = dead_letters::list(&mut tx, which.include_resolved, page.cursor.as_deref(), limit).await;
    let read = read.missing("page")?;
    tx.commit().await?;
    Ok(Answer(DeadLetters { items: read.items, next_cursor: read.next_cursor }))
}

/// One of them, with its evidence.
#[utoipa::path(
    get, path = "/v1/admin/dead-letters/{id}", tag = "admin",
    params(("id" = String, Path, description = "`dl_…`")),
    responses((status = 200, body = Object), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn get(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<Answer<DeadLetter>, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let letter = dead_letters::get(&mut tx, parsed(&id)?).await.missing("dead letter")?;
    tx.commit().await?;
    Ok(Answer(letter))
}

/// Try again: a send is queued anew, a turn's messages become pending again.
#[utoipa::path(
    post, path = "/v1/admin/dead-letters/{id}/replay", tag = "admin",
    params(("id" = String, Path, description = "`dl_…`")),
    responses((status = 202, description = "It will be tried again"),
              (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn replay(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = parsed(&id)?;
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let letter = dead_letters::get(&mut tx, id).await.missing("dead letter")?;
    dead_letters::replay(&mut tx, id).await.missing("dead letter")?;
    tx.commit().await?;
    if let Some(conversation) = letter.conversation_id {
        app.system.wake(caller.tenant_id, conversation);
    }
    Ok(StatusCode::ACCEPTED)
}

/// Be done with it.
#[utoipa::path(
    post, path = "/v1/admin/dead-letters/{id}/resolve", tag = "admin",
    params(("id" = String, Path, description = "`dl_…`")),
    responses((status = 204, description = "Done with it"),
              (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn resolve(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    dead_letters::resolve(&mut tx, parsed(&id)?).await.missing("dead letter")?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parsed(id: &str) -> Result<DeadLetterId, ApiError> {
    id.parse().map_err(|_| ApiError::NotFound("dead letter"))
}
