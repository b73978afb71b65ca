//! `request_human`: a person of the shop takes over when the turn commits.

use async_trait::async_trait;
use balcao_domain::{text, turn::Action};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Tool, ToolContext, arguments, schema};

/// The longest reason that is kept, in characters.
pub(crate) const REASON_CHARS: usize = 200;

pub struct RequestHuman;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Why a person is needed, in a few words.
    reason: String,
}

#[async_trait]
impl Tool for RequestHuman {
    fn name(&self) -> &'static str {
        "request_human"
    }

    fn parameters(&self) -> Value {
        schema::<Arguments>()
    }

    async fn call(&self, context: &mut ToolContext<'_, '_>, written: &str) -> Result<Value, String> {
        let Arguments { reason } = arguments(written)?;
        let reason = text::clean(&context.vault.restore(reason.trim()), REASON_CHARS);
        *context.action = Action::HandOff { reason };
        Ok(json!({ "called": true, "next": "tell the customer that a person of the shop continues here" }))
    }
}
