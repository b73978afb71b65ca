//! What goes wrong on request.

use serde::{Deserialize, Serialize};

/// Everything that may go wrong. Setting faults replaces them all; absent parts are as they should be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Of the send endpoint.
    pub send: SendFaults,
    /// Of webhooks on their way.
    pub webhooks: WebhookFaults,
    /// When statuses come.
    pub statuses: StatusTimes,
    /// What the emulator enforces.
    pub limits: Limits,
    /// Makes chances repeatable.
    pub seed: Option<u64>,
}

/// Faults of the send endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SendFaults {
    /// How long each call takes, in milliseconds.
    pub latency_ms: u64,
    /// Refuse the next calls.
    pub fail_next: Option<FailNext>,
    /// Act, then cut the connection: the sender cannot know. The next so many calls.
    pub drop_response: u32,
    /// Cut the connection without acting. The next so many calls.
    pub drop_request: u32,
    /// The chance that a call is refused with `fail_rate_code`.
    pub fail_rate: f64,
    /// The code of those refusals; 131016 when absent.
    pub fail_rate_code: Option<i64>,
    /// The chance that a call is acted upon and its connection cut.
    pub drop_rate: f64,
    /// Deliver the `sent` status before the call is answered.
    pub status_before_response: bool,
}

/// The next calls are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailNext {
    /// How many.
    pub count: u32,
    /// With this code; without one the answer has an HTTP status and no body.
    #[serde(default)]
    pub code: Option<i64>,
    /// The HTTP status; the code's usual one when absent.
    #[serde(default)]
    pub http_status: Option<u16>,
}

/// Faults of webhooks. Chances are from 0 to 1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookFaults {
    /// The chance that a webhook is delivered twice.
    pub duplicate: f64,
    /// The chance that a webhook is held back for a moment, so that later ones overtake it.
    pub reorder: f64,
    /// The chance that an attempt is lost on the way; it is repeated like any other failure.
    pub drop: f64,
    /// The chance that a status never comes at all.
    pub drop_statuses: f64,
    /// How long each webhook takes, in milliseconds.
    pub delay_ms: u64,
}

/// When statuses come after a message was taken, in milliseconds; `null` is never.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StatusTimes {
    /// `sent`, and `failed`.
    pub sent_ms: Option<u64>,
    /// `delivered`.
    pub delivered_ms: Option<u64>,
    /// `read`.
    pub read_ms: Option<u64>,
    /// All at once, the last first.
    pub reversed: bool,
}

impl Default for StatusTimes {
    fn default() -> Self {
        Self { sent_ms: Some(20), delivered_ms: Some(120), read_ms: Some(600), reversed: false }
    }
}

/// What is enforced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Messages a second from one number (130429).
    pub per_second: u32,
    /// One person is owed this many messages at most (131056): 45 within six seconds, one every six in the long run.
    pub pair_burst: u32,
    /// Nothing more to a person before the whole burst is paid for, as the documentation can be read.
    pub pair_strict: bool,
    /// Refuse free-form messages outside the window at once, instead of accepting them and reporting `failed` later as
    /// the real API does.
    pub window_at_once: bool,
    /// Seconds the emulator's idea of now runs ahead when it judges the 24-hour window.
    pub window_clock_offset_s: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_second: 80,
            pair_burst: 45,
            pair_strict: false,
            window_at_once: false,
            window_clock_offset_s: 0,
        }
    }
}
