//! A turn outside the model, by stage: the real engine and the demo shop's documents, over the chat API, with a scripted
//! model that answers at once.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Context;
use balcao_domain::{Scope, TenantCtx, tenant::Settings};
use balcao_emulators::openai::OpenAiEmulator;
use balcao_store::api_keys;
use secrecy::ExposeSecret;

use super::{
    Figure, figure,
    ground::{Ground, StandIns},
    load::percentile,
};
use crate::{boot::demo_documents, config::Config};

/// Questions asked in turn; the first round fills the caches.
const QUESTIONS: [&str; 8] = [
    "qual o prazo de troca?",
    "qto custa o frete pro rio?",
    "vcs parcelam no cartao?",
    "posso retirar na loja?",
    "como lavo uma blusa de la?",
    "tem desconto no pix?",
    "como acompanho meu pedido?",
    "qual tamanho de calca eu uso?",
];

/// Measures for so long.
pub async fn measure(config: &Config, length: Duration) -> anyhow::Result<Vec<Figure>> {
    let emulator = OpenAiEmulator::start_local().await.context("failed to start the scripted model")?;
    let mut config = config.clone();
    config.llm.base_url = Some(emulator.base_url());
    config.llm.model = Some("scripted".into());
    config.llm.api_key = None;
    config.server.rate_per_minute = 1_000_000;
    let ground = Ground::prepare(&config, Settings::default()).await?;
    let running = ground.serve(StandIns::default()).await?;
    let ctx = TenantCtx::system(ground.tenant.tenant_id);
    for document in demo_documents("loja-aurora") {
        running.ingestor.ingest_document(&ctx, document, &|_| {}).await?;
    }
    let mut tx = ground.opened.store.tenant_tx(&ctx).await?;
    let (_, key) = api_keys::issue(&mut tx, "bench", &[Scope::Admin]).await?;
    tx.commit().await?;

    let http = reqwest::Client::new();
    let mut stages: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let started = Instant::now();
    let mut round = 0;
    while started.elapsed() < length {
        let question = QUESTIONS[round % QUESTIONS.len()];
        // A new conversation each time: no history makes the turns alike.
        let url = format!("{}/v1/conversations/bench-{round}/messages", running.url());
        let asked = Instant::now();
        let answer: serde_json::Value = http
            .post(url)
            .bearer_auth(key.expose_secret())
            .json(&serde_json::json!({ "text": question }))
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        let whole = asked.elapsed().as_micros() as u32;
        let turn_id = answer["turn_id"].as_str().context("an answer names its turn")?;
        let turn: serde_json::Value = http
            .get(format!("{}/v1/turns/{turn_id}", running.url()))
            .bearer_auth(key.expose_secret())
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        round += 1;
        if round <= QUESTIONS.len() {
            continue;
        }
        let mut model = 0;
        let recorded = turn.pointer("/outcome/evidence/stages").or(turn.pointer("/evidence/stages"));
        for stage in recorded.and_then(|stages| stages.as_array()).into_iter().flatten() {
            let (Some(name), Some(micros)) = (stage["name"].as_str(), stage["duration_us"].as_u64()) else {
                continue;
            };
            stages.entry(name.to_owned()).or_default().push(micros as u32);
            if name == "model" {
                model = micros as u32;
            }
        }
        stages
            .entry("whole turn over HTTP, without the model".into())
            .or_default()
            .push(whole.saturating_sub(model));
    }
    running.stop().await;
    ground.clear().await;
    emulator.stop().await;
    let mut figures = Vec::new();
    for (name, mut micros) in stages {
        micros.sort_unstable();
        figures.push(figure(format!("{name}, p50"), percentile(&micros, 50.0) / 1_000.0, "ms"));
        figures.push(figure(format!("{name}, p99"), percentile(&micros, 99.0) / 1_000.0, "ms"));
    }
    Ok(figures)
}
