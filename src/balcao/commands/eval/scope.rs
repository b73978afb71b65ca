//! `balcao eval scope`: is a message the shop's business? The engine's own confidence that the shop's documents have an
//! answer is what decides; the threshold is set on the half one works with, the figures are of the other.

use std::sync::Arc;

use anyhow::Context;
use balcao_domain::TenantCtx;
use balcao_evals::{
    lines,
    scope::{Message, threshold},
};
use balcao_retrieval::{HybridSearcher, SearchRequest, Searcher};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::golden::{self, Ground};
use crate::{
    cli::{EvalScope, Global},
    output,
};

/// What is measured for a shop.
#[derive(Debug, Serialize)]
struct Row {
    tenant: String,
    /// Messages of the test half that are the shop's business, and that are not.
    in_scope: usize,
    out_of_scope: usize,
    threshold: f64,
    /// The share of the shop's business that passes.
    in_scope_rate: f64,
    /// The share of everything else that is turned away.
    out_of_scope_recall: f64,
}

/// Scores every message of both shops.
pub async fn run(global: &Global, args: EvalScope) -> anyhow::Result<()> {
    let ground = Ground::open(global).await?;
    let done = measure(&ground, &args).await;
    ground.opened.close().await;
    output::print(global.json, &done?, |rows| {
        output::table(
            ["shop", "in scope", "out of scope", "threshold", "in-scope rate", "out-of-scope recall"],
            rows.iter().map(|row| {
                [
                    row.tenant.clone(),
                    row.in_scope.to_string(),
                    row.out_of_scope.to_string(),
                    format!("{:.3}", row.threshold),
                    format!("{:.3}", row.in_scope_rate),
                    format!("{:.3}", row.out_of_scope_recall),
                ]
            }),
        );
    })
}

async fn measure(ground: &Ground, args: &EvalScope) -> anyhow::Result<Vec<Row>> {
    let searcher = Arc::new(HybridSearcher::new(ground.opened.store.clone(), ground.embedder.clone()));
    let mut rows = Vec::new();
    for path in golden::files(&args.golden.join("scope"), "jsonl")? {
        let messages: Vec<Message> = lines::read(&path)?.into_iter().map(|(_, message)| message).collect();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let shop = ground
            .shops
            .get(&name)
            .with_context(|| format!("there is no shop `{name}` among the demo shops"))?;
        let ctx = TenantCtx::system(shop.tenant_id);
        let bar = super::bar(messages.len(), &name);
        let scored: Vec<(&Message, f64)> = stream::iter(&messages)
            .map(|message| {
                let (searcher, ctx, bar) = (&searcher, &ctx, &bar);
                async move {
                    let found = searcher.search(ctx, &SearchRequest::new(message.text.clone(), 5)).await?;
                    bar.inc(1);
                    anyhow::Ok((message, f64::from(found.confidence)))
                }
            })
            .buffered(std::thread::available_parallelism().map_or(1, usize::from))
            .try_collect()
            .await?;
        bar.finish_and_clear();
        let of = |split: &str, in_scope: bool| -> Vec<f64> {
            let wanted =
                scored.iter().filter(|(message, _)| message.split == split && message.in_scope == in_scope);
            wanted.map(|(_, score)| *score).collect()
        };
        let threshold = threshold(&of("dev", true), args.rate).context("no message is in scope")?;
        let share = |scores: &[f64], above: bool| {
            let held = scores.iter().filter(|score| (**score >= threshold) == above).count();
            held as f64 / scores.len().max(1) as f64
        };
        let (inside, outside) = (of("test", true), of("test", false));
        rows.push(Row {
            tenant: name,
            in_scope: inside.len(),
            out_of_scope: outside.len(),
            threshold,
            in_scope_rate: share(&inside, true),
            out_of_scope_recall: share(&outside, false),
        });
    }
    Ok(rows)
}
