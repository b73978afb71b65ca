//! What a webhook says, in our words.

use balcao_domain::money::Money;
use balcao_domain::payment::{Fact, FactKind, Lifecycle};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One thing a sender reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Unique per shop, the same for every delivery of this event. None where there is nothing to keep.
    pub dedupe_key: Option<String>,
    /// What happened.
    pub kind: Kind,
    /// The sender's own word for it.
    pub provider_type: String,
    /// Whose payment it is.
    pub reference: Reference,
    /// How much moved, as said by [`Kind`].
    pub amount: Option<Money>,
    /// What the provider kept of it.
    pub fee: Option<Money>,
    /// The bank's id of the money itself.
    pub end_to_end_id: Option<String>,
    /// When it happened, by the sender's clock.
    pub occurred_at: Option<DateTime<Utc>>,
    /// Whether the call may be believed or only names what to ask for.
    pub truth: Truth,
    /// Unique key of the movement of money, the same whichever event reports it.
    pub fact_key: Option<String>,
}

/// What may be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// How the charge stands while no money has moved.
    Charge(Lifecycle),
    /// Money came in: the amount received.
    Paid,
    /// Money went back: the amount of this refund.
    Refunded,
    /// Money went back: the amount of all refunds so far.
    RefundedSoFar,
    /// A refund was not carried out.
    RefundFailed,
    /// A dispute began over the amount.
    DisputeOpened,
    /// It ended for us.
    DisputeWon,
    /// It ended against us.
    DisputeLost,
    /// Something changed; the call does not say what.
    Changed,
    /// The sender tries the address out.
    Test,
    /// Nothing we act upon.
    Other,
}

/// The names a payment goes by. Which are there depends on the sender.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// PIX transaction id, ours or the provider's.
    pub txid: Option<String>,
    /// The provider's id of the charge, payment or order.
    pub provider_id: Option<String>,
    /// Our order, as given when the charge was made.
    pub order: Option<String>,
}

impl Reference {
    /// The provider's names of the charge.
    pub fn of_charge(&self) -> Vec<String> {
        self.txid.iter().chain(&self.provider_id).cloned().collect()
    }
}

/// Whether the call carries the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It does.
    Carried,
    /// It has to be fetched from the provider.
    Fetch,
}

impl Event {
    /// An event of this kind that carries nothing else yet.
    pub(crate) fn new(kind: Kind, provider_type: impl Into<String>) -> Self {
        Self {
            dedupe_key: None,
            kind,
            provider_type: provider_type.into(),
            reference: Reference::default(),
            amount: None,
            fee: None,
            end_to_end_id: None,
            occurred_at: None,
            truth: Truth::Carried,
            fact_key: None,
        }
    }

    /// An event about how a charge stands, which no sender said.
    pub fn of_charge(kind: Kind, word: &str, key: String, reference: Reference) -> Self {
        Self { dedupe_key: Some(key), reference, ..Self::new(kind, word) }
    }

    /// The fact for the payment's state. `refunded_minor` is what is known to have gone back already: some senders
    /// report the sum of all refunds, facts are single movements.
    ///
    /// None when nothing is to be applied: nothing moved, or the truth has to be fetched first.
    pub fn fact(&self, refunded_minor: i64) -> Option<Fact> {
        if self.truth == Truth::Fetch {
            return None;
        }
        let minor = self.amount.map(|amount| amount.minor());
        let kind = match self.kind {
            Kind::Charge(to) => FactKind::Lifecycle { to, new_attempt: false },
            Kind::Paid => {
                FactKind::Receipt { minor: minor?, fee_minor: self.fee.map_or(0, |fee| fee.minor()) }
            }
            Kind::Refunded => FactKind::RefundSettled { minor: minor?, of_excess: false },
            Kind::RefundedSoFar => {
                let news = minor?.saturating_sub(refunded_minor);
                if news <= 0 {
                    return None;
                }
                FactKind::RefundSettled { minor: news, of_excess: false }
            }
            Kind::RefundFailed => FactKind::RefundFailed,
            Kind::DisputeOpened => FactKind::DisputeOpened { minor: minor? },
            Kind::DisputeWon => FactKind::DisputeWon { minor: minor? },
            Kind::DisputeLost => FactKind::DisputeLost { minor: minor? },
            Kind::Changed | Kind::Test | Kind::Other => return None,
        };
        let key = self.fact_key.clone().or_else(|| self.dedupe_key.clone())?;
        Some(Fact { key, kind })
    }
}
