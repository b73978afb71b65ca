//! Interactive messages: reply buttons, lists, links, requests.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{ApiError, MAX_CAPTION, at_most, object, only, optional, required};

type Fields = Map<String, Value>;

/// Checks the value of `interactive`; returns the words a person would see.
pub fn check(interactive: &Fields) -> Result<String, ApiError> {
    only(interactive, "interactive", |key| ["type", "header", "body", "footer", "action"].contains(&key))?;
    let kind = required(interactive, "type")?;
    let body = words(interactive, "body", if kind == "list" { 4_096 } else { MAX_CAPTION })?;
    if let Some(footer) = interactive.get("footer") {
        at_most(&required(object(footer, "footer")?, "text")?, 60, "interactive['footer']['text']")?;
    }
    header(interactive, &kind)?;
    let action = interactive.get("action").ok_or_else(|| ApiError::missing("interactive['action']"))?;
    let action = object(action, "interactive['action']")?;
    let shown = match kind.as_str() {
        "button" => buttons(action)?,
        "list" => list(action)?,
        "cta_url" => link(action)?,
        "location_request_message" | "contact_request" | "catalog_message" | "flow" => {
            required(action, "name")?;
            Vec::new()
        }
        "product" | "product_list" | "carousel" | "order_details" | "order_status" => Vec::new(),
        other => return Err(ApiError::value(format!("interactive['type'] `{other}` is not a type."))),
    };
    let shown: Vec<String> = shown.iter().map(|title| format!("[{title}]")).collect();
    Ok(format!("{body}\n{}", shown.join(" ")).trim_end().to_owned())
}

fn words(interactive: &Fields, key: &str, limit: usize) -> Result<String, ApiError> {
    let part = interactive.get(key).ok_or_else(|| ApiError::missing(&format!("interactive['{key}']")))?;
    let part = object(part, key)?;
    only(part, key, |key| key == "text")?;
    let text = required(part, "text")?;
    at_most(&text, limit, &format!("interactive['{key}']['text']"))?;
    Ok(text)
}

fn header(interactive: &Fields, kind: &str) -> Result<(), ApiError> {
    let Some(header) = interactive.get("header") else { return Ok(()) };
    let header = object(header, "header")?;
    match required(header, "type")?.as_str() {
        "text" => at_most(&required(header, "text")?, 60, "interactive['header']['text']"),
        "image" | "video" | "document" if kind != "list" => Ok(()),
        other => Err(ApiError::value(format!("A header of type `{other}` is not allowed here."))),
    }
}

fn buttons(action: &Fields) -> Result<Vec<String>, ApiError> {
    only(action, "action", |key| key == "buttons")?;
    let buttons =
        action.get("buttons").and_then(Value::as_array).ok_or_else(|| ApiError::missing("buttons"))?;
    if !(1..=3).contains(&buttons.len()) {
        return Err(ApiError::value("There must be 1 to 3 buttons."));
    }
    let mut seen = Seen::default();
    for button in buttons {
        let button = object(button, "button")?;
        if required(button, "type")? != "reply" {
            return Err(ApiError::value("Param button['type'] must be one of {REPLY}."));
        }
        let reply = button.get("reply").ok_or_else(|| ApiError::missing("button['reply']"))?;
        let reply = object(reply, "reply")?;
        only(reply, "reply", |key| ["id", "title"].contains(&key))?;
        let (id, title) = (required(reply, "id")?, required(reply, "title")?);
        at_most(&id, 256, "button['reply']['id']")?;
        at_most(&title, 20, "button['reply']['title']")?;
        seen.add(id, Some(title))?;
    }
    Ok(seen.titles)
}

fn list(action: &Fields) -> Result<Vec<String>, ApiError> {
    only(action, "action", |key| ["button", "sections"].contains(&key))?;
    at_most(&required(action, "button")?, 20, "action['button']")?;
    let sections =
        action.get("sections").and_then(Value::as_array).ok_or_else(|| ApiError::missing("sections"))?;
    if !(1..=10).contains(&sections.len()) {
        return Err(ApiError::value("There must be 1 to 10 sections."));
    }
    let mut seen = Seen::default();
    for section in sections {
        let section = object(section, "section")?;
        only(section, "section", |key| ["title", "rows"].contains(&key))?;
        match optional(section, "title")? {
            Some(title) => at_most(&title, 24, "section['title']")?,
            None if sections.len() > 1 => return Err(ApiError::missing("section['title']")),
            None => {}
        }
        let rows = section.get("rows").and_then(Value::as_array).ok_or_else(|| ApiError::missing("rows"))?;
        for row in rows {
            list_row(object(row, "row")?, &mut seen)?;
        }
    }
    if !(1..=10).contains(&seen.titles.len()) {
        return Err(ApiError::value("There must be 1 to 10 rows in total."));
    }
    Ok(seen.titles)
}

fn list_row(row: &Fields, seen: &mut Seen) -> Result<(), ApiError> {
    only(row, "row", |key| ["id", "title", "description"].contains(&key))?;
    let (id, title) = (required(row, "id")?, required(row, "title")?);
    at_most(&id, 200, "row['id']")?;
    at_most(&title, 24, "row['title']")?;
    at_most(&optional(row, "description")?.unwrap_or_default(), 72, "row['description']")?;
    // Rows may share a title, not an id.
    seen.add(id, None)?;
    seen.titles.push(title);
    Ok(())
}

fn link(action: &Fields) -> Result<Vec<String>, ApiError> {
    let parameters = action.get("parameters").ok_or_else(|| ApiError::missing("action['parameters']"))?;
    let parameters = object(parameters, "parameters")?;
    let title = required(parameters, "display_text")?;
    at_most(&title, 20, "display_text")?;
    required(parameters, "url")?;
    Ok(vec![title])
}

/// Ids, and titles that must not repeat.
#[derive(Default)]
struct Seen {
    ids: HashSet<String>,
    titles: Vec<String>,
}

impl Seen {
    fn add(&mut self, id: String, title: Option<String>) -> Result<(), ApiError> {
        if !self.ids.insert(id) {
            return Err(ApiError::value("Duplicated id."));
        }
        if let Some(title) = title {
            if self.titles.contains(&title) {
                return Err(ApiError::value("Duplicated title."));
            }
            self.titles.push(title);
        }
        Ok(())
    }
}
