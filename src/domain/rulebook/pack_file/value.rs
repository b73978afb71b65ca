//! TOML values that know their line, and the complaints about them.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Draft, Place};
use crate::{Language, text};

/// One file.
pub(super) struct Source<'a> {
    pack: Option<&'a str>,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    pub fn new(written: &str, pack: Option<&'a str>) -> Self {
        let lines = std::iter::once(0).chain(written.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { pack, lines }
    }

    pub fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= at);
        Place { pack: self.pack.map(str::to_owned), line }
    }
}

/// A value, its key and its position.
pub(super) struct Item<'a> {
    /// The key it stands under; empty for the root and for elements of lists.
    pub name: String,
    source: &'a Source<'a>,
    at: usize,
    value: Value<'a>,
}

enum Value<'a> {
    Table(&'a DeTable<'a>),
    Other(&'a DeValue<'a>),
}

impl<'a> Item<'a> {
    pub fn root(source: &'a Source<'a>, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self { name: String::new(), source, at: 0, value: Value::Table(table.get_ref()) }
    }

    fn new(source: &'a Source<'a>, name: &str, at: usize, value: &'a DeValue<'a>) -> Self {
        let value = value.as_table().map_or(Value::Other(value), Value::Table);
        Self { name: name.to_owned(), source, at, value }
    }

    pub fn place(&self) -> Place {
        self.source.place(self.at)
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<Self> {
        let Value::Table(table) = self.value else { return None };
        let (name, value) = table.iter().find(|(name, _)| name.get_ref() == key)?;
        Some(Self::new(self.source, key, name.span().start, value.get_ref()))
    }

    /// The entries of a table, in the order they are written.
    pub fn entries(&self, draft: &mut Draft) -> Vec<Self> {
        let Value::Table(table) = self.value else {
            self.wrong("a table", draft);
            return Vec::new();
        };
        let mut entries: Vec<Self> = table
            .iter()
            .map(|(name, value)| Self::new(self.source, name.get_ref(), name.span().start, value.get_ref()))
            .collect();
        entries.sort_by_key(|entry| entry.at);
        entries
    }

    /// Complains about keys that are not among `known`.
    pub fn only(&self, known: &[&str], what: &str, draft: &mut Draft) {
        for entry in self.entries(draft) {
            if !known.contains(&entry.name.as_str()) {
                let near = text::nearest(&entry.name, known.iter().copied());
                let hint = near.map_or_else(|| known.join(", "), |near| format!("did you mean `{near}`?"));
                draft.problem(&entry.place(), format!("unknown {what} `{}`", entry.name), Some(hint));
            }
        }
    }

    /// A value, or one a language: `"Oi"` or `{ pt = "Oi", en = "Hi" }`.
    pub fn by_language(&self, default: Language, draft: &mut Draft) -> Vec<(Language, Self)> {
        if !matches!(self.value, Value::Table(_)) {
            return vec![(
                default,
                Self { name: self.name.clone(), source: self.source, at: self.at, value: self.other() },
            )];
        }
        self.only(&["pt", "en"], "language", draft);
        let entries = self.entries(draft).into_iter();
        entries.filter_map(|entry| Some((Language::from_code(&entry.name)?, entry))).collect()
    }

    fn other(&self) -> Value<'a> {
        match self.value {
            Value::Table(table) => Value::Table(table),
            Value::Other(value) => Value::Other(value),
        }
    }

    pub fn string(&self, draft: &mut Draft) -> Option<String> {
        if let Value::Other(DeValue::String(text)) = self.value {
            return Some(text.to_string());
        }
        self.wrong("a text in quotes", draft);
        None
    }

    pub fn boolean(&self, draft: &mut Draft) -> Option<bool> {
        if let Value::Other(DeValue::Boolean(value)) = self.value {
            return Some(*value);
        }
        self.wrong("`true` or `false`", draft);
        None
    }

    /// A list of texts, or a single one.
    pub fn strings(&self, draft: &mut Draft) -> Vec<(Place, String)> {
        match self.value {
            Value::Other(DeValue::String(text)) => vec![(self.place(), text.to_string())],
            Value::Other(DeValue::Array(_)) => {
                let items = self.items(draft);
                items.iter().filter_map(|item| Some((item.place(), item.string(draft)?))).collect()
            }
            _ => {
                self.wrong("a list of texts", draft);
                Vec::new()
            }
        }
    }

    /// The elements of a list.
    pub fn items(&self, draft: &mut Draft) -> Vec<Self> {
        let Value::Other(DeValue::Array(array)) = self.value else {
            self.wrong("a list", draft);
            return Vec::new();
        };
        array.iter().map(|item| Self::new(self.source, "", item.span().start, item.get_ref())).collect()
    }

    fn wrong(&self, wanted: &str, draft: &mut Draft) {
        let what = if self.name.is_empty() { "this".to_owned() } else { format!("`{}`", self.name) };
        draft.problem(&self.place(), format!("{what} must be {wanted}"), None);
    }
}
