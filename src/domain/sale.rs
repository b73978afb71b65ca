//! Where a customer stands in buying, and what their short answers mean there.
//!
//! The state is a value: it is kept with the turn that led to it, so a turn that is tried again starts from the same
//! state and ends in the same one. What is looked up, placed and paid is the agent's work.

use std::{collections::HashMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

use crate::{
    ids::{OrderId, VariantId},
    money::Money,
    text,
};

/// Most different things in a cart.
pub const MAX_ITEMS: usize = 30;

/// Most pieces of one thing that are sold without a person.
pub const MAX_QUANTITY: i64 = 999;

/// Where a customer stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
    /// What was asked of the customer last.
    pub stage: Stage,
    /// What they want, at the prices they were shown.
    pub cart: Vec<Item>,
    /// Rises with every summary that is shown: a yes is a yes to one of them.
    pub revision: u32,
    /// Which of the shop's ways of delivery, counted from 0.
    pub delivery: Option<usize>,
    /// Where to, in the customer's words.
    pub address: Option<String>,
    /// What the last summary came to, in minor units: a yes is a yes to this amount.
    pub due_minor: Option<i64>,
}

/// What was asked of the customer last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// Nothing.
    #[default]
    Open,
    /// Which of these, by number.
    Choosing {
        /// As they were listed.
        shown: Vec<Shown>,
    },
    /// How many of this.
    Quantity {
        /// What was chosen.
        of: Shown,
    },
    /// What next: pay, or add more.
    Cart,
    /// How it is delivered, by number.
    Delivery,
    /// Where to.
    Address,
    /// Yes or no to the summary of the present revision.
    Confirming,
    /// To pay.
    Placed {
        /// Their order.
        order_id: OrderId,
    },
}

/// Something that was shown, with the price that was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Which.
    pub variant_id: VariantId,
    /// What it was called.
    pub title: String,
    /// What one cost.
    pub unit: Money,
}

/// A line of a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What.
    #[serde(flatten)]
    pub what: Shown,
    /// How many.
    pub quantity: i64,
}

impl Sale {
    /// Puts something into the cart, or more of it. Returns whether there was room.
    pub fn add(&mut self, what: Shown, quantity: i64) -> bool {
        if let Some(item) = self.cart.iter_mut().find(|item| item.what.variant_id == what.variant_id) {
            item.quantity = item.quantity.saturating_add(quantity).min(MAX_QUANTITY);
            item.what = what;
        } else if self.cart.len() < MAX_ITEMS {
            self.cart.push(Item { what, quantity: quantity.min(MAX_QUANTITY) });
        } else {
            return false;
        }
        true
    }

    /// The identity of what is being confirmed: this conversation's summary of this revision.
    pub fn intent(&self, conversation: crate::ConversationId) -> String {
        format!("{conversation}/{}", self.revision)
    }
}

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

    #[test]
    fn the_same_thing_twice_is_one_line_of_a_cart_that_has_an_end() {
        let what =
            |_: usize| Shown { variant_id: VariantId::generate(), title: "x".into(), unit: Money::brl(100) };
        let mut sale = Sale::default();
        let first = what(0);
        assert!(sale.add(first.clone(), 2) && sale.add(first, 998));
        assert_eq!((sale.cart.len(), sale.cart[0].quantity), (1, MAX_QUANTITY));
        assert!((1..MAX_ITEMS).map(what).all(|shown| sale.add(shown, 1)));
        assert!(!sale.add(what(0), 1));
    }

    #[test]
    fn a_sale_is_read_back_as_it_was_kept() {
        let shown = Shown { variant_id: VariantId::generate(), title: "x".into(), unit: Money::brl(5990) };
        let mut sale = Sale { stage: Stage::Quantity { of: shown.clone() }, revision: 3, ..Sale::default() };
        sale.add(shown, 2);
        let kept = serde_json::to_value(&sale).expect("JSON");
        assert_eq!(serde_json::from_value::<Sale>(kept).expect("a sale"), sale);
    }
}
