//! JSON and JSON Lines: every record a section under what it is about.
//!
//! Records are the objects of an array, at the top or under a name (`{"faq": [ … ]}`). The field that names a record
//! becomes its heading, its prose follows as paragraphs, and the other fields are written `name: value`, by name. Which
//! fields are which is [`Options::title_fields`] and [`Options::text_fields`].

use serde_json::{Map, Value};

use crate::{Document, Options, Unreadable, markdown::Blocks, markdown::one_line, text};

pub(crate) fn read(bytes: &[u8], options: &Options) -> Result<Document, Unreadable> {
    let value = serde_json::from_str(&text::decode(bytes)?)
        .map_err(|error| Unreadable::damaged("JSON file", error))?;
    let mut page = Page { blocks: Blocks::default(), options };
    page.value(&value, 1)?;
    Ok(Document { text: page.blocks.into_text(), ..Document::default() })
}

pub(crate) fn read_lines(bytes: &[u8], options: &Options) -> Result<Document, Unreadable> {
    let text = text::decode(bytes)?;
    let mut page = Page { blocks: Blocks::default(), options };
    let mut broken = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(value) => page.value(&value, 1)?,
            Err(error) => broken.push((number, error)),
        }
    }
    let warnings = match &broken[..] {
        [] => Vec::new(),
        [(number, error), ..] if page.blocks.len() == 0 => {
            return Err(Unreadable::damaged("JSON Lines file", format!("line {number}: {error}")));
        }
        [(number, error), ..] => {
            vec![format!("{} line(s) are not JSON; the first is line {number}: {error}", broken.len())]
        }
    };
    Ok(Document { title: None, text: page.blocks.into_text(), warnings })
}

struct Page<'a> {
    blocks: Blocks,
    options: &'a Options,
}

impl Page<'_> {
    /// Writes a value under a heading of `level`. serde_json bounds how deep values are.
    fn value(&mut self, value: &Value, level: usize) -> Result<(), Unreadable> {
        if self.blocks.len() > self.options.max_text_bytes {
            let most = self.options.max_text_bytes as u64;
            return Err(Unreadable::TooMuch { what: "bytes of text", most });
        }
        match value {
            Value::Object(record) => self.record(record, level),
            Value::Array(values) if values.iter().any(|value| value.is_object() || value.is_array()) => {
                values.iter().try_for_each(|value| self.value(value, level))
            }
            other => {
                self.blocks.paragraph(&said(other));
                Ok(())
            }
        }
    }

    fn record(&mut self, record: &Map<String, Value>, level: usize) -> Result<(), Unreadable> {
        let field = |names: &[String]| -> Vec<(&String, &Value)> {
            names.iter().flat_map(|name| record.iter().filter(move |(key, _)| same(key, name))).collect()
        };
        let title = field(&self.options.title_fields).into_iter().find(|(_, value)| is_said(value));
        if let Some((_, title)) = title {
            self.blocks.heading(level, &said(title));
        }
        let prose = field(&self.options.text_fields);
        let is_title = |key: &String| title.is_some_and(|(name, _)| name == key);
        for (_, value) in prose.iter().filter(|(key, value)| !is_title(key) && is_said(value)) {
            self.blocks.paragraph(&said(value));
        }
        let is_prose = |key: &String| prose.iter().any(|(name, value)| *name == key && is_said(value));
        let rest: Vec<_> = record.iter().filter(|(key, _)| !is_title(key) && !is_prose(key)).collect();
        for (key, value) in rest.iter().filter(|(_, value)| is_said(value)) {
            let text = one_line(&said(value));
            if !text.is_empty() {
                self.blocks.item(0, None, &format!("{}: {text}", key.trim()));
            }
        }
        let below = if title.is_some() { level + 1 } else { level };
        for (key, value) in rest.iter().filter(|(_, value)| !is_said(value)) {
            // A list at the top is the records themselves; below, the name says what they are.
            if title.is_some() || rest.len() > 1 {
                self.blocks.heading(below, key);
                self.value(value, below + 1)?;
            } else {
                self.value(value, below)?;
            }
        }
        Ok(())
    }
}

/// Values that are written in a line: all but objects and lists of objects.
fn is_said(value: &Value) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(values) => !values.iter().any(|value| value.is_object() || value.is_array()),
        _ => true,
    }
}

fn said(value: &Value) -> String {
    match value {
        Value::Null | Value::Object(_) => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            values.iter().map(said).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Names are the same whatever their case.
fn same(key: &str, name: &str) -> bool {
    key.trim().to_lowercase() == name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markdown(json: &str) -> String {
        read(json.as_bytes(), &Options::default()).expect("JSON").text
    }

    #[test]
    fn a_record_is_a_section_under_what_it_is_about() {
        let json = r#"{"faq":[{"id":7,"Pergunta":"Posso trocar?","resposta":"Sim.\n\nEm 7 dias.","tags":["troca","prazo"],
                       "obs":null},{"pergunta":"E o frete?","resposta":"É grátis."}]}"#;
        let expected = "# Posso trocar?\n\nSim.\nEm 7 dias.\n\n- id: 7\n- tags: troca, prazo\n\n# E o frete?\n\nÉ grátis.";
        assert_eq!(markdown(json), expected);
    }

    #[test]
    fn what_is_nested_stands_under_its_name() {
        let json = r#"{"nome":"Loja","endereco":{"rua":"A","numero":10},"horarios":[{"dia":"seg"}]}"#;
        let expected = "# Loja\n\n## endereco\n\n- numero: 10\n- rua: A\n\n## horarios\n\n- dia: seg";
        assert_eq!(markdown(json), expected);
    }

    #[test]
    fn the_fields_that_matter_can_be_named() {
        let options = Options {
            title_fields: vec!["tema".into()],
            text_fields: vec!["corpo2".into()],
            ..Options::default()
        };
        let json = r#"[{"title":"x","tema":"Garantia","corpo2":"Um ano."}]"#;
        assert_eq!(
            read(json.as_bytes(), &options).expect("JSON").text,
            "# Garantia\n\nUm ano.\n\n- title: x"
        );
    }

    #[test]
    fn a_broken_line_is_named_and_loses_no_other() {
        let lines = b"{\"title\":\"A\"}\n{oops\n\n[1,2]\n\"solto\"";
        let document = read_lines(lines, &Options::default()).expect("JSON Lines");
        assert_eq!(document.text, "# A\n\n1, 2\n\nsolto");
        assert!(document.warnings[0].contains("line 2"), "{:?}", document.warnings);
        assert!(
            read_lines(b"nada\n", &Options::default()).expect_err("no JSON").to_string().contains("line 1")
        );
    }

    #[test]
    fn json_that_ends_too_soon_says_where() {
        let why = read(b"[{\"a\": 1}", &Options::default()).expect_err("broken").to_string();
        assert!(why.starts_with("the JSON file is damaged: EOF") && why.contains("line 1"), "{why}");
    }
}
