//! One reply as few messages as WhatsApp's limits allow: every delivered message may cost the shop money.
//!
//! Options become reply buttons (up to three, short), a list (up to ten) or numbered lines (otherwise). One label too
//! long and WhatsApp refuses the whole message, so everything is measured here first.

use balcao_domain::Language;
use balcao_domain::reply::{Reply, ReplyOption, Source};
use balcao_domain::text::{clean, fold};
use serde_json::{Value, json};

use super::markdown::to_whatsapp;
use super::split::{length, shorten, split};
use crate::{Outgoing, plain};

/// The longest text message.
pub const MAX_TEXT: usize = 4_096;
/// The longest body above buttons.
const MAX_BUTTONS_BODY: usize = 1_024;
/// The longest body above a list.
const MAX_LIST_BODY: usize = 4_096;
const MAX_BUTTONS: usize = 3;
const MAX_BUTTON_TITLE: usize = 20;
const MAX_BUTTON_ID: usize = 256;
const MAX_ROWS: usize = 10;
const MAX_ROW_TITLE: usize = 24;
const MAX_ROW_DESCRIPTION: usize = 72;
const MAX_ROW_ID: usize = 200;
/// No reply is this long; what is longer is a mistake that would cost the shop a hundred messages.
const MAX_REPLY: usize = 40_000;
/// How many sources are named below an answer.
const MAX_SOURCES: usize = 3;

/// Renders a reply. `language` is that of the few words added here.
pub fn render(reply: &Reply, language: Language) -> Vec<Outgoing> {
    let mut messages = words(reply, language);
    // Alone in its message, a long press copies it whole; and nothing in it is a mark.
    messages.extend(reply.copyable.as_ref().map(|code| text_message(clean(code, MAX_TEXT))));
    messages
}

fn words(reply: &Reply, language: Language) -> Vec<Outgoing> {
    let text = to_whatsapp(&clean(&reply.text, MAX_REPLY));
    let text = with_sources(text, &reply.sources);
    let options: Vec<ReplyOption> = reply.options.iter().filter_map(tidy).collect();
    if options.is_empty() {
        return texts(&text);
    }
    match Form::of(&options, &text) {
        Form::Buttons => interactive(&text, MAX_BUTTONS_BODY, &options, language, buttons),
        Form::List => interactive(&text, MAX_LIST_BODY, &options, language, list),
        Form::Numbers => texts(&plain::numbered(&text, &options)),
    }
}

/// How options are shown.
#[derive(Debug, PartialEq)]
enum Form {
    Buttons,
    List,
    Numbers,
}

impl Form {
    fn of(options: &[ReplyOption], text: &str) -> Self {
        let unique = (1..options.len()).all(|at| options[..at].iter().all(|o| o.id != options[at].id));
        let ids_up_to = |max| options.iter().all(|o| length(&o.id) <= max);
        let lists = unique && options.len() <= MAX_ROWS && ids_up_to(MAX_ROW_ID);
        let short = options.iter().all(|o| length(&o.title) <= MAX_BUTTON_TITLE && o.description.is_none());
        let buttons = unique && options.len() <= MAX_BUTTONS && ids_up_to(MAX_BUTTON_ID);
        // A button shows a word or two and no second line; a list has room for both, and for a longer body.
        if buttons && (!lists || (short && length(text) <= MAX_BUTTONS_BODY)) {
            Self::Buttons
        } else if lists {
            Self::List
        } else {
            Self::Numbers
        }
    }
}

/// An option as it can be shown; `None` when there is nothing to show or to act on.
fn tidy(option: &ReplyOption) -> Option<ReplyOption> {
    let title = plain::one_line(&clean(&option.title, 200));
    let id = clean(&option.id, 1_000);
    let description = option.description.as_deref().map(|d| plain::one_line(&clean(d, 400)));
    let description = description.filter(|d| !d.is_empty());
    (!title.is_empty() && !id.trim().is_empty()).then_some(ReplyOption { id, title, description })
}

/// Plain messages, as few as will do.
fn texts(text: &str) -> Vec<Outgoing> {
    split(text, MAX_TEXT).into_iter().map(text_message).collect()
}

