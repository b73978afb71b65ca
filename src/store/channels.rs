//! Accounts on channels, with their credentials (encrypted at rest).

use balcao_domain::{ChannelId, TenantId, channel::Kind};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Store, StoreError, TenantTx, keyring::Keyring};

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
pub async fn connect_whatsapp(tx: &mut TenantTx, new: &NewWhatsapp) -> Result<ChannelAccount, StoreError> {
    let (tenant_id, channel_id) = (tx.tenant_id(), ChannelId::generate());
    sqlx::query!("select channel_reserve('whatsapp', $1)", new.phone_number_id).execute(tx.conn()).await?;
    let sealed = seal(tx.keyring(), tenant_id, channel_id, &new.credentials)?;
    sqlx::query!(
        "insert into channel (tenant_id, channel_id, kind, external_id, waba_id, display, credentials)
         values ($1, $2, 'whatsapp', $3, $4, $5, $6)",
        tenant_id.as_uuid(),
        channel_id.as_uuid(),
        new.phone_number_id,
        new.waba_id,
        new.display,
        sealed,
    )
    .execute(tx.conn())
    .await?;
    get(tx, channel_id).await
}

/// Replaces the credentials of a number the shop has connected, and lets it send again. `NotFound` when it is not the
/// shop's. The webhook's path stays.
pub async fn reconnect_whatsapp(tx: &mut TenantTx, new: &NewWhatsapp) -> Result<ChannelAccount, StoreError> {
    let channel_id = whatsapp_number(tx, &new.phone_number_id).await?;
    let tenant_id = tx.tenant_id();
    let sealed = seal(tx.keyring(), tenant_id, channel_id, &new.credentials)?;
    sqlx::query!(
        "update channel
         set credentials = $3, waba_id = coalesce($4, waba_id), display = coalesce(nullif($5, ''), display),
             paused_reason = null
         where tenant_id = $1 and channel_id = $2",
        tenant_id.as_uuid(),
        channel_id.as_uuid(),
        sealed,
        new.waba_id,
        new.display,
    )
    .execute(tx.conn())
    .await?;
    get(tx, channel_id).await
}

/// The account of a number of this shop.
pub async fn whatsapp_number(tx: &mut TenantTx, phone_number_id: &str) -> Result<ChannelId, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let id = sqlx::query_scalar!(
        "select channel_id from channel where tenant_id = $1 and kind = 'whatsapp' and external_id = $2",
        tenant_id,
        phone_number_id,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(ChannelId::from_uuid(id))
}

/// The tenant's API channel, made on first use.
pub async fn api_channel(tx: &mut TenantTx) -> Result<ChannelAccount, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let found = sqlx::query_as!(
        Row,
        "select tenant_id, channel_id, kind, external_id, waba_id, display, paused_reason, credentials
         from channel where tenant_id = $1 and kind = 'api' and external_id = 'api'",
        tenant_id,
    )
    .fetch_optional(tx.conn())
    .await?;
    if let Some(row) = found {
        return row.open(tx.keyring());
    }
    // Two first uses at once: the second waits for the first and changes nothing.
    let row = sqlx::query_as!(
        Row,
        "insert into channel (tenant_id, channel_id, kind, external_id, display)
         values ($1, $2, 'api', 'api', 'API')
         on conflict (tenant_id, kind, external_id) do update set display = channel.display
         returning tenant_id, channel_id, kind, external_id, waba_id, display, paused_reason, credentials",
        tenant_id,
        ChannelId::generate().as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    row.open(tx.keyring())
}

/// One account.
pub async fn get(tx: &mut TenantTx, id: ChannelId) -> Result<ChannelAccount, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query_as!(
        Row,
        "select tenant_id, channel_id, kind, external_id, waba_id, display, paused_reason, credentials
         from channel where tenant_id = $1 and channel_id = $2",
        tenant_id,
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    row.open(tx.keyring())
}

/// All accounts of the tenant.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<ChannelAccount>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query_as!(
        Row,
        "select tenant_id, channel_id, kind, external_id, waba_id, display, paused_reason, credentials
         from channel where tenant_id = $1 order by channel_id",
        tenant_id,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| row.open(tx.keyring())).collect()
}

/// Stops or resumes sending.
pub async fn set_paused(tx: &mut TenantTx, id: ChannelId, reason: Option<&str>) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let done = sqlx::query!(
        "update channel set paused_reason = $3 where tenant_id = $1 and channel_id = $2",
        tenant_id,
        id.as_uuid(),
        reason,
    )
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

/// The account behind a webhook path, whoever's it is.
pub async fn by_id(store: &Store, id: ChannelId) -> Result<Option<ChannelAccount>, StoreError> {
    let mut lease = store.lease().await?;
    let row = sqlx::query_as!(
        Row,
        r#"select tenant_id as "tenant_id!", channel_id as "channel_id!", kind as "kind!",
                  external_id as "external_id!", waba_id, display as "display!", paused_reason, credentials
           from channel_by_id($1)"#,
        id.as_uuid(),
    )
    .fetch_optional(&mut *lease)
    .await?;
    lease.done();
    row.map(|row| row.open(&store.keyring)).transpose()
}

