//! An answer in the shop's own words: the sentences of the best passages that say most about the question.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use balcao_domain::text;
use balcao_retrieval::Hit;

use crate::sources::own_lines;

/// Passages that are looked at.
const PASSAGES: usize = 5;
/// The longest extract, in characters.
const CHARS: usize = 420;
/// The most sentences.
const SENTENCES: usize = 3;
/// How much lower passages count.
const BY_RANK: [f32; PASSAGES] = [1.0, 0.95, 0.9, 0.85, 0.8];
/// What a sentence gains that has the kind of thing that is asked for: a price, a time, a number of days.
const OF_THE_KIND: f32 = 0.3;
/// What the sentence nearest in meaning gains.
const MEANING: f32 = 1.0;
/// Sentences that are compared by meaning.
const COMPARED: usize = 32;
/// Cosines of sentences about one question lie within some 0.1 to 0.2 of each other.
const NARROWEST: f32 = 0.15;

/// An extract and the passage it is from.
#[derive(Debug, Clone, PartialEq)]
pub struct Extract<'a> {
    /// The words, as they stand there.
    pub quote: String,
    /// Whose words.
    pub hit: &'a Hit,
}

/// One sentence or list item of a passage.
struct Sentence<'a> {
    text: &'a str,
    /// How many headings of the passage stand before it.
    section: usize,
    /// A question or heading: says what follows, answers nothing.
    is_title: bool,
    is_item: bool,
}

/// How near sentences are to the question in meaning, from 0 (the farthest of them) to 1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meaning(HashMap<String, f32>);

impl Meaning {
    /// From the cosines of the sentences, in their order.
    pub fn of(sentences: Vec<String>, near: &[f32]) -> Self {
        let low = near.iter().copied().fold(f32::INFINITY, f32::min);
        let high = near.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // A model's cosines lie close together: what tells sentences apart is how far between the extremes they are. Where
        // even the extremes are hardly apart, meaning does not tell.
        let width = (high - low).max(NARROWEST);
        Self(sentences.into_iter().zip(near.iter().map(|near| (near - low) / width)).collect())
    }

    fn near(&self, sentence: &str) -> f32 {
        self.0.get(&shorten(sentence)).copied().unwrap_or_default()
    }
}

/// The sentences whose meaning is worth knowing, as [`Meaning::of`] wants them.
pub fn sentences(hits: &[Hit]) -> Vec<String> {
    let all = hits.iter().take(PASSAGES).flat_map(|hit| split(&hit.text));
    all.filter(|sentence| !sentence.is_title).map(|sentence| shorten(sentence.text)).take(COMPARED).collect()
}

/// The sentences that answer best, quoted word for word.
pub fn best<'a>(question: &str, hits: &'a [Hit], meaning: &Meaning) -> Option<Extract<'a>> {
    let wanted = Wanted::of(question, &hits[..hits.len().min(PASSAGES)]);
    let candidates = hits.iter().take(PASSAGES).zip(BY_RANK).filter_map(|(hit, weight)| {
        let (score, quote) = of_passage(&wanted, hit, meaning)?;
        Some((score * weight, Extract { quote, hit }))
    });
    candidates.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, extract)| extract)
}

/// What a question asks for.
struct Wanted {
    /// Its stems, and what each is worth: one that every passage has tells nothing apart.
    stems: BTreeMap<String, f32>,
    kind: Option<Kind>,
}

/// The kind of thing that answers a question.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Price,
    Duration,
    Time,
}

impl Wanted {
    fn of(question: &str, hits: &[Hit]) -> Self {
        let passages: Vec<BTreeSet<String>> = hits.iter().map(|hit| stems(&hit.text)).collect();
        let worth = |stem: &String| {
            let having = passages.iter().filter(|passage| passage.contains(stem)).count();
            #[expect(clippy::cast_precision_loss, reason = "a handful of passages")]
            let share = having as f32 / passages.len().max(1) as f32;
            1.5 - share
        };
        let stems =
            stems(question).into_iter().map(|stem| (worth(&stem), stem)).map(|(w, s)| (s, w)).collect();
        Self { stems, kind: kind_asked(question) }
    }

