//! langchain-rust, in both directions: its loaders feed Balcão's ingestion, and Balcão's search and embedding model are
//! its `Retriever` and `Embedder`, so its chains run on a shop's documents.

use std::{collections::HashMap, error::Error, sync::Arc};

use async_trait::async_trait;
use balcao_domain::TenantCtx;
use futures::{StreamExt, TryStreamExt};
use langchain_rust::{
    document_loaders::{Loader, LoaderError},
    embedding::{Embedder as LangchainEmbedder, EmbedderError},
    schemas::{Document, Retriever},
};
use serde_json::json;

use crate::{
    Hit, SearchRequest, Searcher,
    ingest::{MediaType, NewDocument},
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

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        sync::{Mutex, PoisonError},
    };

    use balcao_domain::{DocumentId, PassageId, TenantId};
    use futures::Stream;
    use langchain_rust::{
        chain::{Chain, RETRIEVAL_QA_SOURCE_DOCUMENTS_KEY, RetrievalQA},
        document_loaders::CsvLoader,
        language_models::{GenerateResult, LLMError, llm::LLM},
        prompt_args,
        schemas::{Message, StreamData},
    };

    use super::*;
    use crate::{SearchError, SearchResult};

    /// One passage, whatever is asked; remembers for whom.
    #[derive(Default)]
    struct OnePassage(Mutex<Vec<(TenantId, SearchRequest)>>);

    #[async_trait]
    impl Searcher for OnePassage {
        async fn search(
            &self,
            ctx: &TenantCtx,
            request: &SearchRequest,
        ) -> Result<SearchResult, SearchError> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((ctx.tenant_id, request.clone()));
            let hit = Hit {
                passage_id: PassageId::generate(),
                document_id: DocumentId::generate(),
                title: "Trocas".into(),
                source: "trocas.md".into(),
                headings: vec!["Prazo".into()],
                text: "Devolva em até 7 dias.".into(),
                score: 0.75,
                vector_score: Some(0.9),
                lexical_score: None,
            };
            Ok(SearchResult { hits: vec![hit], confidence: 0.9, ..SearchResult::default() })
        }
    }

    /// Answers with the prompt it was given.
    #[derive(Clone)]
    struct Parrot;

    #[async_trait]
    impl LLM for Parrot {
        async fn generate(&self, messages: &[Message]) -> Result<GenerateResult, LLMError> {
            let generation = messages.iter().map(|message| message.content.as_str()).collect();
            Ok(GenerateResult { generation, ..GenerateResult::default() })
        }

        async fn stream(
            &self,
            _messages: &[Message],
        ) -> Result<Pin<Box<dyn Stream<Item = Result<StreamData, LLMError>> + Send>>, LLMError> {
            Err(LLMError::OtherError("not asked for".into()))
        }
    }

    #[tokio::test]
    async fn a_chain_of_langchain_answers_from_a_shops_documents() {
        let searcher = Arc::new(OnePassage::default());
        let ctx = TenantCtx::system(TenantId::generate());
        let retriever = TenantRetriever::new(searcher.clone(), ctx.clone(), 4).with_collection("faq");
        let chain = RetrievalQA::from_llm(Parrot, retriever).with_return_source_documents(true);
        let question = "Qual o prazo de devolução?";
        let output = chain.execute(prompt_args! { "query" => question }).await.expect("an answer");

        let prompt = output["output"].as_str().expect("words");
        assert!(prompt.contains("Devolva em até 7 dias.") && prompt.contains(question), "{prompt}");
        let source = &output[RETRIEVAL_QA_SOURCE_DOCUMENTS_KEY][0];
        assert_eq!(source["metadata"]["source"], "trocas.md");
        assert_eq!(source["metadata"]["headings"][0], "Prazo");
        assert_eq!(source["score"], 0.75);

        let asked = searcher.0.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = SearchRequest { collection: Some("faq".into()), ..SearchRequest::new(question, 4) };
        assert_eq!(*asked, [(ctx.tenant_id, expected)]);
    }

    /// The length of a text as its vector.
    struct Lengths;

    #[async_trait]
    impl balcao_llm::Embedder for Lengths {
        fn model_id(&self) -> &str {
            "lengths"
        }
        fn dimensions(&self) -> usize {
            1
        }
        fn count_tokens(&self, text: &str) -> usize {
            text.len()
        }
        async fn embed_query(&self, text: &str) -> Result<Vec<f32>, balcao_llm::EmbedError> {
            if text.is_empty() {
                return Err(balcao_llm::EmbedError::BreakerOpen);
            }
            Ok(vec![text.len() as f32])
        }
        async fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, balcao_llm::EmbedError> {
            Ok(texts.iter().map(|text| vec![text.len() as f32 * 10.0]).collect())
        }
    }

    #[tokio::test]
    async fn our_model_embeds_for_langchain_and_its_failures_keep_their_words() {
        let embedder = TenantEmbedder(Arc::new(Lengths));
        assert_eq!(embedder.embed_query("abc").await.expect("a vector"), [3.0]);
        let texts = ["a".to_owned(), "bb".to_owned()];
        assert_eq!(embedder.embed_documents(&texts).await.expect("vectors"), [[10.0], [20.0]]);
        let error = embedder.embed_query("").await.expect_err("the breaker is open");
        assert!(error.to_string().contains("breaker"), "{error}");
    }

    #[tokio::test]
    async fn a_loader_of_langchain_feeds_ingestion() {
        let table = "produto,voltagem\nCafeteira,110v\nChaleira,220v\n";
        let columns = ["produto", "voltagem"].map(str::to_owned).to_vec();
        let loader = CsvLoader::new(table.as_bytes(), columns);
        let documents = documents_from(loader, "catalogo", "produtos.csv", MediaType::PlainText)
            .await
            .expect("documents");
        let seen: Vec<_> = documents
            .iter()
            .map(|doc| (doc.uri.as_str(), String::from_utf8_lossy(&doc.bytes).contains("110v")))
            .collect();
        assert_eq!(seen, [("produtos.csv", true), ("produtos.csv#2", false)]);
    }
}
