//! The actors of the scenes: a model that follows a script, a search that finds what it is told, a shop, a turn.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use balcao_domain::{
    ConversationId, DocumentId, Language, PassageId, TenantCtx, TenantId, TurnId, channel,
    customer::Sender,
    inbound::{ChoiceSource, Content, Inbound, Media, MediaKind},
    tenant::{Settings, Tenant},
    turn::{Outcome, Progress, Usage},
};
use balcao_llm::{ChatRequest, ChatResponse, LanguageModel, LlmError, ToolRequest};
use balcao_retrieval::{Hit, SearchError, SearchRequest, SearchResult, Searcher};
use chrono::{DateTime, TimeZone, Utc};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    Agent, Author, Engine, EngineConfig, HistoryItem, Limits, PriceTable, RulePacks, Sales, TurnRequest,
    prompts::Prompts,
};

/// What the model does when it is asked next.
#[derive(Debug, Clone)]
pub enum Step {
    /// Writes this text, in pieces of so many characters.
    Says(String, usize),
    /// Wants tools called.
    Wants(Vec<(String, String)>),
    /// Writes this text, then nothing for ever.
    Stalls(String),
    /// Fails.
    Fails(LlmError),
}

/// An answer of the model as it should be.
pub fn says(reply: &str, sources: &[u32]) -> Step {
    Step::Says(output(reply, "continue", sources), 7)
}

pub fn output(reply: &str, action: &str, sources: &[u32]) -> String {
    serde_json::json!({"reply": reply, "action": action, "sources_used": sources, "in_scope": true})
        .to_string()
}

/// A model that follows a script; past its end it repeats the last step.
#[derive(Default)]
pub struct ScriptedModel {
    steps: Mutex<VecDeque<Step>>,
    pub asked: Mutex<Vec<ChatRequest>>,
}

impl ScriptedModel {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Arc<Self> {
        Arc::new(Self { steps: Mutex::new(steps.into_iter().collect()), asked: Mutex::default() })
    }

    pub fn requests(&self) -> Vec<ChatRequest> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn next(&self) -> Step {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.len() > 1 { steps.pop_front().expect("more than one") } else { steps[0].clone() }
    }
}

#[async_trait]
impl LanguageModel for ScriptedModel {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_text: &mut (dyn for<'t> FnMut(&'t str) + Send),
    ) -> Result<ChatResponse, LlmError> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let usage = Usage { input_tokens: 100, output_tokens: 10, cost_micros: 3 };
        let mut response = ChatResponse { model: "scripted-1".into(), usage, ..ChatResponse::default() };
        match self.next() {
            Step::Fails(error) => return Err(error),
            Step::Stalls(text) => {
                if !text.is_empty() {
                    on_text(&text);
                }
                std::future::pending::<()>().await;
            }
            Step::Says(text, size) => {
                let chars: Vec<char> = text.chars().collect();
                for piece in chars.chunks(size) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    on_text(&piece.iter().collect::<String>());
                }
                response.text = text;
            }
            Step::Wants(calls) => {
                let request = |(at, (name, arguments)): (usize, (String, String))| ToolRequest {
                    id: format!("call_{at}"),
                    name,
                    arguments,
                };
                response.tool_requests = calls.into_iter().enumerate().map(request).collect();
            }
        }
        Ok(response)
    }
}

/// A search that finds what it is told, or never answers.
#[derive(Default)]
pub struct FakeSearch {
    pub hits: Vec<Hit>,
    pub confidence: f32,
    pub hangs: bool,
    pub asked: Mutex<Vec<(TenantCtx, SearchRequest)>>,
}

impl FakeSearch {
    pub fn requests(&self) -> Vec<(TenantCtx, SearchRequest)> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Searcher for FakeSearch {
    async fn search(&self, ctx: &TenantCtx, request: &SearchRequest) -> Result<SearchResult, SearchError> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push((ctx.clone(), request.clone()));
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Ok(SearchResult {
            hits: self.hits.clone(),
            confidence: self.confidence,
            query: request.query.clone(),
            ..SearchResult::default()
        })
    }
}

/// A passage of document number `document`.
pub fn hit(document: u128, title: &str, text: &str) -> Hit {
    Hit {
        passage_id: PassageId::generate(),
        document_id: DocumentId::from_uuid(Uuid::from_u128(document)),
        title: title.into(),
        source: format!("{title}.md"),
        headings: Vec::new(),
        text: text.into(),
        score: 0.9,
        vector_score: None,
        lexical_score: None,
    }
}

/// What the Portuguese shop knows about delivery and exchange.
pub fn documents() -> Vec<Hit> {
    vec![
        hit(
            1,
            "Entrega",
            "## Quanto custa o frete?\nO frete para capitais custa R$ 19,90. Acima de R$ 199,00 é grátis.\n\n## Qual o prazo?\nA entrega leva de 3 a 5 dias úteis.",
        ),
        hit(2, "Trocas", "Você pode trocar qualquer produto em até 30 dias após o recebimento."),
    ]
}

