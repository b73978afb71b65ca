//! The states a payment can be in, and which may follow which.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// We want money; nobody was asked yet.
    Created,
    /// The customer was shown how to pay.
    Pending,
    /// The provider is at work.
    Processing,
    /// Reserved on a card, not taken.
    Authorized,
    /// Some of the money is here.
    PartiallyPaid,
    /// All of it.
    Paid,
    /// Some of it went back.
    PartiallyRefunded,
    /// All of it went back.
    Refunded,
    /// The customer's bank questions it.
    Disputed,
    /// And took it.
    ChargedBack,
    /// Nobody paid in time.
    Expired,
    /// The provider refused.
    Failed,
    /// We withdrew it.
    Canceled,
}

/// What a provider says of a charge while no money has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Lifecycle {
    /// See [`State::Created`].
    Created,
    /// See [`State::Pending`].
    Pending,
    /// See [`State::Processing`].
    Processing,
    /// See [`State::Authorized`].
    Authorized,
    /// See [`State::Failed`].
    Failed,
    /// See [`State::Expired`].
    Expired,
    /// See [`State::Canceled`].
    Canceled,
}

impl Lifecycle {
    /// Reports only ever raise it.
    const fn rank(self) -> u8 {
        match self {
            Self::Created => 0,
            Self::Pending => 1,
            Self::Processing => 2,
            Self::Authorized => 3,
            Self::Failed | Self::Expired => 4,
            Self::Canceled => 5,
        }
    }

    /// Where a report leads: upwards, or from a failure back into a new attempt of ours.
    pub(super) const fn after(self, reported: Self, new_attempt: bool) -> Self {
        let retried = new_attempt
            && matches!(self, Self::Failed)
            && matches!(reported, Self::Pending | Self::Processing | Self::Authorized);
        if retried || reported.rank() > self.rank() { reported } else { self }
    }
}

impl From<Lifecycle> for State {
    fn from(lifecycle: Lifecycle) -> Self {
        match lifecycle {
            Lifecycle::Created => Self::Created,
            Lifecycle::Pending => Self::Pending,
            Lifecycle::Processing => Self::Processing,
            Lifecycle::Authorized => Self::Authorized,
            Lifecycle::Failed => Self::Failed,
            Lifecycle::Expired => Self::Expired,
            Lifecycle::Canceled => Self::Canceled,
        }
    }
}

impl State {
    /// Every state.
    pub const ALL: [Self; 13] = [
        Self::Created,
        Self::Pending,
        Self::Processing,
        Self::Authorized,
        Self::PartiallyPaid,
        Self::Paid,
        Self::PartiallyRefunded,
        Self::Refunded,
        Self::Disputed,
        Self::ChargedBack,
        Self::Expired,
        Self::Failed,
        Self::Canceled,
    ];

    /// The word used in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Pending => "PENDING",
            Self::Processing => "PROCESSING",
            Self::Authorized => "AUTHORIZED",
            Self::PartiallyPaid => "PARTIALLY_PAID",
            Self::Paid => "PAID",
            Self::PartiallyRefunded => "PARTIALLY_REFUNDED",
            Self::Refunded => "REFUNDED",
            Self::Disputed => "DISPUTED",
            Self::ChargedBack => "CHARGED_BACK",
            Self::Expired => "EXPIRED",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }

    /// The inverse of [`State::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The table of legal transitions, one line a state.
    const fn followers(self) -> &'static [Self] {
        use State::*;
        match self {
            Created => &[Pending, Processing, Authorized, PartiallyPaid, Paid, Failed, Canceled, Expired],
            Pending => &[
                Processing,
                Authorized,
                PartiallyPaid,
                Paid,
                PartiallyRefunded,
                Refunded,
                Failed,
                Canceled,
                Expired,
            ],
            Processing => {
                &[Authorized, PartiallyPaid, Paid, PartiallyRefunded, Refunded, Failed, Canceled, Expired]
            }
            Authorized => &[PartiallyPaid, Paid, Canceled, Expired, Failed],
            PartiallyPaid => &[Paid, PartiallyRefunded, Refunded, Disputed],
            Paid => &[PartiallyRefunded, Refunded, Disputed],
            // Back again: a refund believed settled came back.
            PartiallyRefunded => &[Refunded, Disputed, Paid, PartiallyPaid],
            Refunded => &[Disputed, PartiallyRefunded, Paid],
            Disputed => &[Paid, PartiallyPaid, PartiallyRefunded, Refunded, ChargedBack],
            // A lost dispute was reinstated.
            ChargedBack => &[Paid, PartiallyRefunded],
            // Money that has moved cannot be refused.
            Expired => &[PartiallyPaid, Paid, PartiallyRefunded, Refunded, Canceled],
            Failed => &[Pending, Processing, Authorized, PartiallyPaid, Paid, Canceled, Expired],
            Canceled => &[PartiallyPaid, Paid, PartiallyRefunded, Refunded],
        }
    }

    /// Whether `next` may follow.
    pub fn may_become(self, next: Self) -> bool {
        self == next || self.followers().contains(&next)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
