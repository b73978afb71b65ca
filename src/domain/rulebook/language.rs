//! Portuguese or English? Told from small words and letters, for messages of a few words.

use super::lexicon;
use crate::{Language, text};

/// How much one accented letter that English lacks says, in small words.
const LETTER: i32 = 2;
/// How much clearer another language must be before a conversation changes to it.
const SWITCH: i32 = 2;

/// The language of a text; `prior` is the conversation's language so far and is kept unless the text is clearly in
/// the other one. `None` when nothing tells.
pub fn guess(message: &str, prior: Option<Language>) -> Option<Language> {
    let (portuguese, english) = score(message);
    let (likely, lead) = match portuguese - english {
        0 => return prior,
        d if d > 0 => (Language::Portuguese, d),
        d => (Language::English, -d),
    };
    match prior {
        Some(prior) if prior != likely => {
            // One foreign word ("thanks", "ok, valeu") is a flourish; a text of it alone, or two of them, is a switch.
            let alone = portuguese.min(english) == 0 && is_opener(message);
            Some(if lead >= SWITCH || alone { likely } else { prior })
        }
        _ => Some(likely),
    }
}

/// Small words and telling letters of each language.
fn score(message: &str) -> (i32, i32) {
    let (mut portuguese, mut english) = (0, 0);
    for token in text::tokens(message) {
        let expanded = lexicon::expand(&token.word);
        let counts =
            |list: &[&str]| i32::from(list.contains(&token.word.as_str()) || list.contains(&expanded));
        portuguese += counts(lexicon::PORTUGUESE);
        english += counts(lexicon::ENGLISH);
        let word = token.word.as_str();
        if word.len() > 4
            && ["cao", "coes", "mento", "idade", "inho", "inha"].iter().any(|end| word.ends_with(end))
        {
            portuguese += 1;
        }
        if word.len() > 4 && ["ing", "tion", "ght", "ness", "ould"].iter().any(|end| word.ends_with(end)) {
            english += 1;
        }
    }
    let telling = message.chars().filter(|c| "ãõçáàâéêíóôúÃÕÇÁÀÂÉÊÍÓÔÚ".contains(*c)).count();
    portuguese += LETTER * i32::try_from(telling.min(3)).unwrap_or(3);
    (portuguese, english)
}

/// Greetings choose the language on purpose.
fn is_opener(message: &str) -> bool {
    text::tokens(message).first().is_some_and(|t| {
        matches!(t.word.as_str(), "hi" | "hello" | "hey" | "good" | "oi" | "ola" | "bom" | "boa")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{English as En, Portuguese as Pt};

    #[test]
    fn short_messages_tell_their_language() {
        for (message, expected) in [
            ("oi", Some(Pt)),
            ("qto custa o frete", Some(Pt)),
            ("vcs entregam hj?", Some(Pt)),
            ("troca de tamanho", Some(Pt)),
            ("promoção", Some(Pt)),
            ("hello there", Some(En)),
            ("how much is shipping", Some(En)),
            ("r u open today?", Some(En)),
            ("refund pls", Some(En)),
            ("pix", None),
            ("12345", None),
            ("👍", None),
            ("ok", None),
        ] {
            assert_eq!(guess(message, None), expected, "{message}");
        }
    }

    #[test]
    fn a_conversation_keeps_its_language_until_the_customer_clearly_changes_it() {
        for (message, prior, expected) in [
            ("ok", Pt, Pt),
            ("pix", En, En),
            ("thanks", Pt, Pt),
            ("menu", En, En),
            ("hello", Pt, En),
            ("do you ship to Portugal?", Pt, En),
            ("vocês entregam em Lisboa?", En, Pt),
            ("size M", Pt, Pt),
        ] {
            assert_eq!(guess(message, Some(prior)), Some(expected), "{message}");
        }
    }
}
