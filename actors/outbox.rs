//! What the shop says, on its way out: one sender for each channel account that has something to send.
//!
//! Owns:      one slot an account in use.
//! Hears:     `Rang { account }`, `Rested(account)`, `Close`.
//! Says:      `sender::Msg::Rang`.
//! Ends when: told, after its senders have ended.
//! Restarted: yes; what is queued is in the outbox table, and the sweep rings for it.

use std::{sync::Arc, time::Duration};

use balcao_domain::{ChannelId, TenantId};
use ractor::{Actor, ActorProcessingErr, ActorRef, ActorRuntime, SupervisionEvent, async_trait};

use crate::{
    children::{Children, Ended, Fallen},
    sender,
    shared::Shared,
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
    Rested(Account),
    /// Stop between sends and end.
    Close,
}

/// What it remembers.
pub(crate) struct State {
    shared: Arc<Shared>,
    children: Children<Account, sender::Msg>,
    closing: bool,
}

/// Whose account, and which.
type Account = (TenantId, ChannelId);

#[async_trait]
impl Actor for Outbox {
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
            Msg::Rang { .. } | Msg::Changed(_) if state.closing => {}
            Msg::Rang { tenant_id, channel_id } => state.ring(&myself, (tenant_id, channel_id))?,
            Msg::Changed(tenant_id) => state.tell(|owner| owner == tenant_id, || sender::Msg::Rang),
            Msg::Rested(account) => state.children.rested(&account),
            Msg::Close => {
                state.closing = true;
                state.tell(|_| true, || sender::Msg::Close);
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
        match state.children.ended(event, state.closing) {
            Ended::Stranger => {}
            Ended::AsTold => state.end_if_empty(&myself),
            Ended::Fell(Fallen { key, why, wait }) => {
                metrics::counter!("balcao_restarts_total", "actor" => "sender").increment(1);
                tracing::error!(channel.id = %key.1, error = why, wait_ms = wait.as_millis() as u64, "a sender fell");
                myself.send_after(wait, move || Msg::Rested(key));
            }
        }
        Ok(())
    }

    async fn post_stop(&self, myself: ActorRef<Msg>, _: &mut State) -> Result<(), ActorProcessingErr> {
        myself.drain_children_and_wait(Some(Duration::from_secs(2))).await;
        Ok(())
    }
}

impl State {
    fn ring(&mut self, myself: &ActorRef<Msg>, account: Account) -> Result<(), ActorProcessingErr> {
        let shared = &self.shared;
        let sender = self.children.get_or_start(account, || {
            let (tenant_id, channel_id) = account;
            let args = sender::Args { shared: shared.clone(), tenant_id, channel_id };
            ActorRuntime::spawn_linked_instant(None, sender::Sender, args, myself.get_cell())
                .map(|(actor, _)| actor)
        })?;
        if let Some(sender) = sender {
            let _ = sender.cast(sender::Msg::Rang);
        }
        Ok(())
    }

    /// Tells the senders of some tenants.
    fn tell(&self, whose: impl Fn(TenantId) -> bool, message: impl Fn() -> sender::Msg) {
        for (_, sender) in self.children.iter().filter(|((tenant_id, _), _)| whose(*tenant_id)) {
            let _ = sender.cast(message());
        }
    }

    fn end_if_empty(&self, myself: &ActorRef<Msg>) {
        if self.children.is_empty() {
            myself.stop(None);
        }
    }
}
