//! Search: what the words find and what the meaning finds, fused.
//!
//! The walk: read the question (follow-ups get what they refer to) → look into the cache of whole results, which
//! the index version keeps honest → lexical search and the question's vector at the same time → vector search →
//! fuse → fetch → make readable → say how sure we are. Without the embedding model the words alone decide, and the
//! result says so.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use balcao_domain::{Language, TenantCtx, TenantId, turn::Stage};
use balcao_llm::{EmbedError, Embedder};
use balcao_store::{Store, StoreError, knowledge};
use moka::future::Cache;
use sha2::{Digest, Sha256};

use crate::{
    Hit, SearchError, SearchRequest, SearchResult, Searcher,
    confidence::Signs,
    fusion::{self, Candidate, Weight},
    ingest::tidy,
    language,
    query::Query,
    readable::{self, RankedPassage},
};

/// Candidates each side gives; scores are scaled over them.
const DEPTH: usize = 100;

/// The passages nearest in meaning whose languages are asked: enough for a majority.
const NEAREST: usize = 5;

/// What a passage in the language asked for gains over one in another, in units of the fused score: it decides
/// between translations of the same page and little else.
const LANGUAGE_BONUS: f32 = 0.05;

/// Passages one search may ask for.
const MAX_LIMIT: usize = 100;

/// How long a question waits for its vector before its words alone must do. A question takes 10 ms; this is for a model
/// that hangs, and leaves most of a turn's time to the rest of the turn.
const EMBED_PATIENCE: Duration = Duration::from_secs(2);

/// Question vectors kept (1.5 kB each) and whole results (some 10 kB each).
const QUERY_VECTORS: u64 = 10_000;
const RESULTS: u64 = 2_000;
/// Sentence vectors kept: those that are quoted come again and again.
const SENTENCE_VECTORS: u64 = 5_000;
/// A result nobody asked for again is forgotten.
const RESULT_IDLE: Duration = Duration::from_secs(10 * 60);

/// Search over the store. Cheap to clone; clones share their caches.
#[derive(Clone)]
pub struct HybridSearcher {
    store: Store,
    embedder: Arc<dyn Embedder>,
    vectors: Cache<String, Arc<Vec<f32>>>,
    results: Cache<ResultKey, Arc<SearchResult>>,
    /// Of sentences, by their SHA-256.
    sentences: Cache<[u8; 32], Arc<Vec<f32>>>,
}

/// What decides a result: tenant, index version, question, collection, language, limit.
type ResultKey = (TenantId, i64, Query, Option<String>, Option<Language>, usize);

/// The rankings of one question before anything is left out: for measuring and explaining.
#[derive(Debug, Clone, Default)]
pub struct Ranking {
    /// Best first.
    pub candidates: Vec<Candidate>,
    /// The vector side was away.
    pub degraded: bool,
    /// How long each stage took.
    pub stages: Vec<Stage>,
}

impl HybridSearcher {
    /// A searcher over what `store` has, with vectors of `embedder`'s model.
    pub fn new(store: Store, embedder: Arc<dyn Embedder>) -> Self {
        Self {
            store,
            embedder,
            vectors: Cache::new(QUERY_VECTORS),
            sentences: Cache::new(SENTENCE_VECTORS),
            results: Cache::builder().max_capacity(RESULTS).time_to_idle(RESULT_IDLE).build(),
        }
    }

    /// Ranks passages for a question as both sides see it, deeper than a reader needs.
    pub async fn rank(
        &self,
        ctx: &TenantCtx,
        query: &Query,
        collection: Option<&str>,
        weight: Weight,
    ) -> Result<Ranking, StoreError> {
        let mut stages = Stages::default();
        let (lexical, vector) = tokio::join!(
            timed(self.by_words(ctx, query, collection)),
            timed(self.question_vector(&query.text)),
        );
        stages.push("search.lexical", lexical.1);
        stages.push("search.embed", vector.1);
        let lexical = lexical.0?;
        let found = match vector.0 {
            Ok(vector) => {
                let (found, took) = timed(self.by_meaning(ctx, query, &vector, collection, weight)).await;
                stages.push("search.vector", took);
                Some(found?)
            }
            Err(error) => {
                tracing::warn!(tenant.id = %ctx.tenant_id, %error, "searching by words only");
                metrics::counter!("balcao_search_degraded_total").increment(1);
                None
            }
        };
        let degraded = found.is_none();
        let (by_vector, foreign) = found.unwrap_or_default();
        let weight = match weight {
            _ if degraded => 1.0,
            Weight::Fixed(weight) => weight,
            Weight::Following => fusion::lexical_weight(query.distinct_words(), foreign),
        };
        let candidates = fusion::fuse(&lexical, &by_vector, weight);
        Ok(Ranking { candidates, degraded, stages: stages.0 })
    }