fn text_message(text: String) -> Outgoing {
    let preview = text.contains("https://") || text.contains("http://");
    let body = json!({ "type": "text", "text": { "preview_url": preview, "body": text } });
    Outgoing { kind: "text".into(), text, body }
}

/// What does not fit above the options goes before them as text.
fn interactive(
    text: &str,
    max_body: usize,
    options: &[ReplyOption],
    language: Language,
    form: fn(&str, &[ReplyOption], Language) -> Value,
) -> Vec<Outgoing> {
    let mut pieces = split(text, MAX_TEXT);
    let last = pieces.pop().unwrap_or_default();
    let body = split(&last, max_body).pop().unwrap_or_default();
    // Whatever was cut off before the body is one message, however many pieces it was cut into.
    let head = last.strip_suffix(&body).unwrap_or("").trim();
    let body = if body.is_empty() { "👇".to_owned() } else { body };
    if !head.is_empty() {
        pieces.push(head.to_owned());
    }
    let mut messages: Vec<Outgoing> = pieces.into_iter().map(text_message).collect();
    let shown: Vec<String> = options.iter().map(|o| format!("[{}]", o.title)).collect();
    messages.push(Outgoing {
        kind: "interactive".into(),
        text: format!("{body}\n{}", shown.join(" ")),
        body: json!({ "type": "interactive", "interactive": form(&body, options, language) }),
    });
    messages
}

fn buttons(body: &str, options: &[ReplyOption], _language: Language) -> Value {
    let titles = unique_titles(options, MAX_BUTTON_TITLE);
    let buttons: Vec<Value> = options
        .iter()
        .zip(titles)
        .map(|(o, title)| json!({ "type": "reply", "reply": { "id": o.id, "title": title } }))
        .collect();
    json!({ "type": "button", "body": { "text": body }, "action": { "buttons": buttons } })
}

fn list(body: &str, options: &[ReplyOption], language: Language) -> Value {
    let titles = unique_titles(options, MAX_ROW_TITLE);
    let rows: Vec<Value> = options.iter().zip(titles).map(|(o, title)| row(o, &title)).collect();
    let label = match language {
        Language::Portuguese => "Ver opções",
        Language::English => "See options",
    };
    json!({
        "type": "list",
        "body": { "text": body },
        "action": { "button": label, "sections": [{ "rows": rows }] }
    })
}

fn row(option: &ReplyOption, title: &str) -> Value {
    let mut row = json!({ "id": option.id, "title": title });
    // A title that had to be cut is said in full below.
    let whole = (title != option.title).then_some(&option.title);
    if let Some(description) = option.description.as_ref().or(whole) {
        row["description"] = json!(shorten(description, MAX_ROW_DESCRIPTION));
    }
    row
}

/// Titles that fit, no two alike: equal ones get a number.
fn unique_titles(options: &[ReplyOption], limit: usize) -> Vec<String> {
    let mut titles: Vec<String> = Vec::new();
    for option in options {
        let mut title = shorten(&option.title, limit);
        let mut number = 2;
        while titles.contains(&title) {
            let suffix = format!(" ({number})");
            title = shorten(&option.title, limit - suffix.len()) + &suffix;
            number += 1;
        }
        titles.push(title);
    }
    titles
}

/// Where an answer comes from, on one line below it: documents it does not name itself. Left out where it would make
/// a second message.
fn with_sources(text: String, sources: &[Source]) -> String {
    let said = fold(&text);
    let mut titles: Vec<String> = Vec::new();
    for source in sources {
        let title = plain::one_line(&clean(&source.title, 120)).replace(['_', '*', '~', '`'], " ");
        let new = !title.is_empty() && !said.contains(&fold(&title)) && !titles.contains(&title);
        if new && titles.len() < MAX_SOURCES {
            titles.push(title);
        }
    }
    if titles.is_empty() || text.is_empty() {
        return text;
    }
    let cited = format!("{text}\n\n📄 _{}_", titles.join(" · "));
    if length(&cited) > MAX_TEXT { text } else { cited }
}

#[cfg(test)]
mod tests;
