//! JSON whose numbers stay the text they were written as.
//!
//! serde_json's own value makes floats of numbers (or, with a feature, changes what numbers are for the whole program).
//! Here every level is read over [`RawValue`], which keeps the text.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Levels a value may have: no source has ten.
const DEEPEST: usize = 32;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Node {
    /// Also what is not there.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// As written: `49.90`.
    Number(String),
    /// Without its quotes and escapes.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Fields by name; of a name given twice the last.
    Object(BTreeMap<String, Node>),
}

/// Why a text is no value.
#[derive(Debug, thiserror::Error)]
pub enum BadJson {
    /// By serde_json, with the place.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    /// Deeper than anything real.
    #[error("its values are nested more than {DEEPEST} deep")]
    TooDeep,
}

static NULL: Node = Node::Null;

impl Node {
    /// Reads one value and nothing after it.
    ///
    /// # Errors
    /// [`BadJson`].
    pub fn parse(text: &str) -> Result<Self, BadJson> {
        Self::of(serde_json::from_str::<&RawValue>(text.trim_start_matches('\u{feff}'))?, 0)
    }

    fn of(raw: &RawValue, depth: usize) -> Result<Self, BadJson> {
        if depth > DEEPEST {
            return Err(BadJson::TooDeep);
        }
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
                let fields = fields.into_iter().map(|(name, raw)| Ok((name, Self::of(raw, depth + 1)?)));
                Self::Object(fields.collect::<Result<_, BadJson>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                Self::List(items.into_iter().map(|raw| Self::of(raw, depth + 1)).collect::<Result<_, _>>()?)
            }
            // Postgres keeps no text with a NUL in it, and nobody means one.
            Some(b'"') => Self::Text(serde_json::from_str::<String>(text)?.replace('\0', "")),
            Some(b't' | b'f') => Self::Bool(text == "true"),
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number(text.to_owned()),
        })
    }

    /// A field; null where there is none.
    pub fn get(&self, name: &str) -> &Self {
        match self {
            Self::Object(fields) => fields.get(name).unwrap_or(&NULL),
            _ => &NULL,
        }
    }

    /// A field of a field, by their names with a dot between.
    pub fn at(&self, path: &str) -> &Self {
        path.split('.').fold(self, |node, name| node.get(name))
    }

    /// The items of a list; of one value that is no list, itself; none of null.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            Self::Null => &[],
            one => std::slice::from_ref(one),
        }
    }

    /// The first of [`Node::items`].
    pub fn first(&self) -> &Self {
        self.items().first().unwrap_or(&NULL)
    }

    /// Its fields by name; none where it has none.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Self)> {
        let fields = if let Self::Object(fields) = self { Some(fields) } else { None };
        fields.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }

    /// A text or a number as written, without space around it; `None` where nothing is left.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// [`Node::text`], owned.
    pub fn string(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// Whether it says yes.
    pub fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true)) || self.text() == Some("true")
    }

    /// Whether it says no: not the same as saying nothing.
    pub fn is_false(&self) -> bool {
        matches!(self, Self::Bool(false)) || self.text() == Some("false")
    }

    /// A whole number; one written with a fraction of zeros (`420.0`) is one.
    pub fn whole(&self) -> Option<i64> {
        let text = self.text()?;
        let whole = match text.split_once('.') {
            Some((whole, zeros)) if zeros.bytes().all(|b| b == b'0') => whole,
            Some(_) => return None,
            None => text,
        };
        whole.parse().ok()
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_text_they_were_written_as() {
        let node =
            Node::parse(r#"{"price": 1299.00, "big": 7000000000000000000001, "e": 1e2}"#).expect("JSON");
        assert_eq!(node.get("price").text(), Some("1299.00"));
        assert_eq!(node.get("big").text(), Some("7000000000000000000001"));
        assert_eq!(node.get("e").text(), Some("1e2"));
    }

    #[test]
    fn what_is_not_there_is_null_all_the_way_down() {
        let node = Node::parse(r#"{"a": {"b": ["x"]}}"#).expect("JSON");
        assert_eq!(node.at("a.b").first().text(), Some("x"));
        assert_eq!(node.at("a.c.d"), &Node::Null);
        assert_eq!(node.at("a.b.c"), &Node::Null);
        assert!(node.at("a.c").items().is_empty());
    }

    #[test]
    fn a_value_nested_deeper_than_anything_real_is_refused() {
        for depth in [40, 100_000] {
            let text = "[".repeat(depth) + &"]".repeat(depth);
            assert!(matches!(Node::parse(&text), Err(BadJson::TooDeep)), "{depth}");
        }
    }

    #[test]
    fn whole_numbers_are_whole() {
        let whole = |text: &str| Node::parse(text).expect("JSON").whole();
        assert_eq!(whole("-3"), Some(-3));
        assert_eq!(whole("420.0"), Some(420));
        assert_eq!(whole("\"12\""), Some(12));
        assert_eq!(whole("1.5"), None);
        assert_eq!(whole("99999999999999999999"), None);
    }
}
