//! Talking as a customer: say something, hear the answer, read what was said.

use std::convert::Infallible;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use balcao_domain::{
    ConversationId, TurnId,
    inbound::{ChoiceSource, Content},
    text,
    turn::{Action, Path as AnswerPath, Reason},
};
use balcao_store::conversations::{self, HistoryLine, Page};
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::conversations::{external_id, find};
use crate::{
    ApiError, App,
    auth::{Caller, Chat},
    converse::{self, Answer, Heard, Listener, Saying},
    error::{Missing, Problem},
    extract::{Json, PageQuery, Path, Query},
    idempotency::{self, Start},
};

/// The longest message a customer may send, in characters. WhatsApp's own limit is 4096.
pub const TEXT_MAX: usize = 8_000;
/// The longest id a caller may give a message.
const MESSAGE_ID_MAX: usize = 200;

/// What a customer says.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Say {
    /// The words, up to 8000 characters.
    #[schema(example = "Vocês entregam em Campinas?", min_length = 1, max_length = 8000)]
    pub text: String,
    /// The `id` of the option the customer tapped, when the text is its `title`.
    #[serde(default)]
    pub choice: Option<String>,
    /// Your own id of this message: sending it twice is saying it once.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    pub message_id: Option<String>,
    /// Answer as a stream of events, as `Accept: text/event-stream` does.
    #[serde(default)]
    pub stream: bool,
}

/// What the shop answered.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Said {
    /// The words; `null` when nothing is said (a person of the shop has the conversation).
    pub reply: Option<String>,
    /// What the customer may tap instead of typing: send a row's `title` as the next text.
    #[schema(value_type = Vec<Object>)]
    pub options: Vec<balcao_domain::reply::ReplyOption>,
    /// A code to be copied as it is, such as a PIX code: show it alone, with a button that copies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copyable: Option<String>,
    /// What the answer stands on.
    #[schema(value_type = Vec<Object>)]
    pub sources: Vec<balcao_domain::reply::Source>,
    /// Which path answered: `model`, `rules`, `silent`, `apology`.
    #[schema(value_type = String, example = "model")]
    pub path: AnswerPath,
    /// Why that path: `answered`, `no_model`, `breaker_open`, `timed_out`, `handed_off` …
    #[schema(value_type = String, example = "answered")]
    pub reason: Reason,
    /// What happens next, besides the reply.
    #[schema(value_type = Object)]
    pub action: Action,
    /// The model that answered, as its endpoint names it.
    pub model: Option<String>,
    /// The recorded turn.
    #[schema(value_type = String)]
    pub turn_id: TurnId,
    /// The conversation, by our id.
    #[schema(value_type = String)]
    pub conversation_id: ConversationId,
    /// The conversation, by your id.
    pub external_id: String,
}

impl Said {
    fn new(answer: &Answer, conversation_id: ConversationId, external_id: String) -> Self {
        let outcome = &answer.outcome;
        let reply = outcome.reply.as_ref();
        Self {
            reply: reply.map(|reply| reply.text.clone()),
            options: reply.map(|reply| reply.options.clone()).unwrap_or_default(),
            copyable: reply.and_then(|reply| reply.copyable.clone()),
            sources: reply.map(|reply| reply.sources.clone()).unwrap_or_default(),
            path: outcome.path,
            reason: outcome.reason,
            action: outcome.action.clone(),
            model: outcome.evidence.model.clone().filter(|_| outcome.path == AnswerPath::Model),
            turn_id: answer.turn_id,
            conversation_id,
            external_id,
        }
    }

    /// 200 with an answer; 202 when the message is kept for a person of the shop.
    fn status(&self) -> StatusCode {
        if self.reply.is_none() && self.reason == Reason::HandedOff {
            return StatusCode::ACCEPTED;
        }
        StatusCode::OK
    }
}

