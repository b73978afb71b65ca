//! Lets the model's words through to those who watch, and stops before the first one that must not be said.
//!
//! Words are held back while they may still be part of a number, a link or a placeholder, so that an invented price is
//! never shown, not even for a moment. A placeholder comes out as the customer's own data.

use balcao_domain::turn::Progress;

use super::leak::Leak;
use crate::{claims::Facts, redact::Vault};

/// What a reply is held against.
pub struct Checks<'a> {
    /// What the shop said.
    pub facts: Facts,
    /// What must not be recited.
    pub leak: &'a Leak,
    /// Private data behind placeholders.
    pub vault: &'a Vault,
}

impl Checks<'_> {
    /// What is wrong with a reply (with placeholders), for the model; `None` if nothing.
    pub fn problem(&self, reply: &str) -> Option<String> {
        if self.leak.is_in(reply) {
            return Some("the reply recites your rules".into());
        }
        let unsupported = self.facts.unsupported(&self.vault.without(reply));
        if unsupported.is_empty() {
            return None;
        }
        let list: Vec<String> = unsupported.iter().take(5).map(|claim| format!("`{claim}`")).collect();
        Some(format!("the reply states what no source or fact says: {}", list.join(", ")))
    }
}

/// The words of one reply on their way out.
pub struct Gate<'a> {
    checks: &'a Checks<'a>,
    watch: &'a (dyn Fn(Progress) + Send + Sync),
    text: String,
    sent: usize,
    shut: bool,
}

impl<'a> Gate<'a> {
    /// A gate before any word.
    pub fn new(checks: &'a Checks<'a>, watch: &'a (dyn Fn(Progress) + Send + Sync)) -> Self {
        Self { checks, watch, text: String::new(), sent: 0, shut: false }
    }

    /// Takes more words of the reply.
    pub fn push(&mut self, words: &str) {
        self.text.push_str(words);
        if let Some(end) = self.safe_end() {
            self.pass(end);
        }
    }

    /// The whole reply is here and was found good: lets the rest through.
    pub fn finish(&mut self, reply: &str) {
        if !self.shut && reply.starts_with(&self.text[..self.sent]) {
            self.text = reply.to_owned();
            self.send(self.text.len());
        }
    }

    /// Whether anything was shown.
    pub fn has_sent(&self) -> bool {
        self.sent > 0
    }

    /// The end of the last word after which two words without digits and links stand.
    fn safe_end(&self) -> Option<usize> {
        let open = &self.text[self.sent..];
        let mut spaces =
            open.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, c)| at + c.len_utf8());
        spaces
            .rfind(|end| {
                let mut last = open[..*end].split_whitespace().rev().take(3);
                last.all(|word| word.chars().all(|c| c.is_alphabetic() || ",!?'’".contains(c)))
            })
            .map(|end| self.sent + end)
    }

    fn pass(&mut self, end: usize) {
        if self.shut {
            return;
        }
        if self.checks.problem(&self.text[..end]).is_some() {
            self.shut = true;
            return;
        }
        self.send(end);
    }

    fn send(&mut self, end: usize) {
        let text = self.checks.vault.restore(&self.text[self.sent..end]);
        self.sent = end;
        if !text.is_empty() {
            (self.watch)(Progress::Token { text });
        }
    }
}
