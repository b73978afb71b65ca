//! The customer hears that their money has arrived.

use balcao_channels::{Outgoing, api, whatsapp};
use balcao_domain::{ChannelId, OutboxId, channel::Kind as ChannelKind};
use balcao_store::{
    StoreError, TenantTx, conversations,
    sales::{orders, payments::Charge, reports},
    tenants,
    turns::{self, NewOutgoing},
};

use super::paid_notice;

/// Says it in the conversation that the order came from, in the transaction that books the money: both happen or
/// neither. Returns the channel whose sender is to be rung.
///
/// # Errors
/// As the store.
pub async fn tell(tx: &mut TenantTx, charge: &Charge) -> Result<Option<ChannelId>, StoreError> {
    let order = orders::get(tx, charge.order_id).await?;
    let Some(conversation) = order.conversation_id else { return Ok(None) };
    let language = match turns::language(tx, conversation).await? {
        Some(language) => language,
        None => tenants::get(tx).await?.language,
    };
    let reply = paid_notice(&order.code, order.total()?, order.attention.is_some(), language);
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
