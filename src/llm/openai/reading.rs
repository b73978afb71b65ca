//! Puts a streamed answer together, chunk by chunk, forgiving what servers leave out.

use balcao_domain::turn::Usage;
use serde_json::Value;

use super::failure;
use crate::model::{ChatRequest, ChatResponse, LlmError, ToolRequest};

/// More tool calls than any sensible answer has; an index beyond it is noise.
const MOST_TOOL_CALLS: usize = 64;
/// The usual rule of thumb, for endpoints that do not count: a token is about four bytes.
const BYTES_PER_TOKEN: usize = 4;

/// What has been read so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    text: String,
    tools: Vec<ToolRequest>,
    model: Option<String>,
    usage: Option<Usage>,
    finish_reason: Option<String>,
}

impl Reading {
    /// Whether the model has said anything yet. The opening chunk, which only names the role, says nothing.
    pub fn has_begun(&self) -> bool {
        !self.text.is_empty() || !self.tools.is_empty() || self.finish_reason.is_some()
    }

    /// Reads one chunk.
    pub fn take(&mut self, chunk: &Value, on_text: &mut (dyn FnMut(&str) + Send)) -> Result<(), LlmError> {
        if chunk["error"].is_object() || chunk["error"].is_string() {
            return Err(failure::of_error_object(None, chunk));
        }
        if let Some(model) = chunk["model"].as_str().filter(|model| !model.is_empty()) {
            self.model = Some(model.to_owned());
        }
        if chunk["usage"].is_object() {
            let count =
                |name: &str| chunk["usage"][name].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
            let (input_tokens, output_tokens) = (count("prompt_tokens"), count("completion_tokens"));
            self.usage = Some(Usage { input_tokens, output_tokens, cost_micros: 0 });
        }
        let choice = &chunk["choices"][0];
        // A server that does not stream sends the whole message at once.
        let said = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        if said["refusal"].as_str().is_some_and(|refusal| !refusal.is_empty()) {
            return Err(LlmError::Refused);
        }
        if let Some(text) = said["content"].as_str().filter(|text| !text.is_empty()) {
            self.text.push_str(text);
            on_text(text);
        }
        for call in said["tool_calls"].as_array().into_iter().flatten() {
            self.take_call(call);
        }
        if let Some(reason) = choice["finish_reason"].as_str().filter(|reason| !reason.is_empty()) {
            self.finish_reason = Some(reason.to_owned());
        }
        Ok(())
    }

    /// A call comes in pieces: the first names the tool, the others bring its arguments. Pieces without an index
    /// belong to the last call unless they name a tool themselves.
    fn take_call(&mut self, call: &Value) {
        let function = &call["function"];
        let named = function["name"].as_str().unwrap_or_default();
        let index = match call["index"].as_u64().and_then(|index| usize::try_from(index).ok()) {
            Some(index) => index,
            None if named.is_empty() => self.tools.len().saturating_sub(1),
            None => self.tools.len(),
        };
        if index >= MOST_TOOL_CALLS {
            return;
        }
        if index >= self.tools.len() {
            let empty = ToolRequest { id: String::new(), name: String::new(), arguments: String::new() };
            self.tools.resize(index + 1, empty);
        }
        let tool = &mut self.tools[index];
        if let Some(id) = call["id"].as_str().filter(|_| tool.id.is_empty()) {
            tool.id.push_str(id);
        }
        if tool.name.is_empty() {
            tool.name.push_str(named);
        }
        match &function["arguments"] {
            Value::String(part) => tool.arguments.push_str(part),
            Value::Null => {}
            whole => tool.arguments = whole.to_string(),
        }
    }

    /// The answer, once the stream has ended.
    pub fn finish(mut self, request: &ChatRequest, asked_model: &str) -> Result<ChatResponse, LlmError> {
        match self.finish_reason.as_deref() {
            Some("content_filter") => return Err(LlmError::Refused),
            Some("error") => {
                return Err(LlmError::Transient("the endpoint gave up while answering".to_owned()));
            }
            Some(_) => {}
            None => return Err(LlmError::Transient("the answer ended in the middle".to_owned())),
        }
        self.tools.retain(|tool| !tool.name.is_empty());
        for (index, tool) in self.tools.iter_mut().enumerate().filter(|(_, tool)| tool.id.is_empty()) {
            tool.id = format!("call_{index}");
        }
        let usage = self.usage.unwrap_or_else(|| estimate(request, &self.text, &self.tools));
        let text = match request.response_schema {
            Some(_) => without_fence(&self.text).to_owned(),
            None => self.text,
        };
        let model = self.model.unwrap_or_else(|| asked_model.to_owned());
        Ok(ChatResponse { text, tool_requests: self.tools, model, usage })
    }
}

fn estimate(request: &ChatRequest, text: &str, tools: &[ToolRequest]) -> Usage {
    let tokens = |bytes: usize| u32::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u32::MAX);
    let sent: usize = request.messages.iter().map(|message| message.content.len()).sum();
    let offered: usize =
        request.tools.iter().map(|t| t.description.len() + t.parameters.to_string().len()).sum();
    let asked: usize = tools.iter().map(|tool| tool.name.len() + tool.arguments.len()).sum();
    Usage { input_tokens: tokens(sent + offered), output_tokens: tokens(text.len() + asked), cost_micros: 0 }
}

/// Models that are only asked for JSON like to wrap it in a Markdown code block.
fn without_fence(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else { return text };
    inner.strip_prefix("json").unwrap_or(inner).trim()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(chunks: &[Value]) -> Reading {
        let mut reading = Reading::default();
        for chunk in chunks {
            reading.take(chunk, &mut |_| {}).expect("a good chunk");
        }
        reading
    }

    #[test]
    fn tool_calls_are_put_together_with_and_without_indices_and_ids() {
        let piece = |piece: Value| json!({ "choices": [{ "delta": { "tool_calls": [piece] } }] });
        let with_index = read(&[
            piece(json!({ "index": 1, "id": "b", "function": { "name": "two", "arguments": "" } })),
            piece(json!({ "index": 0, "id": "a", "function": { "name": "one", "arguments": "{\"x\"" } })),
            piece(json!({ "index": 0, "function": { "arguments": ": 1}" } })),
        ]);
        assert_eq!(with_index.tools[0].arguments, "{\"x\": 1}");
        assert_eq!((with_index.tools[1].id.as_str(), with_index.tools[1].name.as_str()), ("b", "two"));
        let without = read(&[
            piece(json!({ "function": { "name": "one", "arguments": "{" } })),
            piece(json!({ "function": { "arguments": "}" } })),
            piece(json!({ "function": { "name": "two", "arguments": { "y": 2 } } })),
        ]);
        let arguments: Vec<_> = without.tools.iter().map(|tool| tool.arguments.as_str()).collect();
        assert_eq!(arguments, ["{}", "{\"y\":2}"]);
        let noise = read(&[piece(json!({ "index": 4_000_000_000u64, "function": { "name": "x" } }))]);
        assert!(noise.tools.is_empty());
    }

    #[test]
    fn a_code_block_around_json_is_taken_off() {
        for text in ["{\"a\":1}", "```json\n{\"a\":1}\n```", "```\n{\"a\":1}```", "  {\"a\":1}\n"] {
            assert_eq!(without_fence(text), "{\"a\":1}", "{text:?}");
        }
    }
}
