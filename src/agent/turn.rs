//! What a turn is given and what it returns.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use balcao_domain::{
    ConversationId, Language, TurnId, channel,
    inbound::Inbound,
    sale::Sale,
    tenant::Tenant,
    turn::{Outcome, Progress},
};
use chrono::{DateTime, Utc};

/// Something said before.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryItem {
    /// Who said it.
    pub author: Author,
    /// What.
    pub text: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    Customer,
    Agent,
    /// A person of the shop.
    Human,
}

/// Everything a turn needs; the rest it fetches itself.
#[derive(Debug, Clone)]
pub struct TurnRequest {
    /// The shop.
    pub tenant: Arc<Tenant>,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// This turn.
    pub turn_id: TurnId,
    /// Where it takes place.
    pub channel: channel::Kind,
    /// The customer's name, untrusted.
    pub customer_name: Option<String>,
    /// The language of the conversation so far, if known.
    pub language: Option<Language>,
    /// Where the customer stands in buying.
    pub sale: Option<Sale>,
    /// Whether the last turn left it there; otherwise something else was spoken of since.
    pub sale_is_fresh: bool,
    /// What was said before, oldest first.
    pub history: Vec<HistoryItem>,
    /// The customer's messages of this turn, in order.
    pub messages: Vec<Inbound>,
    /// The customer asked not to be written to.
    pub opted_out: bool,
    /// Model turns this tenant has used today.
    pub model_turns_today: u32,
    /// The time of day, for greetings and opening hours.
    pub now: DateTime<Utc>,
    /// When the customer must have an answer.
    pub deadline: Instant,
}

/// Takes turns. Never fails: when all else does, the rule path answers.
#[async_trait]
pub trait Agent: Send + Sync {
    /// Decides one turn; `watch` hears what happens meanwhile.
    async fn take_turn(&self, request: TurnRequest, watch: &(dyn Fn(Progress) + Send + Sync)) -> Outcome;
}
