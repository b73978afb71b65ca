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

/// The highest cosine among the candidates.
pub(crate) fn basis(candidates: &[Candidate]) -> Option<f32> {
    candidates.iter().filter_map(|candidate| candidate.vector).reduce(f32::max)
}

/// The confidence of a ranking.
pub(crate) fn of(
    query: &Query,
    cosine: Option<f32>,
    ranked: &[RankedPassage<Candidate>],
    degraded: bool,
) -> f32 {
    if ranked.is_empty() {
        return 0.0;
    }
    let coverage = coverage(query, ranked);
    let score = match cosine {
        Some(cosine) if !degraded => BIAS + COSINE * cosine + COVERAGE * coverage,
        _ => LEXICAL_BIAS + LEXICAL_COVERAGE * coverage,
    };
    1.0 / (1.0 + (-score).exp())
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

/// The same word but for its ending ("entrega", "entregam"): equal, or a common beginning of five letters and all but
/// three of the shorter.
fn alike(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let common = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let shorter = a.chars().count().min(b.chars().count());
    common >= 4 && common + 2 >= shorter
}
