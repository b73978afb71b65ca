//! From ranked passages to what a person reads: no doubles, no document that fills the page, neighbours in one piece.

use std::collections::{HashMap, HashSet};

use balcao_domain::text;
use balcao_store::knowledge::FoundPassage;

/// Passages of one document in one answer: a long manual must not push everything else out.
pub const PER_DOCUMENT: usize = 3;

/// Two passages that share so much of their words say the same (Jaccard similarity of their word sets).
const SAME: f32 = 0.9;

/// Characters a merged passage may have: some four chunks; longer is no longer a quotation.
const MERGED_CHARS: usize = 3_000;

/// A passage and its place in the ranking, best first.
#[derive(Debug, Clone)]
pub struct RankedPassage<S> {
    /// The passage.
    pub passage: FoundPassage,
    /// Its scores; the best one's when passages were merged.
    pub scores: S,
}

/// The first `limit` pieces worth reading, in ranking order.
pub fn pieces<S>(ranked: impl IntoIterator<Item = RankedPassage<S>>, limit: usize) -> Vec<RankedPassage<S>> {
    let mut kept: Vec<(RankedPassage<S>, Span)> = Vec::new();
    let mut words: Vec<HashSet<String>> = Vec::new();
    let mut per_document = HashMap::new();
    for next in ranked {
        let span = Span { first: next.passage.ordinal, last: next.passage.ordinal };
        let own: HashSet<String> = text::words(&next.passage.text).into_iter().collect();
        if words.iter().any(|other| similar(other, &own)) {
            continue;
        }
        if let Some((piece, reach)) =
            kept.iter_mut().find(|(piece, reach)| joins(piece, reach, &next.passage))
        {
            reach.join(piece, next.passage);
            words.push(own);
            continue;
        }
        let count = per_document.entry(next.passage.document_id).or_insert(0_usize);
        if kept.len() >= limit || *count >= PER_DOCUMENT {
            continue;
        }
        *count += 1;
        words.push(own);
        kept.push((next, span));
    }
    kept.into_iter().map(|(piece, _)| piece).collect()
}

/// The ordinals a merged passage covers.
struct Span {
    first: i32,
    last: i32,
}

impl Span {
    fn join<S>(&mut self, piece: &mut RankedPassage<S>, passage: FoundPassage) {
        let whole = &mut piece.passage.text;
        if passage.ordinal < self.first {
            *whole = format!("{}\n\n{whole}", passage.text);
            self.first = passage.ordinal;
        } else {
            whole.push_str("\n\n");
            whole.push_str(&passage.text);
            self.last = passage.ordinal;
        }
    }
}

/// Neighbours of the same section are one text that was cut for size.
fn joins<S>(piece: &RankedPassage<S>, span: &Span, passage: &FoundPassage) -> bool {
    piece.passage.document_id == passage.document_id
        && piece.passage.headings == passage.headings
        && (passage.ordinal + 1 == span.first || passage.ordinal == span.last + 1)
        && piece.passage.text.len() + passage.text.len() <= MERGED_CHARS
}

fn similar(a: &HashSet<String>, b: &HashSet<String>) -> bool {
    let both = a.intersection(b).count();
    let either = a.len() + b.len() - both;
    either > 0 && both as f32 >= SAME * either as f32
}

#[cfg(test)]
mod tests {
    use balcao_domain::{DocumentId, PassageId};

    use super::*;

    fn passage(document_id: DocumentId, ordinal: i32, headings: &[&str], text: &str) -> RankedPassage<()> {
        let passage = FoundPassage {
            passage_id: PassageId::generate(),
            document_id,
            ordinal,
            title: "T".into(),
            uri: "t.md".into(),
            headings: headings.iter().map(|h| (*h).to_owned()).collect(),
            text: text.into(),
            language: "pt".into(),
        };
        RankedPassage { passage, scores: () }
    }

    fn texts(pieces: Vec<RankedPassage<()>>) -> Vec<String> {
        pieces.into_iter().map(|piece| piece.passage.text).collect()
    }

    #[test]
    fn neighbours_of_one_section_become_one_text_in_reading_order() {
        let doc = DocumentId::generate();
        let ranked = [
            passage(doc, 4, &["Frete"], "segundo trecho"),
            passage(doc, 5, &["Frete"], "terceiro pedaço"),
            passage(doc, 3, &["Frete"], "primeira parte"),
            passage(doc, 6, &["Troca"], "outra coisa"),
        ];
        let expected = ["primeira parte\n\nsegundo trecho\n\nterceiro pedaço", "outra coisa"];
        assert_eq!(texts(pieces(ranked, 5)), expected);
    }

    #[test]
    fn what_was_said_already_is_not_said_again() {
        let ranked = [
            passage(DocumentId::generate(), 0, &[], "Entregamos em até sete dias úteis."),
            passage(DocumentId::generate(), 0, &[], "entregamos em ate sete dias uteis"),
            passage(DocumentId::generate(), 0, &[], "Trocas em trinta dias."),
        ];
        assert_eq!(texts(pieces(ranked, 5)).len(), 2);
    }

    #[test]
    fn one_document_does_not_fill_the_page() {
        let doc = DocumentId::generate();
        let ranked: Vec<_> =
            (0..8).map(|n| passage(doc, n * 2, &[], &format!("assunto número {n} com palavra{n}"))).collect();
        assert_eq!(pieces(ranked, 8).len(), PER_DOCUMENT);
    }

    #[test]
    fn the_limit_holds() {
        let ranked: Vec<_> = (0..8)
            .map(|n| passage(DocumentId::generate(), 0, &[], &format!("palavra{n} outra{n}")))
            .collect();
        assert_eq!(pieces(ranked, 3).len(), 3);
    }
}
