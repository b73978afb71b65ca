//! Retrieval is scored here: data sets, runs, trec_eval's metrics, and whether a difference is real.
//!
//! - [`beir`] reads a data set in BEIR's layout; [`Run`] reads and writes TREC run files.
//! - [`evaluate`] gives every [`Metric`] per query and on average, with trec_eval's definitions.
//! - [`significance`] compares two runs query by query.
//! - [`half`] splits the queries in two, so that what was tuned on one half is reported on the other.
//!
//! **Which queries count.** The mean goes over every query of the judgements, as with `trec_eval -c` and
//! `ir_measures`: a query the run has nothing for counts 0, and so does one whose judgements name no relevant
//! document. Plain `trec_eval` leaves missing queries out, which rewards a run for staying silent. Queries
//! that only the run has are ignored.

pub mod beir;
mod evaluation;
mod half;
mod qrels;
mod read;
mod run;
pub mod significance;
mod summary;

pub use beir::{BeirSet, Document, Question};
pub use evaluation::{Evaluation, Metric, evaluate};
pub use half::{Half, half};
pub use qrels::{DuplicateJudgement, Qrels};
pub use read::ReadError;
pub(crate) use read::{each_line, json};
pub use run::{Hit, Run, RunError};
pub use summary::Summary;
