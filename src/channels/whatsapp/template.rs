//! Approved templates: the only thing that may be sent outside the 24-hour window.

use serde_json::{Value, json};

use crate::Outgoing;

/// The values of a template's body, as it declares them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variables {
    /// `{{1}}`, `{{2}}`, … in order.
    Positional(Vec<String>),
    /// `{{nome}}`, …: name and value.
    Named(Vec<(String, String)>),
}

/// Longer values make the whole message too long for most templates.
const MAX_VARIABLE: usize = 1_000;

/// A message made from an approved template. Values are flattened to what Meta accepts: one bad value refuses the
/// whole message.
pub fn template(name: &str, language: &str, variables: &Variables) -> Outgoing {
    let parameters: Vec<Value> = match variables {
        Variables::Positional(values) => {
            values.iter().map(|v| json!({ "type": "text", "text": flatten(v) })).collect()
        }
        Variables::Named(values) => values
            .iter()
            .map(|(name, v)| json!({ "type": "text", "parameter_name": name, "text": flatten(v) }))
            .collect(),
    };
    let words: Vec<&str> = parameters.iter().filter_map(|p| p["text"].as_str()).collect();
    let text = format!("[{name}] {}", words.join(" · "));
    let mut template = json!({ "name": name, "language": { "code": language } });
    if !parameters.is_empty() {
        template["components"] = json!([{ "type": "body", "parameters": parameters }]);
    }
    Outgoing {
        kind: "template".into(),
        text: text.trim_end().to_owned(),
        body: json!({ "type": "template", "template": template }),
    }
}

/// A value on one line: no newline, no tab, no run of spaces, never empty.
pub fn flatten(value: &str) -> String {
    let words: Vec<&str> = value.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let line = words.into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
    if line.is_empty() { "-".into() } else { line.chars().take(MAX_VARIABLE).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_becomes_a_value_that_meta_accepts() {
        assert_eq!(flatten("Oi,\n\nseu pedido\tchegou     hoje\u{0}."), "Oi, seu pedido chegou hoje .");
        assert_eq!(flatten(" \n\t "), "-");
        assert_eq!(flatten(&"a".repeat(5_000)).len(), MAX_VARIABLE);
    }

    #[test]
    fn named_and_positional_values_are_written_as_declared() {
        let named = template("pedido", "pt_BR", &Variables::Named(vec![("nome".into(), "Camila".into())]));
        assert_eq!(named.body["template"]["components"][0]["parameters"][0]["parameter_name"], "nome");
        let positional = template("pedido", "pt_BR", &Variables::Positional(vec!["a".into(), "b".into()]));
        let parameters = &positional.body["template"]["components"][0]["parameters"];
        assert_eq!(parameters[1], json!({ "type": "text", "text": "b" }));
        let bare = template("oi", "en_US", &Variables::Positional(vec![]));
        assert_eq!(bare.body["template"], json!({ "name": "oi", "language": { "code": "en_US" } }));
    }
}
