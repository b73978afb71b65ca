//! What must happen again and again: sweeps for lost rings, the renewal of leases, orders
//! whose time is over, what payment providers report, events for the shops' own systems, and retention.
//!
//! Owns:      one task for each of its chores while that runs.
//! Hears:     `Run(chore)` from its own timers, `Once(chore)` from who knows of news, `Ran(chore)`, `StopSweeping`.
//! Says:      rings to the tenants and the outbox, `LeaseLost`.
//! Ends when: its parent ends.
//! Restarted: yes; it remembers nothing.
//!
//! Sweeps are the truth behind rings: a ring that was lost, a message another node stored and could not answer, a
//! conversation whose node died — all of them are found here, within one interval.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use balcao_domain::TenantCtx;
use balcao_store::{
    StoreError, inbox, outbox as store_outbox,
    retention::{self, Sweep},
    sales::orders,
    tenants as store_tenants,
};
use futures::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent, async_trait};
use rand::seq::SliceRandom;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    feeds, outbox, payments,
    shared::Shared,
    tenants::{self, Ring},
    webhooks,
};

/// Conversations of one sweep; a full sweep is followed by the next one soon.
const SWEEP_LIMIT: i64 = 512;
/// Orders of one sweep.
const EXPIRE_LIMIT: i32 = 200;
/// A chore that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(10);
/// The same of one that calls payment providers: what was claimed and not done is claimed again.
const PROVIDERS_LIMIT: Duration = Duration::from_secs(5 * 60);
/// How long one sweep of retention may go on; it stops after this, and goes on where it was at the next one.
const FORGET_FOR: Duration = Duration::from_secs(60);
/// A sweep stops by itself between two shops; only a statement that hangs takes longer.
const FORGET_LIMIT: Duration = Duration::from_secs(10 * 60);

/// See the module.
pub(crate) struct Clockwork;

/// Something to do again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chore {
    /// Conversations that wait and are in nobody's hands.
    SweepInbox,
    /// Accounts with something to send.
    SweepOutbox,
    /// Leases of conversations at work.
    RenewLeases,
    /// Orders that nobody paid in time.
    ExpireOrders,
    /// What payment providers have reported.
    ApplyPayments,
    /// Charges that providers are to make.
    IssueCharges,
    /// Charges that should have moved by now.
    CheckCharges,
    /// Money that is to go back.
    SendRefunds,
    /// Providers' books, beside ours.
    Reconcile,
    /// Catalogues that are followed.
    PollFeeds,
    /// Events that the shops' own systems are to be told of.
    TellEvents,
    /// What the shops need not keep any longer.
    Forget,
}

const CHORES: [Chore; 12] = [
    Chore::SweepInbox,
    Chore::SweepOutbox,
    Chore::RenewLeases,
    Chore::ExpireOrders,
    Chore::ApplyPayments,
    Chore::IssueCharges,
    Chore::CheckCharges,
    Chore::SendRefunds,
    Chore::Reconcile,
    Chore::PollFeeds,
    Chore::TellEvents,
    Chore::Forget,
];

/// What it hears.
pub(crate) enum Msg {
    Run(Chore),
    /// Now, besides its usual times: something has just arrived.
    Once(Chore),
    /// It ran; `soon`: there is more of it.
    Ran {
        chore: Chore,
        soon: bool,
    },
    /// The house closes: nothing new is begun, but leases of running turns are still renewed.
    StopSweeping,
}

/// What it remembers.
pub(crate) struct State {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    sweeping: bool,
}

#[async_trait]
impl Actor for Clockwork {
    type Msg = Msg;
    type State = State;
    type Arguments = Arc<Shared>;

    async fn pre_start(&self, _: ActorRef<Msg>, shared: Arc<Shared>) -> Result<State, ActorProcessingErr> {
        Ok(State { shared, tasks: JoinSet::new(), sweeping: true })
    }

