//! Reads a rule pack from TOML, finding every mistake and its line.

mod hours;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use toml::de::DeTable;

use super::{
    INTENTS, NOTES, Note, PackError, Phrase, Problem, Rule, RulePack, Template, answer::SLOTS, lexicon,
};
use crate::{Language, text};
use value::{Item, Source};

/// How deep packs may extend each other.
const DEPTH: usize = 4;
/// What a WhatsApp reply button shows.
const BUTTON_CHARS: usize = 20;
/// What WhatsApp offers to choose from: more than three buttons become a list of at most ten rows.
const OPTIONS: usize = 10;

/// A pack while its files are read, base first.
#[derive(Default)]
struct Draft {
    rules: Vec<Rule>,
    notes: BTreeMap<String, Note>,
    facts: BTreeMap<String, BTreeMap<Language, String>>,
    hours: Option<super::Hours>,
    languages: Vec<Language>,
    /// Where each intent, custom intent and note was last written.
    places: BTreeMap<String, Place>,
    /// Slots used and options offered: checked when all files are read.
    slots: Vec<(Place, String)>,
    options: Vec<(Place, String)>,
    /// Whole-message phrases, and the intent that has them.
    phrases: BTreeMap<(Language, String), (String, Place)>,
    problems: Vec<Problem>,
    hash: Fnv,
}

/// A line of a file.
#[derive(Debug, Clone, Default)]
struct Place {
    pack: Option<String>,
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        self.pack.as_ref().map_or(Ok(()), |pack| write!(f, " of {pack}"))
    }
}

pub(super) fn read(written: &str, base: &dyn Fn(&str) -> Option<String>) -> Result<RulePack, PackError> {
    let mut draft = Draft::default();
    draft.load(written, None, base, 0);
    draft.check();
    if draft.problems.is_empty() { Ok(draft.finish()) } else { Err(PackError { problems: draft.problems }) }
}

impl Draft {
    fn problem(&mut self, place: &Place, message: impl Into<String>, hint: Option<String>) {
        let (pack, line, message) = (place.pack.clone(), place.line, message.into());
        self.problems.push(Problem { pack, line, message, hint });
    }

