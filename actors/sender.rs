//! The sender of one channel account: takes what is due, at most one message a conversation, and sends it.
//!
//! Owns:      its deliveries (a bounded set of tasks) and the account's pace.
//! Hears:     `Rang`, `Taken`, `Delivered`, `Rested`, `Close`.
//! Says:      nothing; what happened is in the outbox table.
//! Ends when: told, between sends.
//! Restarted: with a rest, by [`crate::outbox`]; what it was sending when it fell has an unknown outcome, and the
//!            table's own rules settle that.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use balcao_channels::pacing::{Pace, Pacer};
use balcao_domain::{ChannelId, ConversationId, TenantCtx, TenantId};
use balcao_store::{StoreError, outbox};
use futures::FutureExt;
use parking_lot::Mutex;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent, async_trait};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    delivery::{Delivery, Verdict},
    shared::Shared,
};

/// Conversations served at the same time by one account.
const AT_ONCE: usize = 32;
/// How long what was taken stays ours: longer than any wait for its pace, its send and its record together.
const LEASE: Duration = Duration::from_secs(90);
/// A take that takes longer has failed.
const TAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long to wait after the database or the channel's breaker said no.
const REST: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Sender;

/// What it needs.
pub(crate) struct Args {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tenant_id: TenantId,
    pub(crate) channel_id: ChannelId,
}

/// What it hears.
pub(crate) enum Msg {
    /// There may be something to send.
    Rang,
    /// What was taken; `None` when the database did not answer.
    Taken(Option<Vec<outbox::Due>>),
    /// One message is done with, for now.
    Delivered(Verdict),
    /// The rest is over.
    Rested,
    /// Take no more; end when nothing is on its way.
    Close,
}

/// What it remembers.
pub(crate) struct State {
    shared: Arc<Shared>,
    tenant_id: TenantId,
    channel_id: ChannelId,
    pacer: Arc<Mutex<Pacer<ConversationId>>>,
    tasks: JoinSet<()>,
    rung: bool,
    taking: bool,
    resting: bool,
    in_flight: usize,
    /// Tells those who wait for their pace that the house closes.
    closing: watch::Sender<bool>,
}

#[async_trait]
impl Actor for Sender {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, _: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        Ok(State {
            shared: args.shared,
            tenant_id: args.tenant_id,
            channel_id: args.channel_id,
            pacer: Arc::new(Mutex::new(Pacer::new(Pace::default()))),
            tasks: JoinSet::new(),
            rung: false,
            taking: false,
            resting: false,
            in_flight: 0,
            closing: watch::Sender::new(false),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        msg: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        while state.tasks.try_join_next().is_some() {}
        match msg {
            Msg::Rang => state.rung = true,
            Msg::Taken(taken) => {
                state.taking = false;
                match taken {
                    None => state.rest(&myself),
                    Some(due) => {
                        state.rung |= due.len() >= AT_ONCE / 2;
                        due.into_iter().for_each(|due| state.deliver(&myself, due));
                    }
                }
            }
            Msg::Delivered(verdict) => {
                state.in_flight -= 1;
                // The conversation's next message may go now.
                state.rung = true;
                if verdict == Verdict::Pause {
                    state.rest(&myself);
                }
            }
            Msg::Rested => state.resting = false,
            Msg::Close => drop(state.closing.send_replace(true)),
        }
        if *state.closing.borrow() {
            if !state.taking && state.in_flight == 0 {
                myself.stop(None);
            }
        } else {
            state.take(&myself);
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
    fn rest(&mut self, myself: &ActorRef<Msg>) {
        self.rung = true;
        if !self.resting {
            self.resting = true;
            myself.send_after(REST.mul_f64(rand::random_range(0.75..1.25)), || Msg::Rested);
        }
    }

    /// Takes more when at most half of the places are in use: few questions under load, none when nothing rang.
    fn take(&mut self, myself: &ActorRef<Msg>) {
        if !self.rung || self.taking || self.resting || self.in_flight > AT_ONCE / 2 {
            return;
        }
        (self.rung, self.taking) = (false, true);
        let (shared, tenant_id, channel_id) = (self.shared.clone(), self.tenant_id, self.channel_id);
        let limit = (AT_ONCE - self.in_flight) as i64;
        let myself = myself.clone();
        self.tasks.spawn(async move {
            let taking = AssertUnwindSafe(take(&shared, tenant_id, channel_id, limit)).catch_unwind();
            let taken = match tokio::time::timeout(TAKE_LIMIT, taking).await {
                Ok(Ok(Ok(due))) => Some(due),
                Ok(Ok(Err(error))) => {
                    tracing::warn!(tenant.id = %tenant_id, channel.id = %channel_id, %error, "cannot read the outbox");
                    None
                }
                Ok(Err(_)) | Err(_) => None,
            };
            let _ = myself.cast(Msg::Taken(taken));
        });
    }

    fn deliver(&mut self, myself: &ActorRef<Msg>, due: outbox::Due) {
        self.in_flight += 1;
        let (shared, pacer, closing) = (self.shared.clone(), self.pacer.clone(), self.closing.subscribe());
        let delivery = Delivery { shared, pacer, closing, due };
        let myself = myself.clone();
        self.tasks.spawn(async move {
            let carried = AssertUnwindSafe(delivery.carry_out()).catch_unwind().await;
            let _ = myself.cast(Msg::Delivered(carried.unwrap_or(Verdict::Pause)));
        });
    }
}

async fn take(
    shared: &Shared,
    tenant_id: TenantId,
    channel_id: ChannelId,
    limit: i64,
) -> Result<Vec<outbox::Due>, StoreError> {
    outbox::take(&shared.store, &TenantCtx::system(tenant_id), channel_id, &shared.node, LEASE, limit).await
}
