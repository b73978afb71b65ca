//! The passages a turn may stand on, numbered from 1 in the order they were found.

use balcao_domain::{reply::Source, turn::FoundPassage};
use balcao_retrieval::Hit;

use crate::config::Limits;

/// The longest quote of a source, in characters.
const QUOTE_CHARS: usize = 450;

/// The numbered sources of one turn.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    hits: Vec<Hit>,
}

impl Sources {
    /// Adds what a search found, within the limits; gives the numbers under which it stands.
    pub fn add(&mut self, hits: &[Hit], limits: &Limits) -> Vec<usize> {
        let mut numbers = Vec::new();
        for hit in hits.iter().take(limits.passages) {
            let known = self.hits.iter().position(|known| known.passage_id == hit.passage_id);
            if let Some(at) = known {
                numbers.push(at + 1);
                continue;
            }
            let of_document = self.hits.iter().filter(|known| known.document_id == hit.document_id).count();
            if of_document < limits.passages_per_document {
                self.hits.push(hit.clone());
                numbers.push(self.hits.len());
            }
        }
        numbers
    }

    /// Number and passage.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &Hit)> {
        self.hits.iter().enumerate().map(|(at, hit)| (at + 1, hit))
    }

    /// The passage of a number.
    pub fn get(&self, number: usize) -> Option<&Hit> {
        self.hits.get(number.checked_sub(1)?)
    }
}

/// A hit as evidence.
pub fn found(hit: &Hit) -> FoundPassage {
    FoundPassage {
        passage_id: hit.passage_id,
        score: hit.score,
        title: hit.title.clone(),
        uri: hit.source.clone(),
    }
}

/// A hit as a source of a reply.
pub fn cite(hit: &Hit, quote: &str) -> Source {
    let mut short: String = quote.trim().chars().take(QUOTE_CHARS).collect();
    if short.chars().count() < quote.trim().chars().count() {
        short.push('…');
    }
    Source { title: hit.title.clone(), uri: hit.source.clone(), headings: hit.headings.clone(), quote: short }
}

/// The lines of a document that are the shop's own words. What it quotes (Markdown's `>`: reviews, letters) is what
/// somebody else said, and may be an order to the assistant or a price nobody asks.
pub fn own_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with('>'))
}

/// Data for a prompt: it cannot open or close one of the prompt's tags.
pub fn as_data(text: &str, max_chars: usize) -> String {
    let text = balcao_domain::text::clean(text, max_chars);
    text.replace('<', "‹").replace('>', "›")
}

/// Data for an attribute of a tag: one line, no quotes.
pub fn as_attribute(text: &str) -> String {
    as_data(text, 120).replace('"', "'").replace('\n', " ")
}
