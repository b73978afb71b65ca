//! What customers sent: appended once, read in order, claimed a conversation at a time.

use std::time::Duration;

use balcao_domain::{
    ChannelId, ConversationId, CustomerId, TenantCtx, TenantId, channel::Kind, inbound::Inbound,
};
use chrono::{DateTime, Utc};

use crate::{Store, StoreError};

/// A message on its way in, its conversation already known.
#[derive(Debug, Clone)]
pub struct NewMessage {
    pub tenant_id: TenantId,
    pub channel_id: ChannelId,
    pub conversation_id: ConversationId,
    pub message: Inbound,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// Stored under this number of its conversation (dense, from 1).
    Stored { seq: i64 },
    /// It had been stored before, under this number.
    Duplicate { seq: i64 },
}

/// A stored message.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    pub seq: i64,
    pub message: Inbound,
    pub received_at: DateTime<Utc>,
}

/// A conversation in one node's hands, until the lease ends.
#[derive(Debug, Clone)]
pub struct Claim {
    pub tenant_id: TenantId,
    pub conversation_id: ConversationId,
    pub channel_id: ChannelId,
    pub channel: Kind,
    pub customer_id: CustomerId,
    /// The fencing token: what is committed must still carry it.
    pub epoch: i64,
    /// Messages up to here are done.
    pub acked_seq: i64,
    /// The next ones, in order (at most the number asked for).
    pub messages: Vec<StoredMessage>,
    /// How often a turn on these messages has failed.
    pub attempts: i32,
    pub handed_off: bool,
    pub opted_out: bool,
    pub customer_name: Option<String>,
    /// For sending: the ids known of the person.
    pub phone: Option<String>,
    pub user_id: Option<String>,
}

/// Stores messages of any tenants in one transaction (a definer function with the tenant inside each row).
/// A row the database refuses does not fail the others: the batch is retried by halves.
pub async fn append(
    _store: &Store,
    _messages: &[NewMessage],
) -> Result<Vec<Result<Appended, StoreError>>, StoreError> {
    unimplemented!()
}
/// Takes (or keeps) the lease of a conversation and returns what is pending; `None` when another live node has it.
/// A fresh lease raises the epoch. Database clock only.
pub async fn claim(
    _store: &Store,
    _ctx: &TenantCtx,
    _id: ConversationId,
    _node: &str,
    _lease: Duration,
    _limit: i64,
) -> Result<Option<Claim>, StoreError> {
    unimplemented!()
}
/// Gives a lease back, if it is still ours.
pub async fn release(
    _store: &Store,
    _ctx: &TenantCtx,
    _id: ConversationId,
    _epoch: i64,
) -> Result<(), StoreError> {
    unimplemented!()
}
/// Extends leases; returns those that were lost.
pub async fn renew(
    _store: &Store,
    _node: &str,
    _lease: Duration,
    _held: &[(TenantId, ConversationId, i64)],
) -> Result<Vec<ConversationId>, StoreError> {
    unimplemented!()
}
/// Conversations with pending messages, due, and in nobody's hands: the truth behind lost rings.
pub async fn due(
    _store: &Store,
    _node: &str,
    _limit: i64,
) -> Result<Vec<(TenantId, ConversationId)>, StoreError> {
    unimplemented!()
}
