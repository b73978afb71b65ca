//! WhatsApp accounts, by webhook path and by phone number id: a short memory in front of the store.

use std::{sync::Arc, time::Duration};

use balcao_domain::ChannelId;
use balcao_store::{
    Store, StoreError,
    channels::{self, ChannelAccount},
};
use moka::future::Cache;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// New credentials are felt after this long at most.
const FRESH: Duration = Duration::from_secs(5);
/// Accounts remembered at most; unknown ids count too, so that nobody can make us ask the database for each guess.
const REMEMBERED: u64 = 20_000;

type Known = Option<Arc<ChannelAccount>>;

/// The memory.
pub struct Accounts {
    by_channel: Cache<ChannelId, Known>,
    by_number: Cache<Box<str>, Known>,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            by_channel: Cache::builder().max_capacity(REMEMBERED).time_to_live(FRESH).build(),
            by_number: Cache::builder().max_capacity(REMEMBERED).time_to_live(FRESH).build(),
        }
    }
}

impl Accounts {
    /// The account behind a webhook path.
    pub async fn of_channel(&self, store: &Store, id: ChannelId) -> Result<Known, Arc<StoreError>> {
        let look_up = async { Ok(channels::by_id(store, id).await?.map(Arc::new)) };
        self.by_channel.try_get_with(id, look_up).await
    }

    /// The account of a number, if it hangs on the same Meta app as `signer`: whoever holds the secret of one app
    /// speaks for the numbers of that app and for no other.
    pub async fn of_number(
        &self,
        store: &Store,
        phone_number_id: &str,
        signer: &ChannelAccount,
    ) -> Result<Known, Arc<StoreError>> {
        let look_up = async { Ok(channels::by_phone_number_id(store, phone_number_id).await?.map(Arc::new)) };
        let known = match self.by_number.get(phone_number_id).await {
            Some(known) => known,
            None => self.by_number.try_get_with(phone_number_id.into(), look_up).await?,
        };
        Ok(known.filter(|account| same_app(account, signer)))
    }

    /// The accounts of a WhatsApp Business Account that hang on the same Meta app as `signer`.
    pub async fn of_waba(
        &self,
        store: &Store,
        waba_id: &str,
        signer: &ChannelAccount,
    ) -> Result<Vec<Arc<ChannelAccount>>, StoreError> {
        let all = channels::by_waba(store, waba_id).await?;
        Ok(all.into_iter().filter(|account| same_app(account, signer)).map(Arc::new).collect())
    }
}

/// Whether two accounts hang on the same Meta app: they have the same app secret.
fn same_app(one: &ChannelAccount, other: &ChannelAccount) -> bool {
    let (Some(one), Some(other)) = (&one.credentials, &other.credentials) else { return false };
    let digest = |secret: &str| Sha256::digest(secret.as_bytes());
    digest(one.app_secret.expose_secret()).ct_eq(&digest(other.app_secret.expose_secret())).into()
}

#[cfg(test)]
mod tests {
    use balcao_domain::{TenantId, channel::Kind};
    use balcao_store::channels::WhatsappCredentials;

    use super::*;

    fn account(app_secret: Option<&str>) -> ChannelAccount {
        ChannelAccount {
            tenant_id: TenantId::generate(),
            channel_id: ChannelId::generate(),
            kind: Kind::Whatsapp,
            external_id: "309900000000001".into(),
            waba_id: None,
            display: "551140009001".into(),
            paused_reason: None,
            credentials: app_secret.map(|secret| WhatsappCredentials {
                app_secret: secret.into(),
                verify_token: "v".into(),
                access_token: "t".into(),
            }),
        }
    }

    #[test]
    fn a_secret_speaks_only_for_the_numbers_of_its_own_app() {
        assert!(same_app(&account(Some("one")), &account(Some("one"))));
        assert!(!same_app(&account(Some("one")), &account(Some("two"))));
        assert!(!same_app(&account(None), &account(None)), "no secret proves nothing");
    }
}
