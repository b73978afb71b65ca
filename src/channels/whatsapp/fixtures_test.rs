//! Every body of `tests/fixtures/whatsapp` and what it means, one line an item.
//!
//! A line reads: the number (A or B), what it is, from whom (phone, id, name, user name), seconds after T0, details.

use std::collections::BTreeMap;
use std::path::Path;

use balcao_domain::customer::Sender;
use balcao_domain::inbound::{Content, Inbound};
use chrono::{DateTime, TimeZone, Utc};

use super::{AccountEffect, BodyError, StatusUpdate, WebhookItem, parse};

const T0: i64 = 1_793_973_600;
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/whatsapp");

/// An hour after the first message, so that a time taken from reception is easily told apart.
fn received_at() -> DateTime<Utc> {
    Utc.timestamp_opt(T0 + 3_600, 0).unwrap()
}

fn body(file: &str) -> Vec<u8> {
    std::fs::read(Path::new(FOLDER).join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn number(phone_number_id: &str) -> &str {
    match phone_number_id {
        "309900000000001" => "A",
        "309900000000002" => "B",
        other => other,
    }
}

fn who(sender: &Sender) -> String {
    let id = sender.user_id.as_deref().map(|id| id.replace("BR.90000000000000", "BR.…"));
    [sender.phone.clone(), id, sender.name.clone(), sender.username.as_ref().map(|u| format!("@{u}"))]
        .map(|part| part.unwrap_or_else(|| "-".into()))
        .join("/")
}

fn after_t0(at: DateTime<Utc>) -> String {
    format!("+{}", at.timestamp() - T0)
}

/// The last digits of a message id: files number their messages there.
fn short_id(wamid: &str) -> String {
    use sha2::Digest as _;
    hex::encode(&sha2::Sha256::digest(wamid)[..3])
}

fn describe_content(content: &Content) -> String {
    match content {
        Content::Text { text } => format!("text {text:?}"),
        Content::Media(m) => format!(
            "{:?} {} {} caption={:?} file={:?} voice={}",
            m.media,
            m.media_id,
            m.mime_type.as_deref().unwrap_or("-"),
            m.caption.as_deref().unwrap_or(""),
            m.filename.as_deref().unwrap_or(""),
            m.voice
        ),
        Content::Cart { catalog_id, note, lines } => {
            let lines: Vec<String> = lines
                .iter()
                .map(|l| format!("{}x{}@{} {}", l.quantity, l.retailer_id, l.claimed_price, l.currency))
                .collect();
            format!("cart {catalog_id} {note:?} {}", lines.join(", "))
        }
        Content::Reaction { message_id, emoji } => format!("reaction {emoji:?} to {}", short_id(message_id)),
        Content::Edit { message_id, text } => format!("edit of {} {text:?}", short_id(message_id)),
        Content::Revoke { message_id } => format!("revoke of {}", short_id(message_id)),
        Content::Unknown { type_name, .. } => format!("unknown {type_name}"),
        Content::Form { name, token, fields } => format!("form {name:?} {token:?} {fields}"),
        other => format!("{other:?}"),
    }
}

fn describe_message(id: &str, m: &Inbound) -> String {
    let mut line = format!(
        "{} {} {} {} {}",
        number(id),
        short_id(&m.provider_message_id),
        who(&m.sender),
        after_t0(m.sent_at),
        describe_content(&m.content)
    );
    if let Some(reply_to) = &m.reply_to {
        line += &format!(" reply_to={}", short_id(reply_to));
    }
    if let Some(product) = &m.product {
        line += &format!(" product={}/{}", product.catalog_id, product.retailer_id);
    }
    if let Some(referral) = &m.referral {
        line += &format!(" ad={}", referral["source_id"].as_str().unwrap_or("?"));
    }
    line + if m.content.starts_turn() { "" } else { " (no turn)" }
}

fn describe_status(id: &str, s: &StatusUpdate) -> String {
    let mut line = format!(
        "{} status {} {} to {} {}",
        number(id),
        short_id(&s.provider_message_id),
        s.state.as_str(),
        who(&s.recipient),
        after_t0(s.at)
    );
    if let Some(tag) = &s.tag {
        line += &format!(" tag={tag}");
    }
    if let Some(pricing) = &s.pricing {
        line += &format!(" {:?}", (pricing.kind.as_deref(), pricing.category.as_deref()));
    }
    if let Some(until) = s.free_entry_until {
        line += &format!(" free until {}", after_t0(until));
    }
    if let Some(failure) = s.failure() {
        line += &format!(" {}", format!("{failure:?}").split(", detail").next().unwrap());
    }
    line
}

fn describe(item: &WebhookItem) -> String {
    match item {
        WebhookItem::Message { phone_number_id, inbound } => describe_message(phone_number_id, inbound),
        WebhookItem::Status { phone_number_id, status } => describe_status(phone_number_id, status),
        WebhookItem::Echo { phone_number_id, echo } => format!(
            "{} echo {} to {} {} {}",
            number(phone_number_id),
            short_id(&echo.provider_message_id),
            who(&echo.to),
            after_t0(echo.at),
            describe_content(&echo.content)
        ),
        WebhookItem::IdentityChange { phone_number_id, change, at } => format!(
            "{} identity {} => {} {}",
            number(phone_number_id),
            who(&change.before),
            who(&change.after),
            after_t0(*at)
        ),
        WebhookItem::Preference { phone_number_id, sender, category, stop, at } => {
            format!("{} {category} stop={stop} {} {}", number(phone_number_id), who(sender), after_t0(*at))
        }
        WebhookItem::Account(event) => {
            let effect = match &event.effect {
                AccountEffect::Pause { reason } => format!("pause ({reason})"),
                AccountEffect::Template { name, language, status } => {
                    format!("template {name}/{language} is {status}")
                }
                other => format!("{other:?}"),
            };
            format!(
                "account {}/{} {} {:?} {:?} {} {effect}",
                event.waba_id.as_deref().unwrap_or("-").replace("20990000000000", "waba"),
                event.phone_number_id.as_deref().map_or("-", number),
                event.field,
                event.event.as_deref().unwrap_or(""),
                event.severity,
                after_t0(event.at),
            )
        }
        WebhookItem::Ignored { why, detail } => format!("ignored {} {detail}", why.as_str()),
        WebhookItem::Unreadable { phone_number_id, why, .. } => {
            format!("{} unreadable: {why}", number(phone_number_id))
        }
        WebhookItem::Unroutable { why, .. } => format!("unroutable: {why}"),
    }
}

/// File name to its lines.
fn expected() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut table: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut file = "";
    for line in include_str!("fixtures_expected.txt").lines() {
        match line.strip_prefix("  ") {
            Some(item) => table.get_mut(file).expect("a file name comes first").push(item),
            None if line.starts_with('#') || line.is_empty() => {}
            None => {
                file = line;
                assert!(table.insert(file, Vec::new()).is_none(), "{file} is listed twice");
            }
        }
    }
    table
}

#[test]
fn every_fixture_means_what_its_line_says() {
    let table = expected();
    let mut wrong = String::new();
    for (file, lines) in &table {
        let found: Vec<String> = match parse(&body(file), received_at()) {
            Ok(items) => items.iter().map(describe).collect(),
            Err(error) => vec![format!("error: {error}")],
        };
        if found != *lines {
            wrong += &format!("{file}\n  {}\n", found.join("\n  "));
        }
    }
    assert!(wrong.is_empty(), "these are read differently:\n{wrong}");
}

#[test]
fn no_fixture_is_without_a_line_and_no_line_without_a_fixture() {
    let listed: Vec<String> = expected().into_keys().map(str::to_owned).collect();
    let mut present: Vec<String> = std::fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect();
    present.sort();
    assert_eq!(listed, present);
}

#[test]
fn a_redelivery_is_read_exactly_as_the_first_time() {
    let first = parse(&body("text.json"), received_at()).unwrap();
    let again = parse(&body("duplicate_of_text.json"), received_at() + chrono::Duration::days(6)).unwrap();
    assert_eq!(first, again);
}

#[test]
fn a_truncated_body_is_an_error_that_shows_none_of_it() {
    let error = parse(&body("malformed_truncated.json"), received_at()).unwrap_err();
    assert!(matches!(error, BodyError::NotJson { .. }));
    assert!(!format!("{error} {error:?}").contains("55"), "no phone number in `{error}`");
}

#[test]
fn an_inbound_message_survives_the_database() {
    for file in expected().keys() {
        for item in parse(&body(file), received_at()).unwrap_or_default() {
            if let WebhookItem::Message { inbound, .. } = item {
                let json = serde_json::to_value(&inbound).unwrap();
                assert!(!json.to_string().contains("\\u0000"), "{file}");
                assert_eq!(serde_json::from_value::<Inbound>(json).unwrap(), inbound, "{file}");
            }
        }
    }
}
