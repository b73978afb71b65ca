//! What happened, told to the shops' own systems: claimed, sent, tried again, given up.
//!
//! A delivery is never sent within a transaction: it is claimed for a while, sent, and settled. A node that dies in
//! between lets its claim run out, and the receiver tells the repeat by the event's id.

use std::time::Duration;

use balcao_channels::webhooks::{Message, Told};
use balcao_domain::{DeliveryId, TenantCtx, TenantId};
use balcao_store::{
    StoreError,
    webhooks::{self, Attempt, ToSend, Verdict},
};
use chrono::{SecondsFormat, Utc};
use futures::{StreamExt, stream};
use serde_json::json;

use crate::shared::Shared;

/// Deliveries of one sweep, sent side by side.
const LIMIT: usize = 16;
/// How long a claim holds: longer than a call may take.
const LEASE: Duration = Duration::from_secs(30);
/// Pauses between attempts, as Standard Webhooks advises; after the last a person is called.
const PAUSES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(14 * 60 * 60),
    Duration::from_secs(20 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];

/// Sends what is due; whether there may be more.
pub(crate) async fn send_due(shared: &Shared) -> Result<bool, StoreError> {
    let due = webhooks::claim(&shared.store, LIMIT as i32, LEASE).await?;
    let soon = due.len() >= LIMIT;
    stream::iter(due)
        .for_each_concurrent(LIMIT, |(tenant_id, id)| async move {
            // One shop's trouble is not the others'; the claim runs out and it is tried again.
            if let Err(error) = send(shared, tenant_id, id).await {
                tracing::warn!(tenant.id = %tenant_id, delivery.id = %id, %error, "a webhook could not be settled");
            }
        })
        .await;
    Ok(soon)
}

async fn send(shared: &Shared, tenant_id: TenantId, id: DeliveryId) -> Result<(), StoreError> {
    let ctx = TenantCtx::system(tenant_id);
    let mut tx = shared.store.tenant_tx(&ctx).await?;
    let to_send = webhooks::take(&mut tx, id).await?;
    tx.commit().await?;
    let Some(to_send) = to_send else { return Ok(()) };
    let event_id = to_send.event_id.to_string();
    let body = json!({
        "type": to_send.kind,
        "timestamp": to_send.created_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "data": to_send.data,
    })
    .to_string();
    let message = Message { id: &event_id, timestamp: Utc::now().timestamp(), body: &body };
    let told = shared.webhooks.send(&to_send.endpoint.url, &to_send.endpoint.secrets, &message).await;
    let verdict = verdict(&told, &to_send);
    metrics::counter!("balcao_webhooks_sent_total", "delivered" => (verdict == Verdict::Delivered).to_string())
        .increment(1);
    let attempt = Attempt { status: told.status, error: told.error, took: told.took };
    let mut tx = shared.store.tenant_tx(&ctx).await?;
    webhooks::settle(&mut tx, id, &attempt, &verdict).await?;
    tx.commit().await
}

fn verdict(told: &Told, to_send: &ToSend) -> Verdict {
    let why = || told.error.clone().unwrap_or_default();
    match told.status {
        Some(200..=299) => Verdict::Delivered,
        // "Gone": it asks to be told no more.
        Some(410) => Verdict::Gone("it answered 410 Gone".into()),
        _ => match usize::try_from(to_send.attempts).ok().and_then(|tried| PAUSES.get(tried)) {
            // Not all at the same moment, should many have failed together.
            Some(pause) => Verdict::Again(pause.mul_f64(rand::random_range(0.9..1.1))),
            None => Verdict::Dead(format!(
                "`{}` was not told of {}: {}",
                to_send.endpoint.url,
                to_send.kind,
                why()
            )),
        },
    }
}
