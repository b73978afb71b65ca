//! `search_knowledge`: other words for the shop's documents.

use async_trait::async_trait;
use balcao_retrieval::SearchRequest;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Tool, ToolContext, arguments, schema};
use crate::sources;

/// The longest query, in characters.
const QUERY_CHARS: usize = 300;

pub struct SearchKnowledge;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// What to look for, as a short question in the customer's language.
    query: String,
}

#[async_trait]
impl Tool for SearchKnowledge {
    fn name(&self) -> &'static str {
        "search_knowledge"
    }

    fn parameters(&self) -> Value {
        schema::<Arguments>()
    }

    async fn call(&self, context: &mut ToolContext<'_, '_>, written: &str) -> Result<Value, String> {
        let Arguments { query } = arguments(written)?;
        // The search is our own: it may see what the model may not.
        let query = context.vault.restore(query.trim());
        if query.is_empty() || query.chars().count() > QUERY_CHARS {
            return Err(format!("the query must have 1 to {QUERY_CHARS} characters"));
        }
        let mut request = SearchRequest::new(query, context.limits.passages);
        request.language = Some(context.language);
        let search = context.searcher.search(context.tenant, &request);
        let result = match tokio::time::timeout(context.timeout, search).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => return Err("the search is not available now".into()),
        };
        let numbers = context.sources.add(&result.hits, context.limits);
        for hit in &result.hits {
            if !context.found.iter().any(|known| known.passage_id == hit.passage_id) {
                context.found.push(sources::found(hit));
            }
        }
        let sources: Vec<Value> = numbers
            .iter()
            .filter_map(|number| Some((number, context.sources.get(*number)?)))
            .map(|(number, hit)| {
                let text = sources::as_data(&hit.text, context.limits.passage_chars);
                json!({ "number": number, "title": sources::as_attribute(&hit.title), "text": text })
            })
            .collect();
        Ok(json!({ "sources": sources }))
    }
}
