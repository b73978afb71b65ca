//! What the emulator says when nobody told it what to say: the best sentence of the sources in the request.
//!
//! Sources are paragraphs that begin with `[1]`, `[2]` and so on in the system's and the tools' messages, and elements
//! `<source number="1" …>…</source>` (or `document`, `passage`; `id`, `index`) anywhere.
//! If there are none but a tool that takes a `query` is offered, it is asked for first. With a `response_format`
//! schema the answer is JSON of that shape: the sentence goes into the field for words, the source's number into a
//! list of numbers, yes-or-no fields say yes, and everything else gets the first allowed value.

use serde_json::{Map, Value, json};

use super::script::Call;

/// Fields of a schema that hold the words for the reader.
const WORD_FIELDS: [&str; 5] = ["reply", "answer", "text", "message", "content"];
/// Said when no source helps.
const NOTHING_FOUND: &str =
    "Desculpe, não encontrei isso nos documentos da loja. / Sorry, the shop's documents do not say.";
/// Schemas may refer to themselves; nothing sensible is deeper than this.
const DEEPEST: usize = 8;

/// What is said, or asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Echo {
    /// Words, or JSON as text.
    Text(String),
    /// A tool.
    Call(Call),
}

/// The answer to a request.
pub fn answer(request: &Value) -> Echo {
    let question = question(request);
    let sources = sources(request);
    let answered_by_tool = messages(request).last().is_some_and(|m| m["role"] == "tool");
    if sources.is_empty()
        && !answered_by_tool
        && let Some(tool) = query_tool(request)
    {
        return Echo::Call(Call { name: tool.to_owned(), arguments: json!({ "query": question }) });
    }
    let best = best_sentence(&sources, &question);
    let (number, words) = best.unwrap_or((None, NOTHING_FOUND.to_owned()));
    match schema(request) {
        Some(root) => Echo::Text(fill(root, root, "reply", number, &words, 0).to_string()),
        None => Echo::Text(words),
    }
}

/// The words of the last message of the user: what follows the sources it may bring along, without tags.
pub fn question(request: &Value) -> String {
    let last = messages(request).iter().rev().find(|m| m["role"] == "user");
    let text = last.map(|m| text_of(&m["content"])).unwrap_or_default();
    let after = ["</source>", "</document>", "</passage>"]
        .iter()
        .filter_map(|tag| Some(text.rfind(tag)? + tag.len()));
    let mut words = String::new();
    let mut inside = false;
    for c in text[after.max().unwrap_or(0)..].chars() {
        match c {
            '<' => inside = true,
            '>' if inside => inside = false,
            _ if inside => {}
            c => words.push(c),
        }
    }
    // A lone `<` is no tag: better too many words than none.
    if words.trim().is_empty() { text } else { words.trim().to_owned() }
}

/// The schema the answer must follow, if one is asked for.
pub fn schema(request: &Value) -> Option<&Value> {
    let format = &request["response_format"];
    match format["type"].as_str() {
        Some("json_schema") => Some(&format["json_schema"]["schema"]),
        _ => None,
    }
}

fn messages(request: &Value) -> &[Value] {
    request["messages"].as_array().map_or(&[], Vec::as_slice)
}

/// Content is a text or a list of parts with texts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

fn query_tool(request: &Value) -> Option<&str> {
    let tools = request["tools"].as_array()?;
    let takes_query = |tool: &&Value| tool["function"]["parameters"]["properties"]["query"].is_object();
    tools.iter().find(takes_query)?["function"]["name"].as_str()
}

/// The numbered sources of a request.
fn sources(request: &Value) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    for message in messages(request) {
        let text = text_of(&message["content"]);
        elements(&text, &mut found);
        if matches!(message["role"].as_str(), Some("system" | "developer" | "tool")) {
            paragraphs(&text, &mut found);
        }
        if found.is_empty() && message["role"] == "tool" {
            found.extend(strings(&text).into_iter().enumerate().map(|(i, text)| (i as i64 + 1, text)));
        }
    }
    found
}

/// Texts between `<source number="1">` and `</source>`.
fn elements(text: &str, found: &mut Vec<(i64, String)>) {
    for name in ["source", "document", "passage"] {
        let (opening, closing) = (format!("<{name} "), format!("</{name}>"));
        for part in text.split(&opening).skip(1) {
            let Some((attributes, rest)) = part.split_once('>') else { continue };
            let Some((body, _)) = rest.split_once(&closing) else { continue };
            let value =
                |key: &str| attributes.split_once(&format!("{key}=\""))?.1.split('"').next()?.parse().ok();
            let number = ["number", "id", "index"].into_iter().find_map(value);
            found.push((number.unwrap_or(found.len() as i64 + 1), body.trim().to_owned()));
        }
    }
}

