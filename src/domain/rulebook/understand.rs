//! What a message means: which intents it states, and what is left as a question.

use super::{
    Rule, RulePack, lexicon,
    phrase::{self, Phrase, Tolerance, Word},
};
use crate::{Language, text};

/// Intents that surround others without being what the message is about; later ones say more.
const SMALL_TALK: &[&str] = &["greeting", "thanks", "goodbye"];
/// Intents that change what the customer receives: matched strictly, and by short messages only.
const WITH_EFFECT: &[&str] = &["opt_out", "opt_in"];
/// How many words before a phrase a negation still reaches.
const NEGATION_REACH: usize = 4;
/// How many words of small talk at the end of a sentence are looked through.
const TAIL: usize = 5;

/// One intent a message states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub intent: String,
    /// It comes before the model.
    pub first: bool,
    /// The language of the phrase that matched.
    pub language: Language,
}

/// What a message means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Understanding {
    /// The intents, in the order they were stated; small talk included.
    pub found: Vec<Found>,
    /// The sentences that no intent covers.
    pub questions: Vec<String>,
}

impl Understanding {
    /// The intent that comes before the model, if any. The last one counts: people correct themselves.
    pub fn first(&self) -> Option<&Found> {
        self.found.iter().rev().find(|found| found.first)
    }

    /// What the message is about: the first intent that is not small talk; small talk if there is nothing else.
    pub fn main(&self) -> Option<&Found> {
        let business = self.found.iter().find(|found| !is_small_talk(&found.intent));
        if business.is_some() || !self.questions.is_empty() {
            return business;
        }
        self.found.iter().max_by_key(|found| SMALL_TALK.iter().position(|name| *name == found.intent))
    }

    /// Whether something is asked or stated beyond greetings, thanks and farewells.
    pub fn is_business(&self) -> bool {
        !self.questions.is_empty() || self.found.iter().any(|found| !is_small_talk(&found.intent))
    }
}

fn is_small_talk(intent: &str) -> bool {
    SMALL_TALK.contains(&intent)
}

/// What one sentence states.
#[derive(Default)]
struct Sentence {
    small_talk: Vec<Found>,
    /// The intent, and whether the whole sentence is it.
    business: Option<(Found, bool)>,
    /// Words are left that no intent explains.
    open: bool,
}

impl RulePack {
    /// What a message means. `language` breaks ties; phrases of every language of the pack count.
    pub fn understand(&self, message: &str, language: Language) -> Understanding {
        let texts = text::sentences(message);
        let mut sentences: Vec<Sentence> = texts
            .iter()
            .map(|sentence| {
                let mut words = phrase::words(sentence, |word| self.vocabulary.contains(word));
                words.dedup_by(|later, earlier| later.text == earlier.text);
                self.sentence(&words, language)
            })
            .collect();
        // "Stop." opts out; "Stop. Where is my order?" talks about something else.
        let said = sentences.iter().filter(|s| s.open || s.business.is_some()).count();
        if said > 1 {
            for sentence in &mut sentences {
                if sentence.business.as_ref().is_some_and(|(f, whole)| *whole && has_effect(&f.intent)) {
                    sentence.business = None;
                    sentence.open = true;
                }
            }
        }
        let mut understanding = Understanding::default();
        if texts.is_empty() {
            understanding.found.extend(self.emoji(message, language));
        }
        for (sentence, text) in sentences.into_iter().zip(texts) {
            understanding.found.extend(sentence.small_talk);
            understanding.found.extend(sentence.business.map(|(found, _)| found));
            if sentence.open {
                understanding.questions.push(text.to_owned());
            }
        }
        understanding
    }

    /// What a message without a letter says: a thumb is a yes, folded hands are thanks. `???` says nothing.
    fn emoji(&self, message: &str, language: Language) -> Option<Found> {
        let intent = match message.chars().find(|c| u32::from(*c) > 0x2000)? {
            '🙏' | '❤' | '🥰' | '😍' | '💚' | '💙' | '💜' | '😘' | '🤗' => "thanks",
            '👋' => "greeting",
            '👎' | '❌' => "deny",
            _ => "affirm",
        };
        let rule = self.rule(intent)?;
        Some(Found { intent: rule.name.clone(), first: rule.first, language })
    }

    fn sentence(&self, words: &[Word], language: Language) -> Sentence {
        if let Some(found) = self.whole(words, language) {
            return Sentence { business: Some((found, true)), ..Sentence::default() };
        }
        let (small_talk, kernel) = self.trim(words, language);
        let mut sentence = Sentence { small_talk, ..Sentence::default() };
        if let Some(found) = self.contained(words, language) {
            sentence.business = Some((found, false));
        } else if !kernel.is_empty() {
            match self.whole(kernel, language) {
                Some(found) => sentence.business = Some((found, true)),
                None => sentence.open = true,
            }
        } else if sentence.small_talk.is_empty() {
            sentence.open = true;
        }
        sentence
    }

