//! One answer of the agent, and the evidence for it.

use serde::{Deserialize, Serialize};

use crate::{ids::PassageId, reply::Reply};

/// Which path answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// The language model.
    Model,
    /// The rule pack and extracts.
    Rules,
    /// Nobody: the conversation is in a person's hands, or the messages ask for nothing.
    Silent,
    /// A civil apology after the turn failed again and again.
    Apology,
}

impl Path {
    /// The word used in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Rules => "rules",
            Self::Silent => "silent",
            Self::Apology => "apology",
        }
    }
}

/// Why that path answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The model answered, as it should.
    Answered,
    /// No model is configured.
    NoModel,
    /// The breaker in front of the model was open.
    BreakerOpen,
    /// The model was too slow.
    TimedOut,
    /// The model's endpoint failed.
    ModelFailed,
    /// The model's output broke its schema twice.
    SchemaBroken,
    /// The tenant's budget for model calls is spent.
    BudgetSpent,
    /// A rule that always comes first: opt-out words, a person please, a button of ours.
    RuleFirst,
    /// The conversation is in a person's hands.
    HandedOff,
    /// The messages ask for nothing: reactions, edits, stickers.
    NothingAsked,
    /// The customer asked not to be written to.
    OptedOut,
    /// The turn failed three times.
    Poisoned,
    /// The messages were too old to be answered (a backlog redelivered after days).
    Stale,
}

impl Reason {
    /// The word used in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NoModel => "no_model",
            Self::BreakerOpen => "breaker_open",
            Self::TimedOut => "timed_out",
            Self::ModelFailed => "model_failed",
            Self::SchemaBroken => "schema_broken",
            Self::BudgetSpent => "budget_spent",
            Self::RuleFirst => "rule_first",
            Self::HandedOff => "handed_off",
            Self::NothingAsked => "nothing_asked",
            Self::OptedOut => "opted_out",
            Self::Poisoned => "poisoned",
            Self::Stale => "stale",
        }
    }
}

/// What happens next, besides the reply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Nothing: the conversation goes on.
    #[default]
    Continue,
    /// A person takes over.
    HandOff {
        /// Why, in the customer's words or the model's.
        reason: String,
    },
    /// The conversation is over for now.
    End,
    /// The customer wants no more messages.
    OptOut,
    /// The customer wants messages again.
    OptIn,
}

/// What a turn decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What to say; `None` says nothing.
    pub reply: Option<Reply>,
    /// What to do.
    pub action: Action,
    /// Which path decided.
    pub path: Path,
    /// Why that path.
    pub reason: Reason,
    /// What it stands on.
    pub evidence: Evidence,
}

/// Everything a person needs to see why a turn said what it said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The customer's language, where their words have told it. The next turn goes on from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<crate::Language>,
    /// Where the customer stands in buying after this turn, where it had to do with that. The next turn goes on from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sale: Option<crate::sale::Sale>,
    /// What the reply says of prices and stock: looked at once more when it is sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<crate::sale::Fact>,
    /// The intent the rulebook recognised, if any.
    pub intent: Option<String>,
    /// What was searched for.
    pub query: Option<String>,
    /// What was found, best first.
    pub passages: Vec<FoundPassage>,
    /// How sure retrieval was, 0 to 1.
    pub confidence: Option<f32>,
    /// Tools the model called.
    pub tool_calls: Vec<ToolCall>,
    /// The prompt and its version: `answer@3f9c2a`.
    pub prompt: Option<String>,
    /// The rule pack and its version.
    pub rule_pack: Option<String>,
    /// The model, as the endpoint named it.
    pub model: Option<String>,
    /// Tokens and cost.
    pub usage: Usage,
    /// How long each stage took.
    pub stages: Vec<Stage>,
    /// What went wrong on the way, in words.
    pub errors: Vec<String>,
}

/// One passage that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundPassage {
    /// Which.
    pub passage_id: PassageId,
    /// Its fused score.
    pub score: f32,
    /// The document's title.
    pub title: String,
    /// The document's origin.
    pub uri: String,
}

/// One call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Its name.
    pub name: String,
    /// What the model asked for.
    pub arguments: serde_json::Value,
    /// What it was given, or why not.
    pub result: Result<serde_json::Value, String>,
    /// How long it took.
    pub duration_ms: u64,
}

/// Tokens and cost of a turn's model calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens sent.
    pub input_tokens: u32,
    /// Tokens received.
    pub output_tokens: u32,
    /// Cost in millionths of a US dollar.
    pub cost_micros: u64,
}

/// One stage of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// `gather`, `retrieve`, `model`, `rules` …
    pub name: String,
    /// How long it took, in microseconds.
    pub duration_us: u64,
}

/// What a turn tells those who watch it while it happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Progress {
    /// A stage began.
    Stage { name: String },
    /// Words of the reply, as the model writes them. Taken back by `Restart`.
    Token { text: String },
    /// The words so far are void: another path answers.
    Restart { reason: Reason },
    /// What the answer stands on.
    Sources { sources: Vec<crate::reply::Source> },
}
