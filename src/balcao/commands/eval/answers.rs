//! `balcao eval answers`: the golden questions, put to the engine that serves customers, answer by answer.
//!
//! The engine takes the turn itself (search, rules, model, breakers), with the case's history in front; nothing is sold in
//! it, because the questions are about the shops' documents.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use balcao_actors::breakers::Breakers;
use balcao_agent::{Agent, Author, Engine, EngineConfig, HistoryItem, Limits, PriceTable, TurnRequest};
use balcao_domain::{
    ConversationId, TurnId, channel,
    customer::Sender,
    inbound::{Content, Inbound},
    tenant::Tenant,
    turn::{Outcome, Path},
};
use balcao_evals::{
    answers::{self, Case, Citation, Given, case},
    runs::{CaseScore, RunRecord},
};
use balcao_retrieval::{HybridSearcher, language};
use chrono::{TimeZone, Utc};
use futures::{StreamExt, stream};

use super::{
    golden::{self, Ground},
    runs,
};
use crate::cli::{EvalAnswers, EvalModel, Global};

/// Intents of the rule packs that answer a question by right without a citation: what they say stands in the pack.
const BY_RULE: &[&str] = &["opening_hours"];

/// Asks every question and keeps the run.
pub async fn run(global: &Global, args: EvalAnswers) -> anyhow::Result<()> {
    let ground = Ground::open(global).await?;
    let done = measure(&ground, &args, &args.model).await;
    let shelf = ground.shelf();
    ground.opened.close().await;
    let run = done?;
    let path = shelf.keep(&run)?;
    runs::print(global, &run, &path)
}

/// Asks every question.
pub async fn measure(ground: &Ground, args: &EvalAnswers, model: &EvalModel) -> anyhow::Result<RunRecord> {
    let paths = golden::files(&args.golden.join("answers"), "jsonl")?;
    let mut cases = Vec::new();
    for path in &paths {
        cases.extend(case::read(path)?);
    }
    cases.retain(|case| {
        args.tenant.as_ref().is_none_or(|tenant| case.tenant == *tenant)
            && args.split.as_ref().is_none_or(|split| case.split == *split)
    });
    anyhow::ensure!(!cases.is_empty(), "no case is of that shop and half");
    let breakers = Breakers::start().await.context("failed to start the breakers")?;
    let asked = ground.model(model)?;
    let name = asked.as_ref().map(|model| model.name().to_owned());
    let guarded = match asked {
        Some(model) => Some(breakers.guard_model(model).await),
        None => None,
    };
    let (rules, prompts) = ground.words()?;
    let engine = Engine::new(EngineConfig {
        model: guarded,
        searcher: Arc::new(HybridSearcher::new(ground.opened.store.clone(), ground.embedder.clone())),
        rules,
        prompts,
        sales: None,
        limits: Limits::default(),
        prices: PriceTable::default(),
    });
    let mut made_with = ground.made_with(model, name.as_deref(), golden::hash_of(&paths)?)?;
    let began = Instant::now();
    let bar = super::bar(cases.len(), "questions");
    let at_once = if model.llm.is_repeatable() {
        1
    } else {
        std::thread::available_parallelism().map_or(1, usize::from)
    };
    let scores: Vec<anyhow::Result<CaseScore>> = stream::iter(&cases)
        .map(|case| {
            let (engine, bar) = (&engine, &bar);
            async move {
                let shop = ground.shops.get(&case.tenant).with_context(|| {
                    format!("{}: there is no shop `{}` among the demo shops", case.id, case.tenant)
                })?;
                let given = ask(engine, shop, case).await;
                bar.inc(1);
                Ok(answers::score(case, &given))
            }
        })
        .buffered(at_once)
        .collect()
        .await;
    bar.finish_and_clear();
    breakers.shutdown().await;
    made_with.seconds = began.elapsed().as_secs_f64();
    let cases = scores.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    Ok(RunRecord { id: golden::run_id("answers"), suite: "answers".into(), made_with, cases })
}

/// One question: a turn of the engine.
async fn ask(engine: &Engine, shop: &Arc<Tenant>, case: &Case) -> Given {
    // A weekday's late morning, so that "are you open" is the same question on every day.
    let now = Utc.with_ymd_and_hms(2026, 6, 10, 14, 0, 0).single().unwrap_or_default();
    let history = case.history.iter().map(|said| HistoryItem {
        author: if said.role == "customer" { Author::Customer } else { Author::Agent },
        text: said.text.clone(),
        at: now,
    });
    let request = TurnRequest {
        tenant: shop.clone(),
        conversation_id: ConversationId::generate(),
        turn_id: TurnId::generate(),
        channel: channel::Kind::Whatsapp,
        customer_name: None,
        language: None,
        sale: None,
        sale_is_fresh: false,
        history: history.collect(),
        messages: vec![Inbound {
            provider_message_id: case.id.clone(),
            sender: Sender { phone: Some("5511900000000".into()), ..Sender::default() },
            sent_at: now,
            content: Content::Text { text: case.question.clone() },
            reply_to: None,
            product: None,
            referral: None,
        }],
        opted_out: false,
        model_turns_today: 0,
        now,
        deadline: Instant::now() + Duration::from_millis(shop.settings.turn_budget_ms),
    };
    let began = Instant::now();
    let outcome = engine.take_turn(request, &|_| {}).await;
    given(&outcome, began.elapsed())
}

/// What the engine gave, as the suite looks at it.
fn given(outcome: &Outcome, took: Duration) -> Given {
    let reply = outcome.reply.clone().unwrap_or_default();
    let intent = outcome.evidence.intent.as_deref().unwrap_or_default();
    let by_rule = outcome.path == Path::Rules && BY_RULE.contains(&intent);
    let usage = outcome.evidence.usage;
    Given {
        language: language::guess(&reply.text).map(|language| language.code().to_owned()),
        citations: reply
            .sources
            .into_iter()
            .map(|source| Citation { source: source.uri, quote: source.quote })
            .collect(),
        known: if by_rule { vec![reply.text.clone()] } else { Vec::new() },
        text: reply.text,
        by_rule,
        path: outcome.path.as_str().into(),
        reason: outcome.reason.as_str().into(),
        milliseconds: took.as_secs_f64() * 1_000.0,
        tokens: u64::from(usage.input_tokens) + u64::from(usage.output_tokens),
        cost_micros: usage.cost_micros,
    }
}
