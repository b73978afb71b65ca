//! `return_order`: the counter asks whether an order is to be brought back, and notes the wish on a yes.

use async_trait::async_trait;
use balcao_domain::sale::Ask;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Tool, ToolContext, arguments, left_to_the_counter, schema};

pub struct ReturnOrder;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The order's code, such as K7Q3-M9XD, where the customer named one.
    #[serde(default)]
    order: Option<String>,
    /// For something else, not for the money.
    exchange: bool,
    /// Why, in the customer's own words.
    reason: String,
}

#[async_trait]
impl Tool for ReturnOrder {
    fn name(&self) -> &'static str {
        "return_order"
    }

    fn parameters(&self) -> Value {
        schema::<Arguments>()
    }

    fn sells(&self) -> bool {
        true
    }

    async fn call(&self, context: &mut ToolContext<'_, '_>, written: &str) -> Result<Value, String> {
        let Arguments { order, exchange, reason } = arguments(written)?;
        let ask = if exchange { Ask::Exchange } else { Ask::Return };
        match context.counter()?.wants(ask, order.as_deref(), &reason).await? {
            true => Ok(left_to_the_counter()),
            false => {
                Ok(json!({ "orders": [], "next": "there is no order in this conversation: offer a person" }))
            }
        }
    }
}
