//! A database with two shops, and the real model under a counter and switches.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use balcao_domain::TenantCtx;
use balcao_llm::{E5, EmbedError, Embedder};
use balcao_retrieval::{
    HybridSearcher, Ingestor, NewDocument, Report, SearchRequest, SearchResult, Searcher,
};
use balcao_store::{Store, knowledge};
use balcao_tests::database::{TestDb, a_tenant, assets};

/// The real model, loaded once.
fn model() -> E5 {
    static MODEL: OnceLock<E5> = OnceLock::new();
    let path = assets().join("models").join("e5-small-enpt-q4.bin");
    MODEL.get_or_init(|| E5::load(path).expect("tests need the embedding model: `make assets`")).clone()
}

/// The real model, with a count of what it was asked and a switch that takes it away.
pub struct Watched {
    pub model: E5,
    pub passages: AtomicUsize,
    pub queries: AtomicUsize,
    pub away: AtomicBool,
    pub hangs: AtomicBool,
}

#[async_trait]
impl Embedder for Watched {
    fn model_id(&self) -> &str {
        self.model.model_id()
    }

    fn dimensions(&self) -> usize {
        self.model.dimensions()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.model.count_tokens(text)
    }

    async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.away.load(Ordering::SeqCst) {
            return Err(EmbedError::BreakerOpen);
        }
        self.model.embed_query(text).await
    }

    async fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(EmbedError::BreakerOpen);
        }
        self.passages.fetch_add(texts.len(), Ordering::SeqCst);
        self.model.embed_passages(texts).await
    }
}

pub struct World {
    pub db: TestDb,
    pub store: Store,
    pub embedder: Arc<Watched>,
    pub ingestor: Ingestor,
    pub searcher: HybridSearcher,
    pub aurora: TenantCtx,
    pub harbour: TenantCtx,
}

impl World {
    pub async fn new() -> Self {
        let db = TestDb::new().await;
        let store = db.store().await;
        let embedder = Arc::new(Watched {
            model: model(),
            passages: AtomicUsize::new(0),
            queries: AtomicUsize::new(0),
            away: AtomicBool::new(false),
            hangs: AtomicBool::new(false),
        });
        Self {
            aurora: a_tenant(&store, "aurora").await,
            harbour: a_tenant(&store, "harbour").await,
            ingestor: Ingestor::new(store.clone(), embedder.clone()),
            searcher: HybridSearcher::new(store.clone(), embedder.clone()),
            embedder,
            store,
            db,
        }
    }

    pub async fn put(&self, ctx: &TenantCtx, uri: &str, text: &str) -> Report {
        let report = self.try_put(ctx, uri, text.as_bytes()).await;
        assert_eq!(report.failed, [], "{uri}");
        report
    }

    pub async fn try_put(&self, ctx: &TenantCtx, uri: &str, bytes: &[u8]) -> Report {
        let new = NewDocument {
            collection: "default".into(),
            uri: uri.into(),
            title: None,
            bytes: bytes.to_vec(),
            media_type: None,
        };
        self.ingestor.ingest_document(ctx, new, &|_| {}).await.expect("the database is there")
    }

    pub async fn ask(&self, ctx: &TenantCtx, question: &str) -> SearchResult {
        self.searcher.search(ctx, &SearchRequest::new(question, 5)).await.expect("the database is there")
    }

    pub fn embedded(&self) -> usize {
        self.embedder.passages.swap(0, Ordering::SeqCst)
    }

    pub async fn counts(&self, ctx: &TenantCtx) -> knowledge::Counts {
        let mut tx = self.store.tenant_tx(ctx).await.expect("a transaction");
        let counts = knowledge::documents::counts(&mut tx).await.expect("counts");
        tx.commit().await.expect("a commit");
        counts
    }
}

pub const RETURNS: &str = "# Trocas e devoluções\n\n## Prazo para devolução\n\nVocê pode devolver o produto em até 7 dias \
    corridos depois de recebê-lo, sem explicar o motivo.\n\n## Troca de tamanho\n\nA primeira troca de tamanho é \
    gratuita e pode ser pedida em até 30 dias.\n";
pub const DELIVERY: &str = "# Entrega\n\n## Prazo de entrega\n\nCapitais: 2 a 4 dias úteis. Interior: 5 a 9 dias \
    úteis.\n\n## Frete\n\nO frete é grátis em compras acima de R$ 199,00.\n";
pub const CARE: &str =
    "# Cuidados com as peças\n\nLave à mão com sabão neutro e seque à sombra. Não use alvejante.\n";

pub async fn stocked() -> World {
    let world = World::new().await;
    for (uri, text) in [("trocas.md", RETURNS), ("entrega.md", DELIVERY), ("cuidados.md", CARE)] {
        world.put(&world.aurora, uri, text).await;
    }
    world
}

pub async fn version(world: &World) -> i64 {
    let mut tx = world.store.tenant_tx(&world.aurora).await.expect("a transaction");
    let version = knowledge::documents::version(&mut tx).await.expect("a version");
    tx.commit().await.expect("a commit");
    version
}

pub async fn ids(world: &World, uri: &str) -> Vec<(balcao_domain::PassageId, String)> {
    let mut tx = world.store.tenant_tx(&world.aurora).await.expect("a transaction");
    let document =
        knowledge::documents::by_uri(&mut tx, "default", uri).await.expect("a query").expect("there");
    let passages =
        knowledge::search::neighbours(&mut tx, document.document_id, 0, 1_000).await.expect("a query");
    tx.commit().await.expect("a commit");
    passages.into_iter().map(|passage| (passage.passage_id, passage.text)).collect()
}
