//! `search_products`: what the shop sells, by words, numbered for the other tools.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Tool, ToolContext, arguments, schema};

/// The longest query, in characters.
const QUERY_CHARS: usize = 200;

pub struct SearchProducts;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// What the customer looks for, in a few words in their language: kind of thing, colour, size, brand.
    query: String,
    /// The most it may cost, in whole units of the shop's currency; leave it out where they named no limit.
    max_price: Option<u32>,
}

#[async_trait]
impl Tool for SearchProducts {
    fn name(&self) -> &'static str {
        "search_products"
    }

    fn parameters(&self) -> Value {
        schema::<Arguments>()
    }

    fn sells(&self) -> bool {
        true
    }

    async fn call(&self, context: &mut ToolContext<'_, '_>, written: &str) -> Result<Value, String> {
        let Arguments { query, max_price } = arguments(written)?;
        let query = query.trim();
        if query.is_empty() || query.chars().count() > QUERY_CHARS {
            return Err(format!("the query must have 1 to {QUERY_CHARS} characters"));
        }
        let found = context.counter()?.find(query, max_price).await?;
        let products: Vec<Value> = found
            .iter()
            .map(|offer| json!({ "number": offer.number, "title": offer.title, "price": offer.price }))
            .collect();
        Ok(json!({ "products": products }))
    }
}
