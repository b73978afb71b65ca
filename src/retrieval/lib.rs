//! Documents become passages; a question finds them.
//!
//! Ingestion: load → clean → split → embed → store. Search: lexical and vector ranks, fused. Every passage
//! carries its source. Knows nothing of conversations, models of language or channels.

pub mod search;

pub use search::{Hit, SearchError, SearchRequest, SearchResult, Searcher};
