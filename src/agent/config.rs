//! What an engine is made of, and its limits.

use std::{sync::Arc, time::Duration};

use balcao_domain::turn::Usage;
use balcao_llm::LanguageModel;
use balcao_retrieval::Searcher;

use crate::{desk::port::Sales, packs::RulePacks, prompts::Prompts};

/// What an [`crate::Engine`] is made of.
#[derive(Clone)]
pub struct EngineConfig {
    /// The language model, already behind its breakers. `None`: the rule path answers everything.
    pub model: Option<Arc<dyn LanguageModel>>,
    /// Search over the shops' passages.
    pub searcher: Arc<dyn Searcher>,
    /// The shops' rule packs.
    pub rules: Arc<RulePacks>,
    /// The model's prompts.
    pub prompts: Arc<Prompts>,
    /// The shops' catalogues and order books. `None`: nothing is sold here.
    pub sales: Option<Arc<dyn Sales>>,
    /// Limits of a turn.
    pub limits: Limits,
    /// What tokens cost.
    pub prices: PriceTable,
}

/// Limits of a turn. A compromised or confused model can do no more than these allow.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Kept back from the turn's budget for the rule path.
    pub reserve: Duration,
    /// The longest wait for the model's first words.
    pub first_token: Duration,
    /// The longest a search may take.
    pub search: Duration,
    /// Rounds of tool calls in one turn.
    pub tool_rounds: usize,
    /// Tool calls in one turn.
    pub tool_calls: usize,
    /// Passages a search gives.
    pub passages: usize,
    /// Passages of one document the model sees: no single document may crowd out the others.
    pub passages_per_document: usize,
    /// Characters of one passage the model sees.
    pub passage_chars: usize,
    /// Tokens of history the model sees.
    pub history_tokens: usize,
    /// Characters of the customer's messages of one turn the model sees.
    pub message_chars: usize,
    /// The longest reply, in tokens.
    pub output_tokens: u32,
    /// The longest reply, in words, as the prompt asks.
    pub reply_words: u32,
    /// The longest reply that is accepted, in characters: what fits one WhatsApp message.
    pub reply_chars: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reserve: Duration::from_millis(500),
            first_token: Duration::from_secs(5),
            search: Duration::from_secs(2),
            tool_rounds: 3,
            tool_calls: 6,
            passages: 6,
            passages_per_document: 3,
            passage_chars: 1_500,
            history_tokens: 1_500,
            message_chars: 4_000,
            output_tokens: 600,
            reply_words: 80,
            reply_chars: 4_000,
        }
    }
}

/// What a model's tokens cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// Names of models begin with this.
    pub model: String,
    /// Millionths of a US dollar for a million tokens sent.
    pub input_micros_per_million: u64,
    /// Millionths of a US dollar for a million tokens received.
    pub output_micros_per_million: u64,
}

/// Prices by the beginning of the model's name; the longest that fits counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PriceTable(pub Vec<Price>);

impl PriceTable {
    /// The cost of a call in millionths of a US dollar: the adapter's own figure if it gave one.
    pub fn cost_micros(&self, model: &str, usage: &Usage) -> u64 {
        if usage.cost_micros > 0 {
            return usage.cost_micros;
        }
        let fitting = self.0.iter().filter(|price| model.starts_with(&price.model));
        let Some(price) = fitting.max_by_key(|price| price.model.len()) else { return 0 };
        let part = |tokens: u32, per_million: u64| u64::from(tokens).saturating_mul(per_million);
        let total = part(usage.input_tokens, price.input_micros_per_million)
            .saturating_add(part(usage.output_tokens, price.output_micros_per_million));
        total.div_ceil(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_of_the_longest_fitting_name_counts() {
        let price = |model: &str, input, output| Price {
            model: model.into(),
            input_micros_per_million: input,
            output_micros_per_million: output,
        };
        let table = PriceTable(vec![price("gpt", 9_000_000, 9_000_000), price("gpt-mini", 150_000, 600_000)]);
        let usage = Usage { input_tokens: 1_000, output_tokens: 100, cost_micros: 0 };
        assert_eq!(table.cost_micros("gpt-mini-2026", &usage), 210);
        assert_eq!(table.cost_micros("other", &usage), 0);
        assert_eq!(table.cost_micros("gpt-mini", &Usage { cost_micros: 7, ..usage }), 7);
    }
}
