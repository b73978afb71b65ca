//! From the bytes of a webhook to items, each parsed on its own.
//!
//! The envelope is opened layer by layer without looking inside (`RawValue`), so a message that is nested a thousand
//! deep, holds a number no float can, or is simply not an object costs nothing but itself. It also keeps the raw text
//! at hand: the prices of a cart are copied as written and never pass through a float.

mod account;
mod identity;
mod message;
mod status;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::Value;
use serde_json::value::RawValue;

use super::fields::{RawObject, keep, raw_items, raw_object, word};
use super::payload::{BodyError, IgnoredWhy, WebhookItem};
use super::repair;

/// More than any webhook carries (Meta: 1,000 updates; imported history is one item here).
const MAX_ITEMS: usize = 50_000;

/// Reads a body whose signature held. `received_at` stands in for times that are missing or absurd.
pub fn parse(body: &[u8], received_at: DateTime<Utc>) -> Result<Vec<WebhookItem>, BodyError> {
    let text = std::str::from_utf8(body).map_err(|e| BodyError::NotUtf8 { at: e.valid_up_to() })?;
    let text = repair::lone_surrogates(text);
    // Syntax is checked here for the whole body, without recursion; the layers below fail one by one.
    let whole: &RawValue =
        serde_json::from_str(&text).map_err(|e| BodyError::NotJson { line: e.line(), column: e.column() })?;
    let envelope = raw_object(whole.get()).ok_or(BodyError::NotAnObject)?;

    let mut items = Items { list: Vec::new(), seen: HashSet::new() };
    let object = string(&envelope, "object");
    if object.as_deref() != Some("whatsapp_business_account") {
        items.ignore(IgnoredWhy::OtherProduct, object.as_deref().unwrap_or(""));
        return Ok(items.list);
    }
    let entries = raw_items(&envelope, "entry");
    if entries.is_empty() {
        items.ignore(IgnoredWhy::Empty, "no entries");
    }
    for entry in entries {
        let Some(entry) = raw_object(entry.get()) else {
            items.push(WebhookItem::Unroutable { why: "the entry is not an object", raw: keep(entry.get()) });
            continue;
        };
        read_entry(&entry, received_at, &mut items);
        if items.list.len() > MAX_ITEMS {
            return Err(BodyError::TooManyItems { limit: MAX_ITEMS });
        }
    }
    Ok(items.list)
}

/// What has been read so far.
struct Items {
    list: Vec<WebhookItem>,
    /// (phone_number_id, message id): one body may repeat a message.
    seen: HashSet<(String, String)>,
}

impl Items {
    fn push(&mut self, item: WebhookItem) {
        // One past the limit is enough to know that it was passed.
        if self.list.len() > MAX_ITEMS {
            return;
        }
        if let WebhookItem::Message { phone_number_id, inbound } = &item
            && !self.seen.insert((phone_number_id.clone(), inbound.provider_message_id.clone()))
        {
            return self.ignore(IgnoredWhy::Duplicate, "");
        }
        self.list.push(item);
    }

    fn ignore(&mut self, why: IgnoredWhy, detail: &str) {
        self.push(WebhookItem::Ignored { why, detail: detail.chars().take(100).collect() });
    }
}

/// What all parts of one change share.
struct Change<'a> {
    /// The account: `entry[].id`.
    waba_id: Option<String>,
    /// The number: `value.metadata.phone_number_id`.
    phone_number_id: Option<String>,
    /// The number as people write it.
    display_phone: Option<String>,
    /// Everyone `value.contacts` names.
    contacts: Vec<Value>,
    /// When the entry was made (account-level fields), or when we got it.
    at: DateTime<Utc>,
    received_at: DateTime<Utc>,
    field: String,
    value: RawObject<'a>,
    raw: &'a RawValue,
}

fn read_entry(entry: &RawObject<'_>, received_at: DateTime<Utc>, items: &mut Items) {
    let changes = raw_items(entry, "changes");
    if changes.is_empty() {
        items.ignore(IgnoredWhy::Empty, "no changes");
    }
    for raw in changes {
        let Some(change) = open_change(entry, raw, received_at) else {
            items.push(WebhookItem::Unroutable { why: "the change has no value", raw: keep(raw.get()) });
            continue;
        };
        read_change(&change, items);
    }
}