    /// What the confidence of a search is made of: for calibrating it.
    pub async fn signs(&self, ctx: &TenantCtx, query: &Query) -> Result<Signs, StoreError> {
        let ranking = self.rank(ctx, query, None, Weight::Following).await?;
        let best = self.passages(ctx, &ranking.candidates, &SearchRequest::new("", 1)).await?;
        Ok(Signs::read(query, &ranking.candidates, &best))
    }

    async fn by_words(
        &self,
        ctx: &TenantCtx,
        query: &Query,
        collection: Option<&str>,
    ) -> Result<Vec<knowledge::Ranked>, StoreError> {
        let mut tx = self.store.tenant_tx(ctx).await?;
        let found =
            knowledge::search::lexical(&mut tx, &query.lexical_text(), collection, DEPTH as i32).await?;
        tx.commit().await?;
        Ok(found)
    }

    /// What lies nearest, and whether that is in another language than the question.
    async fn by_meaning(
        &self,
        ctx: &TenantCtx,
        query: &Query,
        vector: &[f32],
        collection: Option<&str>,
        weight: Weight,
    ) -> Result<(Vec<knowledge::Ranked>, bool), StoreError> {
        let model = self.embedder.model_id();
        let mut tx = self.store.tenant_tx(ctx).await?;
        let found = knowledge::search::vector(&mut tx, vector, model, collection, DEPTH as i64).await?;
        let mut foreign = false;
        if let (Weight::Following, Some(asked_in)) = (weight, language::guess(&query.text)) {
            let nearest: Vec<_> = found.iter().take(NEAREST).map(|(passage, ..)| *passage).collect();
            let languages = knowledge::search::languages(&mut tx, &nearest).await?;
            let others = languages.iter().filter(|language| *language != asked_in.code()).count();
            foreign = others * 2 > languages.len();
        }
        tx.commit().await?;
        Ok((found, foreign))
    }

    /// The vector of a question, from the cache where it was asked before. Equal questions at the same time are
    /// embedded once.
    async fn question_vector(&self, text: &str) -> Result<Arc<Vec<f32>>, Arc<EmbedError>> {
        let cached = self
            .vectors
            .entry_by_ref(text)
            .or_try_insert_with(async { self.embedder.embed_query(text).await.map(Arc::new) });
        let entry = tokio::time::timeout(EMBED_PATIENCE, cached).await.unwrap_or_else(|_| {
            Err(Arc::new(EmbedError::Transient(format!("no answer within {} s", EMBED_PATIENCE.as_secs()))))
        });
        count_cache("query_vector", entry.as_ref().is_ok_and(|entry| !entry.is_fresh()));
        entry.map(moka::Entry::into_value)
    }

    async fn version(&self, ctx: &TenantCtx) -> Result<i64, StoreError> {
        let mut tx = self.store.tenant_tx(ctx).await?;
        let version = knowledge::documents::version(&mut tx).await?;
        tx.commit().await?;
        Ok(version)
    }

    async fn find(
        &self,
        ctx: &TenantCtx,
        query: Query,
        request: &SearchRequest,
    ) -> Result<SearchResult, StoreError> {
        let collection = request.collection.as_deref().map(tidy);
        let mut ranking = self.rank(ctx, &query, collection.as_deref(), Weight::Following).await?;
        let started = Instant::now();
        let ranked = self.passages(ctx, &ranking.candidates, request).await?;
        let confidence = Signs::read(&query, &ranking.candidates, &ranked).confidence();
        let hits = readable::pieces(ranked, request.limit.min(MAX_LIMIT)).into_iter().map(hit).collect();
        let mut stages = Stages(std::mem::take(&mut ranking.stages));
        stages.push("search.read", started.elapsed());
        Ok(SearchResult { hits, confidence, query: query.text, stages: stages.0, degraded: ranking.degraded })
    }

