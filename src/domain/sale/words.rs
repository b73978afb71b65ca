//! What customers' words mean at a counter: short answers, what they ask for, and whether a title is what they name.

use std::{collections::HashMap, sync::LazyLock};

use crate::text;

/// What a short message means to somebody who sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A number: of a list, or of pieces.
    Number(i64),
    /// Show me what I have.
    Cart,
    /// That is all, I want to pay.
    Checkout,
    /// Forget it.
    Clear,
    /// I have paid.
    Paid,
    /// That one, please: to a single thing that was offered.
    Take,
}

/// Reads a message that is nothing but an answer: "2", "quero a 2", "duas unidades", "fechar pedido". Anything longer or
/// else is not for here.
pub fn heard(message: &str) -> Option<Heard> {
    let words = text::words(message);
    let said: Vec<&str> = words.iter().map(String::as_str).collect();
    if said.is_empty() || said.len() > 6 {
        return None;
    }
    let phrase = said.join(" ");
    if let Some(heard) = by_phrase(&phrase) {
        return Some(heard);
    }
    let mut numbers = said.iter().filter_map(|word| number(word));
    let first = numbers.next()?;
    // "2 da 3" is two of number three; who says two numbers is asked again.
    (numbers.next().is_none() && said.iter().all(|word| number(word).is_some() || is_filler(word)))
        .then_some(Heard::Number(first))
}

/// What means what at a counter. Compared as it sounds, so "fexar pedido" is among them.
const PHRASES: &[(Heard, &[&str])] = &[
    (
        Heard::Cart,
        &[
            "carrinho",
            "meu carrinho",
            "ver carrinho",
            "ver meu carrinho",
            "ver o carrinho",
            "cart",
            "my cart",
            "view cart",
            "show cart",
            "show my cart",
            "meu pedido",
        ],
    ),
    (
        Heard::Checkout,
        &[
            "finalizar",
            "finalizar compra",
            "finalizar a compra",
            "finalizar pedido",
            "finalizar o pedido",
            "quero finalizar",
            "fechar",
            "fecha",
            "fechar pedido",
            "fechar o pedido",
            "fechar compra",
            "fechar a compra",
            "fecha o pedido",
            "fecha pedido",
            "pode fechar",
            "quero fechar",
            "so isso",
            "so isso mesmo",
            "e so isso",
            "e so",
            "quero pagar",
            "vou pagar",
            "pagar",
            "checkout",
            "check out",
            "that is all",
            "that s all",
            "thats all",
            "pay",
            "i want to pay",
        ],
    ),
    (
        Heard::Clear,
        &[
            "esvaziar",
            "esvaziar carrinho",
            "esvaziar o carrinho",
            "limpar carrinho",
            "limpar o carrinho",
            "desisti",
            "deixa pra la",
            "esquece",
            "cancelar compra",
            "cancela",
            "cancelar",
            "empty cart",
            "clear cart",
            "forget it",
            "never mind",
            "nevermind",
        ],
    ),
    (
        Heard::Paid,
        &[
            "paguei",
            "pagei",
            "ja pagei",
            "ja paguei",
            "pago",
            "ta pago",
            "esta pago",
            "acabei de pagar",
            "fiz o pix",
            "ja fiz o pix",
            "pix feito",
            "paid",
            "i paid",
            "i have paid",
            "just paid",
        ],
    ),
    (
        Heard::Take,
        &[
            "quero",
            "quero sim",
            "quero esse",
            "quero essa",
            "quero ele",
            "quero ela",
            "quero este",
            "quero esta",
            "vou querer",
            "vou levar",
            "levo",
            "vou ficar com ele",
            "vou ficar com ela",
            "i want it",
            "i ll take it",
            "take it",
            "i d like it",
            "i would like it",
        ],
    ),
];

fn by_phrase(phrase: &str) -> Option<Heard> {
    static BY_SOUND: LazyLock<HashMap<String, Heard>> = LazyLock::new(|| {
        let each =
            PHRASES.iter().flat_map(|(heard, phrases)| phrases.iter().map(|phrase| (spoken(phrase), *heard)));
        each.collect()
    });
    let polite = [" por favor", " pf", " pfv", " please", " ai", " entao", " agora"];
    let phrase = polite.iter().fold(phrase, |phrase, end| phrase.strip_suffix(end).unwrap_or(phrase));
    BY_SOUND.get(&spoken(phrase)).copied()
}

