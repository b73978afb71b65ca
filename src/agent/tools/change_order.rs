//! `change_order`: the counter asks for what is to be different about an order, and whether it is to be so.

use async_trait::async_trait;
use balcao_domain::sale::Ask;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Tool, ToolContext, arguments, left_to_the_counter, schema};

pub struct ChangeOrder;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The order's code, such as K7Q3-M9XD, where the customer named one.
    #[serde(default)]
    order: Option<String>,
    /// What is to be different.
    what: What,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum What {
    /// Where it is sent; the counter asks for the new address itself.
    Address,
    /// What is in it.
    Items,
}

#[async_trait]
impl Tool for ChangeOrder {
    fn name(&self) -> &'static str {
        "change_order"
    }

    fn parameters(&self) -> Value {
        schema::<Arguments>()
    }

    fn sells(&self) -> bool {
        true
    }

    async fn call(&self, context: &mut ToolContext<'_, '_>, written: &str) -> Result<Value, String> {
        let Arguments { order, what } = arguments(written)?;
        let ask = match what {
            What::Address => Ask::Address,
            What::Items => Ask::Items,
        };
        match context.counter()?.wants(ask, order.as_deref(), "").await? {
            true => Ok(left_to_the_counter()),
            false => {
                Ok(json!({ "orders": [], "next": "there is no order in this conversation: offer a person" }))
            }
        }
    }
}
