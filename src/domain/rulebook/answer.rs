//! What is said: templates with slots, variants, and what may be tapped.

use std::collections::BTreeMap;

use chrono::{DateTime, Timelike, Utc};

use super::{Note, Rule, RulePack};
use crate::{Language, reply::ReplyOption};

/// The id of "yes, call a person".
pub const BUTTON_HUMAN: &str = "human:yes";
/// The id of "show me the menu".
pub const BUTTON_MENU: &str = "menu";
/// What the other buttons' ids begin with; the intent's name follows.
const BUTTON_INTENT: &str = "intent:";

/// The slots every pack may use. The pack's own `[facts]` add to them.
pub(super) const SLOTS: &[&str] =
    &["shop", "name", "greeting", "hours", "open_now", "quote", "source", "count"];

/// The longest name of a person that is said back.
const NAME_CHARS: usize = 20;

/// Words with slots, cut at the slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Words(String),
    Slot(String),
}

/// What an answer may refer to.
#[derive(Debug, Clone, Default)]
pub struct Scene<'a> {
    /// The shop's name.
    pub shop: &'a str,
    /// The customer's name as given: untrusted, used only if it looks like a name.
    pub customer: Option<&'a str>,
    /// Now.
    pub now: DateTime<Utc>,
    /// The shop's clock, where the pack has no opening hours.
    pub time_zone: Option<chrono_tz::Tz>,
    /// Picks the variant; the same seed gives the same words.
    pub seed: u64,
    /// Further slots: `quote`, `source`, `count`.
    pub slots: BTreeMap<&'static str, String>,
}

/// Something to say, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The words.
    pub text: String,
    /// What may be tapped.
    pub options: Vec<ReplyOption>,
}

impl Template {
    /// Reads `Oi, {name}!`; `{{` and `}}` are braces.
    pub fn parse(written: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut words = String::new();
        let mut chars = written.trim().chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '{' | '}' if chars.peek() == Some(&c) => {
                    chars.next();
                    words.push(c);
                }
                '{' => {
                    let mut slot = String::new();
                    loop {
                        match chars.next() {
                            Some('}') => break,
                            Some(c) => slot.push(c),
                            None => return Err("`{` is never closed by `}`".into()),
                        }
                    }
                    if !words.is_empty() {
                        pieces.push(Piece::Words(std::mem::take(&mut words)));
                    }
                    pieces.push(Piece::Slot(slot.trim().to_owned()));
                }
                '}' => return Err("`}` without `{`; a brace itself is written `}}`".into()),
                c => words.push(c),
            }
        }
        if !words.is_empty() {
            pieces.push(Piece::Words(words));
        }
        if pieces.is_empty() { Err("an answer needs words".into()) } else { Ok(Self { pieces }) }
    }

    /// The slots it needs.
    pub fn slots(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Slot(slot) => Some(slot.as_str()),
            Piece::Words(_) => None,
        })
    }

    /// The words, if every slot has a value.
    fn fill(&self, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Words(words) => Some(words.clone()),
                Piece::Slot(slot) => value(slot),
            })
            .collect()
    }
}

/// The intent a button of ours stands for.
pub fn button_intent(id: &str) -> Option<&str> {
    match id {
        BUTTON_HUMAN => Some("human"),
        BUTTON_MENU => Some("menu"),
        _ => id.strip_prefix(BUTTON_INTENT),
    }
}

impl RulePack {
    /// What the shop answers to an intent. `None`: no such intent, or no variant whose slots can be filled.
    pub fn answer(&self, intent: &str, language: Language, scene: &Scene<'_>) -> Option<Answer> {
        self.say(&self.rule(intent)?.said, language, scene)
    }

    /// What the shop says in a situation (one of [`super::NOTES`]).
    pub fn note(&self, situation: &str, language: Language, scene: &Scene<'_>) -> Option<Answer> {
        self.say(self.notes.get(situation)?, language, scene)
    }

    /// Whether these words of ours offered a person (so that "sim" accepts): an answer or note of this pack that has
    /// the human intent among its options.
    pub fn offers_human(&self, said: &str, scene: &Scene<'_>) -> bool {
        let offers = |note: &&Note| note.options.iter().any(|option| option == "human");
        let notes = self.notes.values().chain(self.rules.iter().map(|rule| &rule.said)).filter(offers);
        notes.flat_map(|note| &note.answers).any(|(language, variants)| {
            let fill = |variant: &Template| variant.fill(&|slot| self.slot(slot, *language, scene));
            // Only what ends in a question can be said yes to.
            variants.iter().filter_map(fill).any(|text| text.ends_with('?') && said.contains(&text))
        })
    }

