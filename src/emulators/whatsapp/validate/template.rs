//! Template messages, as far as the message alone shows.

use serde_json::{Map, Value};

use super::{ApiError, object, only, optional, required};

/// What a message says of its template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Its language code.
    pub language: String,
    /// The values of its body: their names, if they have any, and their texts.
    pub variables: Vec<(Option<String>, String)>,
}

impl Template {
    /// The words a person would see, as far as they are known here.
    pub fn shown(&self) -> String {
        let values: Vec<&str> = self.variables.iter().map(|(_, text)| text.as_str()).collect();
        format!("[template {}] {}", self.name, values.join(" | ")).trim_end().to_owned()
    }
}

/// Checks the value of `template`.
pub fn check(template: &Map<String, Value>) -> Result<Template, ApiError> {
    only(template, "template", |key| ["name", "language", "components"].contains(&key))?;
    let name = required(template, "name")?;
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !plain || name.len() > 512 {
        return Err(ApiError::invalid("Template names are lower case letters, digits and underscores."));
    }
    let language = template.get("language").ok_or_else(|| ApiError::missing("template['language']"))?;
    let language = required(object(language, "language")?, "code")?;
    let mut variables = Vec::new();
    for component in list(template, "components")? {
        let component = object(component, "component")?;
        let kind = required(component, "type")?;
        if !["header", "body", "button"].contains(&kind.as_str()) {
            return Err(ApiError::invalid(format!("A component `{kind}` does not exist.")));
        }
        if kind == "body" {
            for parameter in list(component, "parameters")? {
                variables.push(variable(object(parameter, "parameter")?)?);
            }
        }
    }
    Ok(Template { name, language, variables })
}

fn list<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<&'a [Value], ApiError> {
    match fields.get(key) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(ApiError::invalid(format!("Param {key} must be an array."))),
    }
}

fn variable(parameter: &Map<String, Value>) -> Result<(Option<String>, String), ApiError> {
    let kind = required(parameter, "type")?;
    if kind != "text" {
        return Ok((None, format!("[{kind}]")));
    }
    let text = required(parameter, "text")?;
    if text.contains(['\n', '\t']) || text.contains("     ") {
        return Err(ApiError::new(
            132018,
            "Param text cannot have new-line/tab characters or more than 4 consecutive spaces",
        ));
    }
    Ok((optional(parameter, "parameter_name")?, text))
}