    async fn post_start(&self, myself: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        for chore in CHORES {
            state.later(&myself, chore, false);
        }
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        msg: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        while state.tasks.try_join_next().is_some() {}
        match msg {
            Msg::StopSweeping => state.sweeping = false,
            Msg::Run(chore) if state.sweeping || chore == Chore::RenewLeases => {
                let shared = state.shared.clone();
                state.tasks.spawn(async move {
                    let soon = run(&shared, chore).await;
                    let _ = myself.cast(Msg::Ran { chore, soon });
                });
            }
            Msg::Once(chore) if state.sweeping => {
                let shared = state.shared.clone();
                state.tasks.spawn(async move {
                    run(&shared, chore).await;
                });
            }
            Msg::Run(_) | Msg::Once(_) => {}
            Msg::Ran { chore, soon } => state.later(&myself, chore, soon),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Msg>,
        _: SupervisionEvent,
        _: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

impl State {
    /// Jittered, so that the nodes of a cluster do not sweep in step.
    fn later(&self, myself: &ActorRef<Msg>, chore: Chore, soon: bool) {
        let interval = match chore {
            Chore::SweepInbox | Chore::SweepOutbox | Chore::ApplyPayments | Chore::TellEvents if soon => {
                self.shared.sweep / 5
            }
            Chore::SweepInbox | Chore::SweepOutbox | Chore::ApplyPayments | Chore::TellEvents => {
                self.shared.sweep
            }
            Chore::RenewLeases => self.shared.lease / 4,
            Chore::ExpireOrders if soon => self.shared.sweep / 5,
            Chore::IssueCharges | Chore::SendRefunds | Chore::CheckCharges | Chore::Reconcile if soon => {
                self.shared.sweep / 5
            }
            Chore::IssueCharges | Chore::SendRefunds => self.shared.sweep,
            // These are minutes apart.
            Chore::CheckCharges | Chore::Reconcile | Chore::PollFeeds => self.shared.sweep * 2,
            // Holds are counted in minutes.
            Chore::ExpireOrders => self.shared.sweep * 4,
            Chore::Forget if soon => self.shared.forget / 20,
            Chore::Forget => self.shared.forget,
        };
        myself.send_after(interval.mul_f64(rand::random_range(0.8..1.2)), move || Msg::Run(chore));
    }
}

async fn run(shared: &Shared, chore: Chore) -> bool {
    let work = async {
        match chore {
            Chore::SweepInbox => sweep_inbox(shared).await,
            Chore::SweepOutbox => sweep_outbox(shared).await,
            Chore::RenewLeases => renew_leases(shared).await,
            Chore::ExpireOrders => expire_orders(shared).await,
            Chore::ApplyPayments => payments::apply_due(shared).await,
            Chore::IssueCharges => issue_charges(shared).await,
            Chore::CheckCharges => heard(shared, shared.cashier.check_due().await?).await,
            Chore::SendRefunds => heard(shared, shared.cashier.refund_due().await?).await,
            Chore::Reconcile => heard(shared, shared.cashier.reconcile_due().await?).await,
            Chore::PollFeeds => feeds::poll_due(shared).await,
            Chore::TellEvents => webhooks::send_due(shared).await,
            Chore::Forget => forget(shared).await,
        }
    };
    let limit = match chore {
        Chore::Forget => FORGET_LIMIT,
        Chore::IssueCharges | Chore::CheckCharges | Chore::SendRefunds | Chore::Reconcile => PROVIDERS_LIMIT,
        Chore::PollFeeds => FORGET_LIMIT,
        _ => LIMIT,
    };
    match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(Ok(soon))) => soon,
        Ok(Ok(Err(error))) => {
            tracing::warn!(?chore, %error, "a chore failed and will be tried again");
            false
        }
        Ok(Err(_)) | Err(_) => {
            tracing::error!(?chore, "a chore panicked or took too long and will be tried again");
            false
        }
    }
}

async fn sweep_inbox(shared: &Shared) -> Result<bool, StoreError> {
    let due = inbox::due(&shared.store, &shared.node, SWEEP_LIMIT).await?;
    let soon = due.len() as i64 >= SWEEP_LIMIT;
    if !due.is_empty() {
        let ring = |(tenant_id, conversation_id)| Ring { tenant_id, conversation_id, arrived: false };
        shared.tenants.cast(tenants::Msg::Rang(due.into_iter().map(ring).collect()));
    }
    Ok(soon)
}

async fn sweep_outbox(shared: &Shared) -> Result<bool, StoreError> {
    for (tenant_id, channel_id) in store_outbox::due_channels(&shared.store).await? {
        shared.outbox.cast(outbox::Msg::Rang { tenant_id, channel_id });
    }
    Ok(false)
}

async fn renew_leases(shared: &Shared) -> Result<bool, StoreError> {
    let held = shared.leases.all();
    if held.is_empty() {
        return Ok(false);
    }
    let lost = inbox::renew(&shared.store, &shared.node, shared.lease, &held).await?;
    if !lost.is_empty() {
        metrics::counter!("balcao_leases_lost_total").increment(lost.len() as u64);
        let lost =
            held.into_iter().filter(|(_, id, _)| lost.contains(id)).map(|(tenant, id, _)| (tenant, id));
        shared.tenants.cast(tenants::Msg::LeaseLost(lost.collect()));
    }
    Ok(false)
}

/// Gives the stock back that orders hold whose time is over. What was paid in the meantime is left alone: the order's
/// row is locked and looked at again, and money that comes later still finds its order.
async fn expire_orders(shared: &Shared) -> Result<bool, StoreError> {
    let due = orders::due(&shared.store, EXPIRE_LIMIT).await?;
    let soon = due.len() >= EXPIRE_LIMIT as usize;
    for (tenant_id, order_id) in due {
        let mut tx = shared.store.tenant_tx(&TenantCtx::system(tenant_id)).await?;
        let gone = orders::expire(&mut tx, order_id).await?;
        tx.commit().await?;
        if gone {
            metrics::counter!("balcao_orders_expired_total").increment(1);
        }
    }
    Ok(soon)
}

/// Has providers make charges, and rings for the customers who were told of their codes.
async fn issue_charges(shared: &Shared) -> Result<bool, StoreError> {
    let (rings, soon) = shared.cashier.issue_due().await?;
    for (tenant_id, channel_id) in rings {
        shared.outbox.cast(outbox::Msg::Rang { tenant_id, channel_id });
    }
    Ok(soon)
}

/// What a provider has just told is applied at once.
async fn heard(shared: &Shared, (news, soon): (bool, bool)) -> Result<bool, StoreError> {
    if news {
        payments::apply_due(shared).await?;
    }
    Ok(soon)
}

/// Lets every shop's old rows go; whether time ran out before all were done.
async fn forget(shared: &Shared) -> Result<bool, StoreError> {
    let until = Instant::now() + FORGET_FOR;
    let mut shops = store_tenants::list(&shared.store).await?;
    // Not always the same ones first, should there be too much for one sweep.
    shops.shuffle(&mut rand::rng());
    for shop in shops {
        if Instant::now() >= until || shared.is_closing() {
            return Ok(true);
        }
        let ctx = TenantCtx::system(shop.tenant_id);
        let swept = retention::sweep(&shared.store, &ctx, &shop.settings, Sweep::default(), |table, rows| {
            metrics::counter!("balcao_retention_deleted_total", "table" => table.to_owned()).increment(rows);
        });
        // One shop's trouble is not the others'.
        if let Err(error) = swept.await {
            tracing::warn!(tenant.id = %shop.tenant_id, %error, "a shop's old rows could not be deleted");
        }
    }
    Ok(false)
}
