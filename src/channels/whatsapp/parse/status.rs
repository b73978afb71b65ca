//! What became of a message we sent.

use balcao_domain::customer::Sender;
use balcao_domain::delivery::State;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Change, object};
use crate::whatsapp::fields::{bsuid, integer, moment, phone, scrub, stated_moment, word};
use crate::whatsapp::payload::{IgnoredWhy, Pricing, ProviderError, StatusUpdate, WebhookItem};

/// One entry of `statuses`.
pub fn read(change: &Change<'_>, id: &str, raw: &RawValue) -> Result<WebhookItem, &'static str> {
    let status = object(raw)?;
    let ignored =
        |why, detail: &str| Ok(WebhookItem::Ignored { why, detail: detail.chars().take(100).collect() });
    // Sums over the members of a group; nothing we sent.
    if status.get("recipient_type").and_then(Value::as_str) == Some("group") {
        return ignored(IgnoredWhy::Group, "status");
    }
    let name = word(&status, &["status"]).ok_or("the status does not say which")?;
    let state = match name.as_str() {
        "sent" => State::Sent,
        "delivered" => State::Delivered,
        "read" => State::Read,
        "played" => State::Played,
        "failed" => State::Failed,
        other => return ignored(IgnoredWhy::UnusedStatus, other),
    };
    Ok(WebhookItem::Status {
        phone_number_id: id.to_owned(),
        status: StatusUpdate {
            provider_message_id: word(&status, &["id"]).ok_or("the status names no message")?,
            tag: word(&status, &["biz_opaque_callback_data"]),
            state,
            at: moment(&status, "timestamp", change.received_at),
            recipient: recipient(&status),
            errors: status.get("errors").map(errors).unwrap_or_default(),
            pricing: status.get("pricing").filter(|p| p.is_object()).map(pricing),
            free_entry_until: free_entry_until(&status),
            raw: scrub(status),
        },
    })
}

fn recipient(status: &Value) -> Sender {
    Sender {
        user_id: bsuid(status, "recipient_user_id").or_else(|| bsuid(status, "recipient_id")),
        phone: phone(status, "recipient_id"),
        ..Sender::default()
    }
}

/// The errors of a status, a message or an account; what has no code says nothing.
pub fn errors(list: &Value) -> Vec<ProviderError> {
    list.as_array().into_iter().flatten().filter_map(error).collect()
}

fn error(error: &Value) -> Option<ProviderError> {
    let code = integer(error, "code")?;
    let title = word(error, &["title"]).or_else(|| word(error, &["message"])).unwrap_or_default();
    let detail = word(error, &["error_data", "details"])
        .or_else(|| word(error, &["error_data"]))
        .or_else(|| word(error, &["details"]))
        .or_else(|| word(error, &["message"]))
        .unwrap_or_else(|| title.clone());
    Some(ProviderError { code, title, detail })
}

fn pricing(pricing: &Value) -> Pricing {
    Pricing {
        kind: word(pricing, &["type"]),
        category: word(pricing, &["category"]),
        model: word(pricing, &["pricing_model"]),
        billable: pricing.get("billable").and_then(Value::as_bool),
    }
}

/// Newer versions send `conversation` only inside a free entry point; older ones always, so the origin is asked.
fn free_entry_until(status: &Value) -> Option<chrono::DateTime<chrono::Utc>> {
    let conversation = status.get("conversation")?;
    let origin = word(conversation, &["origin", "type"]);
    let kind = word(status, &["pricing", "type"]);
    let free =
        origin.as_deref() == Some("referral_conversion") || kind.as_deref() == Some("free_entry_point");
    free.then(|| stated_moment(conversation, "expiration_timestamp")).flatten()
}
