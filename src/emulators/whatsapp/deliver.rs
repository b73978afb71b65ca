//! Webhooks on their way: built, signed, delivered, repeated.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::world::{Attempt, NewNumber};
use super::{Shared, wire};

/// One change of the field `messages` of one number, as a whole body.
pub fn envelope(number: &NewNumber, parts: Value) -> Value {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": number.display_phone_number,
            "phone_number_id": number.phone_number_id
        }
    });
    for (key, part) in parts.as_object().into_iter().flatten() {
        value[key] = part.clone();
    }
    json!({
        "object": "whatsapp_business_account",
        "entry": [{ "id": number.waba_id, "changes": [{ "value": value, "field": "messages" }] }]
    })
}

/// What goes wrong with one webhook.
struct Luck {
    delay: Duration,
    copies: usize,
}

/// Delivers bytes as a webhook, in the background and with repetitions; the first attempt's status comes back.
pub fn deliver(
    shared: &Arc<Shared>,
    number: &NewNumber,
    what: &'static str,
    bytes: String,
) -> oneshot::Receiver<Option<u16>> {
    let (first, answer) = oneshot::channel();
    let luck = luck(shared);
    let mut first = Some(first);
    for _ in 0..luck.copies {
        let (shared2, number, bytes, first) = (shared.clone(), number.clone(), bytes.clone(), first.take());
        let delay = luck.delay;
        shared.spawn(async move {
            tokio::time::sleep(delay).await;
            repeat(&shared2, &number, what, bytes, first).await;
        });
    }
    answer
}

fn luck(shared: &Shared) -> Luck {
    let mut world = shared.world.lock();
    let faults = world.faults.webhooks.clone();
    let held_back = if world.happens(faults.reorder) { 50 + world.random_below(300) } else { 0 };
    let copies = 1 + usize::from(world.happens(faults.duplicate));
    Luck { delay: Duration::from_millis(faults.delay_ms + held_back), copies }
}

/// Attempts until one is answered with 200, or the schedule ends.
async fn repeat(
    shared: &Shared,
    number: &NewNumber,
    what: &'static str,
    bytes: String,
    mut first: Option<oneshot::Sender<Option<u16>>>,
) {
    let waits = std::iter::once(&Duration::ZERO).chain(&shared.options.retries);
    for (before, wait) in waits.enumerate() {
        tokio::time::sleep(*wait).await;
        let lost = {
            let mut world = shared.world.lock();
            let chance = world.faults.webhooks.drop;
            world.happens(chance)
        };
        let status = if lost { None } else { attempt(shared, number, &bytes).await };
        shared.world.lock().attempted(Attempt {
            at: chrono::Utc::now(),
            phone_number_id: number.phone_number_id.clone(),
            what,
            attempt: before + 1,
            status,
        });
        if let Some(first) = first.take() {
            let _ = first.send(status);
        }
        if status == Some(200) {
            return;
        }
    }
    tracing::warn!(what, "a webhook was given up on");
}

async fn attempt(shared: &Shared, number: &NewNumber, bytes: &str) -> Option<u16> {
    let sent = shared
        .http
        .post(&number.webhook_url)
        .header("content-type", "application/json")
        .header("x-hub-signature-256", wire::sign(&number.app_secret, bytes.as_bytes()))
        .body(bytes.to_owned())
        .send();
    Some(sent.await.ok()?.status().as_u16())
}
