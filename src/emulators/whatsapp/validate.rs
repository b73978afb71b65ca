//! What the send endpoint accepts: shapes, required fields, lengths.
//!
//! Pure, so that whoever renders messages can hold them against it. Lengths are counted in characters (code points).

mod interactive;
mod template;

use serde_json::{Map, Value};

use super::error::ApiError;

pub use template::Template;

/// To whom a message is addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A phone: what was written, and its digits.
    Phone {
        /// As written.
        input: String,
        /// Digits with country code.
        digits: String,
    },
    /// A business-scoped user id in `recipient`.
    UserId(String),
    /// A business-scoped user id in `to`: answered 200, and never delivered.
    Lost(String),
}

/// A message that may be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its type.
    pub kind: String,
    /// To whom.
    pub recipient: Recipient,
    /// `biz_opaque_callback_data`.
    pub tag: Option<String>,
    /// The message it quotes.
    pub context: Option<String>,
    /// The template, if it is one.
    pub template: Option<Template>,
    /// The words a person would see.
    pub text: String,
}

/// The longest text.
pub const MAX_TEXT: usize = 4_096;
/// The longest caption and the longest body of most interactive messages.
pub const MAX_CAPTION: usize = 1_024;
const MAX_TAG_BYTES: usize = 512;
const MEDIA: [&str; 5] = ["image", "video", "audio", "document", "sticker"];
const KINDS: [&str; 11] = [
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "interactive",
    "template",
];
const COMMON: [&str; 9] = [
    "messaging_product",
    "recipient_type",
    "to",
    "recipient",
    "type",
    "context",
    "biz_opaque_callback_data",
    "recipient_identity_key_hash",
    "message_activity_sharing",
];

/// Checks the body of a send.
pub fn message(body: &Value) -> Result<Message, ApiError> {
    let fields = body.as_object().ok_or_else(|| ApiError::invalid("The body must be a JSON object."))?;
    product(fields)?;
    match fields.get("recipient_type").map(Value::as_str) {
        None | Some(Some("individual")) => {}
        _ => return Err(ApiError::invalid("Param recipient_type must be one of {INDIVIDUAL}.")),
    }
    let kind = match fields.get("type") {
        None => "text",
        Some(kind) => kind.as_str().ok_or_else(|| ApiError::invalid("Param type must be a string."))?,
    };
    if !KINDS.contains(&kind) {
        return Err(ApiError::invalid(format!("Param type must be one of {}.", KINDS.join(", "))));
    }
    only(fields, "", |key| COMMON.contains(&key) || key == kind)?;
    let tag = optional(fields, "biz_opaque_callback_data")?;
    if tag.as_ref().is_some_and(|tag| tag.len() > MAX_TAG_BYTES) {
        return Err(ApiError::invalid("Param biz_opaque_callback_data must be at most 512 bytes."));
    }
    let recipient = recipient(fields)?;
    let content = fields.get(kind).ok_or_else(|| ApiError::missing(kind))?;
    let (text, template) = match kind {
        "text" => (text(object(content, "text")?)?, None),
        "interactive" => (interactive::check(object(content, "interactive")?)?, None),
        "template" => {
            let template = template::check(object(content, "template")?)?;
            (template.shown(), Some(template))
        }
        "location" => (location(object(content, "location")?)?, None),
        "reaction" => (reaction(object(content, "reaction")?)?, None),
        "contacts" => match content.as_array() {
            Some(cards) if !cards.is_empty() => ("[contacts]".into(), None),
            _ => return Err(ApiError::invalid("Param contacts must be a non-empty array.")),
        },
        _ => (media(kind, object(content, kind)?)?, None),
    };
    let context = match fields.get("context") {
        None => None,
        Some(context) => Some(required(object(context, "context")?, "message_id")?),
    };
    Ok(Message { kind: kind.to_owned(), recipient, tag, context, template, text })
}

/// A read receipt: the id of the message, and whether to show "typing…".
pub fn read(body: &Value) -> Result<(String, bool), ApiError> {
    let fields = object(body, "body")?;
    product(fields)?;
    only(fields, "", |key| ["messaging_product", "status", "message_id", "typing_indicator"].contains(&key))?;
    if fields.get("status").and_then(Value::as_str) != Some("read") {
        return Err(ApiError::invalid("Param status must be one of {READ}."));
    }
    let id = required(fields, "message_id")?;
    let typing = match fields.get("typing_indicator") {
        None => false,
        Some(typing) if typing.get("type").and_then(Value::as_str) == Some("text") => true,
        Some(_) => return Err(ApiError::invalid("Param typing_indicator['type'] must be one of {TEXT}.")),
    };
    Ok((id, typing))
}

fn product(fields: &Map<String, Value>) -> Result<(), ApiError> {
    match fields.get("messaging_product").and_then(Value::as_str) {
        Some("whatsapp") => Ok(()),
        _ => Err(ApiError::invalid("The parameter messaging_product is required.")),
    }
}

