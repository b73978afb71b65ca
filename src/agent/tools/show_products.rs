//! `show_products`: the counter lists what was found, with prices and buttons; the customer chooses.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Tool, ToolContext, arguments, left_to_the_counter, schema};

pub struct ShowProducts;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Numbers from `search_products`, the best first.
    numbers: Vec<usize>,
}

#[async_trait]
impl Tool for ShowProducts {
    fn name(&self) -> &'static str {
        "show_products"
    }

    fn parameters(&self) -> Value {
        schema::<Arguments>()
    }

    fn sells(&self) -> bool {
        true
    }

    async fn call(&self, context: &mut ToolContext<'_, '_>, written: &str) -> Result<Value, String> {
        let Arguments { numbers } = arguments(written)?;
        context.counter()?.show(&numbers)?;
        Ok(left_to_the_counter())
    }
}
