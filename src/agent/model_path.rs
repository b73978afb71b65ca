//! The model's answer to a turn: asked with sources, checked against them, repaired once, or given up.
//!
//! The model proposes text and a next action and may call a few tools; it decides nothing. What it says is held
//! against what the shop said (`gate`, [`crate::claims`]); a broken output or an unsupported claim is sent back once.

pub mod gate;
pub mod history;
mod leak;
pub mod output;
pub mod stream;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use balcao_domain::{
    Language, TenantCtx, channel,
    reply::Reply,
    rulebook::RulePack,
    turn::{Action, Evidence, Progress, Reason, ToolCall},
};
use balcao_llm::{ChatMessage, ChatRequest, ChatResponse, LanguageModel, LlmError, Role};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    claims::Facts,
    config::EngineConfig,
    desk::counter::Counter,
    engine::Turn,
    redact::Vault,
    sources::{Sources, as_attribute, as_data, cite, own_lines},
    tools::{self, Tool, ToolContext},
    turn::Author,
};
use gate::{Checks, Gate};
use leak::Leak;
use output::{Next, Output};
use stream::ReplyStream;

/// How much of a broken output is shown to the model again, in characters.
const BROKEN_CHARS: usize = 2_000;
/// The heading that divides a prompt into rules (system) and data (user).
const INPUT: &str = "\n## Input\n";

/// What the model path decided.
pub struct Decided {
    pub reply: Reply,
    pub action: Action,
}

/// The prompt's inputs.
#[derive(Serialize)]
struct Input<'a> {
    shop: String,
    channel: &'a str,
    language: &'a str,
    max_words: u32,
    name: Option<String>,
    sells: bool,
    facts: Vec<Fact>,
    sources: Vec<Numbered>,
    messages: Vec<String>,
}

/// One fact of the shop.
#[derive(Serialize, Clone)]
pub struct Fact {
    pub name: String,
    pub value: String,
}

#[derive(Serialize)]
struct Numbered {
    number: usize,
    title: String,
    text: String,
}

/// One turn on the model path.
pub struct ModelPath<'a> {
    pub config: &'a EngineConfig,
    pub tools: &'a [Box<dyn Tool>],
    pub model: &'a dyn LanguageModel,
    pub turn: &'a Turn<'a>,
    pub watch: &'a (dyn Fn(Progress) + Send + Sync),
    /// When the rule path must begin at the latest.
    pub deadline: Instant,
    /// Words of the reply were shown to those who watch.
    pub shown: &'a AtomicBool,
}

/// What changes while a turn runs.
struct Talk<'a> {
    messages: Vec<ChatMessage>,
    /// The index of this turn's own message.
    turn_at: usize,
    sources: Sources,
    vault: Vault,
    action: Action,
    calls: usize,
    rounds: usize,
    repaired: bool,
    /// Where the shop sells.
    counter: Option<Counter<'a>>,
}

/// Why a call gave nothing.
enum Failure {
    /// The endpoint's context is smaller than our budget.
    TooLong,
    Reason(Reason),
}

impl Failure {
    fn reason(self) -> Reason {
        match self {
            Self::TooLong => Reason::ModelFailed,
            Self::Reason(reason) => reason,
        }
    }
}

impl Talk<'_> {
    /// Where the customer's messages of this turn stand: behind the rules and the history.
    fn history(&self) -> std::ops::Range<usize> {
        1..self.turn_at
    }

    fn has_history(&self) -> bool {
        !self.history().is_empty()
    }

    fn forget_history(&mut self) {
        self.messages.drain(self.history());
        self.turn_at = 1;
    }
}

