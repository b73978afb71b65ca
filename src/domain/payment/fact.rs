//! What is known about a payment: facts with unique keys.

use super::state::Lifecycle;

/// Something that happened to a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Unique within a shop: the bank's own id of the movement (`pix:E123…`), whoever reports it.
    pub key: String,
    /// What happened.
    pub kind: FactKind,
}

/// What may happen. Amounts are minor units of the payment's currency, above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// A provider (or our own clock) says how the charge stands.
    Lifecycle {
        /// Where it stands.
        to: Lifecycle,
        /// It is a new attempt that we started.
        new_attempt: bool,
    },
    /// Money came in.
    Receipt {
        /// How much.
        minor: i64,
        /// What the provider kept of it.
        fee_minor: i64,
    },
    /// Money went back.
    RefundSettled {
        /// How much.
        minor: i64,
        /// Of what was paid too much, not of the sale.
        of_excess: bool,
    },
    /// A refund was not carried out: nothing moved.
    RefundFailed,
    /// A refund believed settled came back.
    RefundReversed {
        /// How much.
        minor: i64,
    },
    /// The customer's bank holds money back.
    DisputeOpened {
        /// How much.
        minor: i64,
    },
    /// And gave it back.
    DisputeWon {
        /// How much.
        minor: i64,
    },
    /// And kept it.
    DisputeLost {
        /// How much.
        minor: i64,
    },
    /// A lost dispute was decided anew, for us.
    DisputeReinstated {
        /// How much.
        minor: i64,
    },
}

/// Whether a fact is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is.
    New,
    /// It is known already: acknowledge, do nothing.
    Duplicate,
    /// The same key told another story: set aside, ask the provider, tell a person.
    Conflict,
}

/// Compares a fact with what is known under its key.
pub fn admit(known: Option<&Fact>, fact: &Fact) -> Admission {
    match known {
        None => Admission::New,
        Some(known) if known.kind == fact.kind => Admission::Duplicate,
        Some(_) => Admission::Conflict,
    }
}