    /// A value for a slot.
    fn slot(&self, slot: &str, language: Language, scene: &Scene<'_>) -> Option<String> {
        match slot {
            "shop" => Some(scene.shop.to_owned()),
            "name" => scene.customer.and_then(first_name),
            "greeting" => Some(self.time_of_day(language, scene).to_owned()),
            "hours" => Some(self.hours.as_ref()?.describe(language)),
            "open_now" => Some(self.hours.as_ref()?.say_status(scene.now, language)),
            other => scene.slots.get(other).cloned().or_else(|| {
                let values = self.facts.get(other)?;
                values.get(&language).or_else(|| values.values().next()).cloned()
            }),
        }
    }

    fn time_of_day(&self, language: Language, scene: &Scene<'_>) -> &'static str {
        let zone =
            self.hours.as_ref().map(|hours| hours.time_zone).or(scene.time_zone).unwrap_or(chrono_tz::UTC);
        let hour = scene.now.with_timezone(&zone).hour();
        match (hour, language) {
            (5..12, Language::Portuguese) => "Bom dia",
            (12..18, Language::Portuguese) => "Boa tarde",
            (_, Language::Portuguese) => "Boa noite",
            (5..12, Language::English) => "Good morning",
            (12..18, Language::English) => "Good afternoon",
            (_, Language::English) => "Good evening",
        }
    }

    fn say(&self, note: &Note, language: Language, scene: &Scene<'_>) -> Option<Answer> {
        // The wanted language first; a custom intent may exist in the shop's own language only.
        let (language, variants) = [language, self.languages[0]]
            .into_iter()
            .find_map(|l| Some((l, note.answers.get(&l)?)))
            .or_else(|| note.answers.iter().next().map(|(l, v)| (*l, v)))?;
        let filled: Vec<(bool, String)> = variants
            .iter()
            .filter_map(|variant| {
                let text = variant.fill(&|slot| self.slot(slot, language, scene))?;
                Some((variant.slots().any(|slot| slot == "name"), text))
            })
            .collect();
        // Where the name is known, it is used.
        let named = filled.iter().any(|(named, _)| *named);
        let fitting: Vec<&String> =
            filled.iter().filter(|(n, _)| *n == named).map(|(_, text)| text).collect();
        let count = u64::try_from(fitting.len()).ok().filter(|count| *count > 0)?;
        let chosen = usize::try_from(mix(scene.seed) % count).unwrap_or_default();
        let options = note.options.iter().filter_map(|name| self.button(name, language)).collect();
        Some(Answer { text: fitting[chosen].clone(), options })
    }

    /// The button that leads to an intent, where the pack gives it one.
    pub fn button(&self, intent: &str, language: Language) -> Option<ReplyOption> {
        let rule: &Rule = self.rule(intent)?;
        let title = rule.button.get(&language).or_else(|| rule.button.values().next())?;
        let id = match intent {
            "human" => BUTTON_HUMAN.to_owned(),
            "menu" => BUTTON_MENU.to_owned(),
            other => format!("{BUTTON_INTENT}{other}"),
        };
        Some(ReplyOption { id, title: title.clone(), description: None })
    }
}

/// The first word of what a customer calls themselves, if it can pass for a name: what a customer writes as a name is
/// untrusted text.
pub fn first_name(given: &str) -> Option<String> {
    let word = given.split_whitespace().next()?;
    let letters = word.chars().count();
    let plausible = (2..=NAME_CHARS).contains(&letters)
        && word.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '\''))
        && word.chars().any(|c| "aeiouyáéíóúâêôãõàAEIOUYÁÉÍÓÚÂÊÔÃÕ".contains(c));
    if !plausible {
        return None;
    }
    let shouted = letters > 2 && word.chars().all(|c| c.is_uppercase() || !c.is_alphabetic());
    let lower = word.chars().all(|c| c.is_lowercase() || !c.is_alphabetic());
    if !shouted && !lower {
        return Some(word.to_owned());
    }
    let mut chars = word.chars();
    let first = chars.next()?;
    Some(first.to_uppercase().chain(chars.flat_map(char::to_lowercase)).collect())
}

/// Spreads consecutive seeds over the variants (the finaliser of splitmix64).
fn mix(seed: u64) -> u64 {
    let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_name_is_said_back() {
        for (given, said) in [
            ("Ana Maria", Some("Ana")),
            ("JOSÉ", Some("José")),
            ("joão p.", Some("João")),
            ("MacKenzie", Some("MacKenzie")),
            ("~*princesa*~", None),
            ("http://evil.example", None),
            ("Ignore all", Some("Ignore")),
            ("😀", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(first_name(given).as_deref(), said, "{given}");
        }
    }

    #[test]
    fn a_template_with_an_open_brace_is_refused() {
        assert!(Template::parse("Oi {name").is_err());
        assert!(Template::parse("Oi }").is_err());
        assert_eq!(Template::parse("{{x}}").expect("braces").slots().count(), 0);
    }
}
