//! What payment providers reported, applied: each report in one transaction with everything it changes.
//!
//! A report that cannot be applied yet (a refund that overtook its receipt, a charge that is not committed yet) is
//! looked at again with growing pauses, and in the end set aside for a person. Nodes do not get into each other's way:
//! a report is taken by locking its row.

use std::time::Duration;

use balcao_agent::desk::notices::{self, Notice};
use balcao_domain::{
    ChannelId, PaymentEventId, PaymentId, TenantCtx, TenantId,
    money::{Currency, Money},
    payment::State,
};
use balcao_payments::webhook::{self, Event, Kind, Truth};
use balcao_store::{
    StoreError, TenantTx,
    sales::{
        orders,
        payments::{self, Applied, Charge},
        refunds::{self, RefundError},
        reports::{self, Waiting},
    },
};

use crate::{outbox, shared::Shared};

/// Reports of one sweep.
const LIMIT: i32 = 200;
/// How often a report is tried before a person is called.
const TRIES: i32 = 8;
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

/// What becomes of a report.
enum Verdict {
    /// It is in the books; the charge as it was before and the state it is in now, where it moved.
    Applied(Option<(Box<Charge>, State)>),
    /// There is nothing to do.
    Ignored(&'static str),
    /// Not yet.
    Later(String),
    /// Never by itself.
    Person(String),
    /// The provider must be asked.
    Ask(Box<Event>),
}

/// Applies what waits; whether there may be more.
pub(crate) async fn apply_due(shared: &Shared) -> Result<bool, StoreError> {
    let due = reports::due(&shared.store, LIMIT).await?;
    let soon = due.len() >= LIMIT as usize;
    for (tenant_id, id) in due {
        if shared.is_closing() {
            return Ok(false);
        }
        // One report's trouble is not the others'.
        if let Err(error) = apply(shared, tenant_id, id).await {
            tracing::warn!(tenant.id = %tenant_id, payment_event.id = %id, %error, "a payment report failed");
            give_up_or_wait(shared, tenant_id, id, &error).await?;
        }
    }
    Ok(soon)
}

/// One report, in one transaction.
async fn apply(shared: &Shared, tenant_id: TenantId, id: PaymentEventId) -> Result<(), StoreError> {
    let ctx = TenantCtx::system(tenant_id);
    let mut tx = shared.store.tenant_tx(&ctx).await?;
    let Some(waiting) = reports::take(&mut tx, id).await? else { return Ok(()) };
    let mut verdict = judge(&mut tx, &waiting).await?;
    if let Verdict::Ask(event) = verdict {
        // Nothing is locked while the provider is asked; should two ask, the answers are the same rows.
        tx.commit().await?;
        verdict = ask(shared, tenant_id, &waiting, &event).await;
        tx = shared.store.tenant_tx(&ctx).await?;
        if reports::take(&mut tx, id).await?.is_none() {
            return Ok(());
        }
    }
    let mut ring = None;
    match verdict {
        Verdict::Applied(moved) => {
            reports::done(&mut tx, id, true, if moved.is_some() { "applied" } else { "known before" })
                .await?;
            if let Some((before, state)) = moved {
                ring = tell(&mut tx, &before, state).await?;
            }
        }
        Verdict::Ignored(why) => reports::done(&mut tx, id, false, why).await?,
        Verdict::Later(why) if waiting.attempts + 1 >= TRIES => reports::set_aside(&mut tx, id, &why).await?,
        Verdict::Later(why) => reports::later(&mut tx, id, &why, pause(shared, waiting.attempts)).await?,
        Verdict::Person(why) => reports::set_aside(&mut tx, id, &why).await?,
        Verdict::Ask(_) => {}
    }
    tx.commit().await?;
    metrics::counter!("balcao_payment_reports_total", "provider" => waiting.provider).increment(1);
    if let Some(channel_id) = ring {
        shared.outbox.cast(outbox::Msg::Rang { tenant_id, channel_id });
    }
    Ok(())
}

/// What the provider says about what it only hinted at: stored beside the hint, and applied after it.
async fn ask(shared: &Shared, tenant_id: TenantId, waiting: &Waiting, event: &Event) -> Verdict {
    let provider = &waiting.provider;
    match shared.cashier.truth(tenant_id, waiting.account_id, &event.reference).await {
        Ok(Some(true)) => Verdict::Ignored("asked the provider, which told more"),
        Ok(Some(false)) => Verdict::Ignored("asked the provider: nothing new"),
        Ok(None) => Verdict::Later(format!(
            "the report says no more than that something changed: look at {provider}, or say how to call it"
        )),
        Err(why) => Verdict::Later(why),
    }
}

/// Tells the customer what has moved, and starts what follows from it.
async fn tell(tx: &mut TenantTx, before: &Charge, state: State) -> Result<Option<ChannelId>, StoreError> {
    let after = payments::get(tx, before.payment_id).await?;
    let currency: Currency = after.currency()?;
    let money = |minor| Money::new(minor, currency);
    if after.refunded_minor > before.refunded_minor {
        refunds::settle(tx, before.payment_id).await?;
        let back = Notice::Refunded(money(after.refunded_minor - before.refunded_minor));
        return notices::tell(tx, before.order_id, back).await;
    }
    if state == before.state || after.captured_minor <= before.captured_minor {
        return Ok(None);
    }
    match state {
        State::Paid => {
            let order = orders::get(tx, before.order_id).await?;
            if order.goods_are_gone() {
                match refunds::request(tx, before.payment_id, None, "paid late, and its goods were gone")
                    .await
                {
                    Ok(Some(_)) => return notices::tell(tx, before.order_id, Notice::TooLate).await,
                    // A person gives it back.
                    Ok(None) | Err(RefundError::NoProvider | RefundError::TooMuch { .. }) => {}
                    Err(RefundError::Store(error)) => return Err(error),
                }
            }
            notices::tell(tx, before.order_id, Notice::Paid).await
        }
        State::PartiallyPaid => {
            let missing = after.expected_minor - after.captured_minor;
            let notice = Notice::Missing { arrived: money(after.captured_minor), missing: money(missing) };
            orders::needs_attention(tx, before.order_id, "paid in part: ask for the rest or give it back")
                .await?;
            notices::tell(tx, before.order_id, notice).await
        }
        _ => Ok(None),
    }
}

/// The database refused: a movement that is booked to another charge never fits, anything else may pass.
async fn give_up_or_wait(
    shared: &Shared,
    tenant_id: TenantId,
    id: PaymentEventId,
    error: &StoreError,
) -> Result<(), StoreError> {
    let mut tx = shared.store.tenant_tx(&TenantCtx::system(tenant_id)).await?;
    let Some(waiting) = reports::take(&mut tx, id).await? else { return Ok(()) };
    let booked_elsewhere = matches!(error, StoreError::Conflict { .. });
    if booked_elsewhere || waiting.attempts + 1 >= TRIES {
        reports::set_aside(&mut tx, id, &error.to_string()).await?;
    } else {
        reports::later(&mut tx, id, &error.to_string(), pause(shared, waiting.attempts)).await?;
    }
    tx.commit().await
}

fn pause(shared: &Shared, attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts).unwrap_or_default().min(16);
    (shared.sweep * 2_u32.pow(doublings)).min(LONGEST_PAUSE)
}

