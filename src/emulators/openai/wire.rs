//! The protocol's bodies: chat completions as one JSON object, as a stream of chunks, and as errors.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};

use super::{
    MODEL,
    echo::{self, Echo},
    script::{Act, Call, Step},
};

/// How an answer ends.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    /// Properly, for this reason.
    Finished(&'static str),
    /// The stream ends without a word.
    CutOff,
    /// The connection breaks.
    Reset,
    /// Nothing comes any more.
    Hang,
    /// Half of a chunk comes, then the end.
    HalfChunk,
}

/// What to say and how to end.
struct Answer {
    tokens: Vec<String>,
    calls: Vec<Call>,
    ending: Ending,
    error: Option<String>,
}

impl Answer {
    fn words(text: &str, ending: Ending) -> Self {
        Self { tokens: tokens(text), calls: Vec::new(), ending, error: None }
    }

    fn calls(calls: Vec<Call>) -> Self {
        Self { tokens: Vec::new(), calls, ending: Ending::Finished("tool_calls"), error: None }
    }
}

/// The response to a request, by a step of the script.
pub(super) async fn answer(request: &Value, step: Step) -> Response {
    if step.act.is_refusal() {
        return refusal(&step.act);
    }
    if step.act == Act::Hang {
        return std::future::pending().await;
    }
    let answer = plan(request, &step.act);
    if request["stream"] == true {
        streamed(request, answer, &step)
    } else {
        whole(request, answer, &step).await
    }
}

fn plan(request: &Value, act: &Act) -> Answer {
    let stop = Ending::Finished("stop");
    let echoed = || match echo::answer(request) {
        Echo::Text(text) => Answer::words(&text, stop),
        Echo::Call(call) => Answer::calls(vec![call]),
    };
    let first = |count: usize, ending| {
        let mut answer = echoed();
        // A longer text than the echo may be: the failure must come in the middle.
        answer.tokens.extend((answer.tokens.len()..=count).map(|_| " …".to_owned()));
        answer.tokens.truncate(count);
        Answer { calls: Vec::new(), ending, ..answer }
    };
    match act {
        Act::Answer { text } => Answer::words(text, stop),
        Act::Json { value } => Answer::words(&value.to_string(), stop),
        Act::Tools { calls } => Answer::calls(calls.clone()),
        Act::BrokenSchema => Answer::words(r#"{"unexpected": ["shape"]}"#, stop),
        Act::ContentFilter => Answer::words("", Ending::Finished("content_filter")),
        Act::Reset { after_tokens } => first(*after_tokens, Ending::Reset),
        Act::CutOff { after_tokens } => first(*after_tokens, Ending::CutOff),
        Act::HangAfter { after_tokens } => first(*after_tokens, Ending::Hang),
        Act::TruncatedJson => first(2, Ending::HalfChunk),
        Act::ErrorInStream { message } => Answer { error: Some(message.clone()), ..first(1, Ending::CutOff) },
        Act::Huge { bytes } => {
            let piece = "x".repeat(4096);
            Answer { tokens: vec![piece; bytes.div_ceil(4096)], calls: Vec::new(), ending: stop, error: None }
        }
        _ => echoed(),
    }
}

/// Cuts a text as a tokenizer might: words with the space before them, and punctuation.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for c in text.chars() {
        match tokens.last_mut() {
            Some(token)
                if c.is_alphanumeric()
                    && token.ends_with(|last: char| last.is_alphanumeric() || last == ' ') =>
            {
                token.push(c);
            }
            _ => tokens.push(c.to_string()),
        }
    }
    tokens
}

fn usage(request: &Value, answer: &Answer) -> Value {
    // About four bytes a token, the usual rule of thumb.
    let prompt = request["messages"].to_string().len() / 4;
    let completion = answer.tokens.len() + answer.calls.len() * 12;
    json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion })
}

fn model(request: &Value) -> &str {
    request["model"].as_str().unwrap_or(MODEL)
}

async fn whole(request: &Value, answer: Answer, step: &Step) -> Response {
    tokio::time::sleep(Duration::from_millis(step.token_ms * answer.tokens.len() as u64)).await;
    let Ending::Finished(reason) = answer.ending else {
        return match answer.ending {
            Ending::Hang => std::future::pending().await,
            Ending::Reset => broken_body(stream::iter([Ok(Bytes::from_static(b"{\"id\": \"chat"))])),
            _ => ([(header::CONTENT_TYPE, "application/json")], "{\"id\": \"chatcmpl-1\", \"choices\": [{")
                .into_response(),
        };
    };
    let text = answer.tokens.concat();
    let content =
        if text.is_empty() && (step.sparse || !answer.calls.is_empty()) { Value::Null } else { json!(text) };
    let mut message = json!({ "role": "assistant", "content": content });
    if !answer.calls.is_empty() {
        let call = |(index, call): (usize, &Call)| {
            let function = json!({ "name": call.name, "arguments": call.arguments_text() });
            json!({ "id": format!("call_{index}"), "type": "function", "function": function })
        };
        message["tool_calls"] = answer.calls.iter().enumerate().map(call).collect();
    }
    let choice = json!({ "index": 0, "message": message, "finish_reason": reason });
    let mut body = json!({ "object": "chat.completion", "model": model(request), "choices": [choice] });
    if !step.sparse {
        body["id"] = json!("chatcmpl-1");
        body["created"] = json!(1_700_000_000);
        body["usage"] = usage(request, &answer);
    }
    Json(body).into_response()
}