/// How a phrase sounds, word by word.
fn spoken(phrase: &str) -> String {
    phrase.split(' ').map(text::sound).collect::<Vec<_>>().join(" ")
}

fn number(word: &str) -> Option<i64> {
    let digits = word.strip_suffix(['o', 'a', 'x']).filter(|rest| !rest.is_empty()).unwrap_or(word);
    if digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits.parse().ok();
    }
    Some(match word {
        "um" | "uma" | "one" | "primeiro" | "primeira" | "first" => 1,
        "dois" | "duas" | "two" | "segundo" | "segunda" | "second" => 2,
        "tres" | "three" | "terceiro" | "terceira" | "third" => 3,
        "quatro" | "four" | "quarto" | "quarta" | "fourth" => 4,
        "cinco" | "five" | "quinto" | "quinta" | "fifth" => 5,
        "seis" | "meia" | "six" | "sexto" | "sexta" | "sixth" => 6,
        "sete" | "seven" | "setimo" | "setima" => 7,
        "oito" | "eight" | "oitavo" | "oitava" => 8,
        "nove" | "nine" => 9,
        "dez" | "ten" => 10,
        _ => return None,
    })
}

fn is_filler(word: &str) -> bool {
    matches!(
        word,
        "o" | "a"
            | "os"
            | "as"
            | "quero"
            | "queria"
            | "vou"
            | "querer"
            | "levar"
            | "pegar"
            | "me"
            | "ve"
            | "manda"
            | "numero"
            | "num"
            | "n"
            | "opcao"
            | "item"
            | "unidade"
            | "unidades"
            | "un"
            | "pecas"
            | "peca"
            | "por"
            | "favor"
            | "pf"
            | "pfv"
            | "so"
            | "apenas"
            | "acho"
            | "que"
            | "vai"
            | "ser"
            | "essa"
            | "esse"
            | "the"
            | "number"
            | "i"
            | "want"
            | "ll"
            | "take"
            | "please"
            | "just"
            | "option"
            | "pieces"
            | "units"
            | "x"
            | "of"
            | "them"
    )
}

/// Whether somebody is shopping: they say so, or ask whether there is something and what it costs.
pub fn is_shopping(message: &str) -> bool {
    let words = text::words(message);
    words.len() <= 3
        || words.iter().any(|word| {
            matches!(
                word.as_str(),
                "quero"
                    | "queria"
                    | "comprar"
                    | "compra"
                    | "vende"
                    | "vendem"
                    | "tem"
                    | "teria"
                    | "preco"
                    | "precos"
                    | "custa"
                    | "custam"
                    | "valor"
                    | "quanto"
                    | "qto"
                    | "procuro"
                    | "procurando"
                    | "gostaria"
                    | "encomendar"
                    | "pedir"
                    | "catalogo"
                    | "produtos"
                    | "buy"
                    | "want"
                    | "sell"
                    | "price"
                    | "prices"
                    | "cost"
                    | "costs"
                    | "need"
                    | "looking"
                    | "order"
                    | "have"
                    | "catalogue"
                    | "catalog"
                    | "products"
            )
        })
}

/// Whether a message names something of this title: a word of four letters or more that begins alike, or a shorter one
/// that is the same.
pub fn names(message: &str, title: &str) -> bool {
    let title = text::words(title);
    let stem = |word: &str| word.chars().take(4).collect::<String>();
    text::words(message).iter().any(|word| {
        let long = word.chars().count() >= 4;
        !is_filler(word)
            && title
                .iter()
                .any(|known| known == word && word.len() > 2 || (long && stem(known) == stem(word)))
    })
}

/// Whether all that a message names is in this title: its words without those of asking and buying.
pub fn covers(message: &str, title: &str) -> bool {
    let title = text::words(title);
    let stem = |word: &str| word.chars().take(4).collect::<String>();
    let known = |word: &String| title.iter().any(|known| known == word || stem(known) == stem(word));
    let words: Vec<String> =
        text::words(message).into_iter().filter(|word| !is_filler(word) && !asks(word)).collect();
    !words.is_empty() && words.iter().all(known)
}

/// What a message names: its words without those of asking and buying, folded.
pub fn content(message: &str) -> String {
    let words = text::words(message).into_iter().filter(|word| !is_filler(word) && !asks(word));
    words.collect::<Vec<_>>().join(" ")
}

