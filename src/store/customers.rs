//! People, and the ids they are known by. See `balcao_domain::customer`.

use balcao_domain::{
    ChannelId, ConversationId, CustomerId,
    customer::{IdentityChange, Sender},
};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{StoreError, TenantTx};

/// Where a message belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resolved {
    pub customer_id: CustomerId,
    pub conversation_id: ConversationId,
}

/// A person.
#[derive(Debug, Clone, Serialize)]
pub struct Customer {
    pub customer_id: CustomerId,
    pub channel_id: ChannelId,
    pub name: Option<String>,
    pub username: Option<String>,
    pub phone: Option<String>,
    pub user_id: Option<String>,
    /// Wants no messages at all.
    pub opted_out_at: Option<DateTime<Utc>>,
    /// Wants no marketing.
    pub marketing_opted_out_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// Finds or makes the customer and the conversation of a sender: user id first, then phone in every written
/// form. Ids that turn out to name one person are joined: the older customer stays. New ids and names are kept.
pub async fn resolve(
    _tx: &mut TenantTx,
    _channel_id: ChannelId,
    _sender: &Sender,
) -> Result<Resolved, StoreError> {
    unimplemented!()
}
/// Applies an announced change of ids. Idempotent, in any order with the other announcements.
pub async fn change_identity(
    _tx: &mut TenantTx,
    _channel_id: ChannelId,
    _change: &IdentityChange,
) -> Result<(), StoreError> {
    unimplemented!()
}
/// One person.
pub async fn get(_tx: &mut TenantTx, _id: CustomerId) -> Result<Customer, StoreError> {
    unimplemented!()
}
/// Stops or resumes all messages to this person.
pub async fn set_opted_out(_tx: &mut TenantTx, _id: CustomerId, _opted_out: bool) -> Result<(), StoreError> {
    unimplemented!()
}
/// Stops or resumes marketing, by the channel's ids of the person. Unknown people are created.
pub async fn set_marketing(
    _tx: &mut TenantTx,
    _channel_id: ChannelId,
    _who: &Sender,
    _wanted: bool,
) -> Result<(), StoreError> {
    unimplemented!()
}