    /// The share of what is wanted that a text has, by worth.
    fn overlap(&self, written: &str) -> f32 {
        let all: f32 = self.stems.values().sum();
        if all <= 0.0 {
            return 0.0;
        }
        let has = stems(written);
        let common: f32 =
            self.stems.iter().filter(|(stem, _)| has.contains(*stem)).map(|(_, worth)| worth).sum();
        common / all
    }

    /// What a sentence gains by having the kind of thing that is asked for.
    fn kind(&self, sentence: &str) -> f32 {
        match self.kind {
            Some(kind) if has_kind(kind, sentence) => OF_THE_KIND,
            _ => 0.0,
        }
    }
}

fn kind_asked(question: &str) -> Option<Kind> {
    let words = text::words(question);
    let any = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let said = format!(" {} ", words.join(" "));
    let phrase = |known: &[&str]| known.iter().any(|known| said.contains(&format!(" {known} ")));
    if phrase(&[
        "quanto tempo",
        "how long",
        "how soon",
        "how quick",
        "how many days",
        "quantos dias",
        "em quantos dias",
    ]) || any(&["prazo", "demora", "demoram", "leva"])
    {
        return Some(Kind::Duration);
    }
    if any(&["preco", "custa", "custam", "custo", "valor", "cost", "costs", "price", "prices", "pay", "much"])
        || phrase(&[
            "quanto e",
            "quanto fica",
            "quanto sai",
            "qto e",
            "qto custa",
            "qto fica",
            "qnt",
            "how much",
        ])
    {
        return Some(Kind::Price);
    }
    if phrase(&["que horas", "q horas", "what time", "ate que horas", "which hours"])
        || any(&["horario", "horarios"])
    {
        return Some(Kind::Time);
    }
    None
}

fn has_kind(kind: Kind, sentence: &str) -> bool {
    let digit = sentence.chars().any(|c| c.is_ascii_digit());
    let folded = text::fold(sentence);
    let free = ["gratis", "gratuit", "free", "sem custo"].iter().any(|word| folded.contains(word));
    match kind {
        Kind::Price => digit && (sentence.contains("R$") || sentence.contains(['£', '€', '$', '%'])) || free,
        Kind::Duration => {
            digit
                && ["dia", "hora", "minuto", "semana", "mes", "day", "hour", "minute", "week", "month"]
                    .iter()
                    .any(|word| folded.contains(word))
        }
        Kind::Time => digit && ["h", " am", " pm", ":"].iter().any(|mark| folded.contains(mark)),
    }
}

fn of_passage(wanted: &Wanted, hit: &Hit, meaning: &Meaning) -> Option<(f32, String)> {
    let sentences = split(&hit.text);
    let above = wanted.overlap(&hit.headings.join(" ")).max(wanted.overlap(&hit.title) * 0.5);
    let mut title_score = above;
    let mut best: Option<(f32, usize)> = None;
    for (at, sentence) in sentences.iter().enumerate() {
        let own = wanted.overlap(sentence.text);
        if sentence.is_title {
            title_score = own.max(above);
            continue;
        }
        // The sentence right under a fitting title is its answer, whatever its words.
        let follows = at.checked_sub(1).is_none_or(|before| sentences[before].is_title);
        let score = own
            + title_score * if follows { 0.9 } else { 0.5 }
            + wanted.kind(sentence.text)
            + MEANING * meaning.near(sentence.text);
        if best.is_none_or(|(known, _)| score > known) {
            best = Some((score, at));
        }
    }
    let (score, start) = best?;
    Some((score, quote(&sentences, start)))
}

