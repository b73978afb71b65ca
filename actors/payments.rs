//! What payment providers reported, applied: each report in one transaction with everything it changes.
//!
//! A report that cannot be applied yet (a refund that overtook its receipt, a charge that is not committed yet) is
//! looked at again with growing pauses, and in the end set aside for a person. Nodes do not get into each other's way:
//! a report is taken by locking its row.

use std::time::Duration;

use balcao_agent::desk;
use balcao_domain::{PaymentEventId, PaymentId, TenantCtx, TenantId, payment::State};
use balcao_payments::webhook::{Event, Kind, Truth};
use balcao_store::{
    StoreError, TenantTx,
    sales::{
        payments::{self, Applied, Charge},
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
    let mut tx = shared.store.tenant_tx(&TenantCtx::system(tenant_id)).await?;
    let Some(waiting) = reports::take(&mut tx, id).await? else { return Ok(()) };
    let verdict = judge(&mut tx, &waiting).await?;
    let mut ring = None;
    match verdict {
        Verdict::Applied(moved) => {
            reports::done(&mut tx, id, true, if moved.is_some() { "applied" } else { "known before" })
                .await?;
            if let Some((before, State::Paid)) = &moved
                && before.state != State::Paid
            {
                ring = desk::paid::tell(&mut tx, before).await?;
            }
        }
        Verdict::Ignored(why) => reports::done(&mut tx, id, false, why).await?,
        Verdict::Later(why) if waiting.attempts + 1 >= TRIES => reports::set_aside(&mut tx, id, &why).await?,
        Verdict::Later(why) => reports::later(&mut tx, id, &why, pause(shared, waiting.attempts)).await?,
        Verdict::Person(why) => reports::set_aside(&mut tx, id, &why).await?,
    }
    tx.commit().await?;
    metrics::counter!("balcao_payment_reports_total", "provider" => waiting.provider).increment(1);
    if let Some(channel_id) = ring {
        shared.outbox.cast(outbox::Msg::Rang { tenant_id, channel_id });
    }
    Ok(())
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
        let provider = &waiting.provider;
        return Ok(Verdict::Later(format!(
            "the report says no more than that something changed: look at {provider}"
        )));
    }
    if matches!(event.kind, Kind::Test | Kind::Other) {
        return Ok(Verdict::Ignored("nothing we act upon"));
    }
    let names = event.reference.of_charge();
    let order = event.reference.order.as_deref();
    let Some(id) = payments::reported(tx, &waiting.provider, &names, order).await? else {
        return Ok(Verdict::Later(format!("no charge goes by {}", names.join(" or "))));
    };
    charge(tx, id, &event, &waiting.event).await
}

async fn charge(
    tx: &mut TenantTx,
    id: PaymentId,
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
