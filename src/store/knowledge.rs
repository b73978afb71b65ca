//! What a shop's documents say: documents, passages, vectors, and the two rankers over them.
//!
//! Reading order: [`documents`], [`passages`] (writing), [`search`] (reading), [`jobs`] (the work that brings
//! documents in). Every change raises the tenant's index version, so that caches know when they are stale.

pub mod documents;
pub mod jobs;
pub mod passages;
pub mod search;

pub use documents::{Counts, Document, NewDocument, Status};
pub use jobs::{Job, JobState};
pub use passages::{NewPassage, Replaced};
pub use search::{FoundPassage, Ranked};

/// The first four bytes of the SHA-256 of a model's id: what `passage_embedding` stores in its place.
pub fn model_key(model_id: &str) -> i32 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(model_id.as_bytes());
    i32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}
