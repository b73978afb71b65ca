//! Why the database did not do what it was asked.

/// Whether a write may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Certainly not.
    NotWritten,
    /// It may have: the connection broke around the commit.
    Unknown,
}

/// Errors of the store; each variant leads to a different action.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not there, or not this tenant's: the two look the same.
    #[error("not found")]
    NotFound,
    /// A constraint says no.
    #[error("conflict on `{constraint}`")]
    Conflict { constraint: String },
    /// The database is away or too busy.
    #[error("the database is not available: {message}")]
    Unavailable { message: String, outcome: Outcome },
    /// What came back makes no sense: a bug or a damaged row.
    #[error("unexpected data in the database: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether the write may have happened all the same.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Unavailable { outcome, .. } => *outcome,
            _ => Outcome::NotWritten,
        }
    }
}