async fn judge(tx: &mut TenantTx, waiting: &Waiting) -> Result<Verdict, StoreError> {
    let event: Event = match serde_json::from_value(waiting.event.clone()) {
        Ok(event) => event,
        Err(error) => return Ok(Verdict::Person(format!("the report cannot be read: {error}"))),
    };
    if event.truth == Truth::Fetch || event.kind == Kind::Changed {
        return Ok(Verdict::Ask(Box::new(event)));
    }
    if matches!(event.kind, Kind::Test | Kind::Other) {
        return Ok(Verdict::Ignored("nothing we act upon"));
    }
    let names = event.reference.of_charge();
    let order = event.reference.order.as_deref();
    let Some(id) = payments::reported(tx, &waiting.provider, &names, order).await? else {
        return Ok(Verdict::Later(format!("no charge goes by {}", names.join(" or "))));
    };
    charge(tx, id, &waiting.provider, &event, &waiting.event).await
}

async fn charge(
    tx: &mut TenantTx,
    id: PaymentId,
    provider: &str,
    event: &Event,
    evidence: &serde_json::Value,
) -> Result<Verdict, StoreError> {
    let charge = payments::get(tx, id).await?;
    if let Some(amount) = event.amount
        && amount.currency().code() != charge.currency
    {
        return Ok(Verdict::Person(format!("{amount} came for a charge in {}", charge.currency)));
    }
    let Some(fact) = event.fact(charge.refunded_minor) else { return Ok(Verdict::Ignored("nothing new")) };
    if event.kind == Kind::Paid && charge.captured_minor > 0 && webhook::pays_once(provider) {
        // The same money under another name: some answers name the bank's id of it, and some do not.
        let same = event.amount.is_some_and(|amount| amount.minor() == charge.captured_minor);
        return Ok(match (same, payments::has_fact(tx, id, &fact.key).await?) {
            (true, _) => Verdict::Applied(None),
            (false, true) => {
                Verdict::Person("the same movement was reported with another amount before".into())
            }
            (false, false) => Verdict::Person("the charge is paid already, with another amount".into()),
        });
    }
    if event.kind == Kind::RefundFailed {
        refunds::refused(tx, id, &fact.key).await?;
    }
    Ok(match payments::apply(tx, id, &fact, evidence).await? {
        Applied::Now(state) => Verdict::Applied(Some((Box::new(charge), state))),
        Applied::Known => Verdict::Applied(None),
        Applied::Conflict => {
            Verdict::Person("the same movement was reported with another amount before".into())
        }
        // Reports overtake each other: what it builds on may still come.
        Applied::Refused(why) => Verdict::Later(why.to_string()),
    })
}
