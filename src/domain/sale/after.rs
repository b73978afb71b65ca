//! What customers want of an order they have placed: told from their words, and what it takes.

use serde::{Deserialize, Serialize};

use crate::{order::Status, text};

/// What is to be done with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Call it off.
    Cancel,
    /// Send it somewhere else.
    Address,
    /// Have other things in it.
    Items,
    /// Bring it back for the money.
    Return,
    /// Bring it back for something else.
    Exchange,
}

impl Ask {
    /// Every one of them.
    pub const ALL: [Self; 5] = [Self::Cancel, Self::Address, Self::Items, Self::Return, Self::Exchange];

    /// The word it is stored as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Address => "address",
            Self::Items => "items",
            Self::Return => "return",
            Self::Exchange => "exchange",
        }
    }

    /// Whether an order that stands there allows it. What has been paid is changed by calling it off; what is on its way
    /// comes back once it has arrived.
    pub const fn is_allowed(self, status: Status) -> bool {
        match self {
            Self::Cancel | Self::Address => matches!(status, Status::AwaitingPayment | Status::Paid),
            Self::Items => matches!(status, Status::AwaitingPayment),
            Self::Return | Self::Exchange => matches!(status, Status::Delivered),
        }
    }
}

/// The longest message that is read as an order to do something, in words.
const LONGEST: usize = 16;

/// What somebody wants done with an order they have placed. Questions about what could be done are not for here: the
/// shop's documents answer those.
pub fn asks(message: &str) -> Option<Ask> {
    let words = text::words(message);
    if words.is_empty() || words.len() > LONGEST || message.contains('?') || is_question(&words) {
        return None;
    }
    let any = |known: &[&str]| {
        words
            .iter()
            .any(|word| known.iter().any(|known| *known == word || text::sound(known) == text::sound(word)))
    };
    let order = any(&["pedido", "compra", "encomenda", "order", "purchase"]);
    let has_code = code(message).is_some();
    let about_place = any(&["endereco", "address", "entregar", "deliver"]);
    if any(&["cancelar", "cancela", "cancele", "cancelem", "cancelamento", "cancel", "desistir", "desisti"])
        && (order || has_code)
    {
        return Some(Ask::Cancel);
    }
    let change = any(&[
        "mudar",
        "muda",
        "mude",
        "trocar",
        "troca",
        "troque",
        "alterar",
        "altera",
        "altere",
        "corrigir",
        "corrige",
        "atualizar",
        "change",
        "update",
        "correct",
        "edit",
        "editar",
    ]);
    if change && any(&["endereco", "address"]) {
        return Some(Ask::Address);
    }
    let wants = any(&[
        "quero", "queria", "preciso", "gostaria", "vou", "posso", "pode", "podem", "want", "need", "like",
        "d",
    ]);
    let back = any(&["devolver", "devolvo", "devolucao", "return", "reembolso", "estorno", "refund"]);
    if back && (wants || order || has_code) && !about_place {
        return Some(Ask::Return);
    }
    if change && (order || has_code) {
        // "Trocar o produto do pedido": of one that has come it is an exchange, of one that is not paid a change.
        return Some(Ask::Items);
    }
    let exchange = any(&["trocar", "troca", "exchange", "swap"]);
    let thing =
        any(&["tamanho", "size", "cor", "color", "colour", "numero", "produto", "product", "peca", "item"]);
    (exchange && wants && thing).then_some(Ask::Exchange)
}

/// Words that begin a question about the rules rather than say what is to be done.
fn is_question(words: &[String]) -> bool {
    const ASKING: &[&str] = &[
        "qual", "quais", "como", "quanto", "quantos", "quando", "onde", "prazo", "politica", "what", "how",
        "when", "where", "which", "policy", "if", "se", "caso",
    ];
    words.iter().any(|word| ASKING.contains(&word.as_str()))
}

/// The code of an order within a message, as it is written: `K7Q2-M9XD`, also in lower case or without the hyphen.
pub fn code(message: &str) -> Option<String> {
    message
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .map(|word| word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase())
        .find(|word| {
            word.len() == 8
                && word.bytes().any(|byte| byte.is_ascii_digit())
                && word.bytes().any(|byte| byte.is_ascii_uppercase())
                && word.bytes().all(crate::order::is_code_letter)
        })
        .map(|word| format!("{}-{}", &word[..4], &word[4..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_done_is_told_from_a_customers_words() {
        for (said, ask) in [
            ("quero cancelar meu pedido", Ask::Cancel),
            ("cancela o pedido K7Q3-M9XD por favor", Ask::Cancel),
            ("canselar k7q3m9xd", Ask::Cancel),
            ("i want to cancel my order", Ask::Cancel),
            ("preciso mudar o endereço de entrega", Ask::Address),
            ("change the delivery address please", Ask::Address),
            ("quero alterar meu pedido", Ask::Items),
            ("change my order", Ask::Items),
            ("quero devolver o vestido", Ask::Return),
            ("i'd like to return my order", Ask::Return),
            ("quero meu reembolso", Ask::Return),
            ("quero trocar o tamanho da camiseta", Ask::Exchange),
        ] {
            assert_eq!(asks(said), Some(ask), "{said}");
        }
    }

    #[test]
    fn a_question_about_the_rules_is_none() {
        for said in [
            "",
            "qual o prazo para devolver?",
            "como faço para cancelar um pedido",
            "posso trocar se não servir",
            "what is your return policy",
            "quero uma camiseta azul",
            "cancelar",
            "vocês entregam em Recife?",
            "troca de produtos",
        ] {
            assert_eq!(asks(said), None, "{said}");
        }
    }

    #[test]
    fn a_code_is_found_however_it_is_written() {
        for said in ["cancelar K7Q3-M9XD", "cancelar k7q3-m9xd.", "o pedido k7q3m9xd"] {
            assert_eq!(code(said).as_deref(), Some("K7Q3-M9XD"), "{said}");
        }
        for said in ["pedido", "12345678", "camiseta", "cancelar meu pedido", "K7Q3-M9X"] {
            assert_eq!(code(said), None, "{said}");
        }
    }

    #[test]
    fn what_is_allowed_depends_on_where_the_order_stands() {
        let allowed = |status| Ask::ALL.into_iter().filter(|ask| ask.is_allowed(status)).collect::<Vec<_>>();
        assert_eq!(allowed(Status::AwaitingPayment), [Ask::Cancel, Ask::Address, Ask::Items]);
        assert_eq!(allowed(Status::Paid), [Ask::Cancel, Ask::Address]);
        assert_eq!(allowed(Status::Delivered), [Ask::Return, Ask::Exchange]);
        for over in [Status::Shipped, Status::Canceled, Status::Expired, Status::Refunded] {
            assert_eq!(allowed(over), []);
        }
    }
}