impl<'a> ModelPath<'a> {
    /// Asks the model. Everything worth knowing goes into `evidence`, also when it fails.
    pub async fn answer(&self, evidence: &mut Evidence) -> Result<Decided, Reason> {
        let counter = self.counter(evidence).await;
        let mut talk = self.begin(counter, evidence)?;
        let leak = Leak::of(&talk.messages[0].content);
        loop {
            let checks = Checks { facts: self.facts(&talk), leak: &leak, vault: &talk.vault };
            let mut gate = Gate::new(&checks, self.watch);
            let response = match self.ask(&talk, &mut gate, evidence).await {
                Err(Failure::TooLong) if talk.has_history() => {
                    talk.forget_history();
                    continue;
                }
                other => other.map_err(Failure::reason)?,
            };
            if !response.tool_requests.is_empty() && self.may_call(&talk) {
                self.call_tools(&mut talk, response, evidence).await;
                // The counter has spoken: the model has no more to say.
                if let Some(said) = talk.counter.as_mut().and_then(|counter| counter.take(evidence)) {
                    return Ok(Decided { reply: said.reply, action: said.action });
                }
                continue;
            }
            let problem = if response.tool_requests.is_empty() {
                match Output::parse(&response.text, &self.config.limits) {
                    Ok(output) => match checks.problem(&output.reply) {
                        None => {
                            gate.finish(&output.reply);
                            self.shown.fetch_or(gate.has_sent(), Ordering::Relaxed);
                            return Ok(self.decide(talk, output, evidence));
                        }
                        Some(problem) => problem,
                    },
                    Err(problem) => problem,
                }
            } else {
                "no more tools may be called in this turn".to_owned()
            };
            let shown = gate.has_sent();
            evidence.errors.push(format!("the model's output was refused: {problem}"));
            if shown {
                (self.watch)(Progress::Restart { reason: Reason::SchemaBroken });
                self.shown.store(false, Ordering::Relaxed);
            }
            if talk.repaired {
                return Err(Reason::SchemaBroken);
            }
            self.repair(&mut talk, &response, &problem, evidence)?;
        }
    }

