//! What the model may ask for. A tool is one file: its arguments as a type, its description as a prompt, its effect.
//!
//! Nothing here is decided by the model: arguments are parsed into typed values that refuse unknown fields, the tenant
//! comes from the turn and never from an argument, and a tool only proposes what the turn's commit carries out.
//! To add one: write `tools/<name>.rs` and `prompts/tools/<name>.md`, and list it in [`all`].

mod add_to_cart;
mod cancel_order;
mod change_order;
mod checkout;
mod end_conversation;
mod order_status;
mod product_details;
mod request_human;
mod return_order;
mod search_knowledge;
mod search_products;
mod show_products;
mod view_cart;

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
    desk::counter::Counter,
    prompts::{PromptError, Prompts},
    redact::Vault,
    sources::Sources,
};

/// The longest arguments that are looked at, in bytes.
const ARGUMENT_BYTES: usize = 4_096;

/// What a tool works with: this turn, and nothing else.
pub struct ToolContext<'a, 't> {
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
    /// Where the shop sells; `None` where it does not.
    pub(crate) counter: Option<&'a mut Counter<'t>>,
}

impl<'t> ToolContext<'_, 't> {
    fn counter(&mut self) -> Result<&mut Counter<'t>, String> {
        self.counter.as_deref_mut().ok_or_else(|| "this shop sells nothing here".to_owned())
    }
}

/// What a tool that moves the purchase on tells the model, should its turn go on.
fn left_to_the_counter() -> Value {
    serde_json::json!({ "next": "the customer reads the counter's own words; say nothing about it" })
}

/// A tool.
#[async_trait]
pub trait Tool: Send + Sync {
    /// Its name: that of its file and its prompt.
    fn name(&self) -> &'static str;

    /// JSON Schema of its arguments.
    fn parameters(&self) -> Value;

    /// Whether it is of use only where the shop sells.
    fn sells(&self) -> bool {
        false
    }

    /// Does it. The error is for the model: what was wrong with the call.
    async fn call(&self, context: &mut ToolContext<'_, '_>, arguments: &str) -> Result<Value, String>;
}

/// Every tool.
pub fn all() -> Vec<Box<dyn Tool>> {
    vec![
        Box::new(search_knowledge::SearchKnowledge),
        Box::new(search_products::SearchProducts),
        Box::new(show_products::ShowProducts),
        Box::new(add_to_cart::AddToCart),
        Box::new(view_cart::ViewCart),
        Box::new(checkout::Checkout),
        Box::new(product_details::ProductDetails),
        Box::new(order_status::OrderStatus),
        Box::new(cancel_order::CancelOrder),
        Box::new(change_order::ChangeOrder),
        Box::new(return_order::ReturnOrder),
        Box::new(request_human::RequestHuman),
        Box::new(end_conversation::EndConversation),
    ]
}

/// What the model is told about the tools; without those of selling where the shop sells nothing.
///
/// # Errors
/// When a tool's description cannot be rendered.
pub fn specs(tools: &[Box<dyn Tool>], sells: bool, prompts: &Prompts) -> Result<Vec<ToolSpec>, PromptError> {
    let mut specs = Vec::new();
    for tool in tools.iter().filter(|tool| sells || !tool.sells()) {
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
