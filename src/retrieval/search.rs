//! The port of search, as the agent and the API see it.

use async_trait::async_trait;
use balcao_domain::{DocumentId, Language, PassageId, TenantCtx, turn::Stage};
use serde::Serialize;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SearchRequest {
    /// As the customer typed it.
    pub query: String,
    /// The customer's previous messages, oldest first: what "e o azul?" refers to.
    pub previous: Vec<String>,
    /// Only this collection.
    pub collection: Option<String>,
    /// Prefer this language.
    pub language: Option<Language>,
    /// How many passages.
    pub limit: usize,
}

impl SearchRequest {
    /// A question without history.
    pub fn new(query: impl Into<String>, limit: usize) -> Self {
        Self { query: query.into(), previous: Vec::new(), collection: None, language: None, limit }
    }
}

/// One passage that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    /// Which.
    pub passage_id: PassageId,
    /// Its document.
    pub document_id: DocumentId,
    /// The document's title.
    pub title: String,
    /// Where the document came from: a path or a URL.
    pub source: String,
    /// The headings above the passage, outermost first.
    pub headings: Vec<String>,
    /// The passage.
    pub text: String,
    /// Fused score, 0 to 1.
    pub score: f32,
    /// Cosine of the question and the passage.
    pub vector_score: Option<f32>,
    /// Lexical score, as the ranker gives it.
    pub lexical_score: Option<f32>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchResult {
    /// Best first.
    pub hits: Vec<Hit>,
    /// How sure we are that the best hit answers, 0 to 1.
    pub confidence: f32,
    /// What was searched for, after follow-ups were resolved.
    pub query: String,
    /// How long each stage took.
    pub stages: Vec<Stage>,
    /// The vector side was away: lexical only.
    pub degraded: bool,
}

/// Why a search failed.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The database did not answer.
    #[error("failed to search: {0}")]
    Store(String),
}

/// Search over one tenant's passages.
#[async_trait]
pub trait Searcher: Send + Sync {
    /// The best passages for a question.
    async fn search(&self, ctx: &TenantCtx, request: &SearchRequest) -> Result<SearchResult, SearchError>;

    /// How near each sentence is to the question in meaning (cosine), in their order; `None` where that cannot be told, or
    /// not soon enough to be of use. Sentences of the shops' documents come again and again: their vectors are kept.
    async fn alike(&self, _question: &str, _sentences: &[String]) -> Option<Vec<f32>> {
        None
    }
}
