//! `product_details`: all that the shop's books say about one product that was found.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Tool, ToolContext, arguments, schema};

pub struct ProductDetails;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// A number that search_products gave in this turn.
    number: usize,
}

#[async_trait]
impl Tool for ProductDetails {
    fn name(&self) -> &'static str {
        "product_details"
    }

    fn parameters(&self) -> Value {
        schema::<Arguments>()
    }

    fn sells(&self) -> bool {
        true
    }

    async fn call(&self, context: &mut ToolContext<'_, '_>, written: &str) -> Result<Value, String> {
        let Arguments { number } = arguments(written)?;
        let details = context.counter()?.details(number).await?;
        Ok(json!({
            "title": details.title,
            "brand": details.brand,
            "description": details.description,
            "attributes": details.attributes,
            "variants": details.variants,
        }))
    }
}
