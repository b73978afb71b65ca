//! News of accounts, numbers and templates.

use serde_json::Value;

use super::{Change, Items, status};
use crate::SendError;
use crate::whatsapp::errors::classify;
use crate::whatsapp::fields::{keep, word};
use crate::whatsapp::payload::{AccountEffect, AccountEvent, Severity, WebhookItem};

/// The fields read here.
pub const KNOWN_FIELDS: &[&str] = &[
    "account_alerts",
    "account_review_update",
    "account_update",
    "business_capability_update",
    "business_username_update",
    "message_template_components_update",
    "message_template_quality_update",
    "message_template_status_update",
    "payment_configuration_update",
    "phone_number_name_update",
    "phone_number_quality_update",
    "security",
    "template_category_update",
];

/// Fields Meta documents and Balcão has no use for. Imported `history` must never be taken for live messages.
pub const UNUSED_FIELDS: &[&str] =
    &["automatic_events", "calls", "flows", "history", "partner_solutions", "smb_app_state_sync"];

/// One change of a field of [`KNOWN_FIELDS`].
pub fn read(change: &Change<'_>, items: &mut Items) {
    let value = Value::Object(change.value.iter().map(|(k, raw)| (k.clone(), keep(raw.get()))).collect());
    let (event, severity, effect) = judge(&change.field, &value);
    items.push(WebhookItem::Account(AccountEvent {
        // Events about a partner's account come under the partner's own id.
        waba_id: word(&value, &["waba_info", "waba_id"]).or_else(|| change.waba_id.clone()),
        phone_number_id: change.phone_number_id.clone(),
        display_phone: word(&value, &["display_phone_number"]).or_else(|| change.display_phone.clone()),
        field: change.field.clone(),
        event,
        severity,
        effect,
        at: change.at,
        dated: change.at != change.received_at,
        value,
    }));
}

/// `value.errors`: something is wrong with the account or the number, not with one message.
pub fn errors(change: &Change<'_>, items: &mut Items) {
    let Some(raw) = change.value.get("errors") else { return };
    let list = keep(raw.get());
    for error in status::errors(&list) {
        let (severity, effect) = match classify(error.code, None, &error.detail) {
            SendError::AccountBlocked { detail, .. } => {
                (Severity::Critical, AccountEffect::Pause { reason: format!("{}: {detail}", error.code) })
            }
            _ => (Severity::Warning, AccountEffect::Note),
        };
        items.push(WebhookItem::Account(AccountEvent {
            waba_id: change.waba_id.clone(),
            phone_number_id: change.phone_number_id.clone(),
            display_phone: change.display_phone.clone(),
            field: "errors".into(),
            event: Some(error.code.to_string()),
            severity,
            effect,
            at: change.at,
            dated: change.at != change.received_at,
            value: list.clone(),
        }));
    }
}

type Judgement = (Option<String>, Severity, AccountEffect);

fn judge(field: &str, value: &Value) -> Judgement {
    use AccountEffect::{Limits, Note};
    use Severity::{Critical, Info, Warning};
    let event = word(value, &["event"]);
    let named = event.as_deref().unwrap_or("");
    // Meta's own sample of the quality update carries the status update's field name: look at the keys.
    if value.get("new_quality_score").is_some() {
        let score = word(value, &["new_quality_score"]);
        let severity = if score.as_deref() == Some("RED") { Warning } else { Info };
        return (score, severity, Note);
    }
    match field {
        "message_template_status_update" => template(value, event),
        "account_update" => account_update(value, event),
        "account_review_update" => {
            let decision = word(value, &["decision"]);
            let severity = if decision.as_deref() == Some("REJECTED") { Critical } else { Info };
            (decision, severity, Note)
        }
        "account_alerts" => {
            let severity = match word(value, &["alert_info", "alert_severity"]).as_deref() {
                Some("CRITICAL") => Critical,
                Some("WARNING") => Warning,
                _ => Info,
            };
            (word(value, &["alert_info", "alert_type"]), severity, Note)
        }
        "business_capability_update" => (event, Info, Limits),
        "phone_number_quality_update" => {
            let worse = ["DOWNGRADE", "FLAGGED", "RESTRICT"].iter().any(|word| named.contains(word));
            (event, if worse { Warning } else { Info }, Limits)
        }
        "phone_number_name_update" => {
            let decision = word(value, &["decision"]);
            let severity = if decision.as_deref() == Some("REJECTED") { Warning } else { Info };
            (decision, severity, Note)
        }
        // Someone changed the PIN, or asks to.
        "security" => (event, Warning, Note),
        _ => (event, Info, Note),
    }
}

fn template(value: &Value, event: Option<String>) -> Judgement {
    let status = event.clone().unwrap_or_default();
    let name = word(value, &["message_template_name"]).unwrap_or_default();
    // Webhooks write `en-US` where sending wants `en_US`.
    let language = word(value, &["message_template_language"]).unwrap_or_default().replace('-', "_");
    let fine = ["APPROVED", "REINSTATED", "UNPAUSED", "PENDING", "UNARCHIVED"].contains(&status.as_str());
    let severity = if fine { Severity::Info } else { Severity::Warning };
    (event, severity, AccountEffect::Template { name, language, status })
}

fn account_update(value: &Value, event: Option<String>) -> Judgement {
    use AccountEffect::{Note, Pause, Resume};
    let named = event.clone().unwrap_or_default();
    let pause = |what: &str| Pause { reason: format!("WhatsApp reports {what}") };
    let (severity, effect) = match named.as_str() {
        "DISABLED_UPDATE" => match word(value, &["ban_info", "waba_ban_state"]).as_deref() {
            Some("REINSTATE") => (Severity::Info, Resume),
            state => (Severity::Critical, pause(state.unwrap_or("DISABLED_UPDATE"))),
        },
        "ACCOUNT_DELETED" | "PARTNER_REMOVED" | "PARTNER_APP_UNINSTALLED" => {
            (Severity::Critical, pause(&named))
        }
        "ACCOUNT_VIOLATION" | "ACCOUNT_RESTRICTION" => (Severity::Warning, Note),
        _ => (Severity::Info, Note),
    };
    (event, severity, effect)
}
