//! Why a breaker is in its state.

use std::fmt;

use super::Order;

/// Why a breaker is in its state, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It has just been made.
    Started,
    /// Its owner was restarted and took over what the gate said.
    Resumed,
    /// So many failures in a row.
    FailuresInARow {
        /// How many.
        failures: u32,
    },
    /// Too many of the recent calls failed.
    FailureRate {
        /// Failed calls in the window.
        failures: u64,
        /// Completed calls in the window.
        calls: u64,
    },
    /// Too many of the recent calls were slow, or have been running for too long.
    SlowRate {
        /// Slow calls.
        slow: u64,
        /// All calls considered.
        calls: u64,
    },
    /// The quota is used up.
    QuotaExhausted,
    /// The credential was refused.
    Unauthorized,
    /// It has been open for long enough.
    OpenTimeOver,
    /// Enough trials succeeded.
    TrialsSucceeded {
        /// Successful trials.
        successes: u64,
        /// All completed trials.
        trials: u64,
    },
    /// Too many trials failed.
    TrialsFailed {
        /// Failed or slow trials.
        failures: u64,
        /// All completed trials.
        trials: u64,
    },
    /// Nothing was heard of the running trials.
    TrialsHung {
        /// How many were running.
        running: u32,
    },
    /// An operator said so.
    Ordered(Order),
    /// An operator's order has ended.
    OrderExpired,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("just started"),
            Self::Resumed => f.write_str("its owner was restarted"),
            Self::FailuresInARow { failures } => write!(f, "{failures} failures in a row"),
            Self::FailureRate { failures, calls } => write!(f, "{failures} of {calls} recent calls failed"),
            Self::SlowRate { slow, calls } => write!(f, "{slow} of {calls} recent calls were slow or hang"),
            Self::QuotaExhausted => f.write_str("the quota is exhausted"),
            Self::Unauthorized => f.write_str("the credential was refused"),
            Self::OpenTimeOver => f.write_str("the open time is over"),
            Self::TrialsSucceeded { successes, trials } => {
                write!(f, "{successes} of {trials} trials succeeded")
            }
            Self::TrialsFailed { failures, trials } => write!(f, "{failures} of {trials} trials failed"),
            Self::TrialsHung { running } => write!(f, "{running} trials gave no sign of life"),
            Self::Ordered(Order::ForceOpen) => f.write_str("ordered open"),
            Self::Ordered(Order::ForceClose) => f.write_str("ordered closed"),
            Self::Ordered(Order::MetricsOnly) => f.write_str("ordered to count only"),
            Self::Ordered(Order::Automatic) => f.write_str("ordered back to its own judgement"),
            Self::OrderExpired => f.write_str("the order has ended"),
        }
    }
}
