//! Conversations: list them, look at one, put it in a person's hands and give it back.

use axum::{Json as Answer, extract::State, http::HeaderMap, response::Response};
use balcao_domain::{ConversationId, Language, OutboxId, Scope, channel::Kind, reply::Reply};
use balcao_store::{
    TenantTx,
    conversations::{self, Conversation},
    outbox, tenants,
    turns::{self, NewOutgoing},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::messages::words;
use crate::{
    ApiError, App,
    auth::{Admin, Caller, Chat},
    error::{Missing, Problem},
    extract::{Json, PageQuery, Path, Query},
    idempotency,
};

/// The longest id a caller may give a conversation, in bytes.
const EXTERNAL_ID_MAX: usize = 200;
/// How many pages are read to fill one for a caller who may see only some of the conversations.
const PAGES_READ: usize = 5;

/// Whether `caller` may see this conversation: an admin all of the shop's, others those of the API.
fn visible(caller: &Caller, conversation: &Conversation) -> bool {
    conversation.channel == Kind::Api || caller.may(Scope::Admin)
}

/// The conversation of an id: the caller's own, or ours (`conv_…`).
pub(super) async fn find(tx: &mut TenantTx, caller: &Caller, id: &str) -> Result<Conversation, ApiError> {
    let found = match id.parse::<ConversationId>() {
        Ok(id) => conversations::get(tx, id).await.missing("conversation")?,
        Err(_) => conversations::by_external(tx, id).await?.ok_or(ApiError::NotFound("conversation"))?,
    };
    visible(caller, &found).then_some(found).ok_or(ApiError::NotFound("conversation"))
}

/// The caller's own id of a conversation that may not exist yet.
pub(super) async fn external_id(app: &App, caller: &Caller, id: &str) -> Result<String, ApiError> {
    if id.parse::<ConversationId>().is_ok() {
        let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
        let found = find(&mut tx, caller, id).await?;
        tx.commit().await?;
        let elsewhere = || ApiError::Conflict("this conversation takes place on another channel".into());
        return found.external_id.filter(|_| found.channel == Kind::Api).ok_or_else(elsewhere);
    }
    valid_external_id(id)
}

fn valid_external_id(id: &str) -> Result<String, ApiError> {
    let fits =
        (1..=EXTERNAL_ID_MAX).contains(&id.len()) && !id.contains(char::is_control) && !id.trim().is_empty();
    let wrong =
        || ApiError::Invalid(format!("a conversation's id has 1 to {EXTERNAL_ID_MAX} printable characters"));
    fits.then(|| id.to_owned()).ok_or_else(wrong)
}

/// A page of conversations.
#[derive(Debug, Serialize, ToSchema)]
pub struct Conversations {
    /// Newest activity first.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<Conversation>,
    /// Give this back as `cursor` to read on; `null` at the end.
    pub next_cursor: Option<String>,
}

/// The shop's conversations, newest activity first. A key without the scope `admin` sees those of the API.
#[utoipa::path(
    get, path = "/v1/conversations", tag = "conversations", params(PageQuery),
    responses((status = 200, body = Conversations)),
)]
pub async fn list(
    State(app): State<App>,
    Chat(caller): Chat,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Conversations>, ApiError> {
    let limit = page.limit()?;
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let mut items: Vec<Conversation> = Vec::new();
    let mut next_cursor = page.cursor;
    for _ in 0..PAGES_READ {
        let wanted = limit - items.len() as i64;
        let read = conversations::list(&mut tx, next_cursor.as_deref(), wanted).await.missing("page")?;
        items.extend(read.items.into_iter().filter(|one| visible(&caller, one)));
        next_cursor = read.next_cursor;
        if next_cursor.is_none() || items.len() as i64 >= limit {
            break;
        }
    }
    tx.commit().await?;
    Ok(Answer(Conversations { items, next_cursor }))
}

/// One conversation.
#[utoipa::path(
    get, path = "/v1/conversations/{id}", tag = "conversations",
    params(("id" = String, Path, description = "Your own id of the conversation, or ours (`conv_…`)")),
    responses((status = 200, body = Object), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn get(
    State(app): State<App>,
    Chat(caller): Chat,
    Path(id): Path<String>,
) -> Result<Answer<Conversation>, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let found = find(&mut tx, &caller, &id).await?;
    tx.commit().await?;
    Ok(Answer(found))
}

/// Why a person takes over.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct HandOff {
    /// For the shop's people.
    #[serde(default)]
    #[schema(example = "the customer wants to negotiate")]
    pub reason: Option<String>,
}

