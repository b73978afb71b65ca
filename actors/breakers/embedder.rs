//! A remote embedding model behind its breaker.

use std::sync::Arc;

use async_trait::async_trait;
use balcao_domain::breaker::Class;
use balcao_llm::{EmbedError, Embedder};

use super::guard::{CallError, GuardHandle};

/// An embedder that is called only when its breaker lets it.
pub(super) struct GuardedEmbedder {
    pub(super) inner: Arc<dyn Embedder>,
    pub(super) guard: GuardHandle,
}

#[async_trait]
impl Embedder for GuardedEmbedder {
    fn model_id(&self) -> &str {
        self.inner.model_id()
    }

    fn dimensions(&self) -> usize {
        self.inner.dimensions()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.inner.count_tokens(text)
    }

    async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        self.guard.call(class_of, self.inner.embed_query(text)).await.map_err(refusal)
    }

    async fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.guard.call(class_of, self.inner.embed_passages(texts)).await.map_err(refusal)
    }
}

fn class_of<T>(result: &Result<T, EmbedError>) -> Class {
    match result {
        Ok(_) => Class::Success,
        Err(EmbedError::Transient(_)) => Class::Failure { retry_after: None },
        Err(EmbedError::BreakerOpen) => Class::LocalReject,
    }
}

fn refusal(error: CallError<EmbedError>) -> EmbedError {
    match error {
        CallError::Rejected(_) => EmbedError::BreakerOpen,
        CallError::Failed(error) => error,
    }
}