/// Paragraphs that begin with a number in square brackets; a heading or an element ends them.
fn paragraphs(text: &str, found: &mut Vec<(i64, String)>) {
    let mut open = false;
    for line in text.lines() {
        if let Some((number, rest)) = numbered(line) {
            found.push((number, rest.to_owned()));
            open = true;
        } else if line.trim_start().starts_with(['#', '<']) {
            open = false;
        } else if open && let Some((_, source)) = found.last_mut() {
            source.push('\n');
            source.push_str(line);
        }
    }
}

/// `[3] words` gives 3 and the words.
fn numbered(line: &str) -> Option<(i64, &str)> {
    let (number, rest) = line.trim_start().strip_prefix('[')?.split_once(']')?;
    Some((number.trim().parse().ok()?, rest))
}

/// The longer texts inside a JSON value, for tools that answer in JSON.
fn strings(text: &str) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) if text.len() > 40 => found.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_str(text) {
        collect(&value, &mut found);
    }
    found
}

/// The sentence that shares most words with the question, and its source. Earlier ones win a tie, so that without
/// any shared word it is the first sentence of the first source.
fn best_sentence(sources: &[(i64, String)], question: &str) -> Option<(Option<i64>, String)> {
    let asked = words(question);
    let mut best: Option<(usize, i64, &str)> = None;
    for (number, source) in sources {
        for sentence in sentences(source) {
            let shared = words(sentence).iter().filter(|word| asked.contains(word)).count();
            if best.is_none_or(|(most, ..)| shared > most) {
                best = Some((shared, *number, sentence));
            }
        }
    }
    best.map(|(_, number, sentence)| (Some(number), sentence.to_owned()))
}

fn words(text: &str) -> Vec<String> {
    let long_enough = |word: &&str| word.chars().count() > 3;
    text.split(|c: char| !c.is_alphanumeric()).filter(long_enough).map(str::to_lowercase).collect()
}

/// The sentences of a source. A heading in front is left out when there is anything else.
fn sentences(source: &str) -> Vec<&str> {
    let is_sentence = |s: &&str| s.chars().count() > 12 && s.ends_with(['.', '!', '?', ':', ';']);
    let all: Vec<&str> = source
        .lines()
        .flat_map(|line| line.split_inclusive(". "))
        .map(|s| s.trim().trim_start_matches(['-', '*', '#', ' ']))
        .filter(|s| !s.is_empty())
        .collect();
    let proper: Vec<&str> = all.iter().copied().filter(is_sentence).collect();
    if proper.is_empty() { all } else { proper }
}

/// A value that follows a schema.
fn fill(root: &Value, schema: &Value, name: &str, source: Option<i64>, said: &str, depth: usize) -> Value {
    if depth > DEEPEST {
        return Value::Null;
    }
    let again = |schema: &Value, name: &str| fill(root, schema, name, source, said, depth + 1);
    if let Some(place) = schema["$ref"].as_str() {
        let target = place.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(Value::Null, |target| again(target, name));
    }
    if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return value.clone();
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(options) = schema[choice].as_array() {
            let is_null = |option: &&Value| option["type"] == "null";
            let words = WORD_FIELDS.contains(&name);
            let null_first = options.iter().find(is_null).filter(|_| !words);
            return null_first
                .or_else(|| options.iter().find(|o| !is_null(o)))
                .map_or(Value::Null, |o| again(o, name));
        }
    }
    match type_of(schema, name) {
        "object" => {
            let properties = schema["properties"].as_object();
            let fields =
                properties.into_iter().flatten().map(|(name, schema)| (name.clone(), again(schema, name)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        "string" if WORD_FIELDS.contains(&name) => json!(said),
        "string" => schema.get("default").cloned().unwrap_or_else(|| json!("")),
        "array" => match (source, type_of(&schema["items"], "")) {
            (Some(number), "integer" | "number") => json!([number]),
            _ => json!([]),
        },
        "integer" | "number" => {
            schema.get("default").or_else(|| schema.get("minimum")).cloned().unwrap_or(json!(0))
        }
        "boolean" => schema.get("default").cloned().unwrap_or(json!(true)),
        _ => Value::Null,
    }
}

/// The type of a schema; of several, null is taken unless the field is for words.
fn type_of<'a>(schema: &'a Value, name: &str) -> &'a str {
    match &schema["type"] {
        Value::String(one) => one,
        Value::Array(several) => {
            let mut names = several.iter().filter_map(Value::as_str);
            let nullable = several.iter().any(|t| t == "null");
            if nullable && !WORD_FIELDS.contains(&name) {
                "null"
            } else {
                names.find(|t| *t != "null").unwrap_or("null")
            }
        }
        _ if schema["properties"].is_object() => "object",
        _ => "null",
    }
}
