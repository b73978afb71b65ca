//! One tenant: starts and supervises its conversations, and lets them leave when they are idle.
//!
//! Owns:      one slot a conversation that has an actor.
//! Hears:     `Rang`, `Idle`, `LeaseLost`, `Rested(conversation)`, `Close`, `CutOff`.
//! Says:      `conversation::Msg::Rang`; drains whoever may leave.
//! Ends when: told, after its conversations have ended.
//! Restarted: by the registry, with the next ring.
//!
//! Leaving without losing a ring: an idle conversation says `Idle` with the number of rings it has heard. If more
//! were sent, one is still in its mailbox, and it stays. Otherwise it is drained, and a ring that comes before it
//! has ended waits in the slot for its successor.

use std::{collections::HashMap, sync::Arc, time::Duration};

use balcao_domain::{ConversationId, TenantId};
use ractor::{
    Actor, ActorId, ActorProcessingErr, ActorRef, ActorRuntime, SpawnErr, SupervisionEvent, async_trait,
};
use tokio::sync::Semaphore;

use crate::{conversation, shared::Shared};

/// Turns of one tenant at the same time: beyond them its own conversations wait, nobody else's.
const TURNS_AT_ONCE: usize = 64;
/// Looks into the inbox of one tenant at the same time: keeps a busy tenant from filling the connection pool.
const LOOKS_AT_ONCE: usize = 16;

/// What a tenant's conversations share.
pub(crate) struct House {
    pub(crate) tenant_id: TenantId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) turns: Semaphore,
    pub(crate) looks: Semaphore,
}

/// Starts a conversation's actor as a child of the tenant's: the real one, or a test's stand-in.
pub(crate) type Spawn = Box<
    dyn Fn(ActorRef<Msg>, ConversationId) -> Result<ActorRef<conversation::Msg>, SpawnErr>
        + Send
        + Sync
        + 'static,
>;

/// Starts the real conversations of a tenant.
pub(crate) fn conversations(tenant_id: TenantId, shared: Arc<Shared>) -> Spawn {
    let (turns, looks) = (Semaphore::new(TURNS_AT_ONCE), Semaphore::new(LOOKS_AT_ONCE));
    let house = Arc::new(House { tenant_id, shared, turns, looks });
    Box::new(move |tenant, conversation_id| {
        let parent = tenant.get_cell();
        let args = conversation::Args { house: house.clone(), tenant, conversation_id };
        let spawned = ActorRuntime::spawn_linked_instant(None, conversation::Conversation, args, parent)?;
        Ok(spawned.0)
    })
}

/// See the module.
pub(crate) struct Tenant;

/// What it hears.
pub(crate) enum Msg {
    /// A conversation's bell. `arrived`: a message was stored just now.
    Rang { conversation_id: ConversationId, arrived: bool },
    /// A conversation has had nothing to do for long; it has heard this many rings.
    Idle { conversation_id: ConversationId, actor: ActorId, heard: u32 },
    /// Another node has this conversation.
    LeaseLost(ConversationId),
    /// A conversation that fell has rested.
    Rested(ConversationId),
    /// Begin nothing, finish what is begun, end.
    Close,
    /// End now.
    CutOff,
}

/// What it remembers.
pub(crate) struct State {
    tenant_id: TenantId,
    spawn: Spawn,
    slots: HashMap<ConversationId, Slot>,
    by_actor: HashMap<ActorId, ConversationId>,
    closing: bool,
}

enum Slot {
    /// It works; so many rings were sent to it, so often in a row has it fallen.
    Here { actor: ActorRef<conversation::Msg>, sent: u32, falls: u32 },
    /// It was told to leave. A ring since then waits here: whether a message arrived with it.
    Leaving { again: Option<bool> },
    /// It fell and rests.
    Resting { falls: u32 },
}

#[async_trait]
impl Actor for Tenant {
    type Msg = Msg;
    type State = State;
    type Arguments = (TenantId, Spawn);

