//! Two rankings become one: a convex sum of scaled scores.
//!
//! Each side's scores are scaled to 0..1 over the candidates of this question, then added with weights `w` and
//! `1 - w`. On every development set this beats reciprocal rank fusion, which throws the distances away
//! (Bruch, Gai, Ingber: "An Analysis of Fusion Functions for Hybrid Retrieval", 2023). A passage that one side did
//! not find counts 0 there.

use std::collections::HashMap;

use balcao_domain::{DocumentId, PassageId};

/// A passage with the scores it has from each side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Which.
    pub passage_id: PassageId,
    /// Its document.
    pub document_id: DocumentId,
    /// Lexical score, as the ranker gives it; higher is better.
    pub lexical: Option<f32>,
    /// Cosine with the question.
    pub vector: Option<f32>,
    /// The fused score, 0 to 1.
    pub score: f32,
}

/// One side's finding: passage, document, score.
pub type Ranked = (PassageId, DocumentId, f32);

/// How much the words count against the meaning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weight {
    /// This much for the words, 0 to 1, whatever is asked.
    Fixed(f32),
    /// As the question deserves: see [`lexical_weight`].
    Following,
}

/// Half and half is what wins on questions of ordinary length.
pub const EVEN: f32 = 0.5;

/// A question in a language the nearest passages are not in shares names and numbers with them, and little else. Not
/// nothing: a name is worth having.
const FOREIGN: f32 = 0.15;

/// From so many different words on a question is a story, and one vector of it blurs; at the second number it is
/// ranked by its words, but for a rest.
const STORY: (usize, usize) = (40, 160);
const OF_A_STORY: f32 = 0.85;

/// The weight of the words, 0 to 1, for a question of so many different words; `foreign` says that its language is
/// another than that of the passages it means.
pub fn lexical_weight(words: usize, foreign: bool) -> f32 {
    if foreign {
        return FOREIGN;
    }
    let (from, to) = STORY;
    let along = words.clamp(from, to) - from;
    EVEN + (OF_A_STORY - EVEN) * along as f32 / (to - from) as f32
}

/// Fuses both sides, best first. `lexical_weight` is 0 to 1.
pub fn fuse(lexical: &[Ranked], vector: &[Ranked], lexical_weight: f32) -> Vec<Candidate> {
    let mut candidates: HashMap<PassageId, Candidate> = HashMap::with_capacity(lexical.len() + vector.len());
    let mut add = |ranked: &[Ranked], weight: f32, side: fn(&mut Candidate) -> &mut Option<f32>| {
        let (low, range) = span(ranked);
        for &(passage_id, document_id, score) in ranked {
            let new = Candidate { passage_id, document_id, lexical: None, vector: None, score: 0.0 };
            let candidate = candidates.entry(passage_id).or_insert(new);
            *side(candidate) = Some(score);
            candidate.score += weight * if range > 0.0 { (score - low) / range } else { 1.0 };
        }
    };
    add(lexical, lexical_weight, |candidate| &mut candidate.lexical);
    add(vector, 1.0 - lexical_weight, |candidate| &mut candidate.vector);
    let mut fused: Vec<_> = candidates.into_values().collect();
    // Ties are broken by id, so that the same question has the same answer twice.
    fused.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage_id.cmp(&b.passage_id)));
    fused
}

/// The lowest score and the distance to the highest.
fn span(ranked: &[Ranked]) -> (f32, f32) {
    let scores = || ranked.iter().map(|(_, _, score)| *score);
    let low = scores().fold(f32::INFINITY, f32::min);
    let high = scores().fold(f32::NEG_INFINITY, f32::max);
    (low, high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_more_in_a_story_and_less_in_a_foreign_language() {
        assert_eq!(lexical_weight(8, false), EVEN);
        assert_eq!(lexical_weight(40, false), EVEN);
        assert!(lexical_weight(100, false) > EVEN);
        assert_eq!(lexical_weight(1_000, false), OF_A_STORY);
        assert!(lexical_weight(8, true) < EVEN);
    }

    fn ids(n: usize) -> Vec<PassageId> {
        (0..n).map(|_| PassageId::generate()).collect()
    }

    #[test]
    fn a_passage_both_sides_like_comes_first() {
        let (ids, doc) = (ids(4), DocumentId::generate());
        let lexical = [(ids[0], doc, 9.0), (ids[1], doc, 8.0), (ids[2], doc, 1.0)];
        let vector = [(ids[3], doc, 0.90), (ids[1], doc, 0.89), (ids[2], doc, 0.70)];
        let fused = fuse(&lexical, &vector, 0.5);
        assert_eq!(fused[0].passage_id, ids[1]);
        assert_eq!((fused[0].lexical, fused[0].vector), (Some(8.0), Some(0.89)));
        assert!((fused[0].score - (0.5 * 7.0 / 8.0 + 0.5 * 0.95)).abs() < 1e-5);
        assert_eq!(fused.len(), 4);
        assert!(fused.windows(2).all(|pair| pair[0].score >= pair[1].score));
    }

    #[test]
    fn one_side_alone_keeps_its_order() {
        let (ids, doc) = (ids(3), DocumentId::generate());
        let lexical = [(ids[0], doc, 3.0), (ids[1], doc, 2.0), (ids[2], doc, 1.0)];
        let order: Vec<_> = fuse(&lexical, &[], 1.0).into_iter().map(|c| (c.passage_id, c.score)).collect();
        assert_eq!(order, [(ids[0], 1.0), (ids[1], 0.5), (ids[2], 0.0)]);
        assert!(fuse(&[], &[], 0.5).is_empty());
    }

    #[test]
    fn a_single_finding_has_no_span_and_full_score() {
        let found = (PassageId::generate(), DocumentId::generate(), 0.8);
        assert_eq!(fuse(&[], &[found], 0.5)[0].score, 0.5);
    }
}
