//! What a webhook says, item by item.
//!
//! One body may carry up to a thousand updates of several numbers and several kinds. Each becomes a [`WebhookItem`] of
//! its own, so that what is wrong with one never costs another.

use balcao_domain::customer::{IdentityChange, Sender};
use balcao_domain::delivery::State;
use balcao_domain::inbound::{Content, Inbound};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::errors;
use crate::SendError;

/// One thing a webhook says.
#[derive(Debug, Clone, PartialEq)]
pub enum WebhookItem {
    /// A customer wrote to this number. Messages inside groups are [`WebhookItem::Ignored`] instead.
    Message {
        /// The number it was sent to: the only key to the tenant.
        phone_number_id: String,
        /// The message.
        inbound: Inbound,
    },
    /// News of a message sent from this number.
    Status {
        /// The number it was sent from.
        phone_number_id: String,
        /// The news.
        status: StatusUpdate,
    },
    /// A person of the shop answered in the phone's own app: the agent steps back.
    Echo {
        /// The number it was sent from.
        phone_number_id: String,
        /// What the person said.
        echo: Echo,
    },
    /// The ids of a customer changed. Three different webhooks may say so about the same change, in any order.
    IdentityChange {
        /// The number whose customer it is.
        phone_number_id: String,
        /// The old and the new ids.
        change: IdentityChange,
        /// When, by the provider's clock.
        at: DateTime<Utc>,
    },
    /// A customer stopped or resumed a kind of message.
    Preference {
        /// The number whose customer it is.
        phone_number_id: String,
        /// Who.
        sender: Sender,
        /// Which kind: `marketing_messages`.
        category: String,
        /// Whether they stopped (rather than resumed) it.
        stop: bool,
        /// When, by the provider's clock.
        at: DateTime<Utc>,
    },
    /// News of the account, a number, or a template.
    Account(AccountEvent),
    /// Understood, and nothing to do.
    Ignored {
        /// Why; one word of a small set, so that it can be counted.
        why: IgnoredWhy,
        /// What exactly: a field name, a status word.
        detail: String,
    },
    /// A known number, but an item that could not be understood at all. To be set aside for a person.
    Unreadable {
        /// The number.
        phone_number_id: String,
        /// What is wrong with it.
        why: &'static str,
        /// The item as it came.
        raw: Value,
    },
    /// Nothing says which number it is for. To be set aside; never guessed.
    Unroutable {
        /// What is missing.
        why: &'static str,
        /// The change as it came.
        raw: Value,
    },
}

/// Why an item asks for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IgnoredWhy {
    /// Another Meta product's webhook.
    OtherProduct,
    /// No entries, no changes, or neither messages nor statuses nor errors.
    Empty,
    /// A field nobody here knows.
    UnknownField,
    /// A field we know and do not use: imported history, app state, calls, groups.
    UnusedField,
    /// A message in a group.
    Group,
    /// A status word without meaning for us: `deleted`.
    UnusedStatus,
    /// A system message that changes no id.
    SystemNote,
    /// The same message twice in one body.
    Duplicate,
}

impl IgnoredWhy {
    /// The word used as a metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OtherProduct => "other_product",
            Self::Empty => "empty",
            Self::UnknownField => "unknown_field",
            Self::UnusedField => "unused_field",
            Self::Group => "group",
            Self::UnusedStatus => "unused_status",
            Self::SystemNote => "system_note",
            Self::Duplicate => "duplicate",
        }
    }
}

/// One entry of `statuses`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusUpdate {
    /// The channel's id of the message, as the send call returned it (or will return it: statuses may come first).
    pub provider_message_id: String,
    /// The tag the message was sent with (`biz_opaque_callback_data`).
    pub tag: Option<String>,
    /// What it says of the message.
    pub state: State,
    /// When, by the provider's clock.
    pub at: DateTime<Utc>,
    /// To whom, as far as the channel says.
    pub recipient: Sender,
    /// Why it failed.
    pub errors: Vec<ProviderError>,
    /// What it costs.
    pub pricing: Option<Pricing>,
    /// Until when messages to this customer are free of charge, because an advertisement brought them.
    pub free_entry_until: Option<DateTime<Utc>>,
    /// As it came.
    pub raw: Value,
}

impl StatusUpdate {
    /// What a failed status means for trying again; `None` for every other state.
    pub fn failure(&self) -> Option<SendError> {
        if self.state != State::Failed {
            return None;
        }
        Some(match self.errors.first() {
            Some(error) => errors::classify(error.code, None, &error.detail),
            None => SendError::Never { code: None, detail: "failed without a reason".into() },
        })
    }
}

/// An error as Meta describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderError {
    /// Its number: the only part to decide by.
    pub code: i64,
    /// Its title.
    pub title: String,
    /// Its details, or its message where there are none.
    pub detail: String,
}

/// What a message costs, by words: prices are not sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pricing {
    /// `regular`, `free_customer_service`, `free_entry_point`.
    pub kind: Option<String>,
    /// `service`, `utility`, `marketing`, …
    pub category: Option<String>,
    /// `PMP`, `CBP`.
    pub model: Option<String>,
    /// To be retired by Meta; the kind and the category say more.
    pub billable: Option<bool>,
}

/// A message a person of the shop sent from the phone's app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Echo {
    /// The channel's id of it.
    pub provider_message_id: String,
    /// The customer it went to.
    pub to: Sender,
    /// When, by the provider's clock.
    pub at: DateTime<Utc>,
    /// What it says.
    pub content: Content,
}

/// How loudly to tell a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the record.
    Info,
    /// Someone should look.
    Warning,
    /// Messages do not go out, or soon will not.
    Critical,
}

/// What an account event asks the engine to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum AccountEffect {
    /// Stop sending from the account, for this reason.
    Pause { reason: String },
    /// Sending may go on.
    Resume,
    /// A template changed its state (`APPROVED`, `PAUSED`, `REJECTED`, …).
    Template { name: String, language: String, status: String },
    /// The limits of the account or a number changed: to be shown.
    Limits,
    /// Nothing but the news.
    Note,
}

/// News of an account, a number or a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountEvent {
    /// The WhatsApp Business Account it is about.
    pub waba_id: Option<String>,
    /// The number it is about, where the webhook says so.
    pub phone_number_id: Option<String>,
    /// The number as people write it, where the webhook says so.
    pub display_phone: Option<String>,
    /// The webhook's field: `account_update`, `message_template_status_update`, …; `errors` for an error at
    /// account level.
    pub field: String,
    /// The event's own name, or the error's code.
    pub event: Option<String>,
    /// How loudly to tell a person.
    pub severity: Severity,
    /// What to do.
    pub effect: AccountEffect,
    /// When, by the provider's clock; when it came, where the webhook does not say.
    pub at: DateTime<Utc>,
    /// The webhook says when. Without that, a repetition has another `at` and is the same news all the same.
    pub dated: bool,
    /// As it came.
    pub value: Value,
}

/// A body nothing can be read from. To be set aside as raw bytes, counted, and acknowledged: Meta would send the same
/// bytes again for seven days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not UTF-8 from this byte on.
    #[error("the body is not UTF-8 from byte {at}")]
    NotUtf8 { at: usize },
    /// Not JSON; where it stops being JSON.
    #[error("the body is not JSON at line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    /// JSON, but not an object.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// More items than any webhook of Meta's carries.
    #[error("the body carries more than {limit} items")]
    TooManyItems { limit: usize },
}
