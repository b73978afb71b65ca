//! Playing the customer: what they write becomes a signed webhook.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::{Refusal, number};
use super::deliver::{deliver, envelope};
use super::world::{Held, InboundMessage, NewNumber, Person};
use super::{Shared, wire};

/// Something a customer does: one message, or several in one webhook.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Incoming {
    phone_number_id: String,
    /// One message …
    #[serde(flatten)]
    one: Written,
    /// … or several.
    messages: Vec<Written>,
    /// Deliver the same webhook so many times (1 when 0).
    times: usize,
    /// Keep it until `/_control/flush`.
    hold: bool,
    /// Answer before the webhook is delivered.
    no_wait: bool,
    /// Sign with this instead of the number's secret.
    app_secret: Option<String>,
}

/// One message: `text`, a tapped `button`, a chosen `row`, or any `message` object of the API.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Written {
    from: Option<String>,
    user_id: Option<String>,
    name: Option<String>,
    username: Option<String>,
    text: Option<String>,
    button: Option<Value>,
    row: Option<Value>,
    message: Option<Value>,
    /// The message it answers.
    reply_to: Option<String>,
    /// Its id; a new one when absent. Repeating one is a redelivery.
    id: Option<String>,
    /// Unix seconds; now when absent.
    timestamp: Option<Value>,
}

/// `POST /_control/inbound`.
pub async fn receive(
    State(shared): State<Arc<Shared>>,
    Json(incoming): Json<Incoming>,
) -> Result<Json<Value>, Refusal> {
    let mut number = number(&shared, &incoming.phone_number_id)?;
    number.app_secret = incoming.app_secret.unwrap_or(number.app_secret);
    let written = if incoming.messages.is_empty() { vec![incoming.one] } else { incoming.messages };
    let mut contacts: Vec<Value> = Vec::new();
    let mut messages = Vec::new();
    for one in &written {
        let (contact, message) = compose(&shared, &number, one)?;
        if !contacts.contains(&contact) {
            contacts.push(contact);
        }
        messages.push(message);
    }
    let ids: Vec<Value> = messages.iter().map(|m| m["id"].clone()).collect();
    let mut answer = json!({ "message_id": ids[0], "message_ids": ids });
    if incoming.hold {
        shared.world.lock().held.push(Held { number, contacts, messages });
        answer["held"] = json!(true);
        return Ok(Json(answer));
    }
    let body = wire::encode(&envelope(&number, json!({ "contacts": contacts, "messages": messages })));
    let mut statuses = Vec::new();
    for _ in 0..incoming.times.max(1) {
        let delivered = deliver(&shared, &number, "messages", body.clone());
        if !incoming.no_wait {
            statuses.push(delivered.await.ok().flatten());
        }
    }
    answer["webhook"] = json!({ "status": statuses.first(), "statuses": statuses });
    Ok(Json(answer))
}

/// The contact and the message, remembered as received now.
fn compose(shared: &Shared, number: &NewNumber, written: &Written) -> Result<(Value, Value), Refusal> {
    let phone =
        written.from.as_ref().map(|from| from.chars().filter(char::is_ascii_digit).collect::<String>());
    let phone = phone.filter(|digits| !digits.is_empty());
    if phone.is_none() && written.user_id.is_none() {
        return Err(Refusal::wrong("say who writes: `from` or `user_id`"));
    }
    let new = Person {
        phone,
        user_id: written.user_id.clone(),
        name: written.name.clone(),
        username: written.username.clone(),
        unreachable: false,
    };
    let mut world = shared.world.lock();
    let at = world.meet(new.clone());
    let person = world.person(at).clone();
    // A webhook names the phone only if the customer writes from one: people with a user name may not.
    let shown_phone = new.phone.as_ref().and(person.phone.as_ref());
    let name = person.name.as_deref().or(shown_phone.map(String::as_str)).unwrap_or("Cliente");
    let mut contact = json!({ "profile": { "name": name } });
    let id =
        written.id.clone().unwrap_or_else(|| wire::message_id(shown_phone.map_or("user", String::as_str)));
    let now = Utc::now();
    let timestamp = written.timestamp.clone().unwrap_or_else(|| json!(now.timestamp().to_string()));
    let mut message = json!({ "id": id, "timestamp": timestamp });
    if let Some(phone) = shown_phone {
        contact["wa_id"] = json!(phone);
        message["from"] = json!(phone);
    }
    if let Some(user_id) = &person.user_id {
        contact["user_id"] = json!(user_id);
        message["from_user_id"] = json!(user_id);
    }
    if let Some(username) = &person.username {
        contact["profile"]["username"] = json!(username);
    }
    if let Some(reply_to) = &written.reply_to {
        message["context"] = json!({ "from": number.display_phone_number, "id": reply_to });
    }
    for (key, value) in content(written)?.as_object().into_iter().flatten() {
        message[key] = value.clone();
    }
    let received = InboundMessage {
        id: message["id"].as_str().unwrap_or_default().to_owned(),
        phone_number_id: number.phone_number_id.clone(),
        person,
        at: now,
        message: message.clone(),
        read: false,
        typing_at: None,
    };
    world.received(&number.phone_number_id, at, received);
    Ok((contact, message))
}

