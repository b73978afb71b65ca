//! Cuts text into the model's pieces: the unigram model of SentencePiece, as XLM-RoBERTa uses it.
//!
//! Text is normalised character by character by the model's own table (a form of NFKC), runs of spaces become one,
//! a space becomes `▁` (and one goes in front), and of all ways to cut the rest into known pieces the likeliest
//! is taken (Viterbi). Kudo, "Subword Regularization", ACL 2018, describes the model.

use std::{borrow::Cow, collections::HashMap};

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::file::Vocabulary;

/// What stands for a space inside pieces.
const SPACE_MARK: char = '\u{2581}';
/// How much less likely than the unlikeliest piece an unknown character is, as SentencePiece has it.
const UNKNOWN_PENALTY: f32 = 10.0;
/// Marks a node of the tree at which no piece ends.
const NO_PIECE: u32 = u32::MAX;

/// The tokenizer.
#[derive(Debug)]
pub(super) struct Tokenizer {
    normalisation: HashMap<char, Box<[char]>>,
    scores: Vec<f32>,
    unknown: u32,
    unknown_score: f32,
    tree: Tree,
}

/// The best way to reach a position of the text.
#[derive(Clone, Copy)]
struct Step {
    score: f32,
    from: u32,
    piece: u32,
}

impl Tokenizer {
    pub fn new(vocabulary: Vocabulary) -> Self {
        let lowest = vocabulary.scores.iter().copied().fold(f32::INFINITY, f32::min);
        let tree = Tree::of(&vocabulary);
        Self {
            normalisation: vocabulary.normalisation,
            unknown: vocabulary.unknown,
            unknown_score: lowest - UNKNOWN_PENALTY,
            scores: vocabulary.scores,
            tree,
        }
    }

    /// The pieces of a text, without the special ones around it.
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        let text = self.normalise(text);
        let steps = self.best_steps(&text);
        let mut tokens = Vec::with_capacity(text.len() / 3);
        let mut at = text.len();
        while at > 0 {
            tokens.push(steps[at].piece);
            at = steps[at].from as usize;
        }
        tokens.reverse();
        tokens
    }

    fn normalise(&self, text: &str) -> String {
        // The table works on single characters; a letter followed by its accent as a character of its own must be
        // joined first, or `é` typed on one machine would be another word than `é` typed on the next.
        let text = match is_nfc_quick(text.chars()) {
            IsNormalized::Yes => Cow::Borrowed(text),
            _ => Cow::Owned(text.nfc().collect::<String>()),
        };
        let mut out = String::with_capacity(text.len() + 16);
        let mut push = |c: char| {
            let c = if c == ' ' { SPACE_MARK } else { c };
            let repeated = c == SPACE_MARK && out.ends_with(SPACE_MARK);
            if out.is_empty() && c != SPACE_MARK {
                out.push(SPACE_MARK);
            }
            if !repeated {
                out.push(c);
            }
        };
        for c in text.chars() {
            match self.normalisation.get(&c) {
                Some(others) => others.iter().for_each(|&other| push(other)),
                None => push(c),
            }
        }
        if out.is_empty() {
            out.push(SPACE_MARK);
        }
        out
    }

    fn best_steps(&self, text: &str) -> Vec<Step> {
        let unreached = Step { score: f32::NEG_INFINITY, from: 0, piece: self.unknown };
        let mut steps = vec![unreached; text.len() + 1];
        steps[0].score = 0.0;
        for (start, c) in text.char_indices() {
            let (so_far, from) = (steps[start].score, start as u32);
            let mut improve = |end: usize, score: f32, piece: u32| {
                if score > steps[end].score {
                    steps[end] = Step { score, from, piece };
                }
            };
            self.tree.pieces_at(&text.as_bytes()[start..], |length, piece| {
                if piece != self.unknown {
                    improve(start + length, so_far + self.scores[piece as usize], piece);
                }
            });
            improve(start + c.len_utf8(), so_far + self.unknown_score, self.unknown);
        }
        steps
    }
}

/// All pieces as a tree of bytes, in flat arrays. Node 0 is the root; the edge `e` leads to node `e + 1`, and the
/// edges of a node lie together, sorted by byte.
#[derive(Debug)]
struct Tree {
    /// Where the edges of each node begin; one more entry than nodes.
    first_edge: Vec<u32>,
    /// The byte of each edge.
    byte: Vec<u8>,
    /// The piece that ends at each node.
    piece: Vec<u32>,
}

impl Tree {
    fn of(vocabulary: &Vocabulary) -> Self {
        let spelled = |id: u32| {
            let (start, end) = (vocabulary.offsets[id as usize], vocabulary.offsets[id as usize + 1]);
            &vocabulary.blob[start as usize..end as usize]
        };
        let mut sorted: Vec<u32> =
            (0..vocabulary.scores.len() as u32).filter(|&id| !spelled(id).is_empty()).collect();
        sorted.sort_by(|&a, &b| spelled(a).cmp(spelled(b)).then(a.cmp(&b)));
        let mut tree = Self { first_edge: Vec::new(), byte: Vec::new(), piece: vec![NO_PIECE] };
        // Breadth first: the nodes are met in the order of their numbers. Each is a range of the sorted pieces
        // that share their first `depth` bytes.
        let mut nodes = std::collections::VecDeque::from([(0, sorted.len(), 0usize)]);
        while let Some((mut from, to, depth)) = nodes.pop_front() {
            let node = tree.first_edge.len();
            tree.first_edge.push(tree.byte.len() as u32);
            if depth > 0 && spelled(sorted[from]).len() == depth {
                tree.piece[node] = sorted[from];
                from += sorted[from..to].partition_point(|&id| spelled(id).len() == depth);
            }
            while from < to {
                let byte = spelled(sorted[from])[depth];
                let end = from + sorted[from..to].partition_point(|&id| spelled(id)[depth] == byte);
                tree.byte.push(byte);
                tree.piece.push(NO_PIECE);
                nodes.push_back((from, end, depth + 1));
                from = end;
            }
        }
        tree.first_edge.push(tree.byte.len() as u32);
        tree
    }

    /// Hears every piece `bytes` begins with, the shortest first, with its length in bytes.
    fn pieces_at(&self, bytes: &[u8], mut hear: impl FnMut(usize, u32)) {
        let mut node = 0;
        for (i, byte) in bytes.iter().enumerate() {
            let (first, end) = (self.first_edge[node] as usize, self.first_edge[node + 1] as usize);
            let Ok(found) = self.byte[first..end].binary_search(byte) else { return };
            node = first + found + 1;
            if self.piece[node] != NO_PIECE {
                hear(i + 1, self.piece[node]);
            }
        }
    }
}
