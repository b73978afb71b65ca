//! The registry of tenants: starts a tenant on first use and passes rings on.
//!
//! Owns:      one slot a tenant in use.
//! Hears:     `Rang`, `LeaseLost`, `Rested(tenant)`, `Close`, `CutOff`.
//! Says:      `tenant::Msg::Rang` and what must reach a tenant's conversations.
//! Ends when: told, after its tenants have ended.
//! Restarted: yes; its tenants end with it and come back with the next ring or sweep.

use std::sync::Arc;

use balcao_domain::{ConversationId, TenantId};
use ractor::{Actor, ActorProcessingErr, ActorRef, ActorRuntime, SpawnErr, SupervisionEvent, async_trait};

use crate::{
    children::{Children, Ended, Fallen},
    shared::Shared,
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
    children: Children<TenantId, tenant::Msg>,
    closing: bool,
}

#[async_trait]
impl Actor for Tenants {
    type Msg = Msg;
    type State = State;
    type Arguments = Arc<Shared>;

    async fn pre_start(&self, _: ActorRef<Msg>, shared: Arc<Shared>) -> Result<State, ActorProcessingErr> {
        Ok(State { shared, children: Children::new(), closing: false })
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
                    if let Some(tenant) = state.children.get(&tenant_id) {
                        let _ = tenant.cast(tenant::Msg::LeaseLost(id));
                    }
                }
            }
            Msg::Rested(tenant_id) => state.children.rested(&tenant_id),
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
        match state.children.ended(event, state.closing) {
            Ended::Stranger => {}
            Ended::AsTold => state.end_if_empty(&myself),
            Ended::Fell(Fallen { key: tenant_id, why, wait }) => {
                metrics::counter!("balcao_restarts_total", "actor" => "tenant").increment(1);
                tracing::error!(tenant.id = %tenant_id, error = why, wait_ms = wait.as_millis() as u64, "a tenant's actor fell");
                myself.send_after(wait, move || Msg::Rested(tenant_id));
            }
        }
        Ok(())
    }
}

impl State {
    /// The tenant's actor, started if need be; `None` while it rests after a fall.
    fn tenant(
        &mut self,
        myself: &ActorRef<Msg>,
        tenant_id: TenantId,
    ) -> Result<Option<&ActorRef<tenant::Msg>>, SpawnErr> {
        let shared = &self.shared;
        self.children.get_or_start(tenant_id, || {
            let args = (tenant_id, tenant::conversations(tenant_id, shared.clone()));
            ActorRuntime::spawn_linked_instant(None, tenant::Tenant, args, myself.get_cell())
                .map(|(actor, _)| actor)
        })
    }

    fn tell_all(&self, message: impl Fn() -> tenant::Msg) {
        for (_, actor) in self.children.iter() {
            let _ = actor.cast(message());
        }
    }

    fn end_if_empty(&self, myself: &ActorRef<Msg>) {
        if self.children.is_empty() {
            myself.stop(None);
        }
    }
}
