//! Typed identifiers: UUIDv7 inside (they sort by creation time), a prefixed string outside (`conv_0190…`).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Why a string is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not an id of the form `{prefix}_<uuid>`")]
pub struct ParseIdError {
    /// The prefix that was expected.
    pub prefix: &'static str,
    /// What was given.
    pub value: String,
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of the written form.
            pub const PREFIX: &'static str = $prefix;

            /// A new identifier, ordered by the time of its making.
            pub fn generate() -> Self { Self(Uuid::now_v7()) }
            /// Wraps a bare UUID, as it is stored in the database.
            pub const fn from_uuid(uuid: Uuid) -> Self { Self(uuid) }
            /// The bare UUID, as it is stored in the database.
            pub const fn as_uuid(&self) -> Uuid { self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(value: &str) -> Result<Self, ParseIdError> {
                value
                    .strip_prefix(concat!($prefix, "_"))
                    .and_then(|rest| Uuid::try_parse(rest).ok())
                    .map(Self)
                    .ok_or_else(|| ParseIdError { prefix: $prefix, value: value.to_owned() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

typed_ids! {
    /// A shop.
    TenantId = "ten",
    /// One account on one channel, for example a WhatsApp number of a shop.
    ChannelId = "chn",
    /// A person who talks to a shop.
    CustomerId = "cus",
    /// The talk between one customer and one shop on one channel.
    ConversationId = "conv",
    /// One answer of the agent to one or more messages.
    TurnId = "trn",
    /// One outgoing message.
    OutboxId = "out",
    /// A document of a shop.
    DocumentId = "doc",
    /// A piece of a document, the unit of retrieval.
    PassageId = "psg",
    /// A piece of background work.
    JobId = "job",
    /// An API key.
    KeyId = "key",
    /// Something set aside for a person to look at.
    DeadLetterId = "dl",
    /// Something that happened, for those who listen.
    EventId = "evt",
    /// Something a shop sells.
    ProductId = "prd",
    /// What of it can be ordered: a size, a colour.
    VariantId = "var",
    /// An order.
    OrderId = "ord",
    /// A shop's account with a payment provider: the last part of its webhook's path.
    PaymentAccountId = "pac",
    /// Something a payment provider reported.
    PaymentEventId = "pev",
    /// One of a shop's own systems that is told what happens.
    EndpointId = "whe",
    /// An event on its way to one of them.
    DeliveryId = "whd",
    /// A charge to an order and what came of it.
    PaymentId = "pay",
    /// A catalogue that is followed.
    FeedId = "fed",
    /// Goods that come back.
    ReturnId = "ret",
    /// Money that goes back.
    RefundId = "rfd",
    /// A comparison of a provider's books with ours.
    ReconciliationId = "rcn",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_from_its_written_form() {
        let id = ConversationId::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let turn = TurnId::generate().to_string();
        assert_eq!(turn.parse::<ConversationId>(), Err(ParseIdError { prefix: "conv", value: turn.clone() }));
    }
}
