//! langchain-rust, in both directions: its loaders feed Balcão's ingestion, and Balcão's search and embedding model are
//! its `Retriever` and `Embedder`, so its chains run on a shop's documents.

use std::{collections::HashMap, error::Error, sync::Arc};

use async_trait::async_trait;
use balcao_domain::TenantCtx;
use futures::{StreamExt, TryStreamExt};
use langchain_rust::{
    document_loaders::{Loader, LoaderError, TextLoader},
    embedding::{Embedder as LangchainEmbedder, EmbedderError},
    schemas::{Document, Retriever},
};
use serde_json::json;

use crate::{
    Hit, SearchRequest, Searcher,
    ingest::{MediaType, NewDocument, Unreadable},
};

/// A shop's documents, as a langchain-rust retriever: for one tenant, with at most `limit` passages a question.
#[derive(Clone)]
pub struct TenantRetriever {
    searcher: Arc<dyn Searcher>,
    ctx: TenantCtx,
    collection: Option<String>,
    limit: usize,
}

impl TenantRetriever {
    /// A retriever over everything the tenant has.
    pub fn new(searcher: Arc<dyn Searcher>, ctx: TenantCtx, limit: usize) -> Self {
        Self { searcher, ctx, collection: None, limit }
    }

    /// Only this collection.
    pub fn with_collection(mut self, collection: impl Into<String>) -> Self {
        self.collection = Some(collection.into());
        self
    }
}

#[async_trait]
impl Retriever for TenantRetriever {
    async fn get_relevant_documents(&self, query: &str) -> Result<Vec<Document>, Box<dyn Error>> {
        let mut request = SearchRequest::new(query, self.limit);
        request.collection.clone_from(&self.collection);
        let found = self.searcher.search(&self.ctx, &request).await?;
        Ok(found.hits.iter().map(document).collect())
    }
}

/// A hit as langchain-rust's document; what a citation needs is in its metadata.
fn document(hit: &Hit) -> Document {
    let metadata = HashMap::from([
        ("source".to_owned(), json!(hit.source)),
        ("title".to_owned(), json!(hit.title)),
        ("headings".to_owned(), json!(hit.headings)),
        ("document_id".to_owned(), json!(hit.document_id)),
        ("passage_id".to_owned(), json!(hit.passage_id)),
    ]);
    Document::new(hit.text.clone()).with_metadata(metadata).with_score(f64::from(hit.score))
}

/// Balcão's embedding model, as langchain-rust's.
#[derive(Clone)]
pub struct TenantEmbedder(pub Arc<dyn balcao_llm::Embedder>);

#[async_trait]
impl LangchainEmbedder for TenantEmbedder {
    async fn embed_documents(&self, documents: &[String]) -> Result<Vec<Vec<f64>>, EmbedderError> {
        let vectors = self.0.embed_passages(documents).await.map_err(embedder_error)?;
        Ok(vectors.into_iter().map(widen).collect())
    }

    async fn embed_query(&self, text: &str) -> Result<Vec<f64>, EmbedderError> {
        self.0.embed_query(text).await.map(widen).map_err(embedder_error)
    }
}

fn widen(vector: Vec<f32>) -> Vec<f64> {
    vector.into_iter().map(f64::from).collect()
}

/// The only one of langchain-rust's variants that carries words about a model in this process.
fn embedder_error(error: balcao_llm::EmbedError) -> EmbedderError {
    EmbedderError::FastEmbedError(error.to_string())
}

/// The text of a file by way of langchain-rust's loader: the seam at which loaders of other formats come in.
pub(crate) async fn load_text(text: String) -> Result<String, Unreadable> {
    let documents = load(TextLoader::new(text)).await.map_err(|error| Unreadable::Io(error.to_string()))?;
    Ok(documents.into_iter().map(|document| document.page_content).collect::<Vec<_>>().join("\n\n"))
}

/// What any of langchain-rust's loaders finds, ready to be ingested: one document a page or record, named
/// `{uri}#{number}` from the second on, titled by the loader's `title` where it gives one.
pub async fn documents_from<L: Loader>(
    loader: L,
    collection: &str,
    uri: &str,
    media_type: MediaType,
) -> Result<Vec<NewDocument>, LoaderError> {
    let documents = load(loader).await?;
    Ok((1..)
        .zip(documents)
        .map(|(number, document)| NewDocument {
            collection: collection.to_owned(),
            uri: if number == 1 { uri.to_owned() } else { format!("{uri}#{number}") },
            title: document.metadata.get("title").and_then(|title| title.as_str()).map(str::to_owned),
            bytes: document.page_content.into_bytes(),
            media_type: Some(media_type),
        })
        .collect())
}

async fn load<L: Loader>(loader: L) -> Result<Vec<Document>, LoaderError> {
    loader.load().await?.boxed().try_collect().await
}
