//! `checkout`: the counter asks for what an order still needs, and shows the summary to be confirmed.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Tool, ToolContext, arguments, left_to_the_counter, schema};

pub struct Checkout;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {}

#[async_trait]
impl Tool for Checkout {
    fn name(&self) -> &'static str {
        "checkout"
    }

    fn parameters(&self) -> Value {
        schema::<Arguments>()
    }

    fn sells(&self) -> bool {
        true
    }

    async fn call(&self, context: &mut ToolContext<'_, '_>, written: &str) -> Result<Value, String> {
        let Arguments {} = arguments(written)?;
        context.counter()?.checkout().await?;
        Ok(left_to_the_counter())
    }
}
