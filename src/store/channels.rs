//! Accounts on channels, with their credentials (encrypted at rest).

use balcao_domain::{ChannelId, TenantId, channel::Kind};
use secrecy::SecretString;

use crate::{Store, StoreError, TenantTx};

/// What a WhatsApp account needs.
#[derive(Debug, Clone)]
pub struct WhatsappCredentials {
    /// Signs webhooks.
    pub app_secret: SecretString,
    /// Answers the webhook handshake.
    pub verify_token: SecretString,
    /// Bearer token of the send API.
    pub access_token: SecretString,
}

/// One account on a channel.
#[derive(Debug, Clone)]
pub struct ChannelAccount {
    pub tenant_id: TenantId,
    pub channel_id: ChannelId,
    pub kind: Kind,
    /// WhatsApp: the phone_number_id. API: `api`.
    pub external_id: String,
    /// WhatsApp Business Account id, if known: routes account-level events.
    pub waba_id: Option<String>,
    /// For people.
    pub display: String,
    /// Sending is stopped (account disabled, token expired …) and why.
    pub paused_reason: Option<String>,
    /// WhatsApp only.
    pub credentials: Option<WhatsappCredentials>,
}

/// A new WhatsApp account.
#[derive(Debug, Clone)]
pub struct NewWhatsapp {
    pub phone_number_id: String,
    pub waba_id: Option<String>,
    pub display: String,
    pub credentials: WhatsappCredentials,
}

/// Connects a WhatsApp number. `Conflict` when some shop has it already.
pub async fn connect_whatsapp(_tx: &mut TenantTx, _new: &NewWhatsapp) -> Result<ChannelAccount, StoreError> {
    unimplemented!()
}
/// The tenant's API channel, made on first use.
pub async fn api_channel(_tx: &mut TenantTx) -> Result<ChannelAccount, StoreError> {
    unimplemented!()
}
/// One account.
pub async fn get(_tx: &mut TenantTx, _id: ChannelId) -> Result<ChannelAccount, StoreError> {
    unimplemented!()
}
/// All accounts of the tenant.
pub async fn list(_tx: &mut TenantTx) -> Result<Vec<ChannelAccount>, StoreError> {
    unimplemented!()
}
/// Stops or resumes sending.
pub async fn set_paused(_tx: &mut TenantTx, _id: ChannelId, _reason: Option<&str>) -> Result<(), StoreError> {
    unimplemented!()
}
/// The account behind a webhook path, whoever's it is.
pub async fn by_id(_store: &Store, _id: ChannelId) -> Result<Option<ChannelAccount>, StoreError> {
    unimplemented!()
}
/// The account of a WhatsApp phone_number_id, whoever's it is.
pub async fn by_phone_number_id(
    _store: &Store,
    _phone_number_id: &str,
) -> Result<Option<ChannelAccount>, StoreError> {
    unimplemented!()
}
/// The accounts of a WhatsApp Business Account id.
pub async fn by_waba(_store: &Store, _waba_id: &str) -> Result<Vec<ChannelAccount>, StoreError> {
    unimplemented!()
}
/// Every account, for the senders at start-up.
pub async fn all(_store: &Store) -> Result<Vec<ChannelAccount>, StoreError> {
    unimplemented!()
}