fn streamed(request: &Value, answer: Answer, step: &Step) -> Response {
    let chunks = chunks(request, &answer, step);
    let pause = Duration::from_millis(step.token_ms);
    let said = stream::iter(chunks).then(move |chunk| async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok::<Bytes, Infallible>(chunk.into())
    });
    match answer.ending {
        Ending::Reset => broken_body(said),
        Ending::Hang => event_stream(Body::from_stream(said.chain(stream::pending()))),
        _ => event_stream(Body::from_stream(said)),
    }
}

fn chunks(request: &Value, answer: &Answer, step: &Step) -> Vec<String> {
    let data = |choices: Value, usage: Option<Value>| {
        let mut chunk =
            json!({ "object": "chat.completion.chunk", "model": model(request), "choices": choices });
        if !step.sparse {
            chunk["id"] = json!("chatcmpl-1");
            chunk["created"] = json!(1_700_000_000);
        }
        if let Some(usage) = usage {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value| data(json!([{ "index": 0, "delta": delta, "finish_reason": null }]), None);
    let mut chunks = Vec::with_capacity(answer.tokens.len() + 8);
    if !step.sparse {
        chunks.push(delta(json!({ "role": "assistant", "content": "" })));
    }
    chunks.extend(answer.tokens.iter().map(|token| delta(json!({ "content": token }))));
    for (index, call) in answer.calls.iter().enumerate() {
        let arguments = call.arguments_text();
        let mut middle = arguments.len() / 2;
        while !arguments.is_char_boundary(middle) {
            middle -= 1;
        }
        let mut opening = json!({ "index": index, "function": { "name": call.name, "arguments": "" } });
        if !step.sparse {
            opening["id"] = json!(format!("call_{index}"));
            opening["type"] = json!("function");
        }
        chunks.push(delta(json!({ "content": null, "tool_calls": [opening] })));
        for part in [&arguments[..middle], &arguments[middle..]] {
            chunks.push(delta(
                json!({ "tool_calls": [{ "index": index, "function": { "arguments": part } }] }),
            ));
        }
    }
    if let Some(message) = &answer.error {
        chunks.push(format!(
            "data: {}\n\n",
            json!({ "error": { "message": message, "type": "server_error" } })
        ));
    }
    match answer.ending {
        Ending::Finished(reason) => {
            chunks.push(data(json!([{ "index": 0, "delta": {}, "finish_reason": reason }]), None));
            if request["stream_options"]["include_usage"] == true && !step.sparse {
                chunks.push(data(json!([]), Some(usage(request, answer))));
            }
            chunks.push("data: [DONE]\n\n".to_owned());
        }
        Ending::HalfChunk => chunks.push("data: {\"id\": \"chatcmpl-1\", \"choi\n\n".to_owned()),
        Ending::CutOff | Ending::Reset | Ending::Hang => {}
    }
    chunks
}

fn event_stream(body: Body) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, body).into_response()
}

/// A body whose connection breaks where it should go on.
fn broken_body(said: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let said = said.map(|chunk| chunk.map_err(|never| -> std::io::Error { match never {} }));
    // What was said must leave before the connection breaks, or the client sees nothing of it.
    let broken = stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(std::io::ErrorKind::ConnectionReset.into())
    });
    event_stream(Body::from_stream(said.chain(broken)))
}

/// The answer to a missing or wrong key.
pub(super) fn wrong_key() -> Response {
    refusal(&Act::Unauthorized)
}

/// An answer with an error status.
pub(super) fn refusal(act: &Act) -> Response {
    match act {
        Act::RateLimited { retry_after } => {
            let mut response = error(
                StatusCode::TOO_MANY_REQUESTS,
                "requests",
                Some("rate_limit_exceeded"),
                "Rate limit reached for requests",
            );
            if let Some(value) = retry_after.as_ref().and_then(|after| HeaderValue::from_str(after).ok()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
            response
        }
        Act::InsufficientQuota => error(
            StatusCode::TOO_MANY_REQUESTS,
            "insufficient_quota",
            Some("insufficient_quota"),
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        Act::ContextTooLong => error(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            Some("context_length_exceeded"),
            "This model's maximum context length is 8192 tokens.",
        ),
        Act::Status { status, error_type, code, message } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            error(status, error_type, code.as_deref(), message)
        }
        _ => error(
            StatusCode::UNAUTHORIZED,
            "invalid_request_error",
            Some("invalid_api_key"),
            "Incorrect API key provided.",
        ),
    }
}

/// An error object.
pub(super) fn error(status: StatusCode, error_type: &str, code: Option<&str>, message: &str) -> Response {
    let error = json!({ "message": message, "type": error_type, "param": null, "code": code });
    (status, Json(json!({ "error": error }))).into_response()
}
