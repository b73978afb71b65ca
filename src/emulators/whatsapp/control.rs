//! Behind the scenes: numbers, people, templates, faults, and what happened.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::faults::Faults;
use super::validate::phone_digits;
use super::world::{KnownTemplate, NewNumber, Outbound, Person, phone_forms};

/// A control that was used wrongly.
#[derive(Debug)]
pub struct Refusal(StatusCode, String);

impl Refusal {
    pub fn wrong(what: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, what.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// A registered number.
pub fn number(shared: &Shared, id: &str) -> Result<NewNumber, Refusal> {
    let unknown = || Refusal(StatusCode::NOT_FOUND, format!("no number `{id}` is registered"));
    shared.world.lock().numbers.get(id).cloned().ok_or_else(unknown)
}

/// `GET /`: a phone to type on.
pub async fn phone() -> Html<&'static str> {
    Html(include_str!("phone.html"))
}

/// `POST /_control/numbers`: registers (or replaces) a number and tries the handshake with its webhook.
pub async fn register(State(shared): State<Arc<Shared>>, Json(new): Json<NewNumber>) -> Json<Value> {
    let handshake = handshake(&shared, &new).await;
    let id = new.phone_number_id.clone();
    shared.world.lock().numbers.insert(id.clone(), new);
    let (ok, detail) = match handshake {
        Ok(()) => (true, String::new()),
        Err(detail) => (false, detail),
    };
    Json(json!({ "phone_number_id": id, "handshake": { "ok": ok, "detail": detail } }))
}

/// Asks the webhook whether it is one, as Meta does when the address is set.
async fn handshake(shared: &Shared, number: &NewNumber) -> Result<(), String> {
    let challenge = shared.world.lock().random_below(u64::from(u32::MAX)).to_string();
    let query = [
        ("hub.mode", "subscribe"),
        ("hub.challenge", challenge.as_str()),
        ("hub.verify_token", number.verify_token.as_str()),
    ];
    let asked = shared.http.get(&number.webhook_url).query(&query).send().await;
    let answer = asked.map_err(|error| format!("no answer: {}", error.without_url()))?;
    let status = answer.status();
    let body = answer.text().await.unwrap_or_default();
    match (status.as_u16(), body == challenge) {
        (200, true) => Ok(()),
        (200, false) => Err("the answer is not the challenge and nothing else".into()),
        (status, _) => Err(format!("HTTP {status}")),
    }
}

/// `GET /_control/numbers`: the numbers, without their secrets.
pub async fn numbers(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let world = shared.world.lock();
    let mut numbers: Vec<&NewNumber> = world.numbers.values().collect();
    numbers.sort_by(|a, b| a.phone_number_id.cmp(&b.phone_number_id));
    let shown: Vec<Value> = numbers
        .iter()
        .map(|n| {
            json!({
                "phone_number_id": n.phone_number_id, "waba_id": n.waba_id,
                "display_phone_number": n.display_phone_number, "webhook_url": n.webhook_url
            })
        })
        .collect();
    Json(json!({ "numbers": shown }))
}

/// `POST /_control/people`: introduces someone, or changes them.
pub async fn person(State(shared): State<Arc<Shared>>, Json(person): Json<Person>) -> Json<Value> {
    let mut world = shared.world.lock();
    let at = world.meet(person);
    Json(json!(world.person(at)))
}

/// A template of an account or of a number's account.
#[derive(Debug, Deserialize)]
pub struct NewTemplate {
    waba_id: Option<String>,
    phone_number_id: Option<String>,
    #[serde(flatten)]
    template: KnownTemplate,
}

/// `POST /_control/templates`.
pub async fn template(
    State(shared): State<Arc<Shared>>,
    Json(new): Json<NewTemplate>,
) -> Result<Json<Value>, Refusal> {
    let account = match (new.waba_id, new.phone_number_id) {
        (Some(account), _) => account,
        (None, Some(id)) => number(&shared, &id)?.waba_id,
        (None, None) => return Err(Refusal::wrong("say whose: `waba_id` or `phone_number_id`")),
    };
    let template = new.template;
    let key = (account, template.name.clone(), template.language.clone());
    let shown = json!(template);
    shared.world.lock().templates.insert(key, template);
    Ok(Json(shown))
}

/// `POST /_control/faults`: replaces all faults; `{}` ends them.
pub async fn faults(State(shared): State<Arc<Shared>>, Json(faults): Json<Faults>) -> Json<Faults> {
    shared.world.lock().set_faults(faults.clone());
    Json(faults)
}

/// `GET /_control/faults`.
pub async fn show_faults(State(shared): State<Arc<Shared>>) -> Json<Faults> {
    Json(shared.world.lock().faults.clone())
}

/// Which messages.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Which {
    phone_number_id: Option<String>,
    /// A phone in any form, or a user id.
    to: Option<String>,
    /// Those that never came to a phone, too.
    all: bool,
    /// At most so many, the newest.
    limit: Option<usize>,
}

