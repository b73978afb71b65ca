//! Search over the shop's passages, as the agent sees it.

use axum::{Json as Answer, extract::State};
use balcao_domain::{Language, text, turn::Stage};
use balcao_retrieval::{Hit, SearchRequest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ApiError, App, auth::Chat, error::Problem, extract::Json};

/// The longest question, in characters.
const QUERY_MAX: usize = 2_000;
/// Passages at most.
const LIMIT_MAX: usize = 50;

/// A question.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Ask {
    /// As the customer would type it.
    #[schema(example = "prazo de troca", min_length = 1)]
    pub query: String,
    /// How many passages, 1 to 50.
    #[serde(default = "five")]
    #[schema(default = 5, minimum = 1, maximum = 50)]
    pub limit: usize,
    /// Only this collection.
    #[serde(default)]
    pub collection: Option<String>,
    /// Prefer this language: `pt` or `en`.
    #[serde(default)]
    pub language: Option<String>,
}

fn five() -> usize {
    5
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub struct Found {
    /// Best first.
    #[schema(value_type = Vec<Object>)]
    pub hits: Vec<Hit>,
    /// How sure we are that the best hit answers, 0 to 1.
    pub confidence: f32,
    /// What was searched for, after follow-ups were resolved.
    pub query: String,
    /// The vector side was away: lexical only.
    pub degraded: bool,
    /// How long each stage took.
    #[schema(value_type = Vec<Object>)]
    pub stages: Vec<Stage>,
}

/// Search the shop's documents.
#[utoipa::path(
    post, path = "/v1/search", tag = "knowledge", request_body = Ask,
    responses((status = 200, body = Found), (status = 422, body = Problem, content_type = "application/problem+json")),
)]
pub async fn search(
    State(app): State<App>,
    Chat(caller): Chat,
    Json(ask): Json<Ask>,
) -> Result<Answer<Found>, ApiError> {
    let request = request(ask)?;
    let found = app.searcher.search(&caller.ctx(), &request).await.map_err(|error| {
        tracing::error!(%error, tenant.id = %caller.tenant_id, "failed to search");
        ApiError::Unavailable
    })?;
    Ok(Answer(Found {
        hits: found.hits,
        confidence: found.confidence,
        query: found.query,
        degraded: found.degraded,
        stages: found.stages,
    }))
}

fn request(ask: Ask) -> Result<SearchRequest, ApiError> {
    let query = text::clean(&ask.query, QUERY_MAX + 1);
    if query.trim().is_empty() || query.chars().count() > QUERY_MAX {
        return Err(ApiError::Invalid(format!("`query` must have 1 to {QUERY_MAX} characters")));
    }
    if !(1..=LIMIT_MAX).contains(&ask.limit) {
        return Err(ApiError::Invalid(format!("`limit` must be between 1 and {LIMIT_MAX}")));
    }
    let language = match ask.language.as_deref() {
        None => None,
        Some(code) => Some(
            Language::from_code(code)
                .ok_or_else(|| ApiError::Invalid("`language` must be `pt` or `en`".into()))?,
        ),
    };
    Ok(SearchRequest { collection: ask.collection, language, ..SearchRequest::new(query, ask.limit) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_must_ask_something_and_a_limit_has_limits() {
        let ask = |query: &str, limit| Ask { query: query.into(), limit, collection: None, language: None };
        assert_eq!(request(ask("troca", 5)).map(|r| r.limit).ok(), Some(5));
        for (query, limit) in [("", 5), ("\u{0}", 5), ("troca", 0), ("troca", 51)] {
            assert!(matches!(request(ask(query, limit)), Err(ApiError::Invalid(_))), "{query:?} {limit}");
        }
        let klingon = Ask { language: Some("tlh".into()), ..ask("troca", 5) };
        assert!(request(klingon).is_err());
    }
}
