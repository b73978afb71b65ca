//! Private data never reaches a third party's model: it is exchanged for placeholders, and put back afterwards.
//!
//! Recognised: e-mail addresses, CPF and CNPJ (with their check digits, or in their usual writing), payment cards
//! (Luhn), random PIX keys (UUIDs) and phone numbers. A CEP stays: deliveries are asked for by it. What is taken for a
//! phone but was an order number comes back unchanged, so the error costs nothing.

use std::sync::LazyLock;

use regex::Regex;

/// What its placeholder is called, how it is written, and whether a match really is one.
type Kind = (&'static str, Regex, fn(&str) -> bool);

/// The kinds of private data, in the order they are looked for: the more certain first.
static KINDS: LazyLock<[Kind; 7]> = LazyLock::new(|| {
    let regex = |pattern: &str| Regex::new(pattern).expect("a constant pattern");
    [
        ("EMAIL", regex(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"), |_| true),
        ("PIX", regex(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), |_| true),
        ("CNPJ", regex(r"\b[0-9A-Z]{2}\.?[0-9A-Z]{3}\.?[0-9A-Z]{3}/?[0-9A-Z]{4}-?[0-9]{2}\b"), is_cnpj),
        ("CARD", regex(r"\b(?:[0-9][ -]?){12,18}[0-9]\b"), is_card),
        ("CPF", regex(r"\b[0-9]{3}[. ]?[0-9]{3}[. ]?[0-9]{3}[- ]?[0-9]{2}\b"), is_cpf),
        (
            "PHONE",
            regex(r"(?:\+[0-9]{1,3}[ .-]?)?\(?\b[0-9]{2,5}\)?[ .-]?[0-9]{3,5}[ .-]?[0-9]{3,4}\b"),
            is_phone,
        ),
        ("PHONE", regex(r"\+[0-9](?:[ .()-]{0,2}[0-9]){8,14}\b"), |_| true),
    ]
});

/// What was taken out of one turn's texts, and what stands for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vault {
    /// Placeholder and value.
    kept: Vec<(String, String)>,
}

impl Vault {
    /// The text with placeholders for private data. The same value gets the same placeholder.
    pub fn redact(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (kind, pattern, holds) in KINDS.iter() {
            let found = pattern.replace_all(&text, |captures: &regex::Captures<'_>| {
                let value = &captures[0];
                if holds(value) { self.placeholder(kind, value) } else { value.to_owned() }
            });
            text = found.into_owned();
        }
        text
    }

    /// The text with the private data back in its places.
    pub fn restore(&self, text: &str) -> String {
        if self.kept.is_empty() || !text.contains('[') {
            return text.to_owned();
        }
        self.kept.iter().fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
    }

    /// The text without its placeholders: what is left is the model's own words.
    pub fn without(&self, text: &str) -> String {
        self.kept.iter().fold(text.to_owned(), |text, (placeholder, _)| text.replace(placeholder, " "))
    }

    fn placeholder(&mut self, kind: &str, value: &str) -> String {
        if let Some((placeholder, _)) = self.kept.iter().find(|(_, kept)| kept == value) {
            return placeholder.clone();
        }
        let number = self.kept.iter().filter(|(p, _)| p.starts_with(&format!("[{kind}_"))).count() + 1;
        let placeholder = format!("[{kind}_{number}]");
        self.kept.push((placeholder.clone(), value.to_owned()));
        placeholder
    }
}

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|c| c.to_digit(10)).collect()
}

/// The last digit of a weighted sum modulo 11, as Brazil's tax numbers use it.
fn mod_11(values: &[u32], weights: impl Iterator<Item = u32>) -> u32 {
    let sum: u32 = values.iter().zip(weights).map(|(value, weight)| value * weight).sum();
    match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    }
}

/// Check digits of the CPF; in its usual writing with dots it counts even when mistyped.
fn is_cpf(text: &str) -> bool {
    let d = digits(text);
    let usual = text.matches('.').count() == 2 && text.contains('-');
    let checked = || d[9] == mod_11(&d[..9], (2..=10).rev()) && d[10] == mod_11(&d[..10], (2..=11).rev());
    d.len() == 11 && (usual || checked())
}

/// Check digits of the CNPJ, numeric or alphanumeric (letters count as their code minus 48).
fn is_cnpj(text: &str) -> bool {
    let values: Vec<u32> = text.chars().filter(char::is_ascii_alphanumeric).map(|c| c as u32 - 48).collect();
    let usual = text.contains('/') && text.contains('-');
    let weights = |n: u32| (2..=n).rev().chain((2..=9).rev());
    let checked =
        || values[12] == mod_11(&values[..12], weights(5)) && values[13] == mod_11(&values[..13], weights(6));
    values.len() == 14 && (usual || checked())
}

/// The Luhn check of payment cards.
fn is_card(text: &str) -> bool {
    let d = digits(text);
    let sum: u32 = d
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| {
            if i % 2 == 0 {
                *d
            } else if *d > 4 {
                d * 2 - 9
            } else {
                d * 2
            }
        })
        .sum();
    (13..=19).contains(&d.len()) && sum.is_multiple_of(10) && d.iter().any(|digit| *digit != 0)
}

/// Ten to thirteen digits, national or with a country code; not a date or an amount.
fn is_phone(text: &str) -> bool {
    (10..=15).contains(&digits(text).len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_data_is_replaced_and_comes_back() {
        for (text, redacted) in [
            ("meu cpf é 529.982.247-25", "meu cpf é [CPF_1]"),
            ("cpf 52998224725 ok", "cpf [CPF_1] ok"),
            ("CNPJ 11.222.333/0001-81", "CNPJ [CNPJ_1]"),
            ("cnpj 11222333000181", "cnpj [CNPJ_1]"),
            ("CNPJ 12.ABC.345/01DE-35", "CNPJ [CNPJ_1]"),
            ("cartão 4111 1111 1111 1111 val 12/29", "cartão [CARD_1] val 12/29"),
            ("4111111111111111", "[CARD_1]"),
            ("ana.silva+x@example.com.br, obrigada", "[EMAIL_1], obrigada"),
            ("pix 123e4567-e89b-42d3-a456-426614174000", "pix [PIX_1]"),
            ("me liga: (11) 98765-4321", "me liga: [PHONE_1]"),
            ("+55 11 98765-4321 ou +44 20 7946 0958", "[PHONE_1] ou [PHONE_2]"),
            ("5511987654321", "[PHONE_1]"),
            ("my number is 07700 900123", "my number is [PHONE_1]"),
            ("a@b.co e c@d.co e a@b.co", "[EMAIL_1] e [EMAIL_2] e [EMAIL_1]"),
        ] {
            let mut vault = Vault::default();
            assert_eq!(vault.redact(text), redacted);
            assert_eq!(vault.restore(redacted), text);
        }
    }

    #[test]
    fn what_the_shop_needs_stays() {
        for text in [
            "CEP 01310-100",
            "pedido 12345678",
            "custa R$ 1.234,56?",
            "dia 25/12/2026 às 10:30",
            "tamanho 38 ou 40, 2 unidades",
            "frete para 30130-010 e 2 itens",
            "",
        ] {
            assert_eq!(Vault::default().redact(text), text);
        }
    }

    #[test]
    fn placeholders_are_no_words_of_the_model() {
        let mut vault = Vault::default();
        let text = vault.redact("ana@example.com");
        assert_eq!(vault.without(&format!("Enviamos para {text}.")), "Enviamos para  .");
    }
}
