//! One conversation: carries out what `balcao_domain::conversation` decides.
//!
//! Owns:      nothing durable: the core's state, what the last look found, and one task at a time.
//! Hears:     `Rang`, `Looked`, `TurnEnded`, `Timer(generation)`, `LeaseLost`, `Close`, `CutOff`.
//! Says:      `tenant::Msg::Idle`; the rest in its tasks ([`crate::turn`]).
//! Ends when: drained after `Idle`, or told.
//! Restarted: after a fall, by its tenant, which rings it; everything it needs is in the inbox.
//!
//! There may be a hundred thousand of these: no history and no settings are kept here, and what a look found is
//! gone once its turn has it.

use std::{sync::Arc, time::Duration};

use balcao_domain::{
    ConversationId, TenantCtx,
    conversation::{Effect, Event, Looked, State as Core, TurnEnd, step},
};
use balcao_store::inbox::{self, Claim};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent, async_trait};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    look::look,
    shared::Open,
    tenant::{self, House},
    turn::take_turn,
};

/// How long giving a lease back may hold up an ending.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Conversation;

/// What it needs.
pub(crate) struct Args {
    pub(crate) house: Arc<House>,
    pub(crate) tenant: ActorRef<tenant::Msg>,
    pub(crate) conversation_id: ConversationId,
}

/// What it hears.
pub(crate) enum Msg {
    /// The bell.
    Rang { arrived: bool },
    /// What the look of this number found.
    Looked { serial: u32, looked: Looked, claim: Option<Box<Claim>> },
    /// How the turn of this number ended.
    TurnEnded { serial: u32, end: TurnEnd },
    /// The timer of this generation.
    Timer(u32),
    /// Another node has the conversation.
    LeaseLost,
    /// Begin nothing, finish what is begun, end.
    Close,
    /// End now.
    CutOff,
}

/// What it remembers.
pub(crate) struct State {
    core: Core,
    house: Arc<House>,
    tenant: ActorRef<tenant::Msg>,
    id: ConversationId,
    claim: Option<Box<Claim>>,
    /// The epoch of our last lease, and when it lapses if nobody renews it.
    lease: Option<(i64, Instant)>,
    task: Option<AbortOnDropHandle<()>>,
    timer: Option<AbortOnDropHandle<()>>,
    /// Tells the answers of tasks apart: only the last one's counts.
    serial: u32,
    heard: u32,
    _open: Open,
}

#[async_trait]
impl Actor for Conversation {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, _: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let Args { house, tenant, conversation_id: id } = args;
        let core = Core::new(house.shared.idle);
        let _open = Open::count(house.shared.clone());
        let (claim, lease, task, timer) = (None, None, None, None);
        Ok(State { core, house, tenant, id, claim, lease, task, timer, serial: 0, heard: 0, _open })
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        msg: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let event = match msg {
            Msg::Rang { arrived } => {
                state.heard = state.heard.wrapping_add(1);
                Event::Rang { arrived }
            }
            Msg::Looked { serial, .. } | Msg::TurnEnded { serial, .. } if serial != state.serial => {
                return Ok(());
            }
            Msg::Looked { looked, claim, .. } => {
                state.found(claim);
                Event::Looked(looked)
            }
            Msg::TurnEnded { end, .. } => {
                // The commit gave the lease back.
                if end == TurnEnd::Committed {
                    state.lease = None;
                }
                Event::TurnEnded(end)
            }
            Msg::Timer(generation) => Event::Timer { generation },
            Msg::LeaseLost => Event::LeaseLost,
            Msg::Close => Event::Close,
            Msg::CutOff => Event::CutOff,
        };
        for effect in step(&mut state.core, event, Instant::now().into_std()) {
            state.carry_out(&myself, effect);
        }
        if !state.core.needs_lease() {
            state.house.shared.leases.forget(state.id);
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

    async fn post_stop(&self, _: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        // A running task ends here: what it has not committed is as if it had never been.
        state.task = None;
        if let Some((epoch, lapses)) = state.lease
            && lapses > Instant::now()
        {
            let ctx = TenantCtx::system(state.house.tenant_id);
            let release = inbox::release(&state.house.shared.store, &ctx, state.id, epoch);
            let _ = tokio::time::timeout(RELEASE_LIMIT, release).await;
        }
        Ok(())
    }
}

/// However an actor ends, nobody keeps a lease alive for it: another node, or its successor, can take it.
impl Drop for State {
    fn drop(&mut self) {
        self.house.shared.leases.forget(self.id);
    }
}

impl State {
    fn found(&mut self, claim: Option<Box<Claim>>) {
        if let Some(claim) = &claim {
            let shared = &self.house.shared;
            self.lease = Some((claim.epoch, Instant::now() + shared.lease));
            shared.leases.hold(claim.tenant_id, claim.conversation_id, claim.epoch);
        }
        self.claim = claim;
    }

    fn carry_out(&mut self, myself: &ActorRef<Msg>, effect: Effect) {
        match effect {
            Effect::Look => {
                self.claim = None;
                self.serial = self.serial.wrapping_add(1);
                let (house, id, serial, myself) = (self.house.clone(), self.id, self.serial, myself.clone());
                self.run(async move {
                    let (looked, claim) = look(&house, id).await;
                    let _ = myself.cast(Msg::Looked { serial, looked, claim });
                });
            }
            Effect::Turn(mode) => {
                let Some(claim) = self.claim.take() else { return };
                self.timer = None;
                self.serial = self.serial.wrapping_add(1);
                let (house, serial, myself) = (self.house.clone(), self.serial, myself.clone());
                self.run(async move {
                    let end = take_turn(&house, &claim, mode).await;
                    let _ = myself.cast(Msg::TurnEnded { serial, end });
                });
            }
            Effect::Timer { generation, after } => {
                let myself = myself.clone();
                self.timer = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    let _ = myself.cast(Msg::Timer(generation));
                })));
            }
            Effect::Abandon => {
                self.task = None;
                self.claim = None;
                self.serial = self.serial.wrapping_add(1);
            }
            Effect::Leave => {
                let (conversation_id, actor, heard) = (self.id, myself.get_id(), self.heard);
                let _ = self.tenant.cast(tenant::Msg::Idle { conversation_id, actor, heard });
            }
            Effect::End => myself.stop(None),
        }
    }

    fn run(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.task = Some(AbortOnDropHandle::new(tokio::spawn(work)));
    }
}
