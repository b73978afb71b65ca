//! Measures search on a data set in BEIR layout (`corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`).
//!
//! ```text
//! DATABASE_URL=postgres://balcao_app@127.0.0.1/balcao BALCAO_ASSETS=.balcao \
//!   cargo run --release -p balcao-retrieval --example beir -- DIR [EVERY [FOREIGN_DIR]]
//! ```
//!
//! The corpus goes into a shop of its own (slug `beir-NAME`) of a database that `balcao migrate` has prepared, through
//! the same ingestion as a shop's documents, with the real embedding model; a second run finds it there and embeds
//! nothing. Then every `EVERY`th question is asked. Printed are nDCG@10 (linear gains, as trec_eval has it) and
//! recall@10 of each side alone and of the fusion at several weights, on two halves of the questions (split by a
//! hash of their ids): tune on `dev`, report `test`.
//!
//! Where questions come with a history of earlier turns, the variants are: `as is`, `product` (what
//! `Query::read` makes of it), `+prev2` (always two earlier messages in front). `#noacc` has its accents removed.
//!
//! With `FOREIGN_DIR`, the questions of that set are asked of this corpus too, which cannot answer them. Then only the
//! signs of confidence are printed, tab-separated: `own` or `foreign`, `dev` or `test`, cosine, coverage, confidence.

use std::{
    collections::{BTreeMap, HashMap},
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use balcao_domain::{DocumentId, Language, TenantCtx, tenant::Settings, text};
use balcao_llm::{E5, Embedder};
use balcao_retrieval::{
    HybridSearcher, Ingestor, MediaType, NewDocument,
    fusion::{Candidate, EVEN, Ranked, Weight, fuse},
    query::Query,
};
use balcao_store::{ConnectOptions, Store, keyring::Keyring, knowledge, tenants};
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;
use sha2::{Digest, Sha256};

const WEIGHTS: [f32; 9] = [0.0, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 1.0];

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let Some(dir) = args.next().map(PathBuf::from) else { bail!("usage: beir DIR [EVERY [FOREIGN_DIR]]") };
    let every: usize = args.next().map_or(Ok(1), |n| n.parse())?;
    let foreign = args.next().map(|dir| Set::read(Path::new(&dir), every)).transpose()?;
    let set = Set::read(&dir, every)?;

    let assets = env::var_os("BALCAO_ASSETS").map_or_else(|| PathBuf::from(".balcao"), PathBuf::from);
    let embedder: Arc<dyn Embedder> = Arc::new(E5::load(assets.join("models/e5-small-enpt-q4.bin"))?);
    let store = Store::connect(&ConnectOptions {
        url: env::var("DATABASE_URL").context("DATABASE_URL names the database")?,
        max_connections: 8,
        keyring: Keyring::parse(secrecy::ExposeSecret::expose_secret(&Keyring::generate()))?,
    })
    .await?;
    let ctx = tenant(&store, &dir).await?;
    ingest(&store, &embedder, &ctx, &set).await?;
    let names = names(&store, &ctx).await?;
    let searcher = HybridSearcher::new(store, embedder);

    if let Some(foreign) = foreign {
        signs(&searcher, &ctx, "own", &set).await?;
        return signs(&searcher, &ctx, "foreign", &foreign).await;
    }

    let history = set.queries.iter().any(|query| !query.previous.is_empty());
    let mut variants: Vec<(&str, Vec<Query>)> = vec![("as is", set.read_as(|q| Query::read(&q.text, &[])))];
    if history {
        variants.push(("product", set.read_as(|q| Query::read(&q.text, &q.previous))));
        variants.push(("+prev2", set.read_as(with_two_before)));
    }
    variants.push(("#noacc", set.read_as(|q| Query::read(&text::fold(&q.text), &q.previous))));
    for (variant, queries) in variants {
        let rankings: Vec<Vec<Candidate>> = futures::stream::iter(&queries)
            .map(|query| async {
                let ranking = searcher.rank(&ctx, query, None, Weight::Fixed(EVEN)).await?;
                anyhow::Ok(ranking.candidates)
            })
            .buffered(2)
            .try_collect()
            .await?;
        println!("\n{} {variant} ({} questions)", dir.display(), queries.len());
        println!(
            "{:<14} {:>9} {:>9} {:>9} {:>10}",
            "lexical weight", "nDCG dev", "nDCG test", "nDCG all", "recall all"
        );
        for weight in WEIGHTS {
            let scores: Vec<_> = set
                .queries
                .iter()
                .zip(&rankings)
                .map(|(query, ranking)| {
                    let ranked = documents(&refuse(ranking, weight), &names);
                    (
                        query.dev,
                        ndcg(&ranked, &set.judged[&query.id]),
                        recall(&ranked, &set.judged[&query.id]),
                    )
                })
                .collect();
            let mean = |keep: &dyn Fn(bool) -> bool, value: &dyn Fn(&(bool, f64, f64)) -> f64| {
                let values: Vec<_> = scores.iter().filter(|score| keep(score.0)).map(value).collect();
                values.iter().sum::<f64>() / values.len().max(1) as f64
            };
            println!(
                "{weight:<14} {:>9.3} {:>9.3} {:>9.3} {:>10.3}",
                mean(&|dev| dev, &|s| s.1),
                mean(&|dev| !dev, &|s| s.1),
                mean(&|_| true, &|s| s.1),
                mean(&|_| true, &|s| s.2),
            );
        }
    }
    Ok(())
}

