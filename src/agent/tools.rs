//! What the model may ask for. A tool is one file: its arguments as a type, its description as a prompt, its effect.
//!
//! Nothing here is decided by the model: arguments are parsed into typed values that refuse unknown fields, the tenant
//! comes from the turn and never from an argument, and a tool only proposes what the turn's commit carries out.
//! To add one: write `tools/<name>.rs` and `prompts/tools/<name>.md`, and list it in [`all`].

mod end_conversation;
mod request_human;
mod search_knowledge;

pub(crate) use request_human::REASON_CHARS;

use std::time::Duration;

use async_trait::async_trait;
use balcao_domain::{
    Language, TenantCtx,
    turn::{Action, FoundPassage},
};
use balcao_llm::ToolSpec;
use balcao_retrieval::Searcher;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    config::Limits,
    prompts::{PromptError, Prompts},
    redact::Vault,
    sources::Sources,
};

/// The longest arguments that are looked at, in bytes.
const ARGUMENT_BYTES: usize = 4_096;

/// What a tool works with: this turn, and nothing else.
pub struct ToolContext<'a> {
    /// The shop and who acts. Never an argument.
    pub tenant: &'a TenantCtx,
    /// Search over the shop's passages.
    pub searcher: &'a dyn Searcher,
    /// The conversation's language.
    pub language: Language,
    /// Limits of the turn.
    pub limits: &'a Limits,
    /// How long the tool may take.
    pub timeout: Duration,
    /// The turn's sources; a search adds to them.
    pub sources: &'a mut Sources,
    /// What was found, for the record.
    pub found: &'a mut Vec<FoundPassage>,
    /// What the turn will do when it commits.
    pub action: &'a mut Action,
    /// The customer's private data, behind placeholders.
    pub vault: &'a Vault,
}

/// A tool.
#[async_trait]
pub trait Tool: Send + Sync {
    /// Its name: that of its file and its prompt.
    fn name(&self) -> &'static str;

    /// JSON Schema of its arguments.
    fn parameters(&self) -> Value;

    /// Does it. The error is for the model: what was wrong with the call.
    async fn call(&self, context: &mut ToolContext<'_>, arguments: &str) -> Result<Value, String>;
}

/// Every tool.
pub fn all() -> Vec<Box<dyn Tool>> {
    vec![
        Box::new(search_knowledge::SearchKnowledge),
        Box::new(request_human::RequestHuman),
        Box::new(end_conversation::EndConversation),
    ]
}

/// What the model is told about the tools.
///
/// # Errors
/// When a tool's description cannot be rendered.
pub fn specs(tools: &[Box<dyn Tool>], prompts: &Prompts) -> Result<Vec<ToolSpec>, PromptError> {
    let mut specs = Vec::new();
    for tool in tools {
        let description = prompts.render(&format!("tools/{}", tool.name()), &())?.text.trim().to_owned();
        specs.push(ToolSpec { name: tool.name().to_owned(), description, parameters: tool.parameters() });
    }
    Ok(specs)
}

/// The schema of a type, as endpoints want it.
pub(crate) fn schema<T: JsonSchema>() -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        object.remove("title");
    }
    schema
}

/// The arguments of a call as the tool's type.
fn arguments<T: DeserializeOwned>(written: &str) -> Result<T, String> {
    if written.len() > ARGUMENT_BYTES {
        return Err(format!("the arguments are longer than {ARGUMENT_BYTES} bytes"));
    }
    // Endpoints send an empty text for a call without arguments.
    let written = if written.trim().is_empty() { "{}" } else { written };
    serde_json::from_str(written).map_err(|error| format!("the arguments are wrong: {error}"))
}
