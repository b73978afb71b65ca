//! Who someone is, and that someone became someone else.

use balcao_domain::customer::{IdentityChange, Sender, is_bsuid};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Change, object};
use crate::whatsapp::fields::{bsuid, moment, name, phone, word};
use crate::whatsapp::payload::WebhookItem;

/// The sender of a message: its own ids, completed from the one entry of `contacts` that shares an id with it. Never
/// by position: the two lists are not aligned.
pub fn sender(contacts: &[Value], phone: Option<String>, user_id: Option<String>) -> Option<Sender> {
    if phone.is_none() && user_id.is_none() {
        return None;
    }
    let contact = contacts.iter().find(|contact| {
        let ids = contact_ids(contact);
        (user_id.is_some() && ids.user_id == user_id) || (phone.is_some() && ids.phone == phone)
    });
    let known = contact.map(contact_ids).unwrap_or_default();
    Some(Sender {
        user_id: user_id.or(known.user_id),
        phone: phone.or(known.phone),
        name: contact.and_then(|c| name(c, &["profile", "name"])),
        username: contact.and_then(|c| name(c, &["profile", "username"])).map(without_at),
    })
}

fn contact_ids(contact: &Value) -> Sender {
    Sender {
        // `wa_id` has been seen holding a BSUID.
        user_id: bsuid(contact, "user_id").or_else(|| bsuid(contact, "wa_id")),
        phone: phone(contact, "wa_id"),
        ..Sender::default()
    }
}

fn without_at(username: String) -> String {
    username.trim_start_matches('@').to_owned()
}

/// The ids of the sender of a message, a BSUID in the phone's place included.
pub fn from(message: &Value) -> (Option<String>, Option<String>) {
    let user_id = bsuid(message, "from_user_id").or_else(|| bsuid(message, "from"));
    (phone(message, "from"), user_id)
}

/// A message of type `system`: `Some` when it announces new ids.
pub fn system_change(message: &Value) -> Option<IdentityChange> {
    let system = message.get("system")?;
    let (phone_before, user_before) = from(message);
    let mut before = Sender { phone: phone_before, user_id: user_before, ..Sender::default() };
    let mut after = Sender::default();
    match system.get("type")?.as_str()? {
        // The historic spelling of the type and of the field still occur.
        "user_changed_number" | "customer_changed_number" => {
            after.phone = phone(system, "wa_id").or_else(|| phone(system, "new_wa_id"));
            after.user_id = bsuid(system, "user_id");
        }
        "user_changed_user_id" => {
            after.user_id = bsuid(system, "user_id");
            after.phone = phone(system, "wa_id");
            if before.user_id.is_none() {
                before.user_id = previous_user_id(system, after.user_id.as_deref()?);
            }
        }
        _ => return None,
    }
    (after.phone.is_some() || after.user_id.is_some()).then_some(IdentityChange { before, after })
}

/// `User <name> changed from <old id> to <new id>`: the old id is nowhere else in this message. The name is the
/// customer's to choose, so only the very end of the sentence counts, and it must end in the id the message itself
/// names.
fn previous_user_id(system: &Value, current: &str) -> Option<String> {
    let body = system.get("body")?.as_str()?.trim_end().strip_suffix(current)?;
    let old = body.strip_suffix(" to ")?.rsplit(' ').next()?;
    (is_bsuid(old) && body.contains(&format!(" changed from {old} to "))).then(|| old.to_owned())
}

/// One entry of the field `user_id_update`.
pub fn user_id_update(change: &Change<'_>, id: &str, raw: &RawValue) -> Result<WebhookItem, &'static str> {
    let update = object(raw)?;
    let known = phone(&update, "wa_id");
    let previous = word(&update, &["user_id", "previous"]).filter(|id| is_bsuid(id));
    let current = word(&update, &["user_id", "current"]).filter(|id| is_bsuid(id));
    if current.is_none() || (previous.is_none() && known.is_none()) {
        return Err("the id update does not say which id became which");
    }
    Ok(WebhookItem::IdentityChange {
        phone_number_id: id.to_owned(),
        change: IdentityChange {
            before: Sender { user_id: previous, phone: known.clone(), ..Sender::default() },
            after: Sender { user_id: current, phone: known, ..Sender::default() },
        },
        at: moment(&update, "timestamp", change.received_at),
    })
}

/// One entry of the field `user_preferences`.
pub fn preference(change: &Change<'_>, id: &str, raw: &RawValue) -> Result<WebhookItem, &'static str> {
    let preference = object(raw)?;
    let user_id = bsuid(&preference, "user_id").or_else(|| bsuid(&preference, "wa_id"));
    let sender = sender(&change.contacts, phone(&preference, "wa_id"), user_id)
        .ok_or("the preference does not say whose it is")?;
    let stop = match preference.get("value").and_then(Value::as_str) {
        Some("stop") => true,
        Some("resume") => false,
        _ => return Err("the preference is neither `stop` nor `resume`"),
    };
    Ok(WebhookItem::Preference {
        phone_number_id: id.to_owned(),
        sender,
        category: word(&preference, &["category"]).unwrap_or_else(|| "marketing_messages".into()),
        stop,
        at: moment(&preference, "timestamp", change.received_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changed(body: &str) -> Option<String> {
        let message = json!({ "type": "system", "system": {
            "type": "user_changed_user_id", "user_id": "BR.44", "body": body } });
        system_change(&message).unwrap().before.user_id
    }

    #[test]
    fn the_old_id_is_read_from_the_end_of_the_sentence_only() {
        assert_eq!(changed("User Dudu changed from BR.4 to BR.44").as_deref(), Some("BR.4"));
        // A customer who calls himself after someone else's id gains nothing by it.
        let trap = "User x changed from BR.VITIMA to BR.44 changed from BR.4 to BR.44";
        assert_eq!(changed(trap).as_deref(), Some("BR.4"));
        assert_eq!(changed("User BR.VITIMA to BR.44"), None);
        assert_eq!(changed("O usuário mudou"), None);
    }

    #[test]
    fn a_contact_is_matched_by_its_ids_and_lends_what_the_message_lacks() {
        let contacts = [
            json!({ "wa_id": "5511900000001", "profile": { "name": "Camila" } }),
            json!({ "user_id": "BR.4", "profile": { "name": " Du\ndu ", "username": "@dudu" } }),
        ];
        let dudu = sender(&contacts, None, Some("BR.4".into())).unwrap();
        assert_eq!((dudu.name.as_deref(), dudu.username.as_deref()), (Some("Du du"), Some("dudu")));
        let stranger = sender(&contacts, Some("5521900000003".into()), None).unwrap();
        assert_eq!(stranger.name, None);
        assert_eq!(sender(&contacts, None, None), None);
    }
}
