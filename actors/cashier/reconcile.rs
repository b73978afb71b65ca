//! The comparison of a provider's books with ours. Webhooks get lost; this is what makes that harmless: whatever a
//! provider received within a window is laid beside what we have heard of, and what is missing goes the way of its
//! reports. Every five minutes the last two hours (windows overlap on purpose), once a day the last three days, once a
//! week the last ninety, in which money may still go back.

use std::time::Duration;

use balcao_domain::{PaymentAccountId, TenantCtx, TenantId};
use balcao_payments::{provider::Window, webhook::Event};
use balcao_store::{
    StoreError, TenantTx, events,
    sales::{
        payments,
        reconciliations::{self, Found, LastRuns},
        reports::{self, Account},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream};

use super::{ABREAST, Cashier, LIMIT, keep};

/// How often an account's books are compared.
const EVERY: Duration = Duration::from_secs(5 * 60);
/// A report that has not come so long after its money was not on its way any more.
const GRACE: TimeDelta = TimeDelta::seconds(60);

impl Cashier {
    /// Compares the books that are due. Returns whether something new was told, and whether there may be more.
    pub(crate) async fn reconcile_due(&self) -> Result<(bool, bool), StoreError> {
        let due = reconciliations::due(&self.store, LIMIT).await?;
        let more = due.len() >= LIMIT as usize;
        let news = stream::iter(due)
            .map(|(tenant_id, account)| async move {
                self.reconcile(tenant_id, account).await.unwrap_or_else(|error| {
                    tracing::warn!(tenant.id = %tenant_id, payment_account.id = %account, %error,
                        "a provider's books could not be compared");
                    false
                })
            })
            .buffer_unordered(ABREAST)
            .any(|news| async move { news })
            .await;
        Ok((news, more))
    }

    async fn reconcile(&self, tenant_id: TenantId, account: PaymentAccountId) -> Result<bool, StoreError> {
        let ctx = TenantCtx::system(tenant_id);
        let mut tx = self.store.tenant_tx(&ctx).await?;
        let every = EVERY.mul_f64(rand::random_range(0.9..1.1));
        let Some(last) = reconciliations::take(&mut tx, account, every).await? else { return Ok(false) };
        let started_at = Utc::now();
        let window = window(started_at, last);
        let span = Some((window.from, window.to));
        let (known, line) = match self.line_of(&mut tx, account).await {
            Ok(both) => both,
            Err(trouble) => {
                reconciliations::record(&mut tx, account, span, started_at, Err(trouble.to_string())).await?;
                tx.commit().await?;
                return Ok(false);
            }
        };
        tx.commit().await?;

        let received = line.call(line.client.received(&window)).await;
        let mut tx = self.store.tenant_tx(&ctx).await?;
        let news = match received {
            // It has no list: each charge is asked about by itself.
            Ok(None) => false,
            Ok(Some(events)) => {
                let (found, news) = compare(&mut tx, &known, &events).await?;
                reconciliations::record(&mut tx, account, span, started_at, Ok(found)).await?;
                alert(&mut tx, &known, found).await?;
                news
            }
            Err(trouble) => {
                reconciliations::record(&mut tx, account, span, started_at, Err(trouble.to_string())).await?;
                false
            }
        };
        tx.commit().await?;
        Ok(news)
    }
}

/// Stores what we had not heard of; what we had is not stored a second time under another key.
async fn compare(
    tx: &mut TenantTx,
    account: &Account,
    events: &[Event],
) -> Result<(Found, bool), StoreError> {
    let unheard = unheard(tx, events).await?;
    let mut found = Found { told: count(events.len()), ..overdue(tx, account, &unheard).await? };
    for event in &unheard {
        let names = event.reference.of_charge();
        let order = event.reference.order.as_deref();
        found.unmatched +=
            i64::from(payments::reported(tx, &account.provider, &names, order).await?.is_none());
    }
    let news = keep(tx, account.account_id, &unheard).await?;
    Ok((found, news))
}

/// The movements of money that are not in our books.
async fn unheard(tx: &mut TenantTx, events: &[Event]) -> Result<Vec<Event>, StoreError> {
    let keys: Vec<String> = events.iter().filter_map(|event| event.fact_key.clone()).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let known = reconciliations::known(tx, &keys).await?;
    let is_unheard = |event: &&Event| event.fact_key.as_ref().is_some_and(|key| !known.contains(key));
    Ok(events.iter().filter(is_unheard).cloned().collect())
}

/// How many of them should have been reported by now.
async fn overdue(tx: &mut TenantTx, account: &Account, unheard: &[Event]) -> Result<Found, StoreError> {
    let now = Utc::now();
    let late = unheard.iter().filter(|event| event.occurred_at.is_none_or(|at| now - at >= GRACE));
    let keys: Vec<String> = late.filter_map(|event| event.dedupe_key.clone()).collect();
    // Reported, and waiting for its charge or for a person: nobody missed that.
    let waiting = reports::unsettled(tx, account.account_id, &keys).await?;
    Ok(Found { missed: (count(keys.len()) - waiting).max(0), ..Found::default() })
}

/// The same of what was told about one charge; whoever watches is told of it.
pub(super) async fn notice(tx: &mut TenantTx, account: &Account, events: &[Event]) -> Result<(), StoreError> {
    let unheard = unheard(tx, events).await?;
    let found = overdue(tx, account, &unheard).await?;
    alert(tx, account, found).await
}

/// Reports did not come that should have: whoever watches is told, and so are the shop's own systems.
async fn alert(tx: &mut TenantTx, account: &Account, found: Found) -> Result<(), StoreError> {
    let Found { missed, unmatched, .. } = found;
    if missed == 0 {
        return Ok(());
    }
    metrics::counter!("balcao_payment_drift_total", "provider" => account.provider.clone())
        .increment(u64::try_from(missed).unwrap_or_default());
    tracing::warn!(payment_account.id = %account.account_id, provider = account.provider, missed, unmatched,
        "the provider knew of money that was never reported: are its webhooks set up?");
    let news = serde_json::json!({
        "payment_account_id": account.account_id,
        "provider": account.provider,
        "missed": missed,
        "unmatched": unmatched,
    });
    events::push(tx, "payment.drift", None, &news).await.map(drop)
}

fn count(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

fn window(now: DateTime<Utc>, last: LastRuns) -> Window {
    let old = |at: Option<DateTime<Utc>>, days: i64| at.is_none_or(|at| now - at >= TimeDelta::days(days));
    let back = if old(last.months, 7) {
        TimeDelta::days(90)
    } else if old(last.days, 1) {
        TimeDelta::days(3)
    } else {
        TimeDelta::hours(2)
    };
    Window { from: now - back, to: now }
}
