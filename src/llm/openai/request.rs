//! A request as the protocol writes it. Source: OpenAI API reference, "Create chat completion".

use serde_json::{Value, json};

use super::{Structured, dialect::Dialect};
use crate::model::{ChatMessage, ChatRequest, Role, ToolRequest, ToolSpec};

/// The body of `POST /chat/completions`.
pub(super) fn body(model: &str, request: &ChatRequest, dialect: &Dialect) -> Value {
    let mut messages: Vec<Value> = request.messages.iter().map(message).collect();
    let limit = if dialect.new_limit_name { "max_completion_tokens" } else { "max_tokens" };
    let mut body = json!({ "model": model, "stream": true });
    body[limit] = json!(request.max_output_tokens);
    if dialect.temperature {
        body["temperature"] = json!(request.temperature);
    }
    if dialect.stream_options {
        body["stream_options"] = json!({ "include_usage": true });
    }
    if let Some(seed) = request.seed.filter(|_| dialect.seed) {
        body["seed"] = json!(seed);
    }
    if !request.tools.is_empty() {
        body["tools"] = request.tools.iter().map(tool).collect();
    }
    if let Some((name, schema)) = &request.response_schema {
        match dialect.structured {
            Structured::JsonSchema => {
                let format = json!({ "name": name, "schema": schema, "strict": true });
                body["response_format"] = json!({ "type": "json_schema", "json_schema": format });
            }
            Structured::JsonObject => {
                body["response_format"] = json!({ "type": "json_object" });
                messages.push(schema_in_words(schema));
            }
            Structured::Prompt => messages.push(schema_in_words(schema)),
        }
    }
    body["messages"] = Value::Array(messages);
    body
}

fn message(message: &ChatMessage) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut out = json!({ "role": role, "content": message.content });
    if !message.tool_requests.is_empty() {
        if message.content.is_empty() {
            out["content"] = Value::Null;
        }
        out["tool_calls"] = message.tool_requests.iter().map(tool_call).collect();
    }
    if let Some(id) = &message.tool_call_id {
        out["tool_call_id"] = json!(id);
    }
    out
}

fn tool_call(call: &ToolRequest) -> Value {
    let function = json!({ "name": call.name, "arguments": call.arguments });
    json!({ "id": call.id, "type": "function", "function": function })
}

fn tool(tool: &ToolSpec) -> Value {
    let function =
        json!({ "name": tool.name, "description": tool.description, "parameters": tool.parameters });
    json!({ "type": "function", "function": function })
}

fn schema_in_words(schema: &Value) -> Value {
    let words =
        format!("Reply with one JSON object that follows this JSON Schema, and with nothing else:\n{schema}");
    json!({ "role": "system", "content": words })
}
