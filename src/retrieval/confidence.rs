//! How sure we are that the best passage answers the question, 0 to 1.
//!
//! Two signs, each weak alone: the cosine of the question and the best passages, and how many of the question's
//! content words the best passages contain. A logistic function of both, fitted on development questions asked of
//! their own corpus (answerable) and of a foreign one (not answerable). To be replaced by a calibration over more
//! signs.

use balcao_domain::text;

use crate::{fusion::Candidate, query::Query, readable::RankedPassage};

/// Passages looked at: an answer may lie in the second or third.
const BEST: usize = 3;

/// The logistic function's constants: `1 / (1 + exp(-(BIAS + COSINE * cosine + COVERAGE * coverage)))`.
const BIAS: f32 = -38.0;
const COSINE: f32 = 42.0;
const COVERAGE: f32 = 3.0;
/// Without a cosine: words alone.
const LEXICAL_BIAS: f32 = -3.0;
const LEXICAL_COVERAGE: f32 = 4.5;

/// What the confidence is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Signs {
    /// The highest cosine of the question with any passage; `None` without vectors.
    pub cosine: Option<f32>,
    /// The share of the question's content words that one of the best passages has, 0 to 1.
    pub coverage: f32,
    /// Whether there is any passage at all.
    pub found: bool,
}

impl Signs {
    /// Reads them off a ranking whose best passages are `best`.
    pub(crate) fn read(query: &Query, candidates: &[Candidate], best: &[RankedPassage<Candidate>]) -> Self {
        let cosine = candidates.iter().filter_map(|candidate| candidate.vector).reduce(f32::max);
        Self { cosine, coverage: coverage(query, best), found: !best.is_empty() }
    }

    /// The confidence they give, 0 to 1.
    pub fn confidence(&self) -> f32 {
        let score = match self.cosine {
            _ if !self.found => return 0.0,
            Some(cosine) => BIAS + COSINE * cosine + COVERAGE * self.coverage,
            None => LEXICAL_BIAS + LEXICAL_COVERAGE * self.coverage,
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
        assert!(signs(Some(0.90), 0.5) > signs(Some(0.80), 0.5));
        assert!(signs(Some(0.85), 1.0) > signs(Some(0.85), 0.0));
        assert!(signs(None, 1.0) > signs(None, 0.2));
        assert_eq!(Signs::default().confidence(), 0.0);
    }
}