fn open_change<'a>(
    entry: &RawObject<'a>,
    raw: &'a RawValue,
    received_at: DateTime<Utc>,
) -> Option<Change<'a>> {
    let change = raw_object(raw.get())?;
    let value = raw_object(change.get("value")?.get())?;
    let metadata = value.get("metadata").map_or(Value::Null, |raw| keep(raw.get()));
    let time = entry.get("time").map_or(Value::Null, |raw| keep(raw.get()));
    Some(Change {
        waba_id: string(entry, "id"),
        phone_number_id: word(&metadata, &["phone_number_id"]),
        display_phone: word(&metadata, &["display_phone_number"]),
        contacts: raw_items(&value, "contacts").into_iter().map(|raw| keep(raw.get())).collect(),
        at: super::fields::moment(&serde_json::json!({ "time": time }), "time", received_at),
        received_at,
        field: string(&change, "field").unwrap_or_default(),
        value,
        raw,
    })
}

/// The string (or number) under a key of an unopened object.
fn string(object: &RawObject<'_>, key: &str) -> Option<String> {
    let value = keep(object.get(key)?.get());
    word(&value, &[])
}

fn read_change(change: &Change<'_>, items: &mut Items) {
    match change.field.as_str() {
        "messages" => read_messages(change, items),
        "smb_message_echoes" => {
            each(change, "message_echoes", items, |id, raw| message::echo(change, id, raw));
        }
        "user_id_update" => {
            each(change, "user_id_update", items, |id, raw| identity::user_id_update(change, id, raw));
        }
        "user_preferences" => {
            each(change, "user_preferences", items, |id, raw| identity::preference(change, id, raw));
        }
        field if account::KNOWN_FIELDS.contains(&field) => account::read(change, items),
        field if account::UNUSED_FIELDS.contains(&field) || field.starts_with("group_") => {
            items.ignore(IgnoredWhy::UnusedField, field);
        }
        field => items.ignore(IgnoredWhy::UnknownField, field),
    }
}

/// Field `messages`: messages, statuses and errors, in any combination.
fn read_messages(change: &Change<'_>, items: &mut Items) {
    let [messages, statuses, errors] =
        ["messages", "statuses", "errors"].map(|list| raw_items(&change.value, list));
    if messages.is_empty() && statuses.is_empty() && errors.is_empty() {
        return items.ignore(IgnoredWhy::Empty, "neither messages nor statuses nor errors");
    }
    every(change, messages, items, |id, raw| message::read(change, id, raw));
    every(change, statuses, items, |id, raw| status::read(change, id, raw));
    account::errors(change, items);
}

/// Reads the one list that a field is about.
fn each(
    change: &Change<'_>,
    list: &str,
    items: &mut Items,
    read: impl Fn(&str, &RawValue) -> Result<WebhookItem, &'static str>,
) {
    let list = raw_items(&change.value, list);
    if list.is_empty() {
        items.ignore(IgnoredWhy::Empty, &change.field);
    }
    every(change, list, items, read);
}

/// Reads each item of a list that belongs to a number.
fn every(
    change: &Change<'_>,
    list: Vec<&RawValue>,
    items: &mut Items,
    read: impl Fn(&str, &RawValue) -> Result<WebhookItem, &'static str>,
) {
    if list.is_empty() {
        return;
    }
    let Some(id) = change.phone_number_id.as_deref() else {
        // The account's id would be a guess: an account may have many numbers, and tenants.
        return items.push(WebhookItem::Unroutable {
            why: "the change names no phone_number_id",
            raw: keep(change.raw.get()),
        });
    };
    for raw in list {
        items.push(read(id, raw).unwrap_or_else(|why| WebhookItem::Unreadable {
            phone_number_id: id.to_owned(),
            why,
            raw: keep(raw.get()),
        }));
    }
}

/// An item as a value; an error when it is not an object or cannot be held as one.
fn object(raw: &RawValue) -> Result<Value, &'static str> {
    let value: Value =
        serde_json::from_str(raw.get()).map_err(|_| "nested too deep, or holds a number out of range")?;
    if value.is_object() { Ok(value) } else { Err("not an object") }
}

#[cfg(test)]
mod tests;
