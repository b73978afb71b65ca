//! `end_conversation`: nothing more is needed for now.

use async_trait::async_trait;
use balcao_domain::turn::Action;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Tool, ToolContext, arguments, schema};

pub struct EndConversation;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {}

#[async_trait]
impl Tool for EndConversation {
    fn name(&self) -> &'static str {
        "end_conversation"
    }

    fn parameters(&self) -> Value {
        schema::<Arguments>()
    }

    async fn call(&self, context: &mut ToolContext<'_, '_>, written: &str) -> Result<Value, String> {
        let Arguments {} = arguments(written)?;
        // A person who was called is not sent away again.
        if !matches!(context.action, Action::HandOff { .. }) {
            *context.action = Action::End;
        }
        Ok(json!({ "ended": true, "next": "say goodbye" }))
    }
}
