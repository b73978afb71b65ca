//! `balcao eval retrieval`: search on a data set in BEIR layout, by each configuration side by side.
//!
//! The corpus goes through the same ingestion as a shop's documents, with the real embedding model, into a shop of its
//! own; the questions go through the same search. A document stands where its best passage stands.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Context, bail};
use balcao_domain::{Language, TenantCtx, tenant::Settings};
use balcao_evals::retrieval::{BeirSet, Half, Qrels, Run, Summary, evaluate, half};
use balcao_llm::Embedder;
use balcao_retrieval::{
    HybridSearcher, Ingestor, MediaType, NewDocument, SearchRequest, Searcher,
    fusion::{EVEN, Weight},
    query::Query,
};
use balcao_store::{Store, knowledge, tenants};
use futures::{StreamExt, TryStreamExt};

use super::bar;
use crate::{
    boot,
    cli::{EvalRetrieval, Global},
    output,
};

/// Documents a run lists for a question, as recall@100 needs.
const DEPTH: usize = 100;

/// Documents read in at the same time: enough that the model's threads never wait for the database.
const WRITERS: usize = 4;

/// One way to search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Configuration {
    /// Words alone.
    Lexical,
    /// Meaning alone.
    Vector,
    /// Both, half and half.
    Even,
    /// Both, the weight following the question; nothing after it.
    Hybrid,
    /// What customers get: follow-ups resolved, near-duplicates removed, neighbours joined.
    Default,
}

impl Configuration {
    const ALL: [Self; 5] = [Self::Lexical, Self::Vector, Self::Even, Self::Hybrid, Self::Default];

    const fn name(self) -> &'static str {
        match self {
            Self::Lexical => "lexical",
            Self::Vector => "vector",
            Self::Even => "even",
            Self::Hybrid => "hybrid",
            Self::Default => "default",
        }
    }

    /// The share of the words in the fused score.
    const fn weight(self) -> Weight {
        match self {
            Self::Lexical => Weight::Fixed(1.0),
            Self::Vector => Weight::Fixed(0.0),
            Self::Even => Weight::Fixed(EVEN),
            Self::Hybrid | Self::Default => Weight::Following,
        }
    }
}

/// Reads the set in, asks its questions, prints one object per configuration.
pub async fn run(global: &Global, args: EvalRetrieval) -> anyhow::Result<()> {
    let configurations: Vec<Configuration> = match &args.config_name {
        None => Configuration::ALL.to_vec(),
        Some(name) => match Configuration::ALL.into_iter().find(|known| known.name() == name) {
            Some(known) => vec![known],
            None => {
                bail!("there is no configuration `{name}`: lexical, vector, even, hybrid and default are")
            }
        },
    };
    let set = BeirSet::read(&args.beir)?;
    for note in &set.notes {
        eprintln!("note: {note}");
    }
    let mut config = super::super::settings(global, &[])?;
    config.data_dir = config.data_dir.join("evals");
    config.database.url = None;
    let opened = boot::open(&config).await?;
    let assets = config.assets_dir.clone();
    let embedder = tokio::task::spawn_blocking(move || boot::embedder(&assets)).await?;
    let done = match embedder {
        Ok(embedder) => measure(&opened.store, Arc::new(embedder), &set, &args, &configurations).await,
        Err(error) => Err(error),
    };
    opened.close().await;
    output::print(global.json, &done?, |rows| {
        output::table(
            ["set", "configuration", "queries", "nDCG@10", "recall@10", "recall@100", "MRR@10"],
            rows.iter().map(|row| {
                let score = |value: f64| format!("{value:.4}");
                [
                    row.set.clone(),
                    row.config.clone(),
                    row.queries.to_string(),
                    score(row.ndcg_10),
                    score(row.recall_10),
                    score(row.recall_100),
                    score(row.mrr_10),
                ]
            }),
        );
    })
}

async fn measure(
    store: &Store,
    embedder: Arc<dyn Embedder>,
    set: &BeirSet,
    args: &EvalRetrieval,
    configurations: &[Configuration],
) -> anyhow::Result<Vec<Summary>> {
    let ctx = tenant(store, &set.name).await?;
    read_in(store, &embedder, &ctx, set).await?;
    let names = names(store, &ctx).await?;
    let searcher = HybridSearcher::new(store.clone(), embedder);
    let judged = match args.half.as_deref() {
        None => set.qrels.clone(),
        Some(name) => {
            let wanted = if name == "dev" { Half::Dev } else { Half::Test };
            set.qrels.restricted(|query| half(query) == wanted)
        }
    };
    let mut rows = Vec::new();
    for configuration in configurations {
        let run = ask(&searcher, &ctx, set, &judged, &names, *configuration).await?;
        if let Some(path) = &args.run
            && (configurations.len() == 1 || *configuration == Configuration::Default)
        {
            std::fs::write(path, run.to_trec(&format!("balcao-{}", configuration.name())))
                .with_context(|| format!("failed to write the run to `{}`", path.display()))?;
        }
        rows.push(evaluate(&judged, &run).summary(set.name.as_str(), configuration.name()));
    }
    Ok(rows)
}

