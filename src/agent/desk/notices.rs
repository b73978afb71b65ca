//! The customer hears of their order outside a turn: that its money arrived, is missing or goes back, what to pay with,
//! that it is on its way, was handed over, or may come back.

use balcao_channels::{Outgoing, api, whatsapp};
use balcao_domain::{
    ChannelId, Language, OrderId, OutboxId, channel::Kind as ChannelKind, money::Money, reply::Reply,
};
use balcao_store::{
    StoreError, TenantTx, conversations,
    sales::{orders, reports},
    tenants,
    turns::{self, NewOutgoing},
};

use super::words::Words;

/// What there is to say.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// All of it has arrived.
    Paid,
    /// It has arrived when its goods were gone already, and goes back.
    TooLate,
    /// Some has arrived.
    Missing {
        /// So much.
        arrived: Money,
        /// And so much has not.
        missing: Money,
    },
    /// So much went back.
    Refunded(Money),
    /// The code to pay with, which was not there yet when the order was placed.
    Code(String),
    /// It is on its way, with this number of the carrier's.
    Shipped(Option<String>),
    /// It was handed over.
    Delivered,
    /// The shop has decided about bringing it back; refused for this reason, or approved.
    ReturnDecided {
        /// For something else, not for the money.
        exchange: bool,
        /// Why not.
        refused: Option<String>,
    },
    /// It has come back.
    Returned,
}

/// Says it in the conversation that the order came from, in the transaction that writes down what is said: both happen
/// or neither. Returns the channel whose sender is to be rung.
///
/// # Errors
/// As the store.
pub async fn tell(
    tx: &mut TenantTx,
    order: OrderId,
    notice: Notice,
) -> Result<Option<ChannelId>, StoreError> {
    let order = orders::get(tx, order).await?;
    let Some(conversation) = order.conversation_id else { return Ok(None) };
    let language = match turns::language(tx, conversation).await? {
        Some(language) => language,
        None => tenants::get(tx).await?.language,
    };
    let reply = words(&order.code, order.total()?, order.attention.is_some(), notice, language);
    let messages = match conversations::get(tx, conversation).await?.channel {
        ChannelKind::Whatsapp => whatsapp::render::render(&reply, language),
        ChannelKind::Api => api::render(&reply),
    };
    let mut ring = None;
    for Outgoing { kind, text, body } in messages {
        let notice = NewOutgoing { outbox_id: OutboxId::generate(), kind, text, body };
        ring = reports::tell(tx, conversation, &notice).await?.or(ring);
    }
    Ok(ring)
}

/// What takes the place of a message whose prices or stock are no longer so: each with its price now, or `None` where it
/// cannot be had.
pub fn no_longer_so(changes: &[(String, Option<Money>)], language: Language) -> Reply {
    Reply::text(Words(language).no_longer_so(changes))
}

/// `attention`: a person must look at the order first, for example because its time was over and its goods are gone.
fn words(code: &str, total: Money, attention: bool, notice: Notice, language: Language) -> Reply {
    let say = Words(language);
    match notice {
        Notice::Paid => Reply::text(say.paid(code, total, attention)),
        Notice::TooLate => Reply::text(say.too_late(code, total)),
        Notice::Missing { arrived, missing } => Reply::text(say.missing(code, arrived, missing)),
        Notice::Refunded(amount) => Reply::text(say.refunded(code, amount)),
        Notice::Shipped(tracking) => Reply::text(say.shipped(code, tracking.as_deref())),
        Notice::Delivered => Reply::text(say.delivered(code)),
        Notice::ReturnDecided { exchange, refused } => {
            Reply::text(say.return_decided(code, exchange, refused.as_deref()))
        }
        Notice::Returned => Reply::text(say.returned(code)),
        Notice::Code(br_code) => Reply { copyable: Some(br_code), ..Reply::text(say.code(code, total)) },
    }
}
