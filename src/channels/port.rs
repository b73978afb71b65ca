//! The port to a channel's sending side.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// To whom: the ids known of the person. A channel uses the best one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Digits with country code, verbatim.
    pub phone: Option<String>,
    /// The channel's own user id (WhatsApp: BSUID).
    pub user_id: Option<String>,
}

/// One rendered message: the body as the channel's wire wants it, without recipient and tag.
/// Stored as the payload of its outbox row, so that a resend is byte for byte the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    /// The channel's own type: `text`, `interactive`, `template`.
    pub kind: String,
    /// The words a person would see, for histories.
    pub text: String,
    /// The channel's own body.
    pub body: serde_json::Value,
}

/// What a channel says when it has accepted a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendReceipt {
    /// The channel's id of the message.
    pub provider_message_id: String,
    /// The phone-like id the channel will use for this person from now on, if it told us.
    pub resolved_phone: Option<String>,
    /// The channel's own user id, if it told us.
    pub resolved_user_id: Option<String>,
}

/// Why a message was not accepted, and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SendError {
    /// May work later: not before `after`.
    #[error("the channel cannot take the message now ({code:?}): {detail}")]
    Retry { code: Option<i64>, detail: String, after: Option<Duration> },
    /// Too many messages to this one person: others are not affected.
    #[error("too many messages to this person ({code:?}): {detail}")]
    PairLimited { code: Option<i64>, detail: String },
    /// Never send this again.
    #[error("the channel refuses the message ({code:?}): {detail}")]
    Never { code: Option<i64>, detail: String },
    /// The 24-hour window is closed: only a template may go.
    #[error("the customer service window is closed ({code:?}): {detail}")]
    WindowClosed { code: Option<i64>, detail: String },
    /// The account is in trouble: stop sending and tell a person.
    #[error("the account cannot send ({code:?}): {detail}")]
    AccountBlocked { code: Option<i64>, detail: String },
    /// It may or may not have been accepted: wait for a status that carries the tag.
    #[error("the outcome of the send is unknown: {0}")]
    Unknown(String),
    /// The breaker in front of the channel is open; nothing was sent.
    #[error("the breaker in front of the channel is open")]
    BreakerOpen,
}

/// Something short-lived the customer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indication {
    /// The blue ticks.
    Read,
    /// The blue ticks, and "typing…".
    Typing,
}

/// One account of a channel, ready to send.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Renders a reply into as few messages as the channel's limits allow, in order. `language` is that of the few
    /// words a channel adds itself: the conversation's.
    fn render(&self, reply: &balcao_domain::reply::Reply, language: balcao_domain::Language)
    -> Vec<Outgoing>;

    /// Sends one message. `tag` comes back in its statuses.
    async fn send(&self, to: &Target, message: &Outgoing, tag: &str) -> Result<SendReceipt, SendError>;

    /// Shows that the message was seen. Best effort.
    async fn indicate(&self, provider_message_id: &str, what: Indication) -> Result<(), SendError>;
}
