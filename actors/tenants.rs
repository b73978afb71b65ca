//! The registry of tenants: starts a tenant on first use and passes rings on.
//!
//! Owns:      one slot a tenant in use.
//! Hears:     `Rang`, `LeaseLost`, `Rested(tenant)`, `Close`, `CutOff`.
//! Says:      `tenant::Msg::Rang` and what must reach a tenant's conversations.
//! Ends when: told, after its tenants have ended.
//! Restarted: yes; its tenants end with it and come back with the next ring or sweep.

use std::{collections::HashMap, sync::Arc};

use balcao_domain::{ConversationId, TenantId};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent, async_trait};

use crate::{
    shared::Shared,
    supervise::{Restarts, Verdict},
    tenant,
};

/// One ring of one conversation's bell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ring {
    pub(crate) tenant_id: TenantId,
    pub(crate) conversation_id: ConversationId,
    /// A message was stored just now.
    pub(crate) arrived: bool,
}

/// See the module.
pub(crate) struct Tenants;

/// What it hears.
pub(crate) enum Msg {
    Rang(Vec<Ring>),
    /// These are in other hands now.
    LeaseLost(Vec<(TenantId, ConversationId)>),
    /// A tenant that fell has rested: the next ring may start it again.
    Rested(TenantId),
    /// Begin nothing, finish what is begun, end.
    Close,
    /// End now.
    CutOff,
}

/// What it remembers.
pub(crate) struct State {
    shared: Arc<Shared>,
    slots: HashMap<TenantId, Slot>,
    by_actor: HashMap<ActorId, TenantId>,
    closing: bool,
}

#[derive(Default)]
struct Slot {
    actor: Option<ActorRef<tenant::Msg>>,
    resting: bool,
    restarts: Restarts,
}

#[async_trait]
impl Actor for Tenants {
    type Msg = Msg;
    type State = State;
    type Arguments = Arc<Shared>;

    async fn pre_start(&self, _: ActorRef<Msg>, shared: Arc<Shared>) -> Result<State, ActorProcessingErr> {
        Ok(State { shared, slots: HashMap::new(), by_actor: HashMap::new(), closing: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        msg: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match msg {
            // What is rung for now waits in the inbox for the next start, or for another node.
            Msg::Rang(_) if state.closing => {}
            Msg::Rang(rings) => {
                for ring in rings {
                    if let Some(tenant) = state.tenant(&myself, ring.tenant_id)? {
                        let Ring { conversation_id, arrived, .. } = ring;
                        let _ = tenant.cast(tenant::Msg::Rang { conversation_id, arrived });
                    }
                }
            }
            Msg::LeaseLost(lost) => {
                for (tenant_id, id) in lost {
                    if let Some(tenant) = state.slots.get(&tenant_id).and_then(|slot| slot.actor.as_ref()) {
                        let _ = tenant.cast(tenant::Msg::LeaseLost(id));
                    }
                }
            }
            Msg::Rested(tenant_id) => {
                if let Some(slot) = state.slots.get_mut(&tenant_id) {
                    slot.resting = false;
                }
            }
            Msg::Close => {
                state.closing = true;
                state.tell_all(|| tenant::Msg::Close);
                state.end_if_empty(&myself);
            }
            Msg::CutOff => state.tell_all(|| tenant::Msg::CutOff),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let (who, why) = match event {
            SupervisionEvent::ActorFailed(who, error) => (who, error.to_string()),
            SupervisionEvent::ActorTerminated(who, _, reason) => {
                (who, reason.unwrap_or_else(|| "ended".into()))
            }
            _ => return Ok(()),
        };
        let Some(tenant_id) = state.by_actor.remove(&who.get_id()) else { return Ok(()) };
        if state.closing {
            state.slots.remove(&tenant_id);
            state.end_if_empty(&myself);
            return Ok(());
        }
        let Some(slot) = state.slots.get_mut(&tenant_id) else { return Ok(()) };
        slot.actor = None;
        // One tenant that falls again and again must not take the others with it: it rests for longer, no more.
        let now = tokio::time::Instant::now().into_std();
        let wait = match slot.restarts.failed(now, rand::random()) {
            Verdict::After(wait) => wait,
            Verdict::GiveUp => std::time::Duration::from_secs(60),
        };
        slot.resting = true;
        metrics::counter!("balcao_restarts_total", "actor" => "tenant").increment(1);
        tracing::error!(tenant.id = %tenant_id, error = why, wait_ms = wait.as_millis() as u64, "a tenant's actor fell");
        myself.send_after(wait, move || Msg::Rested(tenant_id));
        Ok(())
    }
}

impl State {
    /// The tenant's actor, started if need be; `None` while it rests after a fall.
    fn tenant(
        &mut self,
        myself: &ActorRef<Msg>,
        tenant_id: TenantId,
    ) -> Result<Option<&ActorRef<tenant::Msg>>, ActorProcessingErr> {
        let slot = self.slots.entry(tenant_id).or_default();
        if slot.actor.is_none() && !slot.resting {
            let args = (tenant_id, tenant::conversations(tenant_id, self.shared.clone()));
            let parent = myself.get_cell();
            let (actor, _) = ractor::ActorRuntime::spawn_linked_instant(None, tenant::Tenant, args, parent)?;
            self.by_actor.insert(actor.get_id(), tenant_id);
            slot.actor = Some(actor);
        }
        Ok(slot.actor.as_ref())
    }

    fn tell_all(&self, message: impl Fn() -> tenant::Msg) {
        for actor in self.slots.values().filter_map(|slot| slot.actor.as_ref()) {
            let _ = actor.cast(message());
        }
    }

    fn end_if_empty(&self, myself: &ActorRef<Msg>) {
        if self.by_actor.is_empty() {
            myself.stop(None);
        }
    }
}
