//! The order of decisions of a turn.
//!
//! Nothing asked: silence. Opted out: silence, unless they come back or want a person. Then what always comes first:
//! our own buttons, rules marked `first`, a yes to our own offer of a person, the steps of buying, things that are not
//! words. Then the shop's documents are searched, and the model is asked within the turn's budget less a reserve. The
//! rule path answers, in the same turn, when there is no model or it failed: with what is sold, where the words name
//! it. Whatever happens, there is an answer before the deadline.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use balcao_domain::{
    Language, TenantCtx,
    rulebook::{RulePack, Scene, Understanding, button_intent, first_name, guess_language},
    turn::{Action, Evidence, Outcome, Path, Progress, Reason, Stage},
};
use balcao_llm::LanguageModel;
use balcao_retrieval::{SearchRequest, SearchResult};
use tokio::time::Instant;

use crate::{
    config::EngineConfig,
    desk, extract,
    model_path::{self, Fact, ModelPath},
    reading::Reading,
    rule_path::{self, Decided},
    sources::found,
    tools::{self, Tool},
    turn::{Agent, Author, TurnRequest},
};

/// Takes turns: the model proposes, the rule path answers when it cannot.
pub struct Engine {
    config: EngineConfig,
    tools: Vec<Box<dyn Tool>>,
}

/// One turn, understood.
pub struct Turn<'a> {
    pub request: &'a TurnRequest,
    pub pack: &'a RulePack,
    pub reading: Reading,
    pub understanding: Understanding,
    pub language: Language,
    /// The customer's language as their words tell it; not the shop's that stands in for it.
    pub guessed: Option<Language>,
    pub first_name: Option<String>,
    pub facts: Vec<Fact>,
    pub search: Option<SearchResult>,
    /// How near the sentences that were found are to the question in meaning.
    pub meaning: extract::Meaning,
}

impl Turn<'_> {
    /// What rules may refer to.
    pub fn scene(&self) -> Scene<'_> {
        Scene {
            shop: &self.request.tenant.name,
            customer: self.request.customer_name.as_deref(),
            now: self.request.now,
            time_zone: self.request.tenant.settings.time_zone.parse().ok(),
            // Variants change from turn to turn; the same turn tried again says the same.
            seed: u64::try_from(self.request.turn_id.as_uuid().as_u128() & u128::from(u64::MAX))
                .unwrap_or_default(),
            ..Scene::default()
        }
    }

    /// What is asked: the sentences no rule covers, or everything.
    pub fn question(&self) -> String {
        if self.understanding.questions.is_empty() {
            return self.reading.words();
        }
        self.understanding.questions.join("\n")
    }
}

impl Engine {
    /// An engine with the tools of [`tools::all`].
    pub fn new(config: EngineConfig) -> Self {
        Self { config, tools: tools::all() }
    }

    /// Whether a model is configured.
    pub fn has_model(&self) -> bool {
        self.config.model.is_some()
    }

    /// The rule packs, to reload them.
    pub fn rules(&self) -> &Arc<crate::RulePacks> {
        &self.config.rules
    }

    fn understand<'a>(&self, request: &'a TurnRequest, pack: &'a RulePack) -> Turn<'a> {
        let reading = Reading::of(&request.messages);
        let words = reading.words();
        let guessed = guess_language(&words, request.language);
        let language = pack.speaks(guessed.unwrap_or(request.tenant.language));
        let mut understanding = Understanding::default();
        for text in &reading.texts {
            let one = pack.understand(text, language);
            understanding.found.extend(one.found);
            understanding.questions.extend(one.questions);
        }
        Turn {
            request,
            pack,
            reading,
            understanding,
            guessed,
            language,
            first_name: request.customer_name.as_deref().and_then(first_name),
            facts: model_path::facts(pack, language, &local_time(request, pack)),
            search: None,
            meaning: extract::Meaning::default(),
        }
    }

