//! Scripted customers: `evals/golden/README.md`, "Dialogues".

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::lines::Damage;

/// One customer's visit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialogue {
    /// The file's name without its ending.
    pub id: String,
    /// The shop's slug.
    pub tenant: String,
    /// The language the customer begins in.
    pub language: String,
    /// `dev` or `test`.
    pub split: String,
    /// What it is an example of.
    pub kind: String,
    /// What happens, for readers.
    pub description: String,
    /// Who visits.
    pub customer: Customer,
    /// What they say, in order.
    pub turn: Vec<Turn>,
    /// What holds at the end.
    pub goal: Goal,
}

/// Who visits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// Digits only, with the country code.
    pub phone: String,
    /// Their name on the channel.
    pub name: String,
}

/// One thing said, and what is expected of the reply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Messages, one after the other without waiting.
    pub say: Vec<String>,
    /// Other ways to say it, for other trials.
    #[serde(default)]
    pub variants: Vec<Vec<String>>,
    /// Said instead, depending on the last reply.
    #[serde(default)]
    pub when: Vec<When>,
    /// Sent after the words.
    #[serde(default)]
    pub attach: Vec<Attach>,
    /// Of everything the shop says to it.
    #[serde(default)]
    pub expect: Expect,
}

/// An alternative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// One of these was said.
    #[serde(default)]
    pub contains_any: Vec<String>,
    /// Or this regular expression is found in the folded reply.
    #[serde(default)]
    pub matches: Option<String>,
    /// What is said then.
    pub say: Vec<String>,
}

/// Something that is no text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// `audio`, `image`, `video`, `document`, `sticker`, `location`, `reaction`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Caption, file name or emoji.
    pub text: String,
}

/// What is expected of a reply; all that is there must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// One is said.
    pub contains_any: Vec<String>,
    /// Each is said.
    pub contains_all: Vec<String>,
    /// None is said.
    pub not_contains: Vec<String>,
    /// The turn cites one of these documents.
    pub source_any: Vec<String>,
    /// The reply is in this language.
    pub language: Option<String>,
    /// The shop says nothing, or something.
    pub silence: Option<bool>,
}

/// What holds at the end; what is not there is not judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Goal {
    /// The conversation is in a person's hands, or is not.
    pub handed_off: Option<bool>,
    /// The reason names one of these.
    pub handoff_reason_any: Vec<String>,
    /// The customer is written to no more, or still is.
    pub opted_out: Option<bool>,
    /// Each was said in some reply.
    pub told_all: Vec<String>,
    /// None was said in any reply.
    pub told_none: Vec<String>,
}

/// Reads every dialogue of a folder, by name.
///
/// # Errors
/// The first file that is not one.
pub fn read(folder: &Path) -> Result<Vec<Dialogue>, Damage> {
    let entries = std::fs::read_dir(folder).map_err(|error| Damage::of(folder, error))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    paths.sort();
    let dialogues = paths.iter().map(|path| one(path)).collect::<Result<Vec<_>, _>>()?;
    if dialogues.is_empty() { Err(Damage::of(folder, "there is no dialogue in it")) } else { Ok(dialogues) }
}

fn one(path: &Path) -> Result<Dialogue, Damage> {
    let text = std::fs::read_to_string(path).map_err(|error| Damage::of(path, error))?;
    let dialogue: Dialogue = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        Damage::at(path, line, error.message())
    })?;
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    if dialogue.id != name {
        return Err(Damage::of(path, format!("its id is `{}`", dialogue.id)));
    }
    for when in dialogue.turn.iter().flat_map(|turn| &turn.when) {
        if let Some(pattern) = &when.matches {
            regex::Regex::new(pattern).map_err(|error| Damage::of(path, error))?;
        }
    }
    if dialogue.turn.is_empty() { Err(Damage::of(path, "nobody says anything in it")) } else { Ok(dialogue) }
}

impl Turn {
    /// What is said in this trial (from 0) after that reply.
    pub fn words(&self, trial: usize, last_reply: &str) -> &[String] {
        let folded = crate::text::fold(last_reply);
        let holds = |when: &&When| match &when.matches {
            Some(pattern) => regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(&folded)),
            None => when.contains_any.iter().any(|fact| crate::text::contains(last_reply, fact)),
        };
        if let Some(when) = self.when.iter().find(holds) {
            return &when.say;
        }
        match trial % (self.variants.len() + 1) {
            0 => &self.say,
            variant => &self.variants[variant - 1],
        }
    }
}
