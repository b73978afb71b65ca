//! One turn with everything it stood on.

use axum::{Json as Answer, extract::State};
use balcao_domain::TurnId;
use balcao_store::turns::{self, RecordedTurn};

use crate::{
    ApiError, App,
    auth::Admin,
    error::{Missing, Problem},
    extract::Path,
};

/// Why a turn said what it said: messages, passages with scores, prompt, model, tokens, cost, stages, tool calls.
#[utoipa::path(
    get, path = "/v1/turns/{id}", tag = "conversations",
    params(("id" = String, Path, description = "`trn_…`")),
    responses((status = 200, body = Object), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn get(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<Answer<RecordedTurn>, ApiError> {
    let id: TurnId = id.parse().map_err(|_| ApiError::NotFound("turn"))?;
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let turn = turns::get(&mut tx, id).await.missing("turn")?;
    tx.commit().await?;
    Ok(Answer(turn))
}