/// Digits with country code; punctuation as people write it is taken.
pub fn phone_digits(written: &str) -> Option<String> {
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    let clean = written.chars().all(|c| c.is_ascii_digit() || "+-() ".contains(c));
    (clean && (7..=15).contains(&digits.len())).then_some(digits)
}

/// `CC.` or `CC.ENT.` and up to 128 letters and digits.
pub fn is_user_id(text: &str) -> bool {
    let Some((country, rest)) = text.split_once('.') else { return false };
    let rest = rest.strip_prefix("ENT.").unwrap_or(rest);
    country.len() == 2
        && country.chars().all(|c| c.is_ascii_uppercase())
        && (1..=128).contains(&rest.len())
        && rest.chars().all(|c| c.is_ascii_alphanumeric())
}

fn recipient(fields: &Map<String, Value>) -> Result<Recipient, ApiError> {
    // `to` wins when both are there.
    if let Some(to) = optional(fields, "to")? {
        if is_user_id(&to) {
            return Ok(Recipient::Lost(to));
        }
        return match phone_digits(&to) {
            Some(digits) => Ok(Recipient::Phone { input: to, digits }),
            None => Err(ApiError::value("Param to is not a phone number.")),
        };
    }
    match optional(fields, "recipient")? {
        Some(id) if is_user_id(&id) => Ok(Recipient::UserId(id)),
        Some(_) => Err(ApiError::value("Param recipient is not a business-scoped user id.")),
        None => Err(ApiError::missing("to")),
    }
}

fn text(text: &Map<String, Value>) -> Result<String, ApiError> {
    only(text, "text", |key| ["body", "preview_url"].contains(&key))?;
    boolean(text, "preview_url")?;
    let body = required(text, "body")?;
    at_most(&body, MAX_TEXT, "text['body']")?;
    Ok(body)
}

fn media(kind: &str, media: &Map<String, Value>) -> Result<String, ApiError> {
    debug_assert!(MEDIA.contains(&kind));
    only(media, kind, |key| ["id", "link", "caption", "filename", "voice"].contains(&key))?;
    let (id, link) = (optional(media, "id")?, optional(media, "link")?);
    if id.is_none() && link.is_none() {
        return Err(ApiError::missing(&format!("{kind}['id'] or {kind}['link']")));
    }
    let caption = optional(media, "caption")?.unwrap_or_default();
    if !caption.is_empty() && ["audio", "sticker"].contains(&kind) {
        return Err(ApiError::invalid(format!("Unexpected key \"caption\" on param \"{kind}\".")));
    }
    at_most(&caption, MAX_CAPTION, &format!("{kind}['caption']"))?;
    Ok(format!("[{kind}] {caption}").trim_end().to_owned())
}

fn location(location: &Map<String, Value>) -> Result<String, ApiError> {
    for key in ["latitude", "longitude"] {
        let value = location.get(key).ok_or_else(|| ApiError::missing(&format!("location['{key}']")))?;
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        number.ok_or_else(|| ApiError::value(format!("Param location['{key}'] is not a number.")))?;
    }
    Ok(format!("[location] {}", optional(location, "name")?.unwrap_or_default()).trim_end().to_owned())
}

fn reaction(reaction: &Map<String, Value>) -> Result<String, ApiError> {
    only(reaction, "reaction", |key| ["message_id", "emoji"].contains(&key))?;
    required(reaction, "message_id")?;
    let emoji = reaction.get("emoji").ok_or_else(|| ApiError::missing("reaction['emoji']"))?;
    emoji.as_str().map(str::to_owned).ok_or_else(|| ApiError::invalid("Param emoji must be a string."))
}

fn object<'a>(value: &'a Value, name: &str) -> Result<&'a Map<String, Value>, ApiError> {
    value.as_object().ok_or_else(|| ApiError::invalid(format!("Param {name} must be a JSON object.")))
}

/// Refuses keys that are not known.
fn only(fields: &Map<String, Value>, of: &str, known: impl Fn(&str) -> bool) -> Result<(), ApiError> {
    match fields.keys().find(|key| !known(key)) {
        Some(key) => Err(ApiError::invalid(format!("Unexpected key \"{key}\" on param \"{of}\"."))),
        None => Ok(()),
    }
}

fn optional(fields: &Map<String, Value>, key: &str) -> Result<Option<String>, ApiError> {
    match fields.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(ApiError::invalid(format!("Param {key} must be a string."))),
    }
}

fn required(fields: &Map<String, Value>, key: &str) -> Result<String, ApiError> {
    match optional(fields, key)? {
        Some(text) if !text.trim().is_empty() => Ok(text),
        _ => Err(ApiError::missing(key)),
    }
}

fn boolean(fields: &Map<String, Value>, key: &str) -> Result<(), ApiError> {
    match fields.get(key) {
        None | Some(Value::Bool(_)) => Ok(()),
        Some(_) => Err(ApiError::invalid(format!("Param {key} must be a boolean."))),
    }
}

fn at_most(text: &str, limit: usize, name: &str) -> Result<(), ApiError> {
    if text.chars().count() > limit {
        return Err(ApiError::invalid(format!("Param {name} must be at most {limit} characters long.")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