/// The sentence at `start` and those that go on from it, as far as they fit.
fn quote(sentences: &[Sentence<'_>], start: usize) -> String {
    let mut quote = shorten(sentences[start].text);
    let mut before = &sentences[start];
    for sentence in sentences[start + 1..].iter().take(SENTENCES - 1) {
        let fits = quote.chars().count() + sentence.text.chars().count() < CHARS;
        if sentence.is_title || sentence.section != before.section || !fits {
            break;
        }
        quote.push_str(if sentence.is_item || before.is_item { "\n" } else { " " });
        quote.push_str(sentence.text);
        before = sentence;
    }
    quote
}

fn shorten(sentence: &str) -> String {
    if sentence.chars().count() <= CHARS {
        return sentence.to_owned();
    }
    let cut: String = sentence.chars().take(CHARS).collect();
    let end = cut.rfind(char::is_whitespace).unwrap_or(cut.len());
    format!("{}…", &cut[..end])
}

/// The sentences of a Markdown passage: lines are cut at sentence ends, list items and table rows are kept whole.
fn split(passage: &str) -> Vec<Sentence<'_>> {
    let mut sentences = Vec::new();
    let mut section = 0;
    for line in own_lines(passage).map(str::trim).filter(|line| line.chars().any(char::is_alphanumeric)) {
        let bare = line.trim_start_matches('#').trim();
        let bold = bare.trim_matches('*').trim();
        let is_title = line.starts_with('#')
            || line.ends_with('?')
            || bold.ends_with('?')
            || (bare.starts_with("**") && bare.ends_with("**"));
        if is_title {
            section += 1;
            sentences.push(Sentence { text: bold, section, is_title, is_item: false });
        } else if line.starts_with(['-', '*', '+', '|', '•']) || starts_numbered(line) {
            sentences.push(Sentence { text: line, section, is_title, is_item: true });
        } else {
            let parts = text::sentences(line).into_iter();
            sentences.extend(parts.map(|text| Sentence { text, section, is_title, is_item: false }));
        }
    }
    sentences
}

fn starts_numbered(line: &str) -> bool {
    line.split_once(['.', ')'])
        .is_some_and(|(n, _)| !n.is_empty() && n.len() < 3 && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Words of four letters or more and numbers, cut so that `troca`, `trocar` and `trocas` meet.
fn stems(written: &str) -> BTreeSet<String> {
    let words = text::words(written).into_iter();
    words
        .filter(|word| word.chars().count() >= 4 || word.chars().any(|c| c.is_ascii_digit()) || word == "pix")
        .map(|word| word.chars().take(5).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(text: &str) -> Hit {
        crate::scenes::fakes::hit(1, "Loja", text)
    }

    fn quoted(question: &str, hits: &[Hit], meaning: &Meaning) -> String {
        best(question, hits, meaning).expect("an extract").quote
    }

    #[test]
    fn who_asks_for_a_price_is_quoted_a_price() {
        let hits = [hit("The Tideline mug is made by hand in Bristol.\n\nThe mug costs £18.")];
        assert!(
            quoted("price of a tideline mug", &hits, &Meaning::default()).starts_with("The mug costs £18")
        );
        let hits = [hit("O conserto na garantia é grátis.\n\nO conserto fica pronto em 10 dias úteis.")];
        assert!(quoted("quanto tempo demora o conserto", &hits, &Meaning::default()).contains("10 dias"));
    }

    #[test]
    fn a_word_that_every_passage_has_tells_nothing_apart() {
        let hits = [
            hit("A loja entrega em todo o país."),
            hit("A loja fica perto do metrô."),
            hit("A loja aceita troca de biquíni com o lacre."),
        ];
        assert!(quoted("a loja troca biquíni", &hits, &Meaning::default()).contains("lacre"));
    }

    #[test]
    fn the_sentence_that_is_nearest_in_meaning_wins_where_words_do_not_decide() {
        let hits = [hit("Os dados ficam guardados por cinco anos.\n\nNão enviamos para fora do Brasil.")];
        let all = sentences(&hits);
        assert_eq!(all.len(), 2);
        let meaning = Meaning::of(all, &[0.74, 0.86]);
        assert!(quoted("mandam pra portugal", &hits, &meaning).contains("fora do Brasil"));
    }
}