    async fn search(&self, turn: &Turn<'_>) -> Result<SearchResult, String> {
        let request = turn.request;
        let customers = request.history.iter().filter(|item| item.author == Author::Customer);
        let mut previous: Vec<String> = customers.rev().take(2).map(|item| item.text.clone()).collect();
        previous.reverse();
        let query = SearchRequest {
            query: turn.question(),
            previous,
            collection: None,
            language: Some(turn.language),
            limit: self.config.limits.passages,
        };
        let ctx = TenantCtx::system(request.tenant.tenant_id);
        let left = Instant::from_std(request.deadline).saturating_duration_since(Instant::now());
        let limit = self.config.limits.search.min(left / 3);
        match tokio::time::timeout(limit, self.config.searcher.search(&ctx, &query)).await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the search took longer than {limit:?}")),
        }
    }

    /// How near what was found is to the question, sentence by sentence; nothing where time is short.
    async fn meaning(&self, turn: &Turn<'_>) -> extract::Meaning {
        let Some(search) = &turn.search else { return extract::Meaning::default() };
        let left = Instant::from_std(turn.request.deadline).saturating_duration_since(Instant::now());
        let sentences = extract::sentences(&search.hits);
        let alike = self.config.searcher.alike(&search.query, &sentences);
        match tokio::time::timeout(left / 2, alike).await {
            Ok(Some(near)) => extract::Meaning::of(sentences, &near),
            Ok(None) | Err(_) => extract::Meaning::default(),
        }
    }

    /// What belongs to buying: the counter's own buttons, numbers, a yes to a summary, the name of something on sale.
    async fn sell(&self, turn: &Turn<'_>, evidence: &mut Evidence) -> Option<Outcome> {
        let sales = self.config.sales.as_deref()?;
        let began = Instant::now();
        let mut decided = desk::before_the_model(turn, sales, evidence).await;
        // Who names what is sold and nothing else is shown it: no model tells a price better than the books.
        if decided.is_none() && may_be_browsing(turn) {
            decided = desk::browse(turn, sales, true, evidence).await;
        }
        stage(evidence, "sales", began.elapsed());
        decided.map(|decided| by_rule(decided, evidence))
    }

    /// The model to ask, or why none is asked.
    fn model(&self, request: &TurnRequest) -> Result<&dyn LanguageModel, Reason> {
        let model = self.config.model.as_deref().ok_or(Reason::NoModel)?;
        match request.tenant.settings.model_turns_per_day {
            Some(limit) if request.model_turns_today >= limit => Err(Reason::BudgetSpent),
            _ => Ok(model),
        }
    }

    /// The model's answer, or why there is none.
    async fn ask_model(
        &self,
        turn: &Turn<'_>,
        watch: &(dyn Fn(Progress) + Send + Sync),
        evidence: &mut Evidence,
    ) -> Result<model_path::Decided, Reason> {
        let model = self.model(turn.request)?;
        let end = Instant::from_std(turn.request.deadline);
        let left = end.saturating_duration_since(Instant::now());
        // Short budgets keep their proportion: never more than a quarter is held back.
        let reserve = self.config.limits.reserve.min(left / 4);
        if left.saturating_sub(reserve) < model_path::WORTH_ASKING {
            return Err(Reason::TimedOut);
        }
        watch(Progress::Stage { name: "model".into() });
        let shown = AtomicBool::new(false);
        let deadline = end - reserve;
        let path = ModelPath {
            config: &self.config,
            tools: &self.tools,
            model,
            turn,
            watch,
            deadline,
            shown: &shown,
        };
        let started = Instant::now();
        let result = tokio::time::timeout_at(deadline, path.answer(evidence)).await.unwrap_or_else(|_| {
            evidence.errors.push(format!("the model did not finish within {:?}", started.elapsed()));
            Err(Reason::TimedOut)
        });
        stage(evidence, "model", started.elapsed());
        if let Err(reason) = &result
            && shown.load(Ordering::Relaxed)
        {
            watch(Progress::Restart { reason: *reason });
        }
        result
    }
}

#[async_trait]
impl Agent for Engine {
    async fn take_turn(&self, request: TurnRequest, watch: &(dyn Fn(Progress) + Send + Sync)) -> Outcome {
        let started = Instant::now();
        let mut evidence = Evidence::default();
        let (name, pack) = self.config.rules.of(&request.tenant.slug, request.tenant.language);
        evidence.rule_pack = Some(format!("{name}@{}", pack.version()));
        watch(Progress::Stage { name: "gather".into() });
        let mut turn = self.understand(&request, &pack);
        evidence.language = turn.guessed;
        stage(&mut evidence, "gather", started.elapsed());
        if let Some(outcome) = before_all(&turn, &mut evidence) {
            return outcome;
        }
        if let Some(outcome) = self.sell(&turn, &mut evidence).await {
            return outcome;
        }
        if turn.reading.texts.is_empty() {
            return by_rule(rule_path::answer(&turn, &mut evidence), &mut evidence);
        }

        // Small talk has nothing to be looked up.
        if turn.understanding.is_business() {
            let began = Instant::now();
            watch(Progress::Stage { name: "retrieve".into() });
            match self.search(&turn).await {
                Ok(result) => {
                    evidence.query = Some(result.query.clone());
                    evidence.confidence = Some(result.confidence);
                    evidence.passages = result.hits.iter().map(found).collect();
                    evidence.stages.extend(result.stages.iter().cloned());
                    if result.degraded {
                        evidence.errors.push("searched by words only: the embedding model was away".into());
                    }
                    turn.search = Some(result);
                }
                Err(error) => evidence.errors.push(error),
            }
            stage(&mut evidence, "retrieve", began.elapsed());
        }

        let reason = match self.ask_model(&turn, watch, &mut evidence).await {
            Ok(decided) => {
                watch(Progress::Sources { sources: decided.reply.sources.clone() });
                return Outcome {
                    reply: Some(decided.reply),
                    action: decided.action,
                    path: Path::Model,
                    reason: Reason::Answered,
                    evidence,
                };
            }
            Err(reason) => reason,
        };

        let began = Instant::now();
        watch(Progress::Stage { name: "rules".into() });
        let offered = match self.config.sales.as_deref().filter(|_| may_be_browsing(&turn)) {
            Some(sales) => desk::browse(&turn, sales, documents_know(&turn), &mut evidence).await,
            None => None,
        };
        if offered.is_none() && documents_know(&turn) {
            turn.meaning = self.meaning(&turn).await;
        }
        let decided = offered.unwrap_or_else(|| rule_path::answer(&turn, &mut evidence));
        stage(&mut evidence, "rules", began.elapsed());
        watch(Progress::Sources { sources: decided.reply.sources.clone() });
        Outcome { reply: Some(decided.reply), action: decided.action, path: Path::Rules, reason, evidence }
    }
}

