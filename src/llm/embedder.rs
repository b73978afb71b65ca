//! The port to an embedding model.

use async_trait::async_trait;

/// Why texts could not be embedded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EmbedError {
    /// The model or its endpoint failed; may work the next time.
    #[error("the embedding model failed: {0}")]
    Transient(String),
    /// The breaker in front of it is open.
    #[error("the breaker in front of the embedding model is open")]
    BreakerOpen,
}

/// An embedding model. Vectors have length 1, so their dot product is their cosine.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// The model and its version: vectors of different ids are never compared.
    fn model_id(&self) -> &str;

    /// Numbers per vector.
    fn dimensions(&self) -> usize;

    /// Tokens of a text, as the model counts them, without the special ones.
    fn count_tokens(&self, text: &str) -> usize;

    /// The vector of a question.
    async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbedError>;

    /// The vectors of passages, in their order.
    async fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError>;
}
