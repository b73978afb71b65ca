//! The send endpoint: messages, read receipts, typing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::error::ApiError;
use super::sever::Scissors;
use super::statuses::{self, Fate};
use super::validate::{self, Message, Recipient, Template};
use super::world::{Call, NewNumber, Outbound, World};
use super::{Shared, wire};

/// `POST /{version}/{phone_number_id}/messages`.
pub async fn messages(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path((version, id)): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let latency = shared.world.lock().faults.send.latency_ms;
    tokio::time::sleep(Duration::from_millis(latency)).await;
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let answer = answer(&shared, &version, &id, &headers, &body).await;
    let call = |status: u16, code| Call {
        at: Utc::now(),
        phone_number_id: id.clone(),
        body: body.clone(),
        status,
        code,
    };
    let (call, response) = match answer {
        Answer::Ok(answer) => (call(200, None), Json(answer).into_response()),
        Answer::Refused(error) => (call(error.http_status, Some(error.code)), error.into_response()),
        Answer::Bare(status) => (call(status, None), bare(status)),
        Answer::Cut => {
            scissors.cut();
            (call(0, None), bare(500))
        }
    };
    shared.world.lock().called(call);
    response
}

/// Any other path.
pub async fn unknown_path() -> ApiError {
    ApiError { http_status: 404, code: 33, details: "Unknown path components.".into() }
}

enum Answer {
    Ok(Value),
    Refused(ApiError),
    /// An HTTP status with nothing else.
    Bare(u16),
    /// The connection ends instead.
    Cut,
}

fn bare(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Body::empty()).into_response()
}

async fn answer(shared: &Arc<Shared>, version: &str, id: &str, headers: &HeaderMap, body: &Value) -> Answer {
    let number = match authenticate(shared, version, id, headers) {
        Ok(number) => number,
        Err(error) => return Answer::Refused(error),
    };
    if body.get("status").is_some() {
        return match mark_read(&mut shared.world.lock(), id, body) {
            Ok(()) => Answer::Ok(json!({ "success": true })),
            Err(error) => Answer::Refused(error),
        };
    }
    if let Some(failure) = failure(&mut shared.world.lock()) {
        return failure;
    }
    let accepted = accept(&mut shared.world.lock(), &number, body);
    let (answer, message, fate) = match accepted {
        Ok(accepted) => accepted,
        Err(error) => return Answer::Refused(error),
    };
    let (before, cut) = {
        let mut world = shared.world.lock();
        let faults = &mut world.faults.send;
        let counted = faults.drop_response > 0;
        faults.drop_response = faults.drop_response.saturating_sub(1);
        let (before, rate) = (faults.status_before_response, faults.drop_rate);
        (before && matches!(fate, Fate::Arrives), counted || world.happens(rate))
    };
    if before {
        statuses::report(shared, &number, &message, "sent", None).await;
    }
    statuses::follow(shared, number, message, fate, before);
    if cut { Answer::Cut } else { Answer::Ok(answer) }
}

/// Which number is meant, and may the caller send from it?
pub fn authenticate(
    shared: &Shared,
    version: &str,
    id: &str,
    headers: &HeaderMap,
) -> Result<NewNumber, ApiError> {
    let digits = version.strip_prefix('v').unwrap_or("");
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(ApiError { http_status: 404, code: 33, details: "Unknown API version.".into() });
    }
    let unknown =
        || ApiError::new(33, format!("Object with ID '{id}' does not exist, or cannot be accessed."));
    let number = shared.world.lock().numbers.get(id).cloned().ok_or_else(unknown)?;
    if bearer(headers).ct_eq(number.access_token.as_bytes()).into() {
        Ok(number)
    } else {
        Err(ApiError::new(190, "Error validating access token."))
    }
}

/// The bearer token of a request.
pub fn bearer(headers: &HeaderMap) -> &[u8] {
    headers.get(header::AUTHORIZATION).and_then(|h| h.as_bytes().strip_prefix(b"Bearer ")).unwrap_or_default()
}

/// What goes wrong with this call before anything happens.
fn failure(world: &mut World) -> Option<Answer> {
    let faults = &mut world.faults.send;
    if faults.drop_request > 0 {
        faults.drop_request -= 1;
        return Some(Answer::Cut);
    }
    if let Some(next) = faults.fail_next.as_mut().filter(|next| next.count > 0) {
        next.count -= 1;
        return Some(match next.code {
            None => Answer::Bare(next.http_status.unwrap_or(500)),
            Some(code) => {
                let mut error = ApiError::new(code, "The emulator was asked to refuse this call.");
                error.http_status = next.http_status.unwrap_or(error.http_status);
                Answer::Refused(error)
            }
        });
    }
    let (rate, code) = (faults.fail_rate, faults.fail_rate_code.unwrap_or(131016));
    world
        .happens(rate)
        .then(|| Answer::Refused(ApiError::new(code, "The emulator was asked to refuse some calls.")))
}