/// The shop that holds the set.
async fn tenant(store: &Store, name: &str) -> anyhow::Result<TenantCtx> {
    let word: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(50)
        .collect();
    let slug = format!("beir-{}", word.trim_matches('-'));
    let tenant = match tenants::by_slug(store, &slug).await? {
        Some(tenant) => tenant,
        None => tenants::create(store, &slug, name, Language::Portuguese, &Settings::default()).await?,
    };
    Ok(TenantCtx::system(tenant.tenant_id))
}

/// Makes the shop's documents the set's: what is there stays, what is no longer in the set goes.
async fn read_in(
    store: &Store,
    embedder: &Arc<dyn Embedder>,
    ctx: &TenantCtx,
    set: &BeirSet,
) -> anyhow::Result<()> {
    let wanted: std::collections::HashSet<&str> =
        set.corpus.iter().map(|document| document.id.as_str()).collect();
    for (document_id, uri) in names(store, ctx).await? {
        if !wanted.contains(uri.as_str()) {
            let mut tx = store.tenant_tx(ctx).await?;
            knowledge::documents::delete(&mut tx, document_id).await?;
            tx.commit().await?;
        }
    }
    let ingestor = Ingestor::new(store.clone(), Arc::clone(embedder));
    let bar = bar(set.corpus.len(), "documents");
    let mut reports = futures::stream::iter(&set.corpus)
        .map(|document| {
            let new = NewDocument {
                collection: "beir".into(),
                uri: document.id.clone(),
                title: Some(document.title.clone()),
                bytes: document.text.clone().into_bytes(),
                media_type: Some(MediaType::PlainText),
            };
            let ingestor = &ingestor;
            async move { ingestor.ingest_document(ctx, new, &|_| {}).await }
        })
        .buffer_unordered(WRITERS);
    let mut failed = Vec::new();
    while let Some(report) = reports.try_next().await.context("failed to store the documents")? {
        failed.extend(report.failed);
        bar.inc(1);
    }
    bar.finish_and_clear();
    for trouble in failed {
        eprintln!("left out: {}: {}", trouble.uri, trouble.reason);
    }
    Ok(())
}

/// The set's own names of the stored documents.
async fn names(store: &Store, ctx: &TenantCtx) -> anyhow::Result<HashMap<balcao_domain::DocumentId, String>> {
    let mut names = HashMap::new();
    let mut cursor = None;
    loop {
        let mut tx = store.tenant_tx(ctx).await?;
        let page = knowledge::documents::list(&mut tx, None, cursor.as_deref(), 1_000).await?;
        tx.commit().await?;
        names.extend(page.items.into_iter().map(|document| (document.document_id, document.uri)));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(names);
        }
    }
}

/// Asks every judged question, one search a core at a time.
async fn ask(
    searcher: &HybridSearcher,
    ctx: &TenantCtx,
    set: &BeirSet,
    judged: &Qrels,
    names: &HashMap<balcao_domain::DocumentId, String>,
    configuration: Configuration,
) -> anyhow::Result<Run> {
    let questions: Vec<_> = set.queries.iter().filter(|query| judged.get(&query.id).is_some()).collect();
    let bar = bar(questions.len(), configuration.name());
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let found: Vec<(String, Vec<(String, f64)>)> = futures::stream::iter(questions)
        .map(|question| {
            let bar = &bar;
            async move {
                let ranked = match configuration {
                    Configuration::Default => {
                        let request = SearchRequest {
                            previous: question.previous.clone(),
                            ..SearchRequest::new(question.text.clone(), DEPTH)
                        };
                        let found = searcher.search(ctx, &request).await?;
                        documents(found.hits.into_iter().map(|hit| (hit.source, hit.score)))
                    }
                    _ => {
                        let query = Query::read(&question.text, &[]);
                        let ranking = searcher.rank(ctx, &query, None, configuration.weight()).await?;
                        documents(
                            ranking.candidates.into_iter().filter(|found| found.score > 0.0).filter_map(
                                |found| Some((names.get(&found.document_id)?.clone(), found.score)),
                            ),
                        )
                    }
                };
                bar.inc(1);
                anyhow::Ok((question.id.clone(), ranked))
            }
        })
        .buffered(at_once)
        .try_collect()
        .await?;
    bar.finish_and_clear();
    let mut run = Run::default();
    for (query, ranked) in found {
        run.add(&query, ranked)?;
    }
    Ok(run)
}

/// Each document once, where its best passage stands.
fn documents(found: impl Iterator<Item = (String, f32)>) -> Vec<(String, f64)> {
    let mut ranked: Vec<(String, f64)> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (name, score) in found {
        if ranked.len() < DEPTH && seen.insert(name.clone()) {
            ranked.push((name, f64::from(score)));
        }
    }
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_stands_where_its_best_passage_stands() {
        let found =
            [("a", 0.9), ("b", 0.8), ("a", 0.7), ("c", 0.1)].map(|(name, score)| (name.to_owned(), score));
        let names: Vec<_> = documents(found.into_iter()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn every_configuration_has_a_name_of_its_own() {
        let names: std::collections::HashSet<_> = Configuration::ALL.iter().map(|one| one.name()).collect();
        assert_eq!(names.len(), Configuration::ALL.len());
    }
}
