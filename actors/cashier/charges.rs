//! Charges: made, and asked about.

use std::time::Duration;

use balcao_agent::desk::notices::{self, Notice};
use balcao_domain::{ChannelId, PaymentId, TenantCtx, TenantId, money::Money, payment::Lifecycle};
use balcao_payments::{
    provider::{Created, Failure, Names, NewCharge},
    webhook::{Event, Kind, Reference},
};
use balcao_store::{
    StoreError,
    sales::{
        charges::{self, ToCheck, ToIssue},
        orders, payments, reports,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream};

use super::{ABREAST, CLAIM, Cashier, LIMIT, Trouble, keep, pause};

/// A charge that has less time left is not made any more.
const SHORTEST: TimeDelta = TimeDelta::seconds(10);

impl Cashier {
    /// Makes the charges that are due. Returns the channels to ring, because customers were told of their codes, and
    /// whether there may be more.
    pub(crate) async fn issue_due(&self) -> Result<(Vec<(TenantId, ChannelId)>, bool), StoreError> {
        let due = charges::issue_due(&self.store, LIMIT).await?;
        let more = due.len() >= LIMIT as usize;
        let rings = stream::iter(due)
            .map(|(tenant_id, id)| async move {
                // One charge's trouble is not the others'.
                self.issue(tenant_id, id, false).await.unwrap_or_else(|error| {
                    tracing::warn!(tenant.id = %tenant_id, payment.id = %id, %error, "a charge could not be made");
                    None
                })
            })
            .buffer_unordered(ABREAST)
            .filter_map(|ring| async move { ring })
            .collect()
            .await;
        Ok((rings, more))
    }

    /// Makes one charge. In a turn (`early`) the turn itself says the code; otherwise the customer is told here.
    pub(super) async fn issue(
        &self,
        tenant_id: TenantId,
        id: PaymentId,
        early: bool,
    ) -> Result<Option<(TenantId, ChannelId)>, StoreError> {
        let ctx = TenantCtx::system(tenant_id);
        let mut tx = self.store.tenant_tx(&ctx).await?;
        let Some(charge) = charges::take_to_issue(&mut tx, id, early, CLAIM).await? else { return Ok(None) };
        let line = self.line_of(&mut tx, charge.account_id).await;
        let status = orders::get(&mut tx, charge.order_id).await?.status;
        tx.commit().await?;

        let now = Utc::now();
        let made = match line {
            Err(trouble) => Err(trouble),
            Ok(_) if !status.may_become(balcao_domain::order::Status::Paid) => {
                Err(Trouble::Provider(Failure::Impossible("its order is not to be paid any more".into())))
            }
            Ok((_, line)) => match new_charge(&charge, now) {
                Ok((new, title)) => {
                    let new = NewCharge { title: &title, ..new };
                    line.call(line.client.create(&new, charge.attempts > 0)).await
                }
                Err(why) => Err(Trouble::Provider(Failure::Impossible(why))),
            },
        };

        let mut tx = self.store.tenant_tx(&ctx).await?;
        let ring = match made {
            Ok(Created { provider_id, br_code: Some(br_code) }) => {
                let instructions = serde_json::json!({ "br_code": br_code });
                let check = next_check(now, charge.expires_at, now);
                charges::issued(&mut tx, id, provider_id.as_deref(), &instructions, check).await?;
                metrics::counter!("balcao_charges_made_total").increment(1);
                match early {
                    true => None,
                    false => {
                        let charge = payments::get(&mut tx, id).await?;
                        notices::tell(&mut tx, charge.order_id, Notice::Code(br_code)).await?
                    }
                }
            }
            Ok(Created { br_code: None, .. }) => {
                let why = "the provider made the charge without a PIX code";
                charges::not_issued(&mut tx, id, why, pause(charge.attempts)).await?;
                None
            }
            // Nobody will pay it: there is nothing for a person to do.
            Err(_) if !status.may_become(balcao_domain::order::Status::Paid) => {
                charges::issued(&mut tx, id, None, &serde_json::json!({}), None).await?;
                None
            }
            Err(trouble) => {
                let again = if trouble.may_pass() { pause(charge.attempts) } else { None };
                charges::not_issued(&mut tx, id, &trouble.to_string(), again).await?;
                tracing::warn!(tenant.id = %tenant_id, payment.id = %id, error = %trouble, again = ?again,
                    "the provider did not make a charge");
                None
            }
        };
        tx.commit().await?;
        Ok(ring.map(|channel| (tenant_id, channel)))
    }

    /// Asks about the charges that should have moved by now. Returns whether something new was told, and whether there
    /// may be more.
    pub(crate) async fn check_due(&self) -> Result<(bool, bool), StoreError> {
        let due = charges::check_due(&self.store, LIMIT).await?;
        let more = due.len() >= LIMIT as usize;
        let news = stream::iter(due)
            .map(|(tenant_id, id)| async move {
                self.check(tenant_id, id).await.unwrap_or_else(|error| {
                    tracing::warn!(tenant.id = %tenant_id, payment.id = %id, %error, "a charge could not be looked up");
                    false
                })
            })
            .buffer_unordered(ABREAST)
            .any(|news| async move { news })
            .await;
        Ok((news, more))
    }

    async fn check(&self, tenant_id: TenantId, id: PaymentId) -> Result<bool, Trouble> {
        let ctx = TenantCtx::system(tenant_id);
        let mut tx = self.store.tenant_tx(&ctx).await?;
        let Some(charge) = charges::take_to_check(&mut tx, id, CLAIM).await? else { return Ok(false) };
        let (account, line) = self.line_of(&mut tx, charge.account_id).await?;
        tx.commit().await?;

        let names =
            Names { reference: Some(charge.reference.clone()), provider_id: charge.provider_id.clone() };
        let found = match line.call(line.client.look_up(&names)).await {
            // It never came to the provider, or was let go there: nothing will be received for it.
            Err(Trouble::Provider(Failure::Unknown)) => Ok(Vec::new()),
            other => other,
        };
        let now = Utc::now();
        let mut tx = self.store.tenant_tx(&ctx).await?;
        let Ok(mut events) = found else {
            let later = now + TimeDelta::minutes(5);
            charges::check_again(&mut tx, id, Some(later)).await?;
            tx.commit().await?;
            return found.map(|_| false);
        };
        // That its time is over is not always said; that nothing came by then is what was just heard.
        if charge.expires_at.is_some_and(|at| at < now)
            && !events.iter().any(|event| event.kind == Kind::Paid)
        {
            events.push(expired(&charge, &account.provider));
        }
        super::reconcile::notice(&mut tx, &account, &events).await?;
        let news = keep(&mut tx, charge.account_id, &events).await?;
        charges::check_again(&mut tx, id, next_check(charge.created_at, charge.expires_at, now)).await?;
        tx.commit().await?;
        Ok(news)
    }

    /// The truth behind a report that only says that something happened. Whether it was stored: `None` where the shop
    /// has not said how to call the provider.
    pub(crate) async fn truth(
        &self,
        tenant_id: TenantId,
        account: balcao_domain::PaymentAccountId,
        of: &Reference,
    ) -> Result<Option<bool>, String> {
        let ctx = TenantCtx::system(tenant_id);
        let words = |error: StoreError| error.to_string();
        let mut tx = self.store.tenant_tx(&ctx).await.map_err(words)?;
        let accounts = reports::accounts(&mut tx).await.map_err(words)?;
        let Some(account) = accounts.into_iter().find(|known| known.account_id == account && known.calls)
        else {
            return Ok(None);
        };
        tx.commit().await.map_err(words)?;
        let line = self.line(&account).await.map_err(|trouble| trouble.to_string())?;
        let names =
            Names { reference: of.txid.clone().or(of.order.clone()), provider_id: of.provider_id.clone() };
        let events = line.call(line.client.look_up(&names)).await.map_err(|trouble| trouble.to_string())?;
        let mut tx = self.store.tenant_tx(&ctx).await.map_err(words)?;
        let news = keep(&mut tx, account.account_id, &events).await.map_err(words)?;
        tx.commit().await.map_err(words)?;
        Ok(Some(news))
    }
}

/// What to ask the provider for, and what the payer reads.
fn new_charge(charge: &ToIssue, now: DateTime<Utc>) -> Result<(NewCharge<'_>, String), String> {
    let currency = charge.currency.parse().map_err(|_| format!("the currency `{}`", charge.currency))?;
    let left = charge.expires_at.map_or(TimeDelta::days(1), |at| at - now);
    if left < SHORTEST {
        return Err("its order's time is over".into());
    }
    let new = NewCharge {
        reference: &charge.reference,
        amount: Money::new(charge.expected_minor, currency),
        expires_in: Duration::from_secs(u64::try_from(left.num_seconds()).unwrap_or_default()),
        now,
        title: "",
    };
    Ok((new, format!("Pedido {}", charge.order_code)))
}

/// When a charge is asked about next: some times before it expires, at its end, and for two days more, because money that
/// comes late does come.
fn next_check(
    made: DateTime<Utc>,
    expires: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let end = expires.unwrap_or(made + TimeDelta::days(1));
    let before =
        [2, 10, 30, 120].into_iter().map(|minutes| made + TimeDelta::minutes(minutes)).filter(|at| *at < end);
    let after = [0, 10, 60, 360, 1_440, 2_880].into_iter().map(|minutes| end + TimeDelta::minutes(minutes));
    let soon = now + TimeDelta::seconds(30);
    before.chain(after.map(|at| at + TimeDelta::seconds(30))).find(|at| *at > soon)
}

fn expired(charge: &ToCheck, provider: &str) -> Event {
    Event::of_charge(
        Kind::Charge(Lifecycle::Expired),
        "expired by our clock",
        format!("{provider}:{}:expired", charge.reference),
        Reference { txid: Some(charge.reference.clone()), ..Reference::default() },
    )
}
