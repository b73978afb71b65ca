//! Which language a text is in, guessed from its small words.
//!
//! Function words are a tenth to a half of any text and differ between the two languages; no model is needed.
//! A text with none of them ("iPhone 13 128GB") has no language worth guessing.

use balcao_domain::{Language, text};

/// Folded, as they are compared. Words that both languages share ("a", "as", "do", "no", "me", "so") are left out.
const PORTUGUESE: &[&str] = &[
    "ainda", "antes", "ao", "aos", "apos", "aqui", "ate", "boa", "bom", "cade", "com", "como", "da", "das",
    "de", "dela", "dele", "depois", "dia", "dos", "e", "ela", "ele", "em", "entao", "era", "essa", "esse",
    "esta", "este", "eu", "ficar", "foi", "ja", "isso", "isto", "la", "mais", "mas", "meu", "minha", "muito",
    "na", "nao", "nas", "nem", "nos", "nossa", "nosso", "o", "oi", "ola", "onde", "os", "ou", "para", "pela",
    "pelo", "pode", "podem", "por", "porque", "posso", "pra", "qual", "quais", "quando", "quanto", "quantos",
    "que", "quem", "quero", "qto", "se", "sao", "sem", "ser", "seu", "sua", "sobre", "tambem", "tb", "tem",
    "tenho", "ter", "toda", "todo", "tudo", "um", "uma", "vc", "vcs", "voce", "voces",
];
const ENGLISH: &[&str] = &[
    "about", "after", "an", "and", "any", "are", "at", "be", "been", "before", "but", "by", "can", "could",
    "did", "does", "for", "from", "get", "had", "has", "have", "hello", "hi", "how", "i", "if", "in", "is",
    "it", "its", "my", "not", "of", "on", "or", "our", "please", "should", "than", "that", "the", "their",
    "them", "then", "there", "these", "they", "this", "those", "to", "was", "we", "were", "what", "when",
    "where", "which", "who", "why", "will", "with", "would", "you", "your",
];

/// Words looked at: enough to be sure, and a book costs no more than a page.
const MAX_WORDS: usize = 400;

/// The language of a text, or `None` where its words do not say.
pub fn guess(value: &str) -> Option<Language> {
    // The first few thousand bytes hold more than enough words.
    let end = value.char_indices().map(|(at, _)| at).find(|at| *at >= 16 * 1024).unwrap_or(value.len());
    let words = text::words(&value[..end]);
    let count = |list: &[&str]| words.iter().take(MAX_WORDS).filter(|w| list.contains(&w.as_str())).count();
    let (portuguese, english) = (count(PORTUGUESE), count(ENGLISH));
    match portuguese.cmp(&english) {
        std::cmp::Ordering::Greater => Some(Language::Portuguese),
        std::cmp::Ordering::Less => Some(Language::English),
        // Accents and the cedilla are rare in English.
        std::cmp::Ordering::Equal => value[..end]
            .chars()
            .any(|c| "ãõçáéíóúâêôàÃÕÇÁÉÍÓÚÂÊÔÀ".contains(c))
            .then_some(Language::Portuguese),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_words_tell_the_language() {
        for (text, expected) in [
            ("qual o prazo de entrega?", Some(Language::Portuguese)),
            ("Qto custa o frete", Some(Language::Portuguese)),
            ("do you have this in blue?", Some(Language::English)),
            ("What are your opening hours", Some(Language::English)),
            ("promoção", Some(Language::Portuguese)),
            ("iPhone 13 128GB", None),
            ("", None),
            ("👍", None),
        ] {
            assert_eq!(guess(text), expected, "{text}");
        }
    }
}
