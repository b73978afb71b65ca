//! `POST /v1/chat/completions`: one turn, whole or in chunks.

use std::{borrow::Cow, convert::Infallible};

use axum::{
    Json as Whole,
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use balcao_domain::{ConversationId, inbound::Content};
use chrono::Utc;
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    models::MODEL,
    wire::{Completion, Tokens},
};
use crate::{
    ApiError, App,
    auth::Chat,
    converse::{self, Answer, Heard, Listener, Saying},
    error::openai_error,
    extract::Json,
    idempotency,
    routes::{conversations::external_id, messages::words},
};

/// One turn in OpenAI's protocol.
///
/// The conversation is named by `metadata.conversation_id`, else by `user`; without either each request is a
/// conversation of its own. What the answer stands on is in the extension field `balcao`.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "openai", request_body = Completion,
    responses((status = 200, description = "As OpenAI's, with the extension field `balcao`", body = Object),
              (status = 400, description = "As OpenAI's", body = Object)),
)]
pub async fn complete(
    State(app): State<App>,
    Chat(caller): Chat,
    headers: HeaderMap,
    body: Result<Json<Completion>, ApiError>,
) -> Result<Response, ApiError> {
    // OpenAI's clients expect 400 for whatever is wrong with a body.
    let Json(request) = body.map_err(malformed)?;
    let said = request
        .last_words()
        .ok_or_else(|| ApiError::Malformed("`messages` has no message of the user".into()))?;
    let text = words(&said).map_err(malformed)?;
    if request.n.is_some_and(|n| n != 1) {
        return Err(ApiError::Malformed("`n` must be 1: a shop gives one answer".into()));
    }
    let named = request.conversation().unwrap_or_else(|| format!("completion-{}", Uuid::now_v7()));
    let conversation = external_id(&app, &caller, &named).await.map_err(malformed)?;
    let message_id = match idempotency::key(&headers, &caller)? {
        Some(key) => format!("key:{}", hex::encode(idempotency::fingerprint(&[&key]))),
        None => Uuid::now_v7().to_string(),
    };
    let saying = Saying {
        ctx: caller.ctx(),
        conversation: conversation.clone(),
        message_id,
        content: Content::Text { text },
    };
    let listener = converse::say(&app, saying).await?;
    let frame = Frame {
        id: format!("chatcmpl-{}", Uuid::now_v7().simple()),
        created: Utc::now().timestamp(),
        model: request.model.clone().unwrap_or_else(|| MODEL.into()),
        conversation_id: listener.conversation_id,
        external_id: conversation,
    };
    if request.stream == Some(true) {
        let with_usage = request.stream_options.is_some_and(|options| options.include_usage == Some(true));
        let chunks = chunks(listener, frame, with_usage);
        return Ok(Sse::new(chunks).keep_alive(KeepAlive::default()).into_response());
    }
    let answer = listener.answer().await?;
    Ok(Whole(frame.whole(&answer)).into_response())
}

fn malformed(error: ApiError) -> ApiError {
    match error {
        ApiError::Invalid(detail) => ApiError::Malformed(detail),
        other => other,
    }
}

/// What all chunks of one answer share.
struct Frame {
    id: String,
    created: i64,
    model: String,
    conversation_id: ConversationId,
    external_id: String,
}

impl Frame {
    fn whole(&self, answer: &Answer) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": reply(answer), "refusal": null },
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": Tokens::from(answer.outcome.evidence.usage),
            "balcao": self.extension(answer),
        })
    }

    fn chunk(&self, delta: Value, finish_reason: Option<&str>) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason }],
        })
    }

    /// The last chunks: the end, with what it stands on; the tokens, if wished; and the mark that nothing follows.
    fn ending(&self, answer: &Answer, with_usage: bool) -> Vec<Value> {
        let mut end = self.chunk(json!({}), Some("stop"));
        end["balcao"] = self.extension(answer);
        let mut all = vec![end];
        if with_usage {
            let mut usage = self.chunk(json!({}), None);
            usage["choices"] = json!([]);
            usage["usage"] = json!(Tokens::from(answer.outcome.evidence.usage));
            all.push(usage);
        }
        all
    }

    fn extension(&self, answer: &Answer) -> Value {
        let outcome = &answer.outcome;
        let reply = outcome.reply.as_ref();
        json!({
            "sources": reply.map(|reply| &reply.sources),
            "options": reply.map(|reply| &reply.options),
            "copyable": reply.and_then(|reply| reply.copyable.as_ref()),
            "path": outcome.path,
            "reason": outcome.reason,
            "action": outcome.action,
            "turn_id": answer.turn_id,
            "conversation_id": self.conversation_id,
            "external_id": self.external_id,
        })
    }
}

