//! What becomes of a message after it was taken: `sent`, `delivered`, `read`, or `failed`.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};

use super::deliver::{deliver, envelope};
use super::error::ApiError;
use super::world::{NewNumber, Outbound};
use super::{Shared, wire};

/// What the network will say of a message.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It reaches the phone.
    Arrives,
    /// It was accepted, and fails.
    Fails(ApiError),
    /// It was accepted, and nothing is ever heard of it.
    Silence,
}

/// Reports the fate of a message, at the times set.
pub fn follow(shared: &Arc<Shared>, number: NewNumber, message: Outbound, fate: Fate, sent_already: bool) {
    let shared2 = shared.clone();
    shared.spawn(async move {
        let times = shared2.world.lock().faults.statuses.clone();
        let mut plan: Vec<(&str, Option<u64>, Option<ApiError>)> = match fate {
            Fate::Silence => return,
            Fate::Fails(error) => vec![("failed", times.sent_ms, Some(error))],
            Fate::Arrives => vec![
                ("sent", times.sent_ms.filter(|_| !sent_already), None),
                ("delivered", times.delivered_ms, None),
                ("read", times.read_ms, None),
            ],
        };
        if times.reversed {
            let all = plan.iter().filter_map(|(_, at, _)| *at).max();
            plan.reverse();
            plan.iter_mut().for_each(|(_, at, _)| *at = at.and(all));
        }
        let mut passed = 0;
        for (name, at, error) in plan {
            let Some(at) = at else { continue };
            tokio::time::sleep(Duration::from_millis(at.saturating_sub(passed))).await;
            passed = passed.max(at);
            let reported = report(&shared2, &number, &message, name, error.as_ref());
            if times.reversed {
                // In this order, not merely in this order of departure.
                reported.await;
            } else {
                drop(reported);
            }
        }
    });
}

/// Delivers one status; resolves when its first attempt has ended.
pub fn report(
    shared: &Arc<Shared>,
    number: &NewNumber,
    message: &Outbound,
    name: &str,
    error: Option<&ApiError>,
) -> impl Future<Output = ()> + use<> {
    let now = Utc::now();
    let lost = {
        let mut world = shared.world.lock();
        if let Some(known) = world.outbound.iter_mut().rev().find(|m| m.id == message.id) {
            known.statuses.push((name.to_owned(), now));
        }
        let chance = world.faults.webhooks.drop_statuses;
        world.happens(chance)
    };
    let answer = (!lost).then(|| {
        let body = envelope(number, parts(message, name, now.timestamp(), error));
        deliver(shared, number, "statuses", wire::encode(&body))
    });
    async move {
        if let Some(answer) = answer {
            let _ = answer.await;
        }
    }
}

fn parts(message: &Outbound, name: &str, timestamp: i64, error: Option<&ApiError>) -> Value {
    let mut status = json!({ "id": message.id, "status": name, "timestamp": timestamp.to_string() });
    if let Some(phone) = &message.phone {
        status["recipient_id"] = json!(phone);
    }
    if let Some(tag) = &message.tag {
        status["biz_opaque_callback_data"] = json!(tag);
    }
    if let Some(error) = error {
        // A failure names neither contacts nor, for a phone, the user id.
        status["errors"] = json!([error.in_status()]);
        if message.phone.is_none() {
            status["recipient_user_id"] = json!(message.user_id);
        }
        return json!({ "statuses": [status] });
    }
    let mut contact = json!({});
    if let Some(phone) = &message.phone {
        contact["wa_id"] = json!(phone);
    }
    if let Some(user_id) = &message.user_id {
        contact["user_id"] = json!(user_id);
        status["recipient_user_id"] = json!(user_id);
    }
    if name != "read" {
        let category = if message.kind == "template" { "utility" } else { "service" };
        status["pricing"] =
            json!({ "billable": true, "pricing_model": "PMP", "type": "regular", "category": category });
    }
    json!({ "contacts": [contact], "statuses": [status] })
}
