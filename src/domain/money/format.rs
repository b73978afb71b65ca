//! Amounts as customers and systems read them.

use std::fmt;

use super::Money;
use crate::Language;

impl Money {
    /// As an API writes it: `1299.00`, `-37.80`.
    pub fn decimal(&self) -> String {
        let (whole, fraction) = self.parts();
        format!("{}{whole}{}", self.sign(), with_mark('.', &fraction))
    }

    /// As a customer reads it: `R$ 1.299,00` in Portuguese, `R$1,299.00` in English.
    pub fn readable(&self, language: Language) -> String {
        let (whole, fraction) = self.parts();
        let (symbol, grouping, decimal) = match language {
            Language::Portuguese => (format!("{} ", self.symbol()), '.', ','),
            Language::English => (self.symbol().to_owned(), ',', '.'),
        };
        format!("{}{symbol}{}{}", self.sign(), grouped(whole, grouping), with_mark(decimal, &fraction))
    }

    fn sign(&self) -> &'static str {
        if self.minor() < 0 { "-" } else { "" }
    }

    fn symbol(&self) -> &'static str {
        match self.currency().code() {
            "BRL" => "R$",
            "USD" => "US$",
            "EUR" => "€",
            "GBP" => "£",
            _ => "¤",
        }
    }

    /// Whole units, and the digits of the fraction.
    fn parts(&self) -> (u64, String) {
        let decimals = self.currency().decimals();
        let base = 10_u64.pow(decimals);
        let minor = self.minor().unsigned_abs();
        let fraction = if decimals == 0 {
            String::new()
        } else {
            format!("{:0width$}", minor % base, width = decimals as usize)
        };
        (minor / base, fraction)
    }
}

fn with_mark(mark: char, fraction: &str) -> String {
    if fraction.is_empty() { String::new() } else { format!("{mark}{fraction}") }
}

fn grouped(whole: u64, mark: char) -> String {
    let digits = whole.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(mark);
        }
        text.push(digit);
    }
    text
}

/// For logs and errors: `1299.00 BRL`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency())
    }
}