/// What a message names, as far as it is worth a guess: its longer words without those of asking and buying, each folded
/// and as it sounds ([`text::sound`]).
pub fn named(message: &str) -> Vec<(String, String)> {
    let raw = message.split(|c: char| !c.is_alphanumeric());
    let worth = |word: &String| word.chars().count() >= 4 && !is_filler(word) && !asks(word);
    raw.map(|raw| (text::fold(raw), text::sound(raw))).filter(|(word, _)| worth(word)).collect()
}

/// Words that ask, or that hold others together.
fn asks(word: &str) -> bool {
    matches!(
        word,
        "tem"
            | "tens"
            | "teria"
            | "quanto"
            | "qto"
            | "custa"
            | "custam"
            | "preco"
            | "precos"
            | "valor"
            | "qual"
            | "quais"
            | "comprar"
            | "compra"
            | "vende"
            | "vendem"
            | "voces"
            | "vcs"
            | "vc"
            | "voce"
            | "ai"
            | "de"
            | "da"
            | "do"
            | "das"
            | "dos"
            | "e"
            | "em"
            | "na"
            | "no"
            | "um"
            | "uma"
            | "uns"
            | "umas"
            | "pra"
            | "para"
            | "gostaria"
            | "procuro"
            | "procurando"
            | "oi"
            | "ola"
            | "bom"
            | "boa"
            | "dia"
            | "tarde"
            | "noite"
            | "eh"
            | "ta"
            | "esta"
            | "does"
            | "you"
            | "have"
            | "how"
            | "much"
            | "is"
            | "are"
            | "an"
            | "any"
            | "of"
            | "for"
            | "in"
            | "cost"
            | "costs"
            | "price"
            | "buy"
            | "sell"
            | "looking"
            | "need"
            | "hi"
            | "hello"
            | "what"
            | "and"
            | "to"
            | "there"
            | "get"
            | "can"
            | "like"
            | "would"
            | "some"
            | "please"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_answers_are_numbers_whatever_stands_around_them() {
        for (said, number) in [
            ("2", 2),
            ("2)", 2),
            ("quero a 2", 2),
            ("a segunda por favor", 2),
            ("Três unidades", 3),
            ("so uma", 1),
            ("10", 10),
            ("i'll take the third", 3),
            ("2x", 2),
        ] {
            assert_eq!(heard(said), Some(Heard::Number(number)), "{said}");
        }
    }

    #[test]
    fn what_is_more_than_an_answer_is_none() {
        for said in [
            "",
            "quero 2 da 3",
            "tem em 2 cores?",
            "12345",
            "quero uma camiseta",
            "2 reais de desconto",
            "oi",
        ] {
            assert_eq!(heard(said), None, "{said}");
        }
    }

    #[test]
    fn the_words_of_a_counter_are_known() {
        for (said, means) in [
            ("Fechar pedido", Heard::Checkout),
            ("fexar pedido", Heard::Checkout),
            ("finalisar compra por favor", Heard::Checkout),
            ("ja pagei", Heard::Paid),
            ("só isso", Heard::Checkout),
            ("meu carrinho", Heard::Cart),
            ("deixa pra lá", Heard::Clear),
            ("já paguei!", Heard::Paid),
            ("Quero esse", Heard::Take),
            ("I'll take it", Heard::Take),
        ] {
            assert_eq!(heard(said), Some(means), "{said}");
        }
    }

    #[test]
    fn a_title_is_named_by_words_that_begin_like_its_own() {
        assert!(names("tem camisetas azuis?", "Camiseta básica azul"));
        assert!(names("quero o boné", "Boné preto"));
        assert!(!names("quanto custa o frete?", "Camiseta básica"));
        assert!(!names("a de e", "A de E"));
    }

    #[test]
    fn a_title_covers_a_message_where_nothing_else_is_named() {
        for said in [
            "quanto custa a calça jeans reta?",
            "vocês têm calças jeans?",
            "oi, bom dia, quero uma calça",
            "jeans 40",
        ] {
            assert!(covers(said, "Calça jeans reta (40)"), "{said}");
        }
        for said in ["quanto custa a barra de calça?", "a calça encolhe?", "tem?", "quanto custa"] {
            assert!(!covers(said, "Calça jeans reta (40)"), "{said}");
        }
        assert!(covers("how much is the heron grinder", "Heron electric grinder"));
        assert!(!covers("how much is a service of the heron grinder", "Heron electric grinder"));
    }
}