/// The account of a WhatsApp phone_number_id, whoever's it is.
pub async fn by_phone_number_id(
    store: &Store,
    phone_number_id: &str,
) -> Result<Option<ChannelAccount>, StoreError> {
    let mut lease = store.lease().await?;
    let row = sqlx::query_as!(
        Row,
        r#"select tenant_id as "tenant_id!", channel_id as "channel_id!", kind as "kind!",
                  external_id as "external_id!", waba_id, display as "display!", paused_reason, credentials
           from channel_by_external('whatsapp', $1)"#,
        phone_number_id,
    )
    .fetch_optional(&mut *lease)
    .await?;
    lease.done();
    row.map(|row| row.open(&store.keyring)).transpose()
}

/// The accounts of a WhatsApp Business Account id.
pub async fn by_waba(store: &Store, waba_id: &str) -> Result<Vec<ChannelAccount>, StoreError> {
    let mut lease = store.lease().await?;
    let rows = sqlx::query_as!(
        Row,
        r#"select tenant_id as "tenant_id!", channel_id as "channel_id!", kind as "kind!",
                  external_id as "external_id!", waba_id, display as "display!", paused_reason, credentials
           from channel_by_waba($1)"#,
        waba_id,
    )
    .fetch_all(&mut *lease)
    .await?;
    lease.done();
    rows.into_iter().map(|row| row.open(&store.keyring)).collect()
}

/// Every account, for the senders at start-up. One whose credentials do not open is left out and logged: it must
/// not keep the others from sending.
pub async fn all(store: &Store) -> Result<Vec<ChannelAccount>, StoreError> {
    let mut lease = store.lease().await?;
    let rows = sqlx::query_as!(
        Row,
        r#"select tenant_id as "tenant_id!", channel_id as "channel_id!", kind as "kind!",
                  external_id as "external_id!", waba_id, display as "display!", paused_reason, credentials
           from channel_all()"#,
    )
    .fetch_all(&mut *lease)
    .await?;
    lease.done();
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let channel_id = ChannelId::from_uuid(row.channel_id);
            row.open(&store.keyring)
                .inspect_err(
                    |error| tracing::error!(channel.id = %channel_id, %error, "cannot use a channel"),
                )
                .ok()
        })
        .collect())
}

struct Row {
    tenant_id: Uuid,
    channel_id: Uuid,
    kind: String,
    external_id: String,
    waba_id: Option<String>,
    display: String,
    paused_reason: Option<String>,
    credentials: Option<Vec<u8>>,
}

impl Row {
    fn open(self, keyring: &Keyring) -> Result<ChannelAccount, StoreError> {
        let (tenant_id, channel_id) =
            (TenantId::from_uuid(self.tenant_id), ChannelId::from_uuid(self.channel_id));
        let credentials =
            self.credentials.map(|sealed| open(keyring, tenant_id, channel_id, &sealed)).transpose()?;
        Ok(ChannelAccount {
            tenant_id,
            channel_id,
            kind: parse_kind(&self.kind)?,
            external_id: self.external_id,
            waba_id: self.waba_id,
            display: self.display,
            paused_reason: self.paused_reason,
            credentials,
        })
    }
}

pub(crate) fn parse_kind(word: &str) -> Result<Kind, StoreError> {
    Kind::parse(word).ok_or_else(|| StoreError::Corrupt(format!("unknown channel kind `{word}`")))
}

/// The credentials as they are sealed.
#[derive(Serialize, Deserialize)]
struct Plain {
    app_secret: String,
    verify_token: String,
    access_token: String,
}

fn seal(
    keyring: &Keyring,
    tenant_id: TenantId,
    channel_id: ChannelId,
    credentials: &WhatsappCredentials,
) -> Result<Vec<u8>, StoreError> {
    let plain = serde_json::to_vec(&Plain {
        app_secret: credentials.app_secret.expose_secret().to_owned(),
        verify_token: credentials.verify_token.expose_secret().to_owned(),
        access_token: credentials.access_token.expose_secret().to_owned(),
    })?;
    keyring.seal(&plain, &context(tenant_id, channel_id)).map_err(|e| StoreError::Corrupt(e.to_string()))
}

fn open(
    keyring: &Keyring,
    tenant_id: TenantId,
    channel_id: ChannelId,
    sealed: &[u8],
) -> Result<WhatsappCredentials, StoreError> {
    let plain = keyring
        .open(sealed, &context(tenant_id, channel_id))
        .map_err(|e| StoreError::Corrupt(e.to_string()))?;
    let plain: Plain = serde_json::from_slice(&plain)?;
    Ok(WhatsappCredentials {
        app_secret: plain.app_secret.into(),
        verify_token: plain.verify_token.into(),
        access_token: plain.access_token.into(),
    })
}

/// Whose credentials they are: authenticated with them.
fn context(tenant_id: TenantId, channel_id: ChannelId) -> Vec<u8> {
    [&b"channel"[..], tenant_id.as_uuid().as_bytes(), channel_id.as_uuid().as_bytes()].concat()
}