async fn signs(searcher: &HybridSearcher, ctx: &TenantCtx, whose: &str, set: &Set) -> Result<()> {
    for asked in &set.queries {
        let signs = searcher.signs(ctx, &Query::read(&asked.text, &[])).await?;
        let half = if asked.dev { "dev" } else { "test" };
        let cosine = signs.cosine.unwrap_or(0.0);
        println!(
            "{whose}\t{half}\t{cosine:.4}\t{:.3}\t{:.3}",
            signs.coverage.unwrap_or(-1.0),
            signs.confidence()
        );
    }
    Ok(())
}

struct Set {
    corpus: Vec<NewDocument>,
    queries: Vec<Asked>,
    /// Question → document → how relevant.
    judged: HashMap<String, BTreeMap<String, f64>>,
}

struct Asked {
    id: String,
    text: String,
    previous: Vec<String>,
    dev: bool,
}

impl Set {
    fn read(dir: &Path, every: usize) -> Result<Self> {
        let corpus = lines(&dir.join("corpus.jsonl"))?.into_iter().map(|line| NewDocument {
            collection: "beir".into(),
            uri: word(&line, "_id"),
            title: Some(word(&line, "title")),
            bytes: word(&line, "text").into_bytes(),
            media_type: Some(MediaType::PlainText),
        });
        let mut judged: HashMap<String, BTreeMap<String, f64>> = HashMap::new();
        for line in fs::read_to_string(dir.join("qrels/test.tsv"))?.lines().skip(1) {
            if let [query, document, score] = line.split('\t').collect::<Vec<_>>()[..] {
                judged.entry(query.into()).or_default().insert(document.into(), score.trim().parse()?);
            }
        }
        let queries = lines(&dir.join("queries.jsonl"))?.into_iter().step_by(every.max(1)).map(|line| {
            let id = word(&line, "_id");
            let turns = line["metadata"]["history"].as_array().cloned().unwrap_or_default();
            let previous =
                turns.iter().filter(|turn| turn["speaker"] == "user").map(|turn| word(turn, "text"));
            Asked {
                dev: Sha256::digest(&id)[0] % 2 == 0,
                text: word(&line, "text"),
                previous: previous.collect(),
                id,
            }
        });
        let queries = queries.filter(|query| judged.contains_key(&query.id)).collect();
        Ok(Self { corpus: corpus.collect(), queries, judged })
    }

    fn read_as(&self, read: impl Fn(&Asked) -> Query) -> Vec<Query> {
        self.queries.iter().map(read).collect()
    }
}