    fn load(
        &mut self,
        written: &str,
        name: Option<&str>,
        base: &dyn Fn(&str) -> Option<String>,
        depth: usize,
    ) {
        let source = Source::new(written, name);
        self.hash.write(written.as_bytes());
        let table = match DeTable::parse(written) {
            Ok(table) => table,
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let message = error.message().lines().next().unwrap_or("not TOML").to_owned();
                return self.problem(&source.place(at), message, None);
            }
        };
        let root = Item::root(&source, &table);
        let Some(language) = self.language(&root) else { return };
        if let Some(extends) = root.get("extends") {
            for (place, other) in extends.strings(self) {
                match base(&other) {
                    _ if depth + 1 >= DEPTH => {
                        self.problem(&place, "packs extend each other too deeply", None)
                    }
                    Some(text) => self.load(&text, Some(&other), base, depth + 1),
                    None => self.problem(&place, format!("there is no rule pack `{other}` to extend"), None),
                }
            }
        }
        // The shop's own language comes first, the ones it inherits after it.
        self.languages.retain(|l| *l != language);
        self.languages.insert(0, language);
        self.sections(&root, language);
    }

    fn language(&mut self, root: &Item<'_>) -> Option<Language> {
        let Some(item) = root.get("language") else {
            let hint = Some("begin the file with `language = \"pt\"` or `language = \"en\"`".into());
            self.problem(&root.place(), "the pack does not say its language", hint);
            return None;
        };
        let code = item.string(self)?;
        let language = Language::from_code(&code).filter(|_| matches!(code.len(), 2 | 5));
        if language.is_none() {
            self.problem(&item.place(), format!("unknown language `{code}`"), Some("`pt` or `en`".into()));
        }
        language
    }

    fn sections(&mut self, root: &Item<'_>, language: Language) {
        const KNOWN: &[&str] = &["language", "extends", "facts", "hours", "intent", "custom", "note"];
        root.only(KNOWN, "section", self);
        if let Some(facts) = root.get("facts") {
            for fact in facts.entries(self) {
                if SLOTS.contains(&fact.name.as_str()) {
                    self.problem(
                        &fact.place(),
                        format!("`{}` is filled in by Balcão; call the fact otherwise", fact.name),
                        None,
                    );
                }
                let values = fact.by_language(language, self);
                let texts = values
                    .into_iter()
                    .filter_map(|(l, item)| Some((l, item.string(self)?)))
                    .collect::<Vec<_>>();
                self.facts.entry(fact.name.clone()).or_default().extend(texts);
            }
        }
        if let Some(hours) = root.get("hours") {
            self.hours = hours::read(&hours, self);
        }
        for section in ["intent", "custom"] {
            let Some(intents) = root.get(section) else { continue };
            for intent in intents.entries(self) {
                let known = INTENTS.contains(&intent.name.as_str());
                match (section, known) {
                    ("intent", false) => {
                        let hint = text::nearest(&intent.name, INTENTS.iter().copied()).map_or_else(
                            || format!("write `[custom.{}]` for an intent of your own", intent.name),
                            |near| {
                                format!(
                                    "did you mean `{near}`? An intent of your own is `[custom.{}]`",
                                    intent.name
                                )
                            },
                        );
                        self.problem(
                            &intent.place(),
                            format!("unknown intent `{}`", intent.name),
                            Some(hint),
                        );
                    }
                    ("custom", true) => {
                        let hint = Some(format!("write `[intent.{}]`", intent.name));
                        self.problem(
                            &intent.place(),
                            format!("`{}` is an intent of Balcão", intent.name),
                            hint,
                        );
                    }
                    _ => self.intent(&intent, language),
                }
            }
        }
        if let Some(notes) = root.get("note") {
            notes.only(NOTES, "note", self);
            for note in notes.entries(self) {
                note.only(&["answers", "options"], "setting", self);
                self.places.insert(format!("note.{}", note.name), note.place());
                let mut known = self.notes.remove(&note.name).unwrap_or_default();
                self.said(&note, language, &mut known);
                self.notes.insert(note.name.clone(), known);
            }
        }
    }

    fn intent(&mut self, intent: &Item<'_>, language: Language) {
        intent.only(
            &["first", "phrases", "contains", "unless", "answers", "button", "options"],
            "setting",
            self,
        );
        self.places.insert(format!("intent.{}", intent.name), intent.place());
        let at = self.rules.iter().position(|rule| rule.name == intent.name);
        let mut rule = at.map_or_else(
            || Rule { name: intent.name.clone(), ..Rule::default() },
            |at| std::mem::take(&mut self.rules[at]),
        );
        if let Some(first) = intent.get("first") {
            rule.first = first.boolean(self).unwrap_or(rule.first);
        }
        for (key, whole) in [("phrases", true), ("contains", false)] {
            let Some(item) = intent.get(key) else { continue };
            for (spoken, item) in item.by_language(language, self) {
                for (place, written) in item.strings(self) {
                    let Some(phrase) = self.phrase(&place, &written, &intent.name, spoken, whole) else {
                        continue;
                    };
                    let list = if whole { &mut rule.phrases } else { &mut rule.contains };
                    list.push((spoken, phrase));
                }
            }
        }
        if let Some(item) = intent.get("unless") {
            for (_, item) in item.by_language(language, self) {
                for (place, written) in item.strings(self) {
                    match text::words(&written).as_slice() {
                        [word] => rule.unless.extend([lexicon::expand(word).to_owned()]),
                        _ => self.problem(
                            &place,
                            format!("`unless` takes single words, not `{written}`"),
                            None,
                        ),
                    }
                }
            }
        }
        if let Some(item) = intent.get("button") {
            for (spoken, item) in item.by_language(language, self) {
                let Some(title) = item.string(self) else { continue };
                if title.is_empty() || title.chars().count() > BUTTON_CHARS {
                    let hint = Some(format!("1 to {BUTTON_CHARS} characters, or WhatsApp refuses it"));
                    self.problem(&item.place(), format!("the button `{title}` has a wrong length"), hint);
                }
                rule.button.insert(spoken, title);
            }
        }
        let mut said = std::mem::take(&mut rule.said);
        self.said(intent, language, &mut said);
        rule.said = said;
        match at {
            Some(at) => self.rules[at] = rule,
            None => self.rules.push(rule),
        }
    }

    fn phrase(
        &mut self,
        place: &Place,
        written: &str,
        intent: &str,
        language: Language,
        whole: bool,
    ) -> Option<Phrase> {
        if whole {
            let key = (language, text::words(written).join(" "));
            match self.phrases.insert(key, (intent.to_owned(), place.clone())) {
                Some((other, before)) if other != intent => {
                    let hint = Some(format!("it is also on {before}; keep it in one of them"));
                    self.problem(place, format!("`{written}` already belongs to `{other}`"), hint);
                }
                Some((_, before)) if before.pack == place.pack => {
                    let message = format!("`{written}` is written twice, first on line {}", before.line);
                    self.problem(place, message, None);
                }
                _ => {}
            }
        }
        Phrase::parse(written)
            .map_err(|why| self.problem(place, format!("the phrase `{written}` cannot be read: {why}"), None))
            .ok()
    }

    /// Answers and options of an intent or a note.
    fn said(&mut self, item: &Item<'_>, language: Language, note: &mut Note) {
        if let Some(answers) = item.get("answers") {
            for (spoken, answers) in answers.by_language(language, self) {
                let (mut variants, before) = (Vec::new(), self.problems.len());
                for (place, written) in answers.strings(self) {
                    match Template::parse(&written) {
                        Ok(template) => {
                            self.slots.extend(template.slots().map(|slot| (place.clone(), slot.to_owned())));
                            variants.push(template);
                        }
                        Err(why) => self.problem(&place, format!("the answer cannot be read: {why}"), None),
                    }
                }
                // One mistake is told once: what could not be read does not also count as missing.
                if !variants.is_empty() || self.problems.len() == before {
                    note.answers.insert(spoken, variants);
                }
            }
        }
        if let Some(options) = item.get("options") {
            let offered = options.strings(self);
            if offered.len() > OPTIONS {
                self.problem(&options.place(), format!("at most {OPTIONS} options fit"), None);
            }
            note.options = offered.iter().map(|(_, name)| name.clone()).collect();
            self.options.extend(offered);
        }
    }

    /// What can only be said when every file is read.
    fn check(&mut self) {
        if self.languages.is_empty() {
            return;
        }
        let known: BTreeSet<String> =
            SLOTS.iter().map(|s| (*s).to_owned()).chain(self.facts.keys().cloned()).collect();
        for (place, slot) in std::mem::take(&mut self.slots) {
            if !known.contains(&slot) {
                let near = text::nearest(&slot, known.iter().map(String::as_str));
                let hint = near.map_or_else(
                    || format!("add it under [facts], or use one of: {}", SLOTS.join(", ")),
                    |near| format!("did you mean `{{{near}}}`?"),
                );
                self.problem(&place, format!("unknown slot `{{{slot}}}`"), Some(hint));
            }
        }
        for (place, option) in std::mem::take(&mut self.options) {
            match self.rules.iter().find(|rule| rule.name == option) {
                None => {
                    let near = text::nearest(&option, self.rules.iter().map(|rule| rule.name.as_str()));
                    let hint = near.map(|near| format!("did you mean `{near}`?"));
                    self.problem(&place, format!("the option `{option}` is no intent of this pack"), hint);
                }
                Some(rule) if rule.button.is_empty() => {
                    let hint = Some(format!("add `button = \"…\"` to `{option}`"));
                    self.problem(&place, format!("the option `{option}` has no button text"), hint);
                }
                Some(_) => {}
            }
        }
        self.check_answers();
    }

    fn check_answers(&mut self) {
        let mut missing: Vec<(Place, String)> = Vec::new();
        let lacks = |note: Option<&Note>, language: Language| {
            note.and_then(|note| note.answers.get(&language)).is_none_or(Vec::is_empty)
        };
        for &language in &self.languages {
            let intents = INTENTS.iter().map(|name| {
                let rule = self.rules.iter().find(|rule| rule.name == *name);
                (format!("intent.{name}"), rule.map(|rule| &rule.said))
            });
            let notes = NOTES.iter().map(|name| (format!("note.{name}"), self.notes.get(*name)));
            for (name, _) in intents.chain(notes).filter(|(_, said)| lacks(*said, language)) {
                let place = self.places.get(&name).cloned().unwrap_or(Place { pack: None, line: 1 });
                missing.push((place, format!("`[{name}]` has no answer in `{language}`")));
            }
        }
        for rule in self.rules.iter().filter(|rule| !INTENTS.contains(&rule.name.as_str())) {
            if rule.said.answers.values().all(Vec::is_empty) {
                let place = self.places.get(&format!("intent.{}", rule.name)).cloned().unwrap_or_default();
                missing.push((place, format!("`[custom.{}]` has no answer", rule.name)));
            }
        }
        for (place, message) in missing {
            self.problem(&place, message, Some("add `answers = [\"…\"]`, or extend a default pack".into()));
        }
    }

    fn finish(self) -> RulePack {
        let vocabulary = self
            .rules
            .iter()
            .flat_map(|rule| rule.phrases.iter().chain(&rule.contains))
            .flat_map(|(_, phrase)| phrase.vocabulary().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        RulePack {
            version: self.hash.hex(),
            languages: self.languages,
            rules: self.rules,
            notes: self.notes,
            facts: self.facts,
            hours: self.hours,
            vocabulary,
        }
    }
}

/// FNV-1a, 64 bit: a version needs to be stable and different, not secret.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn hex(&self) -> String {
        format!("{:012x}", self.0 >> 16)
    }
}
