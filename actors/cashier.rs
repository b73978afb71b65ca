//! The shop's errands at its payment providers: have a charge made, ask what became of it, give money back, compare the
//! books. Every call goes through the account's own breaker.
//!
//! An errand is a row in the database, claimed for a while ([`balcao_store::sales::charges`]); nothing is locked while a
//! provider is called, and what a provider answers goes the way of its webhooks: stored as reports, applied by
//! [`crate::payments`]. So a process may die anywhere here: the claim runs out, and the provider knows the repeat by our
//! reference.

mod charges;
mod reconcile;
mod refunds;

use std::{hash::BuildHasher, sync::Arc, time::Duration};

use balcao_agent::desk::port::Charges;
use balcao_domain::{PaymentAccountId, PaymentId, TenantCtx, breaker::Config};
use balcao_payments::{
    provider::{self, Client, Failure},
    webhook::{Event, Secrets},
};
use balcao_store::{
    Store, StoreError, TenantTx,
    sales::reports::{self, Account, NewEvent},
};
use moka::sync::Cache;
use secrecy::ExposeSecret;

use crate::breakers::{Breakers, CallError, Class, GuardHandle};

/// How long an errand is claimed: longer than its calls may take.
const CLAIM: Duration = Duration::from_secs(45);
/// Errands of one kind in one sweep, run side by side.
const LIMIT: i32 = 64;
const ABREAST: usize = 8;
/// Pauses between attempts; after the last a person is called.
const PAUSES: [u64; 8] = [2, 5, 15, 60, 300, 900, 3_600, 3_600];
/// Lines to providers that are kept open.
const LINES: u64 = 10_000;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Cashier {
    store: Store,
    breakers: Breakers,
    lines: Cache<(PaymentAccountId, u64), Arc<Line>>,
    hasher: std::hash::RandomState,
}

/// One account's line to its provider.
struct Line {
    client: Client,
    guard: GuardHandle,
}

/// Why an errand came to nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The breaker refused: nobody was called.
    #[error("the provider has been failing and is left alone for a while")]
    LeftAlone,
    #[error(transparent)]
    Provider(#[from] Failure),
}

impl Trouble {
    fn may_pass(&self) -> bool {
        match self {
            Self::Store(_) | Self::LeftAlone => true,
            Self::Provider(failure) => failure.may_pass(),
        }
    }
}

impl Cashier {
    /// A cashier over this database, behind these breakers.
    pub fn new(store: Store, breakers: Breakers) -> Self {
        let lines = Cache::builder().max_capacity(LINES).time_to_idle(Duration::from_secs(3600)).build();
        Self { store, breakers, lines, hasher: std::hash::RandomState::new() }
    }

    /// The line of an account; a new one when its credentials have changed.
    async fn line(&self, account: &Account) -> Result<Arc<Line>, Trouble> {
        let version = self.hasher.hash_one(account.credentials.expose_secret());
        let key = (account.account_id, version);
        if let Some(line) = self.lines.get(&key) {
            return Ok(line);
        }
        let impossible = |why: String| Trouble::Provider(Failure::Impossible(why));
        let provider = provider::provider(&account.provider)
            .ok_or_else(|| impossible(format!("{} cannot be called", account.provider)))?;
        let secrets = Secrets::from_json(&account.credentials)
            .map_err(|_| impossible("the account's keys cannot be read".into()))?;
        let access = secrets
            .access
            .ok_or_else(|| impossible("the account does not say how to call its provider".into()))?;
        let client = Client::new(provider, access)?;
        let name = format!("payments:{}:{}", account.provider, account.account_id);
        let guard = self.breakers.gate(&name, Config::default()).await;
        let line = Arc::new(Line { client, guard });
        self.lines.insert(key, line.clone());
        Ok(line)
    }

    /// The line of an account by its id, within its shop.
    async fn line_of(
        &self,
        tx: &mut TenantTx,
        id: PaymentAccountId,
    ) -> Result<(Account, Arc<Line>), Trouble> {
        let accounts = reports::accounts(tx).await?;
        let account =
            accounts.into_iter().find(|account| account.account_id == id).ok_or(StoreError::NotFound)?;
        let line = self.line(&account).await?;
        Ok((account, line))
    }
}

impl Line {
    /// A call behind the breaker.
    async fn call<T>(&self, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Trouble> {
        match self.guard.call(class_of, call).await {
            Ok(answer) => Ok(answer),
            Err(CallError::Rejected(_)) => Err(Trouble::LeftAlone),
            Err(CallError::Failed(failure)) => Err(Trouble::Provider(failure)),
        }
    }
}

fn class_of<T>(result: &Result<T, Failure>) -> Class {
    match result {
        Ok(_) => Class::Success,
        Err(Failure::Impossible(_)) => Class::LocalReject,
        // About one charge: the provider is well.
        Err(Failure::Unknown | Failure::Refused { .. }) => Class::ClientBug,
        Err(Failure::Unauthorized(_)) => Class::Unauthorized,
        Err(Failure::Limited { retry_after }) => Class::RateLimited { retry_after: *retry_after },
        // Every call can be repeated, so one that was lost is no worse than one that failed.
        Err(Failure::Away { .. } | Failure::Unreadable(_)) => Class::Failure { retry_after: None },
    }
}

/// The pause after so many attempts, not the same for all; `None`: give up.
fn pause(attempts: i32) -> Option<Duration> {
    let seconds = PAUSES.get(usize::try_from(attempts).unwrap_or_default())?;
    Some(Duration::from_secs(*seconds).mul_f64(rand::random_range(0.8..1.2)))
}

/// Stores what a provider answered, as if it had reported it. Returns whether there was anything new.
async fn keep(tx: &mut TenantTx, account: PaymentAccountId, events: &[Event]) -> Result<bool, StoreError> {
    let kept: Vec<NewEvent> = events
        .iter()
        .filter_map(|event| {
            let dedupe_key = event.dedupe_key.clone()?;
            Some(NewEvent { dedupe_key, event: serde_json::to_value(event).ok()? })
        })
        .collect();
    if kept.is_empty() {
        return Ok(false);
    }
    // There is no body that came in: the event is all there is.
    Ok(reports::keep(tx, account, &kept, b"").await? > 0)
}

#[async_trait::async_trait]
impl Charges for Cashier {
    async fn make(&self, ctx: &TenantCtx, payment: PaymentId) {
        match self.issue(ctx.tenant_id, payment, true).await {
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(tenant.id = %ctx.tenant_id, payment.id = %payment, %error, "a charge will be made later");
            }
        }
    }
}