    /// The counter, where the shop sells. Trouble with its books costs only the selling.
    async fn counter(&self, evidence: &mut Evidence) -> Option<Counter<'a>> {
        let sales = self.config.sales.as_deref()?;
        let tenant = TenantCtx::system(self.turn.request.tenant.tenant_id);
        match sales.sells(&tenant).await {
            Ok(sells) => sells.then(|| Counter::new(self.turn, sales)),
            Err(error) => {
                evidence.errors.push(error);
                None
            }
        }
    }

    fn begin(&self, counter: Option<Counter<'a>>, evidence: &mut Evidence) -> Result<Talk<'a>, Reason> {
        let (turn, limits) = (self.turn, &self.config.limits);
        let mut vault = Vault::default();
        let mut sources = Sources::default();
        if let Some(search) = &turn.search {
            sources.add(&search.hits, limits);
        }
        let mut left = limits.message_chars;
        let mut messages = Vec::new();
        for text in &turn.reading.texts {
            let text = as_data(text, left);
            left -= text.chars().count().min(left);
            messages.push(vault.redact(&text));
        }
        let input = Input {
            shop: as_attribute(&turn.request.tenant.name),
            channel: match turn.request.channel {
                channel::Kind::Whatsapp => "whatsapp",
                channel::Kind::Api => "api",
            },
            language: match turn.language {
                Language::Portuguese => "Brazilian Portuguese",
                Language::English => "English",
            },
            max_words: limits.reply_words,
            name: turn.first_name.clone(),
            sells: counter.is_some(),
            facts: turn.facts.clone(),
            sources: sources
                .numbered()
                .map(|(number, hit)| {
                    let title =
                        hit.headings.iter().fold(hit.title.clone(), |title, h| format!("{title} › {h}"));
                    Numbered {
                        number,
                        title: as_attribute(&title),
                        text: as_data(&hit.text, limits.passage_chars),
                    }
                })
                .collect(),
            messages,
        };
        let rendered = self.config.prompts.render("answer", &input).map_err(|error| {
            evidence.errors.push(error.to_string());
            Reason::ModelFailed
        })?;
        evidence.prompt = Some(format!("{}@{}", rendered.name, rendered.version));
        // The data comes after the rules, in the customer's place: the system message is the shop's alone.
        let (rules, data) = rendered.text.split_once(INPUT).unwrap_or((&rendered.text, ""));
        let mut chat = vec![ChatMessage::new(Role::System, rules.trim())];
        chat.extend(history::messages(&turn.request.history, limits, &mut vault));
        chat.push(ChatMessage::new(Role::User, data.trim()));
        Ok(Talk {
            turn_at: chat.len() - 1,
            messages: chat,
            sources,
            vault,
            action: Action::Continue,
            calls: 0,
            rounds: 0,
            repaired: false,
            counter,
        })
    }

    /// What the shop said so far: the only ground for numbers.
    fn facts(&self, talk: &Talk<'a>) -> Facts {
        let on_offer = talk.counter.as_ref().map(Counter::facts).unwrap_or_default();
        // Joined again: a deadline may stand on two lines.
        let own = |text: &str| own_lines(text).collect::<Vec<_>>().join("\n");
        let texts: Vec<String> = talk.sources.numbered().map(|(_, hit)| own(&hit.text)).collect();
        let titles = talk.sources.numbered().flat_map(|(_, hit)| {
            [hit.title.as_str()].into_iter().chain(hit.headings.iter().map(String::as_str))
        });
        let hits = texts.iter().map(String::as_str).chain(titles);
        let history = &self.turn.request.history;
        let said =
            history.iter().filter(|item| item.author != Author::Customer).map(|item| item.text.as_str());
        let facts = self.turn.facts.iter().map(|fact| fact.value.as_str());
        let customer =
            history.iter().filter(|item| item.author == Author::Customer).map(|item| item.text.as_str());
        let facts = facts.chain(on_offer.iter().map(String::as_str));
        let shop = hits.chain(said).chain(facts).chain([self.turn.request.tenant.name.as_str()]);
        Facts::new(shop, customer.chain(self.turn.reading.texts.iter().map(String::as_str)))
    }

    fn may_call(&self, talk: &Talk<'a>) -> bool {
        talk.rounds < self.config.limits.tool_rounds && talk.calls < self.config.limits.tool_calls
    }

    async fn ask(
        &self,
        talk: &Talk<'a>,
        gate: &mut Gate<'_>,
        evidence: &mut Evidence,
    ) -> Result<ChatResponse, Failure> {
        let limits = &self.config.limits;
        let failed = |error: &dyn std::fmt::Display, evidence: &mut Evidence| {
            evidence.errors.push(error.to_string());
            Failure::Reason(Reason::ModelFailed)
        };
        let offered = if self.may_call(talk) {
            tools::specs(self.tools, talk.counter.is_some(), &self.config.prompts)
                .map_err(|error| failed(&error, evidence))?
        } else {
            Vec::new()
        };
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::Reason(Reason::TimedOut));
        }
        let request = ChatRequest {
            tenant_id: Some(self.turn.request.tenant.tenant_id),
            messages: talk.messages.clone(),
            tools: offered,
            response_schema: Some((output::SCHEMA_NAME.into(), tools::schema::<Output>())),
            temperature: 0.2,
            max_output_tokens: limits.output_tokens,
            seed: None,
            timeout: left,
        };
        let begun = AtomicBool::new(false);
        let result = {
            let mut stream = ReplyStream::default();
            let mut on_text = |piece: &str| {
                begun.store(true, Ordering::Relaxed);
                gate.push(&stream.push(piece));
                self.shown.fetch_or(gate.has_sent(), Ordering::Relaxed);
            };
            let call = self.model.chat(&request, &mut on_text);
            tokio::pin!(call);
            match tokio::time::timeout(limits.first_token.min(left), &mut call).await {
                Ok(result) => result,
                Err(_) if begun.load(Ordering::Relaxed) => call.await,
                Err(_) => Err(LlmError::TimedOut(limits.first_token.min(left))),
            }
        };
        let response = result.map_err(|error| {
            evidence.errors.push(error.to_string());
            match error {
                LlmError::ContextTooLong => Failure::TooLong,
                LlmError::TimedOut(_) => Failure::Reason(Reason::TimedOut),
                LlmError::BreakerOpen => Failure::Reason(Reason::BreakerOpen),
                _ => Failure::Reason(Reason::ModelFailed),
            }
        })?;
        let cost = self.config.prices.cost_micros(&response.model, &response.usage);
        let usage = &mut evidence.usage;
        usage.input_tokens = usage.input_tokens.saturating_add(response.usage.input_tokens);
        usage.output_tokens = usage.output_tokens.saturating_add(response.usage.output_tokens);
        usage.cost_micros = usage.cost_micros.saturating_add(cost);
        evidence.model =
            Some(if response.model.is_empty() { self.model.name().into() } else { response.model.clone() });
        Ok(response)
    }

    async fn call_tools(&self, talk: &mut Talk<'a>, response: ChatResponse, evidence: &mut Evidence) {
        let started = Instant::now();
        let limits = &self.config.limits;
        let wanted = response.tool_requests.len();
        let allowed = limits.tool_calls.saturating_sub(talk.calls).min(wanted);
        if allowed < wanted {
            evidence.errors.push(format!("{} tool calls beyond the limit were ignored", wanted - allowed));
        }
        let requests: Vec<_> = response.tool_requests.into_iter().take(allowed).collect();
        let mut asked = ChatMessage::new(Role::Assistant, String::new());
        asked.tool_requests = requests.clone();
        talk.messages.push(asked);
        talk.rounds += 1;
        for request in requests {
            talk.calls += 1;
            let begun = Instant::now();
            let result = self.call_tool(talk, &request.name, &request.arguments, evidence).await;
            let content = match &result {
                Ok(value) => talk.vault.redact(&value.to_string()),
                Err(error) => serde_json::json!({ "error": error }).to_string(),
            };
            let mut message = ChatMessage::new(Role::Tool, content);
            message.tool_call_id = Some(request.id);
            talk.messages.push(message);
            evidence.tool_calls.push(ToolCall {
                name: balcao_domain::text::clean(&request.name, 80),
                arguments: recorded(&request.arguments),
                result,
                duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            });
        }
        crate::engine::stage(evidence, "tools", started.elapsed());
    }

    async fn call_tool(
        &self,
        talk: &mut Talk<'a>,
        name: &str,
        arguments: &str,
        evidence: &mut Evidence,
    ) -> Result<serde_json::Value, String> {
        let Some(tool) = self.tools.iter().find(|tool| tool.name() == name) else {
            let names: Vec<&str> = self.tools.iter().map(|tool| tool.name()).collect();
            return Err(format!("there is no such tool; there are: {}", names.join(", ")));
        };
        (self.watch)(Progress::Stage { name: format!("tool:{}", tool.name()) });
        let left = self.deadline.saturating_duration_since(Instant::now());
        let tenant = TenantCtx::system(self.turn.request.tenant.tenant_id);
        let mut context = ToolContext {
            tenant: &tenant,
            searcher: self.config.searcher.as_ref(),
            language: self.turn.language,
            limits: &self.config.limits,
            timeout: self.config.limits.search.min(left),
            sources: &mut talk.sources,
            found: &mut evidence.passages,
            action: &mut talk.action,
            vault: &talk.vault,
            counter: talk.counter.as_mut(),
        };
        tool.call(&mut context, arguments).await
    }

    fn repair(
        &self,
        talk: &mut Talk<'a>,
        response: &ChatResponse,
        problem: &str,
        evidence: &mut Evidence,
    ) -> Result<(), Reason> {
        #[derive(Serialize)]
        struct Repair<'a> {
            problem: &'a str,
        }
        let rendered = self.config.prompts.render("repair", &Repair { problem }).map_err(|error| {
            evidence.errors.push(error.to_string());
            Reason::ModelFailed
        })?;
        talk.repaired = true;
        let broken: String = response.text.chars().take(BROKEN_CHARS).collect();
        let broken = if broken.trim().is_empty() { "(nothing)".to_owned() } else { broken };
        talk.messages.push(ChatMessage::new(Role::Assistant, broken));
        talk.messages.push(ChatMessage::new(Role::User, rendered.text.trim()));
        Ok(())
    }

    fn decide(&self, talk: Talk<'a>, output: Output, evidence: &mut Evidence) -> Decided {
        let mut sources = Vec::new();
        for number in &output.sources_used {
            let hit = usize::try_from(*number).ok().and_then(|number| talk.sources.get(number));
            match hit {
                Some(hit) => {
                    let source = cite(hit, &hit.text);
                    if !sources.contains(&source) {
                        sources.push(source);
                    }
                }
                None => {
                    evidence.errors.push(format!("the model cites source {number}, which it was not given"))
                }
            }
        }
        let action = match (talk.action, output.action) {
            (called @ Action::HandOff { .. }, _) => called,
            (_, Next::HandOff) => Action::HandOff { reason: "the model asked for a person".into() },
            (Action::End, _) | (_, Next::End) => Action::End,
            (other, Next::Continue) => other,
        };
        if !output.in_scope {
            evidence.intent.get_or_insert_with(|| "out_of_scope".into());
        }
        let text = talk.vault.restore(output.reply.trim());
        if let Some(counter) = &talk.counter {
            evidence.facts = counter.said_in(&text);
        }
        Decided { reply: Reply { text, sources, ..Reply::default() }, action }
    }
}

/// The arguments for the record: as JSON if they are, as text if not.
fn recorded(arguments: &str) -> serde_json::Value {
    const KEPT: usize = 1_000;
    let short: String = arguments.chars().take(KEPT).collect();
    serde_json::from_str(&short).unwrap_or(serde_json::Value::String(short))
}

/// The facts of a shop at this moment: what the prompt states and replies may rely on.
pub fn facts(pack: &RulePack, language: Language, local: &str) -> Vec<Fact> {
    let mut facts = vec![Fact { name: "local date and time".into(), value: local.to_owned() }];
    facts.extend(
        pack.facts(language)
            .map(|(name, value)| Fact { name: as_attribute(name), value: as_data(value, 500) }),
    );
    let hours = pack.hours().map(|hours| hours.describe(language));
    facts.extend(hours.map(|value| Fact { name: "opening hours".into(), value }));
    facts
}

/// The shortest time worth asking a model for.
pub const WORTH_ASKING: Duration = Duration::from_millis(300);
