//! Documents become passages; a question finds them.
//!
//! Ingestion: load → clean → split → embed → store. Search: lexical and vector ranks, fused. Every passage
//! carries its source. Knows nothing of conversations, models of language or channels.
//!
//! Reading order: [`ingest`] with [`ingest::load`] and [`ingest::split`], [`jobs`]; [`search`] (the port), [`hybrid`] with
//! [`query`], [`fusion`], [`readable`] and [`confidence`]; [`langchain`] (both directions).

pub mod confidence;
pub mod fusion;
pub mod hybrid;
pub mod ingest;
pub mod jobs;
pub mod langchain;
pub mod language;
pub mod query;
pub mod readable;
pub mod search;

pub use hybrid::HybridSearcher;
pub use ingest::{Failed, Ingestor, MediaType, NewDocument, Progress, Report};
pub use search::{Hit, SearchError, SearchRequest, SearchResult, Searcher};