    /// The best candidates with their texts: a few more than asked for, since some will be joined or left out.
    async fn passages(
        &self,
        ctx: &TenantCtx,
        candidates: &[Candidate],
        request: &SearchRequest,
    ) -> Result<Vec<RankedPassage<Candidate>>, StoreError> {
        let wanted = request.limit.min(MAX_LIMIT) * 3 + 10;
        let ids: Vec<_> = candidates.iter().take(wanted).map(|candidate| candidate.passage_id).collect();
        let mut tx = self.store.tenant_tx(ctx).await?;
        let fetched = knowledge::search::fetch(&mut tx, &ids).await?;
        tx.commit().await?;
        let mut texts: HashMap<_, _> =
            fetched.into_iter().map(|passage| (passage.passage_id, passage)).collect();
        let mut ranked: Vec<_> = candidates
            .iter()
            .filter_map(|scores| {
                let passage = texts.remove(&scores.passage_id)?;
                Some(RankedPassage { passage, scores: *scores })
            })
            .collect();
        if let Some(language) = request.language {
            prefer(&mut ranked, language);
        }
        Ok(ranked)
    }
}

/// Moves passages of a language up by [`LANGUAGE_BONUS`].
fn prefer(ranked: &mut [RankedPassage<Candidate>], language: Language) {
    for entry in ranked.iter_mut().filter(|entry| entry.passage.language == language.code()) {
        entry.scores.score = (entry.scores.score + LANGUAGE_BONUS).min(1.0);
    }
    ranked.sort_by(|a, b| b.scores.score.total_cmp(&a.scores.score));
}

fn hit(piece: RankedPassage<Candidate>) -> Hit {
    let RankedPassage { passage, scores } = piece;
    Hit {
        passage_id: passage.passage_id,
        document_id: passage.document_id,
        title: passage.title,
        source: passage.uri,
        headings: passage.headings,
        text: passage.text,
        score: scores.score,
        vector_score: scores.vector,
        lexical_score: scores.lexical,
    }
}

#[async_trait]
impl Searcher for HybridSearcher {
    async fn alike(&self, question: &str, sentences: &[String]) -> Option<Vec<f32>> {
        let keys: Vec<[u8; 32]> = sentences.iter().map(|sentence| Sha256::digest(sentence).into()).collect();
        let mut vectors = Vec::with_capacity(keys.len());
        for key in &keys {
            vectors.push(self.sentences.get(key).await);
        }
        let new: Vec<String> = sentences
            .iter()
            .zip(&vectors)
            .filter(|(_, known)| known.is_none())
            .map(|(s, _)| s.clone())
            .collect();
        let mut made = match new.is_empty() {
            true => Vec::new(),
            false => self.embedder.embed_passages(&new).await.ok()?,
        }
        .into_iter();
        for (key, vector) in keys.iter().zip(&mut vectors).filter(|(_, vector)| vector.is_none()) {
            let fresh = Arc::new(made.next()?);
            self.sentences.insert(*key, fresh.clone()).await;
            *vector = Some(fresh);
        }
        let asked = self.question_vector(question).await.ok()?;
        let cosine = |vector: &Vec<f32>| {
            let (mut dot, mut one, mut other) = (0.0_f32, 0.0_f32, 0.0_f32);
            for (a, b) in asked.iter().zip(vector) {
                dot += a * b;
                one += a * a;
                other += b * b;
            }
            dot / (one * other).sqrt().max(f32::MIN_POSITIVE)
        };
        Some(vectors.iter().flatten().map(|vector| cosine(vector)).collect())
    }

    async fn search(&self, ctx: &TenantCtx, request: &SearchRequest) -> Result<SearchResult, SearchError> {
        let store_error = |error: StoreError| SearchError::Store(error.to_string());
        let query = Query::read(&request.query, &request.previous);
        if query.is_empty() || request.limit == 0 {
            return Ok(SearchResult { query: query.text, ..SearchResult::default() });
        }
        let version = self.version(ctx).await.map_err(store_error)?;
        let SearchRequest { collection, language, limit, .. } = request.clone();
        let key = (ctx.tenant_id, version, query.clone(), collection, language, limit);
        if let Some(known) = self.results.get(&key).await {
            count_cache("result", true);
            return Ok((*known).clone());
        }
        count_cache("result", false);
        let result = self.find(ctx, query, request).await.map_err(store_error)?;
        // What was found while the model was away is not what should be found once it is back.
        if !result.degraded {
            self.results.insert(key, Arc::new(result.clone())).await;
        }
        Ok(result)
    }
}

fn count_cache(cache: &'static str, hit: bool) {
    let outcome = if hit { "hit" } else { "miss" };
    metrics::counter!("balcao_search_cache_total", "cache" => cache, "outcome" => outcome).increment(1);
}

#[derive(Default)]
struct Stages(Vec<Stage>);

impl Stages {
    fn push(&mut self, name: &str, took: Duration) {
        let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.0.push(Stage { name: name.to_owned(), duration_us });
    }
}

async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let started = Instant::now();
    let done = work.await;
    (done, started.elapsed())
}