fn with_two_before(asked: &Asked) -> Query {
    let from = asked.previous.len().saturating_sub(2);
    let text = [&asked.previous[from..], std::slice::from_ref(&asked.text)].concat().join("\n");
    Query { text, ..Query::read(&asked.text, &[]) }
}

fn lines(path: &Path) -> Result<Vec<Value>> {
    let file = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    file.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn word(line: &Value, key: &str) -> String {
    line[key].as_str().unwrap_or_default().to_owned()
}

/// The shop that holds the set.
async fn tenant(store: &Store, dir: &Path) -> Result<TenantCtx> {
    let name = dir.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let slug = format!("beir-{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    let known = tenants::by_slug(store, &slug).await?;
    let tenant = match known {
        Some(tenant) => tenant,
        None => tenants::create(store, &slug, &name, Language::Portuguese, &Settings::default()).await?,
    };
    Ok(TenantCtx::system(tenant.tenant_id))
}

async fn ingest(store: &Store, embedder: &Arc<dyn Embedder>, ctx: &TenantCtx, set: &Set) -> Result<()> {
    let ingestor = Ingestor::new(store.clone(), Arc::clone(embedder));
    let started = std::time::Instant::now();
    let reports: Vec<_> = futures::stream::iter(set.corpus.iter().cloned())
        .map(|document| ingestor.ingest_document(ctx, document, &|_| {}))
        .buffer_unordered(4)
        .try_collect()
        .await?;
    let (mut passages, mut embedded, mut failed) = (0, 0, 0);
    for report in &reports {
        passages += report.passages;
        embedded += report.embedded;
        failed += report.failed.len();
    }
    eprintln!(
        "{} documents, {passages} passages, {embedded} embedded, {failed} failed, {:.1} s",
        reports.len(),
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

/// The data set's own names of the stored documents.
async fn names(store: &Store, ctx: &TenantCtx) -> Result<HashMap<DocumentId, String>> {
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

/// Fuses the same findings with another weight.
fn refuse(candidates: &[Candidate], weight: f32) -> Vec<Candidate> {
    let side = |score: fn(&Candidate) -> Option<f32>| -> Vec<Ranked> {
        candidates.iter().filter_map(|c| Some((c.passage_id, c.document_id, score(c)?))).collect()
    };
    fuse(&side(|c| c.lexical), &side(|c| c.vector), weight)
}

/// The first ten documents; a document stands where its best passage stands.
fn documents<'a>(candidates: &[Candidate], names: &'a HashMap<DocumentId, String>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for candidate in candidates.iter().filter(|candidate| candidate.score > 0.0) {
        if let Some(name) = names.get(&candidate.document_id).filter(|name| !found.contains(&name.as_str())) {
            found.push(name);
        }
        if found.len() == 10 {
            break;
        }
    }
    found
}

fn ndcg(ranked: &[&str], judged: &BTreeMap<String, f64>) -> f64 {
    let discounted = |gains: &[f64]| -> f64 {
        gains.iter().zip(2_u32..).map(|(gain, rank)| gain / f64::from(rank).log2()).sum()
    };
    let gains: Vec<f64> = ranked.iter().map(|name| judged.get(*name).copied().unwrap_or(0.0)).collect();
    let mut ideal: Vec<f64> = judged.values().copied().collect();
    ideal.sort_by(|a, b| b.total_cmp(a));
    ideal.truncate(10);
    discounted(&gains) / discounted(&ideal).max(f64::MIN_POSITIVE)
}

fn recall(ranked: &[&str], judged: &BTreeMap<String, f64>) -> f64 {
    let relevant = judged.iter().filter(|(_, score)| **score > 0.0);
    let (found, all) = relevant.fold((0_u32, 0_u32), |(found, all), (name, _)| {
        (found + u32::from(ranked.contains(&name.as_str())), all + 1)
    });
    f64::from(found) / f64::from(all.max(1))
}
