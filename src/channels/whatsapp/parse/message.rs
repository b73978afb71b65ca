//! One message: who, when, and what it says.

use balcao_domain::inbound::{
    CartLine, ChoiceSource, ContactCard, Content, Inbound, Media, MediaKind, ProductRef,
};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Change, identity, object, status};
use crate::whatsapp::fields::{
    RawObject, bsuid, integer, moment, name, number, phone, prose, raw_items, raw_object, scrub, word,
};
use crate::whatsapp::payload::{Echo, IgnoredWhy, WebhookItem};

/// One entry of `messages`.
pub fn read(change: &Change<'_>, id: &str, raw: &RawValue) -> Result<WebhookItem, &'static str> {
    let message = object(raw)?;
    if message.get("group_id").is_some_and(|group| !group.is_null()) {
        return Ok(WebhookItem::Ignored { why: IgnoredWhy::Group, detail: "message".into() });
    }
    let at = moment(&message, "timestamp", change.received_at);
    if type_name(&message) == "system" {
        return Ok(match identity::system_change(&message) {
            Some(change) => WebhookItem::IdentityChange { phone_number_id: id.to_owned(), change, at },
            None => WebhookItem::Ignored {
                why: IgnoredWhy::SystemNote,
                detail: word(&message, &["system", "type"]).unwrap_or_default(),
            },
        });
    }
    let (from_phone, from_user) = identity::from(&message);
    let mut sender = identity::sender(&change.contacts, from_phone, from_user)
        .ok_or("the message does not say who sent it")?;
    let content = content(&message, raw);
    if let Content::Contacts { cards } = &content {
        let own = cards.iter().find(|card| card.is_sender).and_then(|card| card.phones.first());
        // Given by tapping our request: WhatsApp vouches that it is the sender's own.
        sender.phone = sender.phone.or_else(|| own.cloned());
    }
    Ok(WebhookItem::Message {
        phone_number_id: id.to_owned(),
        inbound: Inbound {
            provider_message_id: message_id(&message, raw),
            sender,
            sent_at: at,
            content,
            // A forwarded message has a context without an id.
            reply_to: word(&message, &["context", "id"]),
            product: product(&message),
            referral: message.get("referral").filter(|r| r.is_object()).cloned().map(scrub),
        },
    })
}

/// One entry of `message_echoes`.
pub fn echo(change: &Change<'_>, id: &str, raw: &RawValue) -> Result<WebhookItem, &'static str> {
    let message = object(raw)?;
    let user_id = bsuid(&message, "to_user_id").or_else(|| bsuid(&message, "to"));
    let to = identity::sender(&change.contacts, phone(&message, "to"), user_id)
        .ok_or("the echo does not say to whom it went")?;
    Ok(WebhookItem::Echo {
        phone_number_id: id.to_owned(),
        echo: Echo {
            provider_message_id: message_id(&message, raw),
            to,
            at: moment(&message, "timestamp", change.received_at),
            content: content(&message, raw),
        },
    })
}

/// The provider's id. A message without one (never seen) is named after its own bytes, so that it is answered and a
/// redelivery is still recognised.
fn message_id(message: &Value, raw: &RawValue) -> String {
    word(message, &["id"])
        .unwrap_or_else(|| format!("sha256:{}", hex::encode(Sha256::digest(raw.get().as_bytes()))))
}

fn type_name(message: &Value) -> &str {
    message.get("type").and_then(Value::as_str).unwrap_or("")
}

fn product(message: &Value) -> Option<ProductRef> {
    let product = message.get("context")?.get("referred_product")?;
    Some(ProductRef {
        catalog_id: word(product, &["catalog_id"])?,
        retailer_id: word(product, &["product_retailer_id"])?,
    })
}

/// What it says. A known type whose insides are not as expected is kept whole, like an unknown type.
pub fn content(message: &Value, raw: &RawValue) -> Content {
    let name = type_name(message);
    let understood = match name {
        "text" => prose(message, &["text", "body"]).map(|text| Content::Text { text }),
        "image" => media(message, name, MediaKind::Image),
        // `voice` is the old API's word for a recorded audio.
        "audio" | "voice" => media(message, name, MediaKind::Audio),
        "video" => media(message, name, MediaKind::Video),
        "document" => media(message, name, MediaKind::Document),
        "sticker" => media(message, name, MediaKind::Sticker),
        "location" => location(message),
        "contacts" => contacts(message),
        "interactive" => return interactive(message),
        "button" => template_button(message),
        "order" => cart(message, raw),
        "reaction" => reaction(message),
        "edit" => edit(message),
        "revoke" => {
            word(message, &["revoke", "original_message_id"]).map(|message_id| Content::Revoke { message_id })
        }
        "request_welcome" => Some(Content::Welcome),
        "unsupported" => Some(unsupported(message)),
        // Older bodies call an unsupported message `unknown`.
        "unknown" if message.get("errors").is_some() => Some(unsupported(message)),
        _ => None,
    };
    understood.unwrap_or_else(|| unknown(name, message))
}

fn unknown(type_name: &str, message: &Value) -> Content {
    Content::Unknown { type_name: type_name.chars().take(100).collect(), raw: scrub(message.clone()) }
}

fn media(message: &Value, key: &str, kind: MediaKind) -> Option<Content> {
    let file = message.get(key)?;
    let mime = word(file, &["mime_type"]);
    Some(Content::Media(Media {
        media: kind,
        media_id: word(file, &["id"])?,
        // `audio/ogg; codecs=opus`: the parameter is not part of the type.
        mime_type: mime.and_then(|m| m.split(';').next().map(|m| m.trim().to_ascii_lowercase())),
        sha256: word(file, &["sha256"]),
        caption: prose(file, &["caption"]),
        filename: name(file, &["filename"]),
        voice: key == "voice" || file.get("voice").and_then(Value::as_bool).unwrap_or(false),
    }))
}

fn location(message: &Value) -> Option<Content> {
    let place = message.get("location")?;
    Some(Content::Location {
        latitude: number(place, "latitude")?,
        longitude: number(place, "longitude")?,
        name: prose(place, &["name"]),
        address: prose(place, &["address"]),
    })
}

fn contacts(message: &Value) -> Option<Content> {
    let cards = message.get("contacts")?.as_array()?.iter().filter(|c| c.is_object()).map(card).collect();
    Some(Content::Contacts { cards })
}

fn card(card: &Value) -> ContactCard {
    let phones = card.get("phones").and_then(Value::as_array).into_iter().flatten();
    ContactCard {
        name: name(card, &["name", "formatted_name"]).or_else(|| name(card, &["name", "first_name"])),
        phones: phones.filter_map(|p| phone(p, "wa_id").or_else(|| phone(p, "phone"))).collect(),
        is_sender: card.get("origin").and_then(Value::as_str) == Some("contact_request"),
    }
}

fn interactive(message: &Value) -> Content {
    let inner = message.get("interactive").unwrap_or(&Value::Null);
    let kind = inner.get("type").and_then(Value::as_str).unwrap_or("");
    let understood = match kind {
        "button_reply" => choice(inner, kind, ChoiceSource::Button),
        "list_reply" => choice(inner, kind, ChoiceSource::List),
        "nfm_reply" => form(inner),
        _ => None,
    };
    understood.unwrap_or_else(|| match kind {
        "" => unknown("interactive", message),
        kind => unknown(&format!("interactive/{kind}"), message),
    })
}

fn choice(inner: &Value, kind: &str, source: ChoiceSource) -> Option<Content> {
    let id = word(inner, &[kind, "id"])?;
    let title = name(inner, &[kind, "title"]).unwrap_or_else(|| id.clone());
    Some(Content::Choice { id, title, source })
}

fn template_button(message: &Value) -> Option<Content> {
    let title = name(message, &["button", "text"]);
    let id = word(message, &["button", "payload"]).or_else(|| title.clone())?;
    let title = title.unwrap_or_else(|| id.clone());
    Some(Content::Choice { id, title, source: ChoiceSource::TemplateButton })
}

/// `response_json` is a string holding JSON, which need not be an object, nor JSON.
fn form(inner: &Value) -> Option<Content> {
    let reply = inner.get("nfm_reply")?.as_object()?;
    let answer = reply.get("response_json").cloned().unwrap_or(Value::Null);
    let mut fields = match answer {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    };
    let token = word(&fields, &["flow_token"]);
    if token.is_some()
        && let Some(object) = fields.as_object_mut()
    {
        object.remove("flow_token");
    }
    Some(Content::Form { name: word(inner, &["nfm_reply", "name"]), token, fields: scrub(fields) })
}

fn reaction(message: &Value) -> Option<Content> {
    // Taken away: no emoji, or an empty one.
    let emoji = word(message, &["reaction", "emoji"]);
    word(message, &["reaction", "message_id"]).map(|message_id| Content::Reaction { message_id, emoji })
}

fn edit(message: &Value) -> Option<Content> {
    let new = message.get("edit")?.get("message");
    let text = new.and_then(|new| {
        let kind = new.get("type").and_then(Value::as_str).unwrap_or("text");
        prose(new, &[kind, "body"]).or_else(|| prose(new, &[kind, "caption"]))
    });
    word(message, &["edit", "original_message_id"]).map(|message_id| Content::Edit { message_id, text })
}

fn unsupported(message: &Value) -> Content {
    let errors = message.get("errors").map(status::errors).unwrap_or_default();
    Content::Unsupported {
        inner: word(message, &["unsupported", "type"]),
        code: errors.first().map(|error| error.code),
    }
}

/// A cart. Its prices are copied from the raw text, digit by digit: a float would make 79.90 something else.
fn cart(message: &Value, raw: &RawValue) -> Option<Content> {
    let order = raw_object(raw.get())?.get("order").and_then(|order| raw_object(order.get()))?;
    let lines = raw_items(&order, "product_items").into_iter().filter_map(|line| cart_line(line.get()));
    Some(Content::Cart {
        catalog_id: word(message, &["order", "catalog_id"])?,
        note: prose(message, &["order", "text"]),
        lines: lines.collect(),
    })
}

fn cart_line(json: &str) -> Option<CartLine> {
    let line: RawObject<'_> = raw_object(json)?;
    let value: Value = serde_json::from_str(json).ok()?;
    Some(CartLine {
        retailer_id: word(&value, &["product_retailer_id"])?,
        quantity: integer(&value, "quantity").and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
        claimed_price: line.get("item_price").map(|raw| as_written(raw)).unwrap_or_default(),
        currency: word(&value, &["currency"]).unwrap_or_default(),
    })
}

/// The text of a JSON number, or the content of a JSON string.
fn as_written(raw: &RawValue) -> String {
    let text = raw.get();
    let text = serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned());
    balcao_domain::text::clean(text.trim(), 32)
}