/// Whether the shop's documents are sure enough to be quoted.
fn documents_know(turn: &Turn<'_>) -> bool {
    let enough = turn.request.tenant.settings.extract_confidence;
    turn.search.as_ref().is_some_and(|search| search.confidence >= enough)
}

/// Whether the words may name something that is sold: no intent of the shop's pack covers them.
fn may_be_browsing(turn: &Turn<'_>) -> bool {
    let covered = turn.understanding.main().is_some_and(|found| found.intent != "greeting")
        && turn.understanding.questions.is_empty();
    !covered && !turn.reading.texts.is_empty()
}

/// What is decided before anything is searched or asked.
fn before_all(turn: &Turn<'_>, evidence: &mut Evidence) -> Option<Outcome> {
    if !turn.reading.asks {
        return Some(silent(Reason::NothingAsked, evidence));
    }
    let began = Instant::now();
    let first = first_intent(turn);
    if turn.request.opted_out && !first.is_some_and(|name| matches!(name, "opt_in" | "human")) {
        return Some(silent(Reason::OptedOut, evidence));
    }
    let decided = rule_path::intent(turn, first?, evidence)?;
    stage(evidence, "rules", began.elapsed());
    Some(by_rule(decided, evidence))
}

/// What was decided without asking a model.
fn by_rule(decided: Decided, evidence: &mut Evidence) -> Outcome {
    Outcome {
        reply: Some(decided.reply),
        action: decided.action,
        path: Path::Rules,
        reason: Reason::RuleFirst,
        evidence: std::mem::take(evidence),
    }
}

/// The intent that comes before the model: a button of ours, a rule marked `first`, or "sim" to our offer of a person.
fn first_intent<'t>(turn: &'t Turn<'_>) -> Option<&'t str> {
    let button =
        turn.reading.choice.as_deref().and_then(button_intent).filter(|name| turn.pack.has_intent(name));
    if button.is_some() {
        return button;
    }
    if let Some(found) = turn.understanding.first() {
        return Some(&found.intent);
    }
    let affirmed = turn.understanding.main().is_some_and(|found| found.intent == "affirm")
        && turn.understanding.questions.is_empty();
    let last = turn.request.history.iter().rev().find(|item| item.author != Author::Customer)?;
    let offered = last.author == Author::Agent && turn.pack.offers_human(&last.text, &turn.scene());
    (affirmed && offered).then_some("human")
}

fn silent(reason: Reason, evidence: &mut Evidence) -> Outcome {
    Outcome {
        reply: None,
        action: Action::Continue,
        path: Path::Silent,
        reason,
        evidence: std::mem::take(evidence),
    }
}

/// Records how long a stage took; a stage that happens twice is one.
pub(crate) fn stage(evidence: &mut Evidence, name: &str, took: Duration) {
    let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    match evidence.stages.iter_mut().find(|stage| stage.name == name) {
        Some(stage) => stage.duration_us = stage.duration_us.saturating_add(took),
        None => evidence.stages.push(Stage { name: name.to_owned(), duration_us: took }),
    }
}

/// The shop's date and time, for the prompt.
fn local_time(request: &TurnRequest, pack: &RulePack) -> String {
    let zone = request.tenant.settings.time_zone.parse().ok();
    let zone = pack.hours().map(|hours| hours.time_zone).or(zone).unwrap_or(chrono_tz::UTC);
    request.now.with_timezone(&zone).format("%A, %Y-%m-%d (%d/%m), %H:%M").to_string()
}
