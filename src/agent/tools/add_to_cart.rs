//! `add_to_cart`: puts what the customer asked for into the cart, as far as the stock goes.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Tool, ToolContext, arguments, left_to_the_counter, schema};

pub struct AddToCart;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// A number from `search_products`.
    number: usize,
    /// How many.
    quantity: u32,
}

#[async_trait]
impl Tool for AddToCart {
    fn name(&self) -> &'static str {
        "add_to_cart"
    }

    fn parameters(&self) -> Value {
        schema::<Arguments>()
    }

    fn sells(&self) -> bool {
        true
    }

    async fn call(&self, context: &mut ToolContext<'_, '_>, written: &str) -> Result<Value, String> {
        let Arguments { number, quantity } = arguments(written)?;
        context.counter()?.add(number, quantity).await?;
        Ok(left_to_the_counter())
    }
}