impl Which {
    fn number(&self, id: &str) -> bool {
        self.phone_number_id.as_deref().is_none_or(|wanted| wanted == id)
    }

    fn person(&self, phone: Option<&str>, user_id: Option<&str>) -> bool {
        let Some(to) = &self.to else { return true };
        let forms = phone_digits(to).map(|digits| phone_forms(&digits)).unwrap_or_default();
        user_id == Some(to.as_str()) || phone.is_some_and(|phone| forms.iter().any(|form| form == phone))
    }

    fn newest<T>(&self, mut list: Vec<T>) -> Vec<T> {
        let limit = self.limit.unwrap_or(10_000);
        let from = list.len().saturating_sub(limit);
        list.split_off(from)
    }
}

/// `GET /_control/messages`: what came to phones, in order, with the statuses so far.
pub async fn messages(State(shared): State<Arc<Shared>>, Query(which): Query<Which>) -> Json<Value> {
    let world = shared.world.lock();
    let wanted = |m: &&Outbound| {
        (m.arrived || which.all)
            && which.number(&m.phone_number_id)
            && which.person(m.phone.as_deref(), m.user_id.as_deref())
    };
    let list: Vec<&Outbound> = world.outbound.iter().filter(wanted).collect();
    Json(json!({ "messages": which.newest(list) }))
}

/// `GET /_control/inbound_messages`: what customers wrote, and whether it was read.
pub async fn inbound_messages(State(shared): State<Arc<Shared>>, Query(which): Query<Which>) -> Json<Value> {
    let world = shared.world.lock();
    let list = world
        .inbound
        .iter()
        .filter(|m| which.number(&m.phone_number_id))
        .filter(|m| which.person(m.person.phone.as_deref(), m.person.user_id.as_deref()))
        .collect();
    Json(json!({ "messages": which.newest(list) }))
}

/// `GET /_control/calls`: every call of the send endpoint and its answer.
pub async fn calls(State(shared): State<Arc<Shared>>, Query(which): Query<Which>) -> Json<Value> {
    let world = shared.world.lock();
    let list = world.calls.iter().filter(|call| which.number(&call.phone_number_id)).collect();
    Json(json!({ "calls": which.newest(list) }))
}

/// `GET /_control/webhooks`: every attempt to deliver a webhook.
pub async fn webhooks(State(shared): State<Arc<Shared>>, Query(which): Query<Which>) -> Json<Value> {
    let world = shared.world.lock();
    let list = world.attempts.iter().filter(|attempt| which.number(&attempt.phone_number_id)).collect();
    Json(json!({ "attempts": which.newest(list) }))
}

/// What to forget.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Reset {
    /// Numbers and templates, too.
    everything: bool,
}

/// `DELETE /_control/reset`: forgets messages, people and faults, and gives up on webhooks under way.
pub async fn reset(State(shared): State<Arc<Shared>>, Query(reset): Query<Reset>) -> StatusCode {
    shared.tasks.lock().abort_all();
    shared.world.lock().reset(reset.everything);
    StatusCode::NO_CONTENT
}