fn reply(answer: &Answer) -> Cow<'_, str> {
    let Some(reply) = &answer.outcome.reply else { return Cow::Borrowed("") };
    match &reply.copyable {
        Some(code) => Cow::Owned(format!("{}\n\n{code}", reply.text)),
        None => Cow::Borrowed(&reply.text),
    }
}

/// The words already sent. OpenAI's protocol cannot take words back: after a restart the new answer follows on a
/// line of its own, and what is sent last is always the end of the recorded reply.
#[derive(Default)]
struct Spoken {
    since_restart: String,
    anything: bool,
}

impl Spoken {
    fn token(&mut self, text: String) -> Option<String> {
        let begins = self.anything && self.since_restart.is_empty();
        self.since_restart.push_str(&text);
        self.anything = true;
        (!text.is_empty()).then(|| if begins { format!("\n\n{text}") } else { text })
    }

    fn restart(&mut self) {
        self.since_restart.clear();
    }

    /// What is missing of the recorded reply.
    fn rest(&mut self, reply: &str) -> Option<String> {
        match reply.strip_prefix(self.since_restart.as_str()) {
            Some(rest) if !rest.is_empty() => self.token(rest.to_owned()),
            Some(_) => None,
            None if reply.trim() == self.since_restart.trim() => None,
            None => {
                self.restart();
                self.token(reply.to_owned())
            }
        }
    }
}

fn chunks(
    listener: Listener,
    frame: Frame,
    with_usage: bool,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let role = data(&frame.chunk(json!({ "role": "assistant", "content": "" }), None));
    let rest = stream::unfold(
        (listener, frame, Spoken::default()),
        move |(mut listener, frame, mut spoken)| async move {
            let mut sent = Vec::new();
            match listener.next().await? {
                Ok(Heard::Token(text)) => {
                    sent.extend(spoken.token(text).map(|text| words_chunk(&frame, &text)))
                }
                Ok(Heard::Restart(_)) => spoken.restart(),
                Ok(Heard::Answer(answer)) => {
                    sent.extend(spoken.rest(&reply(&answer)).map(|text| words_chunk(&frame, &text)));
                    sent.extend(frame.ending(&answer, with_usage).iter().map(data));
                    sent.push(Ok(Event::default().data("[DONE]")));
                }
                Ok(Heard::Stage(_) | Heard::Sources(_)) => {}
                Err(error) => sent.push(data(&openai_error(&error, &error.problem()))),
            }
            Some((stream::iter(sent), (listener, frame, spoken)))
        },
    );
    stream::iter([role]).chain(rest.flatten())
}

fn words_chunk(frame: &Frame, text: &str) -> Result<Event, Infallible> {
    data(&frame.chunk(json!({ "content": text }), None))
}

fn data(value: &Value) -> Result<Event, Infallible> {
    Ok(Event::default().data(value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_sent_end_as_the_recorded_reply_does() {
        let mut spoken = Spoken::default();
        assert_eq!(spoken.token("Entre".into()).as_deref(), Some("Entre"));
        assert_eq!(spoken.token("gamos".into()).as_deref(), Some("gamos"));
        assert_eq!(spoken.rest("Entregamos sim.").as_deref(), Some(" sim."));
    }

    #[test]
    fn a_reply_that_was_not_streamed_is_sent_whole_and_one_that_was_is_not_repeated() {
        assert_eq!(Spoken::default().rest("Olá!").as_deref(), Some("Olá!"));
        let mut spoken = Spoken::default();
        spoken.token("Olá!".into());
        assert_eq!(spoken.rest("Olá!"), None);
    }

    #[test]
    fn after_a_restart_the_new_answer_begins_on_a_line_of_its_own() {
        let mut spoken = Spoken::default();
        spoken.token("Acho que".into());
        spoken.restart();
        assert_eq!(spoken.rest("Não sei.").as_deref(), Some("\n\nNão sei."));
    }
}
