//! What a customer's message asks for: cleaned, and with what it refers to put in front.

use std::collections::HashSet;

use balcao_domain::text;

/// Longer questions are cut: nobody types more, and ranking costs grow with every word.
const MAX_CHARS: usize = 2_000;

/// A question with at most so many content words may lean on what was said before ("e o azul?").
const SHORT: usize = 6;

/// How many earlier messages go in front of a follow-up. Two were worth 0.05 nDCG@10 on conversations with follow-up
/// questions; all of them brought noise instead.
const EARLIER: usize = 2;

/// Words that point back (folded).
const POINTERS: &[&str] = &[
    "ela", "elas", "ele", "eles", "dela", "dele", "delas", "deles", "nela", "nele", "disso", "disto",
    "nisso", "isso", "isto", "essa", "esse", "essas", "esses", "desse", "dessa", "aquele", "aquela", "outro",
    "outra", "mesmo", "mesma", "it", "its", "that", "this", "these", "those", "they", "them", "their", "he",
    "she", "one", "ones", "same", "other",
];
/// Words a follow-up begins with (folded).
const OPENERS: &[&str] = &["e", "mas", "entao", "tambem", "tb", "and", "but", "so", "also", "or", "ou"];
/// Words that carry no content of their own (folded): not counted when a question's length is judged, and not
/// looked up. Postgres' Portuguese stop words have accents, which folding has removed by then.
const SMALL: &[&str] = &[
    "a", "ai", "ao", "aos", "aquela", "aquele", "as", "ate", "com", "como", "da", "das", "de", "dela",
    "dele", "do", "dos", "e", "ela", "ele", "em", "entao", "era", "essa", "esse", "esta", "estao", "estar",
    "este", "eu", "foi", "ha", "ja", "isso", "isto", "la", "mais", "mas", "me", "meu", "minha", "muito",
    "na", "nao", "nas", "nem", "no", "nos", "o", "os", "ou", "para", "pela", "pelo", "pode", "podem", "por",
    "posso", "pra", "qual", "quais", "quando", "que", "quem", "se", "sao", "sem", "ser", "sera", "seu",
    "sua", "so", "tambem", "tb", "tem", "ter", "um", "uma", "vc", "vcs", "voce", "voces", "oi", "ola",
    "preciso", "precisa", "quero", "queria", "gostaria", "saber", "favor", "an", "and", "are", "at", "be",
    "but", "by", "can", "did", "does", "for", "from", "had", "has", "have", "how", "i", "if", "in", "is",
    "it", "its", "my", "not", "of", "on", "or", "our", "that", "the", "their", "them", "then", "there",
    "these", "they", "this", "to", "was", "we", "were", "what", "when", "where", "which", "who", "will",
    "with", "would", "you", "your", "hi", "hello", "please", "need", "want", "know",
];

/// A question, understood as far as this goes without a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    /// What is searched for: the question, with earlier messages in front where it leans on them.
    pub text: String,
    /// The folded content words of the question itself.
    pub content: Vec<String>,
}

impl Query {
    /// Reads a question in its conversation; `previous` are the customer's earlier messages, oldest first.
    pub fn read(question: &str, previous: &[String]) -> Self {
        let own = clean(question);
        let content = content_words(&own);
        let mut parts = Vec::new();
        if leans_back(&own, &content) {
            // A greeting says nothing about what is asked.
            let telling =
                previous.iter().rev().map(|text| clean(text)).filter(|text| !content_words(text).is_empty());
            parts = telling.take(EARLIER).collect();
            parts.reverse();
        }
        parts.push(own);
        Self { text: parts.join("\n"), content }
    }

    /// Whether there is anything to search for.
    pub fn is_empty(&self) -> bool {
        !self.text.chars().any(char::is_alphanumeric)
    }

    /// How many different words it has, those it refers to included.
    pub fn distinct_words(&self) -> usize {
        text::words(&self.text).into_iter().collect::<HashSet<_>>().len()
    }

    /// The words to look up; all of them when only small words are left ("quem?").
    pub fn lexical_text(&self) -> String {
        let content = content_words(&self.text);
        if content.is_empty() { self.text.clone() } else { content.join(" ") }
    }
}

fn clean(message: &str) -> String {
    text::clean(message, MAX_CHARS).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The folded words that carry content.
pub fn content_words(value: &str) -> Vec<String> {
    text::words(value).into_iter().filter(|word| !SMALL.contains(&word.as_str())).collect()
}

fn leans_back(question: &str, content: &[String]) -> bool {
    let words = text::words(question);
    let opens = words.first().is_some_and(|word| OPENERS.contains(&word.as_str()));
    let points = words.iter().any(|word| POINTERS.contains(&word.as_str()));
    opens || points || content.len() <= SHORT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(question: &str, previous: &[&str]) -> String {
        Query::read(question, &previous.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).text
    }

    #[test]
    fn a_short_follow_up_brings_the_two_messages_before_it() {
        let previous = ["olá", "tem tênis?", "oi", "do preto", "👍"];
        assert_eq!(read("e o azul?", &previous), "tem tênis?\ndo preto\ne o azul?");
    }

    #[test]
    fn a_question_that_stands_alone_is_left_alone() {
        let question = "Qual o prazo de entrega para Belo Horizonte comprando hoje com frete expresso?";
        assert_eq!(read(question, &["tem tênis?"]), question);
    }

    #[test]
    fn a_pronoun_points_back_however_long_the_question_is() {
        let question =
            "Comprei ontem pelo site com cartão de crédito parcelado, posso devolver ele na loja física?";
        assert_eq!(read(question, &["o tênis preto"]), format!("o tênis preto\n{question}"));
    }

    #[test]
    fn nothing_but_punctuation_asks_for_nothing() {
        for question in ["", "   ", "?!...", "👍", "\u{0}\u{7}"] {
            assert!(Query::read(question, &[]).is_empty(), "{question:?}");
        }
    }

    #[test]
    fn a_word_said_twice_is_one_word() {
        assert_eq!(Query::read("Não, não e NAO quero", &[]).distinct_words(), 3);
    }

    #[test]
    fn small_words_are_not_looked_up_unless_there_is_nothing_else() {
        assert_eq!(Query::read("Qual é o prazo de entrega?", &[]).lexical_text(), "prazo entrega");
        assert_eq!(Query::read("quem?", &[]).lexical_text(), "quem?");
    }
}
