//! What the shop says, on its way out: one sender for each channel account that has something to send.
//!
//! Owns:      one slot an account in use.
//! Hears:     `Rang { account }`, `Rested(account)`, `Close`.
//! Says:      `sender::Msg::Rang`.
//! Ends when: told, after its senders have ended.
//! Restarted: yes; what is queued is in the outbox table, and the sweep rings for it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use balcao_domain::{ChannelId, TenantId};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, ActorRuntime, SupervisionEvent, async_trait};

use crate::{
    sender,
    shared::Shared,
    supervise::{Restarts, Verdict},
};

/// See the module.
pub(crate) struct Outbox;

/// What it hears.
pub(crate) enum Msg {
    /// There may be something to send.
    Rang { tenant_id: TenantId, channel_id: ChannelId },
    /// A tenant's accounts may have changed: one that was paused may send again.
    Changed(TenantId),
    /// A sender that fell has rested.
    Rested(ChannelId),
    /// Stop between sends and end.
    Close,
}

/// What it remembers.
pub(crate) struct State {
    shared: Arc<Shared>,
    slots: HashMap<ChannelId, Slot>,
    by_actor: HashMap<ActorId, ChannelId>,
    closing: bool,
}

struct Slot {
    tenant_id: TenantId,
    actor: Option<ActorRef<sender::Msg>>,
    resting: bool,
    restarts: Restarts,
}

#[async_trait]
impl Actor for Outbox {
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
            Msg::Rang { .. } | Msg::Changed(_) if state.closing => {}
            Msg::Rang { tenant_id, channel_id } => state.ring(&myself, tenant_id, channel_id)?,
            Msg::Changed(tenant_id) => {
                for slot in state.slots.values().filter(|slot| slot.tenant_id == tenant_id) {
                    slot.actor.iter().for_each(|actor| drop(actor.cast(sender::Msg::Rang)));
                }
            }
            Msg::Rested(channel_id) => {
                if let Some(slot) = state.slots.get_mut(&channel_id) {
                    slot.resting = false;
                }
            }
            Msg::Close => {
                state.closing = true;
                for actor in state.slots.values().filter_map(|slot| slot.actor.as_ref()) {
                    let _ = actor.cast(sender::Msg::Close);
                }
                state.end_if_empty(&myself);
            }
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
        let Some(channel_id) = state.by_actor.remove(&who.get_id()) else { return Ok(()) };
        if state.closing {
            state.end_if_empty(&myself);
            return Ok(());
        }
        let Some(slot) = state.slots.get_mut(&channel_id) else { return Ok(()) };
        let now = tokio::time::Instant::now().into_std();
        let wait = match slot.restarts.failed(now, rand::random()) {
            Verdict::After(wait) => wait,
            // One account that cannot be served must not silence the others: it rests for longer, no more.
            Verdict::GiveUp => Duration::from_secs(60),
        };
        (slot.actor, slot.resting) = (None, true);
        metrics::counter!("balcao_restarts_total", "actor" => "sender").increment(1);
        tracing::error!(channel.id = %channel_id, error = why, wait_ms = wait.as_millis() as u64, "a sender fell");
        myself.send_after(wait, move || Msg::Rested(channel_id));
        Ok(())
    }

    async fn post_stop(&self, myself: ActorRef<Msg>, _: &mut State) -> Result<(), ActorProcessingErr> {
        myself.drain_children_and_wait(Some(Duration::from_secs(2))).await;
        Ok(())
    }
}

impl State {
    fn ring(
        &mut self,
        myself: &ActorRef<Msg>,
        tenant_id: TenantId,
        channel_id: ChannelId,
    ) -> Result<(), ActorProcessingErr> {
        let slot = self.slots.entry(channel_id).or_insert_with(|| Slot {
            tenant_id,
            actor: None,
            resting: false,
            restarts: Restarts::default(),
        });
        if slot.actor.is_none() && !slot.resting {
            let args = sender::Args { shared: self.shared.clone(), tenant_id, channel_id };
            let (actor, _) =
                ActorRuntime::spawn_linked_instant(None, sender::Sender, args, myself.get_cell())?;
            self.by_actor.insert(actor.get_id(), channel_id);
            slot.actor = Some(actor);
        }
        if let Some(actor) = &slot.actor {
            let _ = actor.cast(sender::Msg::Rang);
        }
        Ok(())
    }

    fn end_if_empty(&self, myself: &ActorRef<Msg>) {
        if self.by_actor.is_empty() {
            myself.stop(None);
        }
    }
}