fn mark_read(world: &mut World, number: &str, body: &Value) -> Result<(), ApiError> {
    let (id, typing) = validate::read(body)?;
    let Some(at) = world.inbound.iter().rposition(|m| m.id == id && m.phone_number_id == number) else {
        return Err(ApiError::value("Param message_id is not a message received by this number."));
    };
    let person = world.inbound[at].person.clone();
    if typing {
        world.inbound[at].typing_at = Some(Utc::now());
    }
    // Reading one message reads all before it.
    for message in world.inbound.iter_mut().take(at + 1) {
        if message.phone_number_id == number && message.person == person {
            message.read = true;
        }
    }
    Ok(())
}

/// Takes a message, or says why not.
fn accept(world: &mut World, number: &NewNumber, body: &Value) -> Result<(Value, Outbound, Fate), ApiError> {
    let message = validate::message(body)?;
    let (input, phone, user_id, key) = match &message.recipient {
        Recipient::Phone { input, digits } => (input.clone(), Some(digits.clone()), None, digits.clone()),
        Recipient::UserId(id) => (id.clone(), None, Some(id.clone()), id.clone()),
        Recipient::Lost(id) => (id.clone(), None, None, id.clone()),
    };
    if phone.as_deref() == Some(number.display_phone_number.as_str()) {
        return Err(ApiError::new(131021, "Sender and recipient are the same."));
    }
    if let (Some(allowed), Some(phone)) = (&number.allowed, &phone)
        && !allowed.contains(phone)
    {
        return Err(ApiError::new(131030, "Recipient phone number not in allowed list."));
    }
    if let Some(template) = &message.template {
        check_template(world, number, template)?;
    }
    let person = world.find(phone.as_deref(), user_id.as_deref());
    let fate = fate(world, number, &message, person)?;
    let limits = world.faults.limits.clone();
    world.meter.take(&limits, Instant::now(), &number.phone_number_id, &key)?;

    let known = person.map(|at| world.person(at).clone()).unwrap_or_default();
    // The phone as WhatsApp knows it may differ from the one that was written to.
    let wa_id = phone.map(|written| known.phone.clone().unwrap_or(written));
    let outbound = Outbound {
        id: wire::message_id(&key),
        phone_number_id: number.phone_number_id.clone(),
        to: input.clone(),
        phone: wa_id.clone(),
        user_id: user_id.clone().or(known.user_id),
        kind: message.kind,
        text: message.text,
        tag: message.tag,
        context: message.context,
        at: Utc::now(),
        arrived: matches!(fate, Fate::Arrives),
        statuses: Vec::new(),
        body: body.clone(),
    };
    let contact = match (&wa_id, &user_id) {
        (Some(wa_id), _) => json!({ "input": input, "wa_id": wa_id }),
        (None, Some(user_id)) => json!({ "input": input, "user_id": user_id }),
        (None, None) => json!({ "input": input, "wa_id": input }),
    };
    let mut answer = json!({
        "messaging_product": "whatsapp", "contacts": [contact], "messages": [{ "id": outbound.id }]
    });
    if outbound.kind == "template" {
        answer["messages"][0]["message_status"] = json!("accepted");
    }
    world.sent(outbound.clone());
    Ok((answer, outbound, fate))
}

/// What will become of a message that is well-formed.
fn fate(
    world: &World,
    number: &NewNumber,
    message: &Message,
    person: Option<usize>,
) -> Result<Fate, ApiError> {
    if matches!(message.recipient, Recipient::Lost(_)) {
        return Ok(Fate::Silence);
    }
    if person.is_some_and(|at| world.person(at).unreachable) {
        return Ok(Fate::Fails(ApiError::new(131026, "Message undeliverable.")));
    }
    let open = person.is_some_and(|at| world.window_is_open(&number.phone_number_id, at, Utc::now()));
    if open || message.template.is_some() {
        return Ok(Fate::Arrives);
    }
    let closed = ApiError::new(
        131047,
        "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
    );
    if world.faults.limits.window_at_once { Err(closed) } else { Ok(Fate::Fails(closed)) }
}

fn check_template(world: &World, number: &NewNumber, template: &Template) -> Result<(), ApiError> {
    let key = (number.waba_id.clone(), template.name.clone(), template.language.clone());
    let known = world.templates.get(&key).ok_or_else(|| {
        ApiError::new(
            132001,
            format!("template name ({}) does not exist in {}", template.name, template.language),
        )
    })?;
    match known.status.as_str() {
        "APPROVED" => {}
        "PAUSED" => return Err(ApiError::new(132015, "Template is paused due to low quality.")),
        "DISABLED" => return Err(ApiError::new(132016, "Template is disabled.")),
        _ => return Err(ApiError::new(132001, "Template is not approved.")),
    }
    let given = template.variables.len();
    if given != known.variables {
        let expected = known.variables;
        return Err(ApiError::new(
            132000,
            format!(
                "body: number of localizable_params ({given}) does not match the expected number of params ({expected})"
            ),
        ));
    }
    Ok(())
}
