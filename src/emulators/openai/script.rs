//! What the emulated endpoint shall do, as values that can be written in code or sent as JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::echo;

/// One thing to do: `{"act": "answer", "text": "Sim!", "when": "entrega", "times": 1}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// What to do.
    #[serde(flatten)]
    pub act: Act,
    /// Only for requests whose last user message contains this, whatever its case.
    pub when: Option<String>,
    /// For how many requests; without it, for all that match.
    pub times: Option<u32>,
    /// Milliseconds before the first byte.
    pub first_token_ms: u64,
    /// Milliseconds between tokens.
    pub token_ms: u64,
    /// Leave out all that lenient servers leave out: usage, ids, roles; `content` is null where it is empty.
    pub sparse: bool,
}

impl From<Act> for Step {
    /// Does it once.
    fn from(act: Act) -> Self {
        Self { act, times: Some(1), ..Self::default() }
    }
}

/// The kinds of behaviour.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// Answers from the sources in the request.
    #[default]
    Echo,
    /// Answers with these words.
    Answer { text: String },
    /// Answers with this JSON, as text.
    Json { value: Value },
    /// Asks for these tools.
    Tools { calls: Vec<Call> },
    /// Answers with JSON that has nothing of the asked-for schema.
    BrokenSchema,
    /// Fails with this status and error object.
    Status {
        status: u16,
        #[serde(default)]
        error_type: String,
        #[serde(default)]
        code: Option<String>,
        #[serde(default)]
        message: String,
    },
    /// 429: slow down.
    RateLimited { retry_after: Option<String> },
    /// 429: the credit is spent.
    InsufficientQuota,
    /// 401.
    Unauthorized,
    /// 400: the request is longer than the model's context.
    ContextTooLong,
    /// Stops with the content filter's finish reason.
    ContentFilter,
    /// Breaks the connection after some tokens.
    Reset { after_tokens: usize },
    /// Ends the stream properly after some tokens, without a finish reason and without `[DONE]`.
    CutOff { after_tokens: usize },
    /// Sends half of a chunk's JSON, then ends.
    TruncatedJson,
    /// Says an error inside the stream, as some servers do once they have answered 200.
    ErrorInStream { message: String },
    /// Never answers.
    Hang,
    /// Answers some tokens, then never anything again.
    HangAfter { after_tokens: usize },
    /// Answers with this many bytes.
    Huge { bytes: usize },
}

impl Act {
    /// Whether this is an answer with an error status.
    pub fn is_refusal(&self) -> bool {
        use Act::*;
        matches!(self, Status { .. } | RateLimited { .. } | InsufficientQuota | Unauthorized | ContextTooLong)
    }
}

/// A wish that a tool be called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The tool.
    pub name: String,
    /// Its arguments: JSON, or a string that is sent as it is.
    pub arguments: Value,
}

impl Call {
    /// The arguments as the protocol carries them: a text.
    pub fn arguments_text(&self) -> String {
        match &self.arguments {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// What befalls every request the script does not speak of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Faults {
    /// What goes wrong.
    pub failure: Option<Act>,
    /// For how many requests; without it, for all.
    pub times: Option<u32>,
    /// Only every n-th request fails; 0 and 1 mean each.
    pub every: u32,
    /// Milliseconds before the first byte.
    pub first_token_ms: u64,
    /// Milliseconds between tokens.
    pub token_ms: u64,
    /// As in [`Step::sparse`].
    pub sparse: bool,
}

/// The script and where it stands.
#[derive(Default)]
pub(super) struct Script {
    pub steps: Vec<Step>,
    pub faults: Faults,
    unscripted: u32,
}

impl Script {
    /// The step for this request: the first that fits and is not used up.
    pub fn next(&mut self, request: &Value) -> Step {
        let said = echo::question(request).to_lowercase();
        let fits = |step: &Step| {
            step.times != Some(0) && step.when.as_ref().is_none_or(|w| said.contains(&w.to_lowercase()))
        };
        if let Some(step) = self.steps.iter_mut().find(|step| fits(step)) {
            step.times = step.times.map(|left| left - 1);
            return step.clone();
        }
        self.unscripted += 1;
        let faults = &mut self.faults;
        let hit = faults.times != Some(0) && self.unscripted.is_multiple_of(faults.every.max(1));
        let act = match &faults.failure {
            Some(failure) if hit => {
                faults.times = faults.times.map(|left| left - 1);
                failure.clone()
            }
            _ => Act::Echo,
        };
        let Faults { first_token_ms, token_ms, sparse, .. } = *faults;
        Step { act, first_token_ms, token_ms, sparse, ..Step::default() }
    }
}
