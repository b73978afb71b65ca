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

    /// An error of a statement that commits by itself, or of a commit: when the connection broke, nobody knows
    /// on which side of the commit.
    pub(crate) fn around_commit(error: sqlx::Error) -> Self {
        let answered = matches!(&error, sqlx::Error::Database(e) if !is_shutdown(e.code().as_deref()));
        let never_sent = matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed);
        match Self::from(error) {
            Self::Unavailable { message, .. } if !answered && !never_sent => {
                Self::Unavailable { message, outcome: Outcome::Unknown }
            }
            other => other,
        }
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), outcome: Outcome::NotWritten }
    }
}

/// Class 57P: the server is going down or coming up, perhaps in the middle of our commit.
fn is_shutdown(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
}

/// For statements inside a transaction: if they fail, nothing of it is written.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::RowNotFound => Self::NotFound,
            sqlx::Error::Database(e) => match e.code().as_deref() {
                // Integrity constraints.
                Some(code) if code.starts_with("23") => Self::Conflict {
                    constraint: e.constraint().map_or_else(|| code.to_owned(), str::to_owned),
                },
                // Serialisation, deadlock, resources, shutdown, time-outs, connection.
                Some(code)
                    if ["40", "53", "57", "08", "58"].iter().any(|class| code.starts_with(class))
                        || code == "55P03"
                        || code == "25P03" =>
                {
                    Self::unavailable(format!("{} ({code})", e.message()))
                }
                code => Self::Corrupt(format!("{} ({})", e.message(), code.unwrap_or("no code"))),
            },
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::TypeNotFound { .. }
            | sqlx::Error::Encode(_) => Self::Corrupt(error.to_string()),
            other => Self::unavailable(other.to_string()),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        // The position and kind of the error, never the text around it.
        Self::Corrupt(format!("json: {:?} at column {}", error.classify(), error.column()))
    }
}