/// Say something as a customer and hear the answer.
///
/// The conversation begins with its first message; `{id}` is your own id of it. With `Accept: text/event-stream`
/// (or `"stream": true`) the answer is a stream of events: `stage`, `token`, `restart` (forget the tokens so far),
/// `sources`, and in the end `reply` with the whole answer, or `error`.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/messages", tag = "conversations",
    params(("id" = String, Path, description = "Your own id of the conversation"),
           ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, description = "Repeating a request with its key gives the same answer, once")),
    request_body = Say,
    responses(
        (status = 200, description = "The answer", body = Said),
        (status = 202, description = "Kept for a person of the shop, who has the conversation", body = Said),
        (status = 422, description = "No text, or too much of it", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "No answer in time; it will be in the history", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn say(
    State(app): State<App>,
    Chat(caller): Chat,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(say): Json<Say>,
) -> Result<Response, ApiError> {
    let external = external_id(&app, &caller, &id).await?;
    let words = words(&say.text)?;
    let key = idempotency::key(&headers, &caller)?;
    let message_id = message_id(say.message_id.as_deref(), key.as_deref())?;
    if let Some(key) = &key {
        let request = idempotency::fingerprint(&[
            "say",
            &external,
            &words,
            say.choice.as_deref().unwrap_or(""),
            say.message_id.as_deref().unwrap_or(""),
        ]);
        // One that is still at work needs no refusal: the inbox knows the message and both hear the same answer.
        if let Start::Replay(status, body) = idempotency::start(&app, &caller, key, &request).await? {
            return Ok(replay(wants_stream(&headers, &say), status, body));
        }
    }
    let content = match &say.choice {
        Some(id) => Content::Choice { id: choice_id(id)?, title: words, source: ChoiceSource::Button },
        None => Content::Text { text: words },
    };
    let saying = Saying { ctx: caller.ctx(), conversation: external.clone(), message_id, content };
    let listener = converse::say(&app, saying).await?;
    let telling = Telling { app, caller: (*caller).clone(), external, key };
    if wants_stream(&headers, &say) {
        return Ok(Sse::new(told(listener, telling)).keep_alive(KeepAlive::default()).into_response());
    }
    let conversation_id = listener.conversation_id;
    let said = telling.tell(&listener.answer().await?, conversation_id).await?;
    Ok((said.status(), axum::Json(said)).into_response())
}

/// What is needed to tell an answer to its caller.
struct Telling {
    app: App,
    caller: Caller,
    external: String,
    key: Option<String>,
}

impl Telling {
    async fn tell(&self, answer: &Answer, conversation_id: ConversationId) -> Result<Said, ApiError> {
        let said = Said::new(answer, conversation_id, self.external.clone());
        if let Some(key) = &self.key {
            let body = serde_json::to_value(&said).unwrap_or_default();
            idempotency::keep(&self.app, &self.caller, key, said.status(), &body).await?;
        }
        Ok(said)
    }
}

fn told(listener: Listener, telling: Telling) -> impl Stream<Item = Result<Event, Infallible>> {
    let accepted = stream::iter([event("stage", &json!({ "name": "accepted" }))]);
    let heard = stream::unfold((listener, telling), async |(mut listener, telling)| {
        let event = match listener.next().await? {
            Ok(Heard::Answer(answer)) => match telling.tell(&answer, listener.conversation_id).await {
                Ok(said) => event("reply", &said),
                Err(error) => event("error", &error.problem()),
            },
            Ok(Heard::Stage(name)) => event("stage", &json!({ "name": name })),
            Ok(Heard::Token(text)) => event("token", &json!({ "text": text })),
            Ok(Heard::Restart(reason)) => event("restart", &json!({ "reason": reason })),
            Ok(Heard::Sources(sources)) => event("sources", &json!({ "sources": sources })),
            Err(error) => event("error", &error.problem()),
        };
        Some((event, (listener, telling)))
    });
    accepted.chain(heard)
}

/// One event of a stream.
pub(super) fn event(name: &str, data: &impl Serialize) -> Result<Event, Infallible> {
    let data = serde_json::to_string(data).unwrap_or_else(|_| "null".into());
    Ok(Event::default().event(name).data(data))
}

fn replay(stream: bool, status: StatusCode, body: Value) -> Response {
    if stream {
        return Sse::new(stream::iter([event("reply", &body)])).into_response();
    }
    idempotency::replayed(status, body)
}

fn wants_stream(headers: &HeaderMap, say: &Say) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    say.stream || accept.contains("text/event-stream")
}

/// The words of a message, without what no database and no model should be given.
pub(super) fn words(raw: &str) -> Result<String, ApiError> {
    if raw.chars().count() > TEXT_MAX {
        return Err(ApiError::Invalid(format!("`text` has more than {TEXT_MAX} characters")));
    }
    let words = text::clean(raw, TEXT_MAX);
    if words.trim().is_empty() {
        return Err(ApiError::Invalid("`text` says nothing".into()));
    }
    Ok(words)
}

/// The id of an option.
fn choice_id(id: &str) -> Result<String, ApiError> {
    let fits = (1..=MESSAGE_ID_MAX).contains(&id.len()) && !id.contains(char::is_control);
    let wrong = || ApiError::Invalid(format!("`choice` must have 1 to {MESSAGE_ID_MAX} characters"));
    fits.then(|| id.to_owned()).ok_or_else(wrong)
}

/// The id under which the inbox knows a message: the caller's own, else one made of the idempotency key, else new.
fn message_id(own: Option<&str>, key: Option<&str>) -> Result<String, ApiError> {
    match (own, key) {
        (Some(own), _) => {
            let fits = (1..=MESSAGE_ID_MAX).contains(&own.len()) && !own.contains(char::is_control);
            let wrong =
                || ApiError::Invalid(format!("`message_id` must have 1 to {MESSAGE_ID_MAX} characters"));
            fits.then(|| own.to_owned()).ok_or_else(wrong)
        }
        (None, Some(key)) => Ok(format!("key:{}", hex::encode(idempotency::fingerprint(&[key])))),
        (None, None) => Ok(Uuid::now_v7().to_string()),
    }
}

/// A page of a conversation's lines.
#[derive(Debug, Serialize, ToSchema)]
pub struct Lines {
    /// Oldest first; the first page holds the newest.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<HistoryLine>,
    /// Give this back as `cursor` to read what was said before; `null` at the beginning.
    pub next_cursor: Option<String>,
}

impl From<Page<HistoryLine>> for Lines {
    fn from(page: Page<HistoryLine>) -> Self {
        Self { items: page.items, next_cursor: page.next_cursor }
    }
}

/// What was said in a conversation.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/messages", tag = "conversations",
    params(("id" = String, Path, description = "Your own id of the conversation, or ours (`conv_…`)"), PageQuery),
    responses((status = 200, body = Lines), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn history(
    State(app): State<App>,
    Chat(caller): Chat,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Lines>, ApiError> {
    let limit = page.limit()?;
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let conversation = find(&mut tx, &caller, &id).await?;
    let lines =
        conversations::history(&mut tx, conversation.conversation_id, page.cursor.as_deref(), limit).await;
    let lines = lines.missing("page")?;
    tx.commit().await?;
    Ok(axum::Json(lines.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_loses_its_control_characters_and_empty_text_is_refused() {
        assert_eq!(words("oi\u{0}\u{1b}[2J").ok().as_deref(), Some("oi[2J"));
        for nothing in ["", "  \n ", "\u{0}\u{7}"] {
            assert!(matches!(words(nothing), Err(ApiError::Invalid(_))), "{nothing:?}");
        }
        assert!(words(&"é".repeat(TEXT_MAX)).is_ok());
        assert!(words(&"é".repeat(TEXT_MAX + 1)).is_err());
    }

    #[test]
    fn a_message_is_known_by_its_own_id_or_by_its_idempotency_key() {
        assert_eq!(message_id(Some("m1"), Some("k")).ok().as_deref(), Some("m1"));
        assert_eq!(message_id(None, Some("k")).ok(), message_id(None, Some("k")).ok());
        assert_ne!(message_id(None, None).ok(), message_id(None, None).ok());
        assert!(message_id(Some(""), None).is_err());
        assert!(message_id(Some("a\nb"), None).is_err());
    }

    #[test]
    fn a_stream_is_asked_for_by_header_or_body() {
        let say = |stream| Say { text: "oi".into(), choice: None, message_id: None, stream };
        let accept = |value: &'static str| {
            HeaderMap::from_iter([(header::ACCEPT, axum::http::HeaderValue::from_static(value))])
        };
        assert!(wants_stream(&accept("text/event-stream"), &say(false)));
        assert!(wants_stream(&HeaderMap::new(), &say(true)));
        assert!(!wants_stream(&accept("application/json"), &say(false)));
    }
}
