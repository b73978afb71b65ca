//! What the shop says without a language model: a rule pack, and what a message means by it.
//!
//! A rule pack is a TOML file a shop owner can read. Each `[intent.x]` lists what customers say (`phrases`: the whole
//! message says it; `contains`: it is enough that it says it somewhere) and what the shop answers, in variants with
//! slots; each `[note.x]` is what the shop says in a situation (an audio arrived, nothing was found). A pack may
//! `extends` others: phrases add up, answers replace.
//!
//! Everything here is pure: the time, the seed that picks a variant and the base packs are handed in. Precision
//! comes before recall: a message that is not clearly one of the intents is a question, and is searched for.

mod answer;
mod hours;
mod language;
mod lexicon;
mod pack_file;
mod phrase;
mod understand;

#[cfg(test)]
mod pack_tests;
#[cfg(test)]
mod readme_test;
#[cfg(test)]
mod utterances;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub use answer::{Answer, BUTTON_HUMAN, BUTTON_MENU, Scene, button_intent, first_name};
pub use hours::{Holiday, HolidayDate, Hours, Span, Status};
pub use language::guess as guess_language;
pub use understand::{Found, Understanding};

use crate::Language;
use answer::Template;
use phrase::Phrase;

/// What customers say. A pack may add intents of its own under `[custom.…]`.
pub const INTENTS: &[&str] = &[
    "greeting",
    "thanks",
    "goodbye",
    "opening_hours",
    "human",
    "opt_out",
    "opt_in",
    "order_status",
    "menu",
    "complaint",
    "affirm",
    "deny",
    "about_bot",
    "out_of_scope",
];

/// What the shop says of its own accord, by situation.
pub const NOTES: &[&str] = &[
    "welcome",
    "unsure",
    "extract",
    "audio",
    "image",
    "video",
    "document",
    "location",
    "contacts",
    "cart",
    "form",
    "unsupported",
];

/// The rules of one shop, ready to use.
#[derive(Debug, Clone, PartialEq)]
pub struct RulePack {
    version: String,
    /// The pack's own language, and the others it speaks.
    languages: Vec<Language>,
    rules: Vec<Rule>,
    notes: BTreeMap<String, Note>,
    facts: BTreeMap<String, BTreeMap<Language, String>>,
    hours: Option<Hours>,
    vocabulary: BTreeSet<String>,
}

/// One intent.
#[derive(Debug, Clone, Default, PartialEq)]
struct Rule {
    name: String,
    /// Comes before the model.
    first: bool,
    phrases: Vec<(Language, Phrase)>,
    contains: Vec<(Language, Phrase)>,
    /// Words that rule this intent out.
    unless: BTreeSet<String>,
    button: BTreeMap<Language, String>,
    said: Note,
}

/// Something to say.
#[derive(Debug, Clone, Default, PartialEq)]
struct Note {
    answers: BTreeMap<Language, Vec<Template>>,
    options: Vec<String>,
}

/// What is wrong with a rule pack: all of it at once, each with its line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PackError {
    /// In the order of the file.
    pub problems: Vec<Problem>,
}

/// One mistake in a rule pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The pack it is in, when it is one that was extended.
    pub pack: Option<String>,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(pack) = &self.pack {
            write!(f, "{pack}, ")?;
        }
        write!(f, "line {}: {}", self.line, self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.problems.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl RulePack {
    /// Reads a pack that stands alone.
    ///
    /// # Errors
    /// [`PackError`] lists every mistake with its line.
    pub fn parse(text: &str) -> Result<Self, PackError> {
        Self::parse_with(text, &|_| None)
    }

    /// Reads a pack; `base` gives the text of the packs it extends, by name.
    ///
    /// # Errors
    /// [`PackError`] lists every mistake with its line.
    pub fn parse_with(text: &str, base: &dyn Fn(&str) -> Option<String>) -> Result<Self, PackError> {
        pack_file::read(text, base)
    }

    /// A hash of the pack and of all it extends: what a turn records.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The pack's own language first, then the others it speaks.
    pub fn languages(&self) -> &[Language] {
        &self.languages
    }

    /// The language to answer in: `wanted` if the pack speaks it.
    pub fn speaks(&self, wanted: Language) -> Language {
        if self.languages.contains(&wanted) { wanted } else { self.languages[0] }
    }

    /// The opening hours, if the pack has any.
    pub fn hours(&self) -> Option<&Hours> {
        self.hours.as_ref()
    }

    /// The shop's facts (`[facts]`: address, phone …) in a language.
    pub fn facts(&self, language: Language) -> impl Iterator<Item = (&str, &str)> {
        self.facts.iter().filter_map(move |(name, by_language)| {
            let value = by_language.get(&language).or_else(|| by_language.values().next())?;
            Some((name.as_str(), value.as_str()))
        })
    }

    /// Whether there is such an intent.
    pub fn has_intent(&self, name: &str) -> bool {
        self.rule(name).is_some()
    }

    fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }
}
