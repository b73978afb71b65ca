//! `order_status`: the counter says where the customer's orders of this conversation stand, and how to pay.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Tool, ToolContext, arguments, left_to_the_counter, schema};

pub struct OrderStatus;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {}

#[async_trait]
impl Tool for OrderStatus {
    fn name(&self) -> &'static str {
        "order_status"
    }

    fn parameters(&self) -> Value {
        schema::<Arguments>()
    }

    fn sells(&self) -> bool {
        true
    }

    async fn call(&self, context: &mut ToolContext<'_, '_>, written: &str) -> Result<Value, String> {
        let Arguments {} = arguments(written)?;
        match context.counter()?.orders().await? {
            true => Ok(left_to_the_counter()),
            false => {
                Ok(json!({ "orders": [], "next": "there is no order in this conversation: offer a person" }))
            }
        }
    }
}
