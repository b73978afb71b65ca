//! `/_control`: who plays the payer, sets faults or looks behind the scenes.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    Faults, Shared, dialects, parsed, refused,
    world::{Hook, News},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewHook {
    url: String,
    secret: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pay {
    /// Any name of the charge, or its code.
    charge: String,
    /// What it asks for, without.
    minor: Option<i64>,
    /// It happened so long ago, and whoever should have been told was not until now.
    #[serde(default)]
    seconds_ago: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refund {
    charge: String,
    id: String,
    minor: i64,
}

/// `PUT /_control/hooks/{provider}`: report to this address, signed with this secret.
pub(super) async fn hook(
    State(shared): State<Arc<Shared>>,
    Path(provider): Path<String>,
    body: Bytes,
) -> Response {
    if dialects::dialect(&provider).is_none() {
        return refused(404, "no such provider is played here");
    }
    match parsed::<NewHook>(&body) {
        Ok(NewHook { url, secret }) => {
            shared.world.lock().hooks.insert(provider, Hook { url, secret });
            Json(json!({ "ok": true })).into_response()
        }
        Err(refusal) => *refusal,
    }
}

/// `POST /_control/pay`: the payer pays.
pub(super) async fn pay(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let Pay { charge, minor, seconds_ago } = match parsed(&body) {
        Ok(pay) => pay,
        Err(refusal) => return *refusal,
    };
    let paid = shared.world.lock().pay(&charge, minor, seconds_ago);
    let Some((charge, at)) = paid else { return refused(404, "no such charge") };
    let answer = json!({ "end_to_end_id": charge.receipts[at].end_to_end_id, "charge": charge });
    if let Some(dialect) = dialects::dialect(charge.provider) {
        shared.tell(dialect, charge, News::Paid(at));
    }
    Json(answer).into_response()
}

/// `POST /_control/refund`: the shop gives money back at the provider's own desk.
pub(super) async fn refund(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let Refund { charge, id, minor } = match parsed(&body) {
        Ok(refund) => refund,
        Err(refusal) => return *refusal,
    };
    let provider = {
        let world = shared.world.lock();
        world
            .all()
            .iter()
            .find(|known| known.id == charge || known.reference == charge)
            .map(|known| known.provider)
    };
    let Some(provider) = provider else { return refused(404, "no such charge") };
    let done = shared.world.lock().refund(provider, &charge, &id, minor);
    match done {
        Ok(Some((charge, at, is_new))) => {
            let answer = Json(json!({ "charge": charge })).into_response();
            if is_new && let Some(dialect) = dialects::dialect(provider) {
                shared.tell(dialect, charge, News::Refunded(at));
            }
            answer
        }
        Ok(None) => refused(404, "no such charge"),
        Err(why) => refused(422, &why),
    }
}

/// `PUT /_control/faults`.
pub(super) async fn faults(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    match parsed::<Faults>(&body) {
        Ok(faults) => {
            *shared.faults.lock() = faults.clone();
            Json(faults).into_response()
        }
        Err(refusal) => *refusal,
    }
}

/// `GET /_control/faults`.
pub(super) async fn show_faults(State(shared): State<Arc<Shared>>) -> Json<Faults> {
    Json(shared.faults.lock().clone())
}

/// `GET /_control/charges`.
pub(super) async fn charges(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.world.lock().all()).into_response()
}