    /// The intent that is all these words say. Small talk is not looked for here.
    fn whole(&self, words: &[Word], language: Language) -> Option<Found> {
        self.best(
            language,
            |rule| !is_small_talk(&rule.name),
            |rule| &rule.phrases,
            |phrase, tolerance| {
                let filler = |word: &Word| lexicon::is_filler(&word.text);
                let lead = words.iter().take_while(|word| filler(word)).count();
                (0..=lead).filter(|start| *start < words.len()).find_map(|start| {
                    let end = phrase.match_at(words, start, tolerance)?;
                    let rest = &words[end..];
                    rest.iter().all(|w| filler(w) || lexicon::is_glue(&w.text)).then_some(end - start)
                })
            },
        )
    }

    /// The intent these words state somewhere.
    fn contained(&self, words: &[Word], language: Language) -> Option<Found> {
        let allowed = |rule: &Rule| !words.iter().any(|word| rule.unless.contains(&word.text));
        self.rules_best(
            language,
            allowed,
            |rule| &rule.contains,
            |rule, phrase, tolerance| {
                (0..words.len()).find_map(|start| {
                    let end = phrase.match_at(words, start, tolerance)?;
                    (!rule.first || !negated(words, start)).then_some(end - start)
                })
            },
        )
    }

    /// The small talk around a sentence, and the words between.
    fn trim<'w>(&self, words: &'w [Word], language: Language) -> (Vec<Found>, &'w [Word]) {
        let mut found = Vec::new();
        let (mut from, mut to) = (0, words.len());
        while from < to {
            if let Some((talk, end)) = self.small_talk_at(&words[..to], from, language) {
                found.push(talk);
                from = end;
            } else if lexicon::is_filler(&words[from].text) {
                from += 1;
            } else {
                break;
            }
        }
        while from < to {
            let tail = (from.max(to.saturating_sub(TAIL))..to).find_map(|start| {
                let (talk, end) = self.small_talk_at(&words[..to], start, language)?;
                (end == to).then_some((talk, start))
            });
            if let Some((talk, start)) = tail {
                found.push(talk);
                to = start;
            } else if lexicon::is_filler(&words[to - 1].text) {
                to -= 1;
            } else {
                break;
            }
        }
        (found, &words[from..to])
    }

    fn small_talk_at(&self, words: &[Word], start: usize, language: Language) -> Option<(Found, usize)> {
        let mut end = start;
        let found = self.best(
            language,
            |rule| is_small_talk(&rule.name),
            |rule| &rule.phrases,
            |phrase, tolerance| {
                phrase.match_at(words, start, tolerance).inspect(|at| end = end.max(*at)).map(|at| at - start)
            },
        )?;
        Some((found, end))
    }

    fn best(
        &self,
        language: Language,
        allowed: impl Fn(&Rule) -> bool,
        phrases: impl Fn(&Rule) -> &[(Language, Phrase)],
        mut length: impl FnMut(&Phrase, Tolerance) -> Option<usize>,
    ) -> Option<Found> {
        self.rules_best(language, allowed, phrases, |_, phrase, tolerance| length(phrase, tolerance))
    }

    /// The rule with the longest match; of equals the one in the customer's language, then the one written first.
    fn rules_best(
        &self,
        language: Language,
        allowed: impl Fn(&Rule) -> bool,
        phrases: impl Fn(&Rule) -> &[(Language, Phrase)],
        mut length: impl FnMut(&Rule, &Phrase, Tolerance) -> Option<usize>,
    ) -> Option<Found> {
        let mut best: Option<((usize, bool), Found)> = None;
        for rule in self.rules.iter().filter(|rule| allowed(rule)) {
            let tolerance = if has_effect(&rule.name) { Tolerance::Strict } else { Tolerance::Ordinary };
            for (spoken, phrase) in phrases(rule) {
                let Some(length) = length(rule, phrase, tolerance) else { continue };
                let rank = (length, *spoken == language);
                if best.as_ref().is_none_or(|(known, _)| rank > *known) {
                    let found = Found { intent: rule.name.clone(), first: rule.first, language: *spoken };
                    best = Some((rank, found));
                }
            }
        }
        best.map(|(_, found)| found)
    }
}

fn has_effect(intent: &str) -> bool {
    WITH_EFFECT.contains(&intent)
}

/// Whether a negation shortly before `start` turns what follows into its opposite. A comma ends its reach: in
/// "não, quero falar com alguém" the no stands for itself.
fn negated(words: &[Word], start: usize) -> bool {
    for back in (start.saturating_sub(NEGATION_REACH)..start).rev() {
        if words[back + 1].after_break {
            return false;
        }
        if lexicon::is_negation(&words[back].text) {
            return true;
        }
    }
    false
}