/// Wednesday, 25 November 2026, 10:00 in São Paulo: the demo shops are open.
pub fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 25, 13, 0, 0).single().expect("a real time")
}

/// The counter: an engine and the shop.
pub struct Counter {
    pub engine: Engine,
    pub search: Arc<FakeSearch>,
    pub tenant: Tenant,
}

pub fn counter(model: Option<Arc<ScriptedModel>>, confidence: f32) -> Counter {
    counter_with(model, FakeSearch { hits: documents(), confidence, ..FakeSearch::default() })
}

pub fn counter_with(model: Option<Arc<ScriptedModel>>, search: FakeSearch) -> Counter {
    counter_selling(model, search, None)
}

pub fn counter_selling(
    model: Option<Arc<ScriptedModel>>,
    search: FakeSearch,
    sales: Option<Arc<dyn Sales>>,
) -> Counter {
    let search = Arc::new(search);
    let engine = Engine::new(EngineConfig {
        model: model.clone().map(|model| model as Arc<dyn LanguageModel>),
        searcher: Arc::clone(&search) as Arc<dyn Searcher>,
        rules: Arc::new(RulePacks::load(None).unwrap_or_else(|error| panic!("{error}"))),
        prompts: Arc::new(Prompts::load(None).unwrap_or_else(|error| panic!("{error}"))),
        sales,
        limits: Limits::default(),
        prices: PriceTable::default(),
    });
    let tenant = Tenant {
        tenant_id: TenantId::generate(),
        slug: "test-shop".into(),
        name: "Loja Teste".into(),
        language: Language::Portuguese,
        settings: Settings::default(),
        created_at: now(),
    };
    Counter { engine, search, tenant }
}

impl Counter {
    /// A turn with these messages.
    pub fn turn(&self, contents: Vec<Content>) -> TurnRequest {
        let message = |content| Inbound {
            provider_message_id: "m".into(),
            sender: Sender::default(),
            sent_at: now(),
            content,
            reply_to: None,
            product: None,
            referral: None,
        };
        TurnRequest {
            tenant: Arc::new(self.tenant.clone()),
            conversation_id: ConversationId::generate(),
            turn_id: TurnId::from_uuid(Uuid::from_u128(7)),
            channel: channel::Kind::Whatsapp,
            customer_name: None,
            language: None,
            sale: None,
            sale_is_fresh: false,
            history: Vec::new(),
            messages: contents.into_iter().map(message).collect(),
            opted_out: false,
            model_turns_today: 0,
            now: now(),
            deadline: (Instant::now() + Duration::from_secs(8)).into_std(),
        }
    }

    /// Plays a turn; gives its outcome and what was told meanwhile.
    pub async fn play(&self, request: TurnRequest) -> (Outcome, Vec<Progress>) {
        let told = Mutex::new(Vec::new());
        let watch = |progress: Progress| told.lock().unwrap_or_else(PoisonError::into_inner).push(progress);
        let outcome = self.engine.take_turn(request, &watch).await;
        (outcome, told.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Plays a turn of one text.
    pub async fn hears(&self, text: &str) -> Outcome {
        self.play(self.turn(vec![say(text)])).await.0
    }
}

pub fn say(text: &str) -> Content {
    Content::Text { text: text.into() }
}

pub fn tap(id: &str, title: &str) -> Content {
    Content::Choice { id: id.into(), title: title.into(), source: ChoiceSource::Button }
}

pub fn media(kind: MediaKind, caption: Option<&str>) -> Content {
    Content::Media(Media {
        media: kind,
        media_id: "1".into(),
        mime_type: None,
        sha256: None,
        caption: caption.map(str::to_owned),
        filename: None,
        voice: false,
    })
}

pub fn said(author: Author, text: &str) -> HistoryItem {
    HistoryItem { author, text: text.into(), at: now() }
}

/// The words of a reply.
pub fn words(outcome: &Outcome) -> &str {
    outcome.reply.as_ref().map_or("", |reply| reply.text.as_str())
}

/// The ids of what may be tapped.
pub fn buttons(outcome: &Outcome) -> Vec<&str> {
    outcome.reply.iter().flat_map(|reply| &reply.options).map(|option| option.id.as_str()).collect()
}

/// What those who watch see at the end: words since the last restart.
pub fn shown(told: &[Progress]) -> String {
    let mut shown = String::new();
    for progress in told {
        match progress {
            Progress::Token { text } => shown.push_str(text),
            Progress::Restart { .. } => shown.clear(),
            Progress::Stage { .. } | Progress::Sources { .. } => {}
        }
    }
    shown
}

/// Every word that was ever shown.
pub fn ever_shown(told: &[Progress]) -> String {
    let token = |progress: &Progress| match progress {
        Progress::Token { text } => text.clone(),
        _ => String::new(),
    };
    told.iter().map(token).collect()
}
