//! What became of a call, in the words a breaker understands.
//!
//! The *type* of an error decides, not its status alone: one provider's 429 is "slow down" or "your credit is
//! gone", and the two want opposite things. So adapters describe an error neutrally and one pure function
//! reads the description; nothing else in the house knows which errors count.

use std::time::Duration;

/// What a result means to the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It worked, in good time.
    Success,
    /// It worked, but took longer than is healthy.
    Slow,
    /// The dependency failed.
    Failure {
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The request was sent and the answer is missing: it may or may not have taken effect. Counts as a
    /// failure of the dependency; for the caller it means "look before you repeat".
    Unknown,
    /// Too many requests: this key waits, its circuit stays closed.
    RateLimited {
        /// How long to wait, if it was said.
        retry_after: Option<Duration>,
    },
    /// Credit or spend limit is used up: open until a person acts or the limit is reset.
    QuotaExhausted {
        /// When it is reset, if it was said.
        reset_after: Option<Duration>,
    },
    /// The credential is wrong or may not do this.
    Unauthorized,
    /// Our own request was wrong. Says nothing about the dependency's health.
    ClientBug,
    /// The caller went away before the answer: neither good nor bad.
    Cancelled,
    /// Another gate of ours refused before anything was sent.
    LocalReject,
}

impl Class {
    /// The word used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Slow => "slow",
            Self::Failure { .. } => "failure",
            Self::Unknown => "unknown",
            Self::RateLimited { .. } => "rate_limited",
            Self::QuotaExhausted { .. } => "quota_exhausted",
            Self::Unauthorized => "unauthorized",
            Self::ClientBug => "client_bug",
            Self::Cancelled => "cancelled",
            Self::LocalReject => "local_reject",
        }
    }

    /// Whether it speaks against the dependency's health.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failure { .. } | Self::Unknown)
    }
}

/// What happened, before anybody has judged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An answer with this HTTP status.
    Status(u16),
    /// No connection: refused, reset before the request was out, DNS, TLS.
    NotConnected,
    /// No answer in time, and the request had not been sent.
    TimedOutBeforeSending,
    /// No answer in time (or the connection broke) after the request had been sent.
    LostAfterSending {
        /// Whether the request changes nothing, or carries a key that makes repeating it safe.
        repeatable: bool,
    },
    /// An answer that could not be read as the protocol says.
    Garbled,
    /// The dependency's content filter said no, or the request did not fit its limits.
    RequestRefused,
    /// The caller went away.
    Cancelled,
    /// A gate of ours said no.
    LocalReject,
}

/// A neutral description of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described<'a> {
    /// What happened.
    pub kind: Kind,
    /// The dependency's own word for it, such as `insufficient_quota`.
    pub code: Option<&'a str>,
    /// How long it asked us to wait.
    pub retry_after: Option<Duration>,
}

impl<'a> Described<'a> {
    /// A description without code or advice.
    pub const fn new(kind: Kind) -> Self {
        Self { kind, code: None, retry_after: None }
    }

    /// With the dependency's own word.
    pub const fn code(mut self, code: &'a str) -> Self {
        self.code = Some(code);
        self
    }

    /// With its advice how long to wait.
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

/// Words that mean "no more money", whatever status carries them.
const QUOTA_WORDS: [&str; 7] = [
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "quota_exceeded",
    "spend_limit_reached",
    "credit_balance_too_low",
    "insufficient_credits",
];

/// Words that mean "our request is wrong", whatever status carries them.
const CLIENT_WORDS: [&str; 5] = [
    "context_length_exceeded",
    "content_filter",
    "content_policy_violation",
    "invalid_request_error",
    "string_above_max_length",
];

/// Reads a description. The dependency's own word comes first, its status second.
pub fn classify(error: &Described<'_>) -> Class {
    let retry_after = error.retry_after;
    if let Some(code) = error.code {
        if QUOTA_WORDS.contains(&code) {
            return Class::QuotaExhausted { reset_after: retry_after };
        }
        if CLIENT_WORDS.contains(&code) {
            return Class::ClientBug;
        }
    }
    match error.kind {
        Kind::Status(status) => by_status(status, retry_after),
        Kind::NotConnected | Kind::TimedOutBeforeSending | Kind::Garbled => Class::Failure { retry_after },
        Kind::LostAfterSending { repeatable: true } => Class::Failure { retry_after },
        Kind::LostAfterSending { repeatable: false } => Class::Unknown,
        Kind::RequestRefused => Class::ClientBug,
        Kind::Cancelled => Class::Cancelled,
        Kind::LocalReject => Class::LocalReject,
    }
}

fn by_status(status: u16, retry_after: Option<Duration>) -> Class {
    match status {
        200..=399 => Class::Success,
        401 | 403 => Class::Unauthorized,
        402 => Class::QuotaExhausted { reset_after: retry_after },
        // The server gave up waiting for us, or asks us to come back: its trouble, not our mistake.
        408 | 425 => Class::Failure { retry_after },
        429 => Class::RateLimited { retry_after },
        400..=499 => Class::ClientBug,
        _ => Class::Failure { retry_after },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: Described<'_>, expected: Class) {
        assert_eq!(classify(&error), expected, "{error:?}");
    }

    const fn status(status: u16) -> Described<'static> {
        Described::new(Kind::Status(status))
    }

    #[test]
    fn the_error_type_and_not_the_status_tells_a_rate_limit_from_an_empty_account() {
        let ten = Duration::from_secs(10);
        check(status(429).retry_after(ten), Class::RateLimited { retry_after: Some(ten) });
        check(status(429).code("rate_limit_exceeded"), Class::RateLimited { retry_after: None });
        check(status(429).code("insufficient_quota"), Class::QuotaExhausted { reset_after: None });
        check(
            status(403).code("billing_hard_limit_reached").retry_after(ten),
            Class::QuotaExhausted { reset_after: Some(ten) },
        );
        check(status(402), Class::QuotaExhausted { reset_after: None });
    }

    #[test]
    fn our_own_mistakes_never_count() {
        for code in [400, 404, 405, 409, 413, 415, 422] {
            check(status(code), Class::ClientBug);
        }
        check(status(400).code("context_length_exceeded"), Class::ClientBug);
        check(status(500).code("content_filter"), Class::ClientBug);
        check(Described::new(Kind::RequestRefused), Class::ClientBug);
    }

    #[test]
    fn server_errors_overload_and_broken_connections_count() {
        let none = Class::Failure { retry_after: None };
        for code in [500, 502, 503, 504, 529, 599, 408, 100] {
            check(status(code), none);
        }
        for kind in [
            Kind::NotConnected,
            Kind::TimedOutBeforeSending,
            Kind::Garbled,
            Kind::LostAfterSending { repeatable: true },
        ] {
            check(Described::new(kind), none);
        }
        let five = Duration::from_secs(5);
        check(status(503).retry_after(five), Class::Failure { retry_after: Some(five) });
    }

    #[test]
    fn a_lost_answer_to_something_that_must_not_happen_twice_is_an_outcome_of_its_own() {
        check(Described::new(Kind::LostAfterSending { repeatable: false }), Class::Unknown);
    }

    #[test]
    fn credentials_cancellations_and_our_own_refusals_have_their_own_classes() {
        check(status(401), Class::Unauthorized);
        check(status(403), Class::Unauthorized);
        check(Described::new(Kind::Cancelled), Class::Cancelled);
        check(Described::new(Kind::LocalReject), Class::LocalReject);
        check(status(204), Class::Success);
    }
}
