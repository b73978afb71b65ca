//! `view_cart`: the counter shows what is in the cart.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Tool, ToolContext, arguments, left_to_the_counter, schema};

pub struct ViewCart;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {}

#[async_trait]
impl Tool for ViewCart {
    fn name(&self) -> &'static str {
        "view_cart"
    }

    fn parameters(&self) -> Value {
        schema::<Arguments>()
    }

    fn sells(&self) -> bool {
        true
    }

    async fn call(&self, context: &mut ToolContext<'_, '_>, written: &str) -> Result<Value, String> {
        let Arguments {} = arguments(written)?;
        context.counter()?.cart()?;
        Ok(left_to_the_counter())
    }
}
