//! `cancel_order`: the counter asks whether an order is to be called off, and does it on a yes.

use async_trait::async_trait;
use balcao_domain::sale::Ask;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Tool, ToolContext, arguments, left_to_the_counter, schema};

pub struct CancelOrder;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The order's code, such as K7Q3-M9XD, where the customer named one.
    #[serde(default)]
    order: Option<String>,
}

#[async_trait]
impl Tool for CancelOrder {
    fn name(&self) -> &'static str {
        "cancel_order"
    }

    fn parameters(&self) -> Value {
        schema::<Arguments>()
    }

    fn sells(&self) -> bool {
        true
    }

    async fn call(&self, context: &mut ToolContext<'_, '_>, written: &str) -> Result<Value, String> {
        let Arguments { order } = arguments(written)?;
        match context.counter()?.wants(Ask::Cancel, order.as_deref(), "").await? {
            true => Ok(left_to_the_counter()),
            false => {
                Ok(json!({ "orders": [], "next": "there is no order in this conversation: offer a person" }))
            }
        }
    }
}