/// Put a conversation in a person's hands: the agent is silent until it is given back.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/handoff", tag = "hand-off",
    params(("id" = String, Path, description = "Your own id of the conversation, or ours (`conv_…`)")),
    request_body = HandOff,
    responses((status = 200, body = Object), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn hand_off(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
    body: Option<Json<HandOff>>,
) -> Result<Answer<Conversation>, ApiError> {
    let reason =
        body.and_then(|Json(body)| body.reason).unwrap_or_else(|| "asked for through the API".into());
    let reason = words(&reason)?;
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let found = find(&mut tx, &caller, &id).await?;
    conversations::hand_off(&mut tx, found.conversation_id, &reason).await.missing("conversation")?;
    let now = conversations::get(&mut tx, found.conversation_id).await.missing("conversation")?;
    tx.commit().await?;
    app.system.wake(caller.tenant_id, found.conversation_id);
    Ok(Answer(now))
}

/// Give a conversation back to the agent.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/handoff", tag = "hand-off",
    params(("id" = String, Path, description = "Your own id of the conversation, or ours (`conv_…`)")),
    responses((status = 200, body = Object), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn give_back(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<Answer<Conversation>, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let found = find(&mut tx, &caller, &id).await?;
    conversations::give_back(&mut tx, found.conversation_id).await.missing("conversation")?;
    let now = conversations::get(&mut tx, found.conversation_id).await.missing("conversation")?;
    tx.commit().await?;
    app.system.wake(caller.tenant_id, found.conversation_id);
    Ok(Answer(now))
}

/// What a person of the shop says.
#[derive(Debug, Deserialize, ToSchema)]
pub struct HumanSays {
    /// The words.
    #[schema(example = "Oi, aqui é a Marina. Já resolvo para você.", min_length = 1, max_length = 8000)]
    pub text: String,
}

/// Answer as a person of the shop. The conversation is in a person's hands from then on.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/human-messages", tag = "hand-off",
    params(("id" = String, Path, description = "Your own id of the conversation, or ours (`conv_…`)"),
           ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200,
            description = "Repeating a request with its key sends nothing twice")),
    request_body = HumanSays,
    responses((status = 202, description = "On its way", body = Object),
              (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn human_says(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<HumanSays>,
) -> Result<Response, ApiError> {
    let text = words(&body.text)?;
    let request = ["human-message", id.as_str(), text.as_str()];
    idempotency::once(&app, &caller, &headers, &request, send_as_human(&app, &caller, &id, &text)).await
}

async fn send_as_human(
    app: &App,
    caller: &Caller,
    id: &str,
    text: &str,
) -> Result<(axum::http::StatusCode, serde_json::Value), ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let found = find(&mut tx, caller, id).await?;
    let language = match turns::language(&mut tx, found.conversation_id).await? {
        Some(language) => language,
        None => tenants::get(&mut tx).await?.language,
    };
    let said = rendered(found.channel, text, language);
    conversations::hand_off(&mut tx, found.conversation_id, "a person answered through the API")
        .await
        .missing("conversation")?;
    for one in &said {
        outbox::push_human(&mut tx, found.conversation_id, one, None).await.missing("conversation")?;
    }
    tx.commit().await?;
    app.system.ring_outbox(caller.tenant_id, found.channel_id);
    let ids: Vec<OutboxId> = said.iter().map(|one| one.outbox_id).collect();
    let body = json!({ "message_ids": ids, "conversation_id": found.conversation_id });
    Ok((axum::http::StatusCode::ACCEPTED, body))
}

/// Words as a channel's messages: one where they fit. What the channel adds itself is in the conversation's language.
fn rendered(channel: Kind, text: &str, language: Language) -> Vec<NewOutgoing> {
    let reply = Reply::text(text);
    let messages = match channel {
        Kind::Whatsapp => balcao_channels::whatsapp::render::render(&reply, language),
        Kind::Api => balcao_channels::api::render(&reply),
    };
    let new = |one: balcao_channels::Outgoing| NewOutgoing {
        outbox_id: OutboxId::generate(),
        kind: one.kind,
        text: one.text,
        body: one.body,
    };
    messages.into_iter().map(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_own_id_is_printable_and_short() {
        assert_eq!(valid_external_id("visitor-42 São Paulo").ok().as_deref(), Some("visitor-42 São Paulo"));
        for wrong in ["", "   ", "a\u{0}b", "a\nb", &"x".repeat(201)] {
            assert!(matches!(valid_external_id(wrong), Err(ApiError::Invalid(_))), "{wrong:?}");
        }
    }
}
