//! A tenant's settings and channel accounts, as turns and senders need them: loaded once, reloaded when told
//! and every half minute (another node may have changed them).

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use balcao_channels::Channel;
use balcao_domain::{ChannelId, TenantCtx, TenantId, channel::Kind, tenant::Tenant};
use balcao_store::{Store, StoreError, channels, channels::ChannelAccount, tenants};
use moka::future::Cache;
use parking_lot::Mutex;
use secrecy::ExposeSecret;

use crate::{
    breakers::{Breakers, Order},
    handles::same_error,
    system::ChannelFactory,
};

/// How old settings may be that another node has changed.
const FRESH_FOR: Duration = Duration::from_secs(30);

/// Tenants kept in memory; the least used are loaded anew when they come back.
const KEPT: u64 = 10_000;

/// All that the engine knows of a tenant by heart.
pub(crate) struct Shop {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) accounts: HashMap<ChannelId, Account>,
}

/// An account, and its sending side behind its breaker. The chat API has none.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) account: ChannelAccount,
    pub(crate) channel: Option<Arc<dyn Channel>>,
}

/// All shops that are in use.
pub(crate) struct Directory {
    store: Store,
    factory: Arc<dyn ChannelFactory>,
    breakers: Breakers,
    shops: Cache<TenantId, Arc<Shop>>,
    /// Senders live on as long as their credentials: they keep connections.
    senders: Mutex<HashMap<ChannelId, Sender>>,
}

struct Sender {
    tenant_id: TenantId,
    /// Its breaker's.
    key: String,
    fingerprint: u64,
    paused: bool,
    channel: Arc<dyn Channel>,
}

impl Directory {
    pub(crate) fn new(store: Store, factory: Arc<dyn ChannelFactory>, breakers: Breakers) -> Self {
        let shops = Cache::builder().max_capacity(KEPT).time_to_live(FRESH_FOR).build();
        Self { store, factory, breakers, shops, senders: Mutex::default() }
    }

    /// The shop of a tenant. Concurrent callers share one load.
    pub(crate) async fn shop(&self, tenant_id: TenantId) -> Result<Arc<Shop>, StoreError> {
        self.shops.try_get_with(tenant_id, self.load(tenant_id)).await.map_err(|error| same_error(&error))
    }

    /// It has changed: the next caller loads it anew.
    pub(crate) async fn forget(&self, tenant_id: TenantId) {
        self.shops.invalidate(&tenant_id).await;
    }

    /// A person has seen to the tenant's accounts: breakers that opened by themselves may try again now instead of
    /// when their time is over. What an operator ordered stands.
    pub(crate) async fn try_again(&self, tenant_id: TenantId) {
        let mut keys: Vec<String> = Vec::new();
        for sender in self.senders.lock().values().filter(|sender| sender.tenant_id == tenant_id) {
            keys.push(sender.key.clone());
        }
        self.close_breakers(&keys).await;
    }

    async fn load(&self, tenant_id: TenantId) -> Result<Arc<Shop>, StoreError> {
        let mut tx = self.store.tenant_tx(&TenantCtx::system(tenant_id)).await?;
        let tenant = Arc::new(tenants::get(&mut tx).await?);
        let list = channels::list(&mut tx).await?;
        tx.commit().await?;
        let mut accounts = HashMap::with_capacity(list.len());
        for account in list {
            let channel = self.sender(&account).await;
            accounts.insert(account.channel_id, Account { account, channel });
        }
        Ok(Arc::new(Shop { tenant, accounts }))
    }

    async fn sender(&self, account: &ChannelAccount) -> Option<Arc<dyn Channel>> {
        if account.kind == Kind::Api {
            return None;
        }
        let (fingerprint, paused) = (fingerprint(account), account.paused_reason.is_some());
        let mut seen_to = false;
        if let Some(known) = self.senders.lock().get_mut(&account.channel_id) {
            seen_to = known.fingerprint != fingerprint || (known.paused && !paused);
            known.paused = paused;
            if !seen_to {
                return Some(known.channel.clone());
            }
        }
        let key = format!("{}:{}", account.kind.as_str(), account.external_id);
        if seen_to {
            // From another process, perhaps: nobody told us, and customers wait for what is queued.
            self.close_breakers(std::slice::from_ref(&key)).await;
        }
        let channel = self.breakers.guard_channel(&key, self.factory.channel(account)).await;
        let sender =
            Sender { tenant_id: account.tenant_id, key, fingerprint, paused, channel: channel.clone() };
        self.senders.lock().insert(account.channel_id, sender);
        Some(channel)
    }

    /// Lets breakers try again now that opened by themselves.
    async fn close_breakers(&self, keys: &[String]) {
        for view in self.breakers.views() {
            if view.state == "open" && keys.contains(&view.key) {
                self.breakers.order(&view.key, Order::Automatic, "the account was seen to", None).await;
            }
        }
    }
}

/// Changes when the account must be spoken to differently.
fn fingerprint(account: &ChannelAccount) -> u64 {
    let mut hasher = DefaultHasher::new();
    account.external_id.hash(&mut hasher);
    if let Some(credentials) = &account.credentials {
        credentials.access_token.expose_secret().hash(&mut hasher);
        credentials.app_secret.expose_secret().hash(&mut hasher);
    }
    hasher.finish()
}
