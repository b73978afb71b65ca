//! How sure we are that the best passage answers the question, 0 to 1.
//!
//! Two signs, each weak alone: the cosine of the question and the nearest passage, and how many of the question's
//! content words one of the best passages has. A logistic function of both, fitted on the development halves of two
//! Portuguese question sets, each asked of its own passages (answerable) and of the other's (not): on the other halves,
//! 93 % of the answerable questions are above one half and 96 % of the foreign ones below. Questions that a shop's
//! documents nearly answer are harder than that, so both slopes are half of what was fitted: the boundary stays, the
//! certainty on both sides of it is less. `examples/beir.rs` prints the signs. To be replaced by a calibration over
//! more signs; the numbers belong to this embedding model.

use balcao_domain::{Language, text};

use crate::{fusion::Candidate, language, query::Query, readable::RankedPassage};

/// Passages looked at: an answer may lie in the second or third.
const BEST: usize = 3;

/// The logistic function's constants: `1 / (1 + exp(-(BIAS + COSINE * cosine + COVERAGE * coverage)))`.
const BIAS: f32 = -41.5;
const COSINE: f32 = 46.5;
const COVERAGE: f32 = 3.5;
/// Without words in common: the cosine alone.
const ALONE_BIAS: f32 = -49.5;
const ALONE_COSINE: f32 = 57.9;
/// Without a cosine: words alone.
const LEXICAL_BIAS: f32 = -2.95;
const LEXICAL_COVERAGE: f32 = 5.3;

/// What the confidence is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Signs {
    /// The highest cosine of the question with any passage; `None` without vectors.
    pub cosine: Option<f32>,
    /// The share of the question's content words that one of the best passages has, 0 to 1; `None` where question and
    /// passage are in different languages, which share no words.
    pub coverage: Option<f32>,
    /// Whether there is any passage at all.
    pub found: bool,
}

impl Signs {
    /// Reads them off a ranking whose best passages are `best`.
    pub(crate) fn read(query: &Query, candidates: &[Candidate], best: &[RankedPassage<Candidate>]) -> Self {
        let cosine = candidates.iter().filter_map(|candidate| candidate.vector).reduce(f32::max);
        let asked_in = language::guess(&query.text).map(Language::code);
        let foreign =
            best.first().is_some_and(|entry| asked_in.is_some_and(|code| code != entry.passage.language));
        let coverage = (!foreign).then(|| coverage(query, best));
        Self { cosine, coverage, found: !best.is_empty() }
    }

    /// The confidence they give, 0 to 1.
    pub fn confidence(&self) -> f32 {
        let score = match (self.cosine, self.coverage) {
            _ if !self.found => return 0.0,
            (Some(cosine), Some(coverage)) => BIAS + COSINE * cosine + COVERAGE * coverage,
            (Some(cosine), None) => ALONE_BIAS + ALONE_COSINE * cosine,
            (None, coverage) => LEXICAL_BIAS + LEXICAL_COVERAGE * coverage.unwrap_or(0.0),
        };
        1.0 / (1.0 + (-score).exp())
    }
}

/// The share of the question's content words that the best passage has, of the best few.
fn coverage(query: &Query, ranked: &[RankedPassage<Candidate>]) -> f32 {
    if query.content.is_empty() {
        return 0.0;
    }
    let share = |entry: &RankedPassage<Candidate>| {
        let passage = &entry.passage;
        let all = [passage.title.as_str(), &passage.headings.join(" "), &passage.text].join(" ");
        let words = text::words(&all);
        let found = query.content.iter().filter(|asked| words.iter().any(|word| alike(asked, word))).count();
        found as f32 / query.content.len() as f32
    };
    ranked.iter().take(BEST).map(share).fold(0.0, f32::max)
}

/// The same word but for its ending ("entrega", "entregam"): a common beginning of at least four letters, which is all
/// of the shorter word but its last two.
fn alike(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let common = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let shorter = a.chars().count().min(b.chars().count());
    common >= 4 && common + 2 >= shorter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_alike_whatever_their_ending() {
        for (a, b, expected) in [
            ("entrega", "entregam", true),
            ("devolucao", "devolucoes", true),
            ("frete", "frete", true),
            ("110v", "220v", false),
            ("loja", "lojas", true),
            ("cor", "corte", false),
            ("prazo", "preco", false),
        ] {
            assert_eq!(alike(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn more_of_either_sign_is_more_confidence_and_nothing_found_is_none() {
        let signs = |cosine, coverage| Signs { cosine, coverage, found: true }.confidence();
        assert!(signs(Some(0.90), Some(0.5)) > signs(Some(0.80), Some(0.5)));
        assert!(signs(Some(0.85), Some(1.0)) > signs(Some(0.85), Some(0.0)));
        assert!(signs(None, Some(1.0)) > signs(None, Some(0.2)));
        // In another language no word is shared: that is no sign against the passage.
        assert!(signs(Some(0.87), None) > signs(Some(0.87), Some(0.0)));
        assert_eq!(Signs::default().confidence(), 0.0);
    }
}
