//! The rules of the prompt are not for customers: a reply that recites them is refused.

use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use balcao_domain::text;

/// Words in a row that no honest reply shares with the rules.
const RUN: usize = 8;

/// The runs of words of a system prompt.
#[derive(Debug, Clone, Default)]
pub struct Leak {
    runs: HashSet<u64>,
}

impl Leak {
    /// Learns the words of a prompt.
    pub fn of(prompt: &str) -> Self {
        Self { runs: runs(prompt).collect() }
    }

    /// Whether a reply recites it.
    pub fn is_in(&self, reply: &str) -> bool {
        runs(reply).any(|run| self.runs.contains(&run))
    }
}

fn runs(written: &str) -> impl Iterator<Item = u64> {
    let words = text::words(written);
    let hash = |run: &[String]| {
        let mut hasher = DefaultHasher::new();
        run.hash(&mut hasher);
        hasher.finish()
    };
    words.windows(RUN).map(hash).collect::<Vec<_>>().into_iter()
}