    async fn pre_start(
        &self,
        _: ActorRef<Msg>,
        (tenant_id, spawn): (TenantId, Spawn),
    ) -> Result<State, ActorProcessingErr> {
        Ok(State { tenant_id, spawn, slots: HashMap::new(), by_actor: HashMap::new(), closing: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        msg: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Rang { .. } if state.closing => {}
            Msg::Rang { conversation_id, arrived } => state.ring(&myself, conversation_id, arrived)?,
            Msg::Idle { conversation_id, actor, heard } => state.let_go(conversation_id, actor, heard),
            Msg::LeaseLost(id) => {
                if let Some(Slot::Here { actor, .. }) = state.slots.get(&id) {
                    let _ = actor.cast(conversation::Msg::LeaseLost);
                }
            }
            Msg::Rested(id) => {
                if let Some(Slot::Resting { falls }) = state.slots.get(&id)
                    && !state.closing
                {
                    let falls = *falls;
                    state.start(&myself, id, falls)?;
                    // Whatever it was at when it fell is still in the inbox.
                    state.ring(&myself, id, false)?;
                }
            }
            Msg::Close => {
                state.closing = true;
                state.tell_all(|| conversation::Msg::Close);
                state.end_if_empty(&myself);
            }
            Msg::CutOff => state.tell_all(|| conversation::Msg::CutOff),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(who, last, _) => {
                // Its last state would live as long as this event does.
                drop(last);
                state.left(&myself, who.get_id())?;
            }
            SupervisionEvent::ActorFailed(who, error) => state.fell(&myself, who.get_id(), &error),
            _ => {}
        }
        Ok(())
    }

    async fn post_stop(&self, myself: ActorRef<Msg>, _: &mut State) -> Result<(), ActorProcessingErr> {
        myself.drain_children_and_wait(Some(Duration::from_secs(2))).await;
        Ok(())
    }
}

impl State {
    fn start(
        &mut self,
        myself: &ActorRef<Msg>,
        id: ConversationId,
        falls: u32,
    ) -> Result<ActorRef<conversation::Msg>, ActorProcessingErr> {
        let actor = (self.spawn)(myself.clone(), id)?;
        self.by_actor.insert(actor.get_id(), id);
        self.slots.insert(id, Slot::Here { actor: actor.clone(), sent: 0, falls });
        Ok(actor)
    }

    fn ring(
        &mut self,
        myself: &ActorRef<Msg>,
        id: ConversationId,
        arrived: bool,
    ) -> Result<(), ActorProcessingErr> {
        if !self.slots.contains_key(&id) {
            self.start(myself, id, 0)?;
        }
        match self.slots.get_mut(&id) {
            Some(Slot::Here { actor, sent, .. }) => {
                *sent = sent.wrapping_add(1);
                let _ = actor.cast(conversation::Msg::Rang { arrived });
            }
            Some(Slot::Leaving { again }) => *again = Some(again.unwrap_or(false) || arrived),
            // Its inbox is read when the rest is over.
            Some(Slot::Resting { .. }) | None => {}
        }
        Ok(())
    }

    fn let_go(&mut self, id: ConversationId, asking: ActorId, heard: u32) {
        if let Some(slot @ Slot::Here { .. }) = self.slots.get_mut(&id)
            && let Slot::Here { actor, sent, .. } = slot
            && actor.get_id() == asking
            && *sent == heard
        {
            let _ = actor.drain();
            *slot = Slot::Leaving { again: None };
        }
    }

    fn left(&mut self, myself: &ActorRef<Msg>, who: ActorId) -> Result<(), ActorProcessingErr> {
        let Some(id) = self.by_actor.remove(&who) else { return Ok(()) };
        let slot = self.slots.remove(&id);
        if self.closing {
            self.end_if_empty(myself);
        } else {
            match slot {
                Some(Slot::Leaving { again: Some(arrived) }) => self.ring(myself, id, arrived)?,
                // It ended by itself although it may have been rung: a look does no harm.
                Some(Slot::Here { sent, .. }) if sent > 0 => self.ring(myself, id, false)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn fell(&mut self, myself: &ActorRef<Msg>, who: ActorId, error: &ActorProcessingErr) {
        let Some(id) = self.by_actor.remove(&who) else { return };
        let falls = match self.slots.remove(&id) {
            Some(Slot::Here { falls, .. }) => falls + 1,
            _ => 1,
        };
        metrics::counter!("balcao_restarts_total", "actor" => "conversation").increment(1);
        if self.closing {
            return self.end_if_empty(myself);
        }
        let wait = Duration::from_secs(1 << (falls - 1).min(6)).min(Duration::from_secs(60));
        let wait = wait.mul_f64(rand::random_range(0.75..1.25));
        let wait_ms = wait.as_millis() as u64;
        tracing::error!(tenant.id = %self.tenant_id, conversation.id = %id, %error, wait_ms, "a conversation's actor fell");
        self.slots.insert(id, Slot::Resting { falls });
        myself.send_after(wait, move || Msg::Rested(id));
    }

    fn tell_all(&self, message: impl Fn() -> conversation::Msg) {
        for slot in self.slots.values() {
            if let Slot::Here { actor, .. } = slot {
                let _ = actor.cast(message());
            }
        }
    }

    fn end_if_empty(&self, myself: &ActorRef<Msg>) {
        if self.by_actor.is_empty() {
            myself.stop(None);
        }
    }
}

#[cfg(test)]
#[path = "tenant_tests.rs"]
mod tests;