fn content(written: &Written) -> Result<Value, Refusal> {
    if let Some(message) = &written.message {
        return if message.is_object() {
            Ok(message.clone())
        } else {
            Err(Refusal::wrong("`message` is an object"))
        };
    }
    if let Some(button) = &written.button {
        return Ok(json!({ "type": "interactive",
            "interactive": { "type": "button_reply", "button_reply": button } }));
    }
    if let Some(row) = &written.row {
        return Ok(
            json!({ "type": "interactive", "interactive": { "type": "list_reply", "list_reply": row } }),
        );
    }
    match &written.text {
        Some(text) => Ok(json!({ "type": "text", "text": { "body": text } })),
        None => Err(Refusal::wrong("say what they write: `text`, `button`, `row` or `message`")),
    }
}

/// In which order what was held back is delivered.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Flush {
    /// `as_sent`, `reversed` or `shuffled`.
    order: String,
    /// All of one number in one webhook.
    one_body: bool,
}

/// `POST /_control/flush`: delivers what was held back, one after the other.
pub async fn flush(
    State(shared): State<Arc<Shared>>,
    Json(flush): Json<Flush>,
) -> Result<Json<Value>, Refusal> {
    let mut held = std::mem::take(&mut shared.world.lock().held);
    match flush.order.as_str() {
        "" | "as_sent" => {}
        "reversed" => held.reverse(),
        "shuffled" => {
            let mut world = shared.world.lock();
            for at in (1..held.len()).rev() {
                held.swap(at, world.random_below(at as u64 + 1) as usize);
            }
        }
        _ => return Err(Refusal::wrong("`order` is as_sent, reversed or shuffled")),
    }
    if flush.one_body {
        held = in_one_body(held);
    }
    let mut statuses = Vec::new();
    for Held { number, contacts, messages } in held {
        let body = wire::encode(&envelope(&number, json!({ "contacts": contacts, "messages": messages })));
        statuses.push(deliver(&shared, &number, "messages", body).await.ok().flatten());
    }
    Ok(Json(json!({ "statuses": statuses })))
}

fn in_one_body(held: Vec<Held>) -> Vec<Held> {
    let mut bodies: Vec<Held> = Vec::new();
    for next in held {
        match bodies.iter_mut().find(|b| b.number.phone_number_id == next.number.phone_number_id) {
            None => bodies.push(next),
            Some(body) => {
                let new: Vec<Value> =
                    next.contacts.into_iter().filter(|contact| !body.contacts.contains(contact)).collect();
                body.contacts.extend(new);
                body.messages.extend(next.messages);
            }
        }
    }
    bodies
}

/// Any body as a webhook of a number, signed.
#[derive(Debug, Deserialize)]
pub struct Raw {
    phone_number_id: String,
    /// A string is sent as it is, anything else as Meta would write it.
    body: Value,
}

/// `POST /_control/webhook`.
pub async fn raw(State(shared): State<Arc<Shared>>, Json(raw): Json<Raw>) -> Result<Json<Value>, Refusal> {
    let number = number(&shared, &raw.phone_number_id)?;
    let bytes = match raw.body {
        Value::String(text) => text,
        other => wire::encode(&other),
    };
    let status = deliver(&shared, &number, "raw", bytes).await.ok().flatten();
    Ok(Json(json!({ "status": status })))
}
