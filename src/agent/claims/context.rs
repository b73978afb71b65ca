//! What a number is about: a true number put to a wrong use is wrong all the same.
//!
//! Only what can be told for certain counts. A sentence is about the topics its words name (delivery, returns,
//! discounts …); a number whose every place in the shop's words is about other topics than the reply's sentence does
//! not support it. Where either side names no topic, nothing is said against it: a false alarm costs a good answer.

use std::{ops::BitOr, sync::LazyLock};

use regex::Regex;

/// A set of topics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Topics(u8);

impl Topics {
    /// Whether a sentence about `self` may use what was said about `other`.
    fn agrees(self, other: Self) -> bool {
        self.0 == 0 || other.0 == 0 || self.0 & other.0 != 0
    }
}

impl BitOr for Topics {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Beginnings of words, folded; one line a topic.
const WORDS: [&str; 6] = [
    r"entreg|fretes?\b|envi(?:o|os|ar|amos|ado|ada)\b|cheg(?:a|am|ar|ou)\b|despach|transportadora|deliver|shipp?(?:ing|ed|s)?\b|dispatch|postage|courier|arriv",
    r"troc(?:a|as|ar|amos|ado)\b|devol|arrepend|reembols|estorn|return|exchang|refund",
    r"garantia|defeit|warrant|guarantee|faulty",
    r"descont|cup(?:om|ons)\b|\boff\b|discount|coupon|voucher",
    r"parcel|juros|instal",
    r"\babr(?:e|em|imos|ir)\b|\bfech(?:a|am|amos)\b|horario|funcionam|\bopen(?:s|ing)?\b|\bclos(?:e|es|ed|ing)\b",
];

static TOPICS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let whole = |words: &str| Regex::new(&format!(r"(?:^|[^a-z])(?:{words})")).expect("a constant pattern");
    WORDS.iter().map(|words| whole(words)).collect()
});

/// What may stand between a word and its amount.
const SIGNS: &str = r"\s*[*_]*(?:r\$|us\$|\$|£|€|brl|usd|gbp|eur)?\s*$";

fn before_an_amount(words: &str) -> Regex {
    Regex::new(&format!("(?:{words}){SIGNS}")).expect("a constant pattern")
}

/// What precedes an amount that is a threshold, not a price.
static OVER: LazyLock<Regex> = LazyLock::new(|| {
    before_an_amount("acima de|superior(?:es)? a|mais de|over|above|more than|at least|no minimo|minimo de")
});
/// The same only where something is free: "a partir de R$ 10" alone is a price.
static FROM: LazyLock<Regex> = LazyLock::new(|| before_an_amount("a partir de|desde|from"));
static FREE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"gratis|gratuit|\bfree\b").expect("a constant pattern"));
/// What precedes a price.
static COSTS: LazyLock<Regex> =
    LazyLock::new(|| before_an_amount("custam?|sai por|saem por|preco e|preco de|costs?|price is|priced at"));

/// What an amount is used as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Role {
    #[default]
    Any,
    /// What something costs.
    Price,
    /// From which on something holds.
    Threshold,
}

/// How a text uses a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Use {
    topics: Topics,
    role: Role,
}

impl Use {
    /// Whether a reply may use a number so that the shop used like `self`.
    pub fn supports(self, reply: Self) -> bool {
        self.topics.agrees(reply.topics) && !(self.role == Role::Threshold && reply.role == Role::Price)
    }
}

/// A sentence of a prepared text, and what it is about.
pub struct Sentence<'t> {
    /// Its words.
    pub text: &'t str,
    topics: Topics,
}

impl Sentence<'_> {
    /// The same sentence as an answer: it is about what was asked, too.
    pub fn in_answer_to(mut self, asked: Topics) -> Self {
        if self.topics != Topics::default() {
            self.topics = self.topics | asked;
        }
        self
    }

    /// How the sentence uses what it says after `before`, its words up to the number.
    pub fn uses(&self, before: &str) -> Use {
        let threshold = OVER.is_match(before) || (FROM.is_match(before) && FREE.is_match(self.text));
        let role = match (threshold, COSTS.is_match(before)) {
            (true, _) => Role::Threshold,
            (false, true) => Role::Price,
            (false, false) => Role::Any,
        };
        Use { topics: self.topics, role }
    }
}

/// The sentences of a text. Each is also about what the one before it was about, as a list is about its heading; what
/// stands in the middle of nothing is about anything.
pub fn sentences(text: &str) -> Vec<Sentence<'_>> {
    let mut sentences = split(text);
    let mut before = Topics::default();
    for sentence in sentences.iter_mut().filter(|sentence| !sentence.text.trim().is_empty()) {
        let own = sentence.topics;
        sentence.topics = own | before;
        before = own;
    }
    sentences
}

fn split(text: &str) -> Vec<Sentence<'_>> {
    let mut sentences = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = end_of_sentence(rest);
        let (text, after) = rest.split_at(end);
        sentences.push(Sentence { text, topics: topics(text) });
        rest = after;
    }
    sentences
}

/// A full stop ends a sentence before a space; within a number it does not.
fn end_of_sentence(text: &str) -> usize {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let ends = match c {
            '\n' | ';' => true,
            '.' | '!' | '?' => next.is_none_or(char::is_whitespace),
            _ => false,
        };
        if ends {
            return at + c.len_utf8();
        }
    }
    text.len()
}

/// What a folded text is about.
pub fn topics(text: &str) -> Topics {
    let named = TOPICS.iter().enumerate().filter(|(_, words)| words.is_match(text));
    named.fold(Topics::default(), |all, (at, _)| all | Topics(1 << at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_about_what_its_words_name() {
        let about = |text: &str| topics(text).0;
        assert_eq!(about("a entrega leva 5 dias"), 1);
        assert_eq!(about("voce pode trocar em 30 dias"), 2);
        assert_eq!(about("o frete da troca"), 3);
        assert_eq!(about("10% off with pix"), 8);
        assert_eq!(about("temos 12 cores"), 0);
        assert_eq!(about("the workshop is on the first floor"), 0, "a shop is not shipping");
    }

    #[test]
    fn a_full_stop_within_a_number_ends_nothing() {
        let sentences = split("custa r$ 1.299,90. chega em 3 dias.");
        assert_eq!(
            sentences.iter().map(|s| s.text.trim()).collect::<Vec<_>>(),
            ["custa r$ 1.299,90.", "chega em 3 dias."]
        );
    }
}
