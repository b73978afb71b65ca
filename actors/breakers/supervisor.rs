//! Starts the keeper of a dependency at its first use, and starts it again when it falls.
//!
//! Owns:      the keepers.
//! Hears:     `Keep(family)`, `Again(id)` from its own timers.
//! Says:      nothing.
//! Ends when: told; its keepers end with it.
//! Restarted: no. It never gives up on a keeper: without one a gate goes on as last ruled, which is better
//!            than no gate, and worse than a late judgement.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent, async_trait};

use super::{family::Family, keeper::Keeper};

/// The longest rest before a keeper is started again.
const LONGEST_REST: Duration = Duration::from_secs(60);

pub(super) struct Supervisor;

/// What it hears.
pub(super) enum Msg {
    /// Keep this family. Answered when its keeper sits.
    Keep(Arc<Family>, RpcReplyPort<()>),
    /// A fallen keeper's rest is over.
    Again(Arc<Family>, u32),
}

/// What it remembers: who keeps what, and how often that keeper's seat has been vacated.
pub(super) type Keepers = HashMap<ActorId, (Arc<Family>, u32)>;

#[async_trait]
impl Actor for Supervisor {
    type Msg = Msg;
    type State = Keepers;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Msg>, (): ()) -> Result<Keepers, ActorProcessingErr> {
        Ok(HashMap::new())
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        msg: Msg,
        keepers: &mut Keepers,
    ) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Keep(family, reply) => {
                let known = keepers.values().any(|(kept, _)| Arc::ptr_eq(kept, &family));
                if !known {
                    start(&myself, keepers, family, 0).await;
                }
                let _ = reply.send(());
            }
            Msg::Again(family, falls) => start(&myself, keepers, family, falls).await,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Msg>,
        event: SupervisionEvent,
        keepers: &mut Keepers,
    ) -> Result<(), ActorProcessingErr> {
        let (who, why) = match event {
            SupervisionEvent::ActorFailed(who, error) => (who, error.to_string()),
            SupervisionEvent::ActorTerminated(who, _, reason) => (who, reason.unwrap_or_default()),
            _ => return Ok(()),
        };
        if let Some((family, falls)) = keepers.remove(&who.get_id()) {
            rest(&myself, family, falls, &why);
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        myself: ActorRef<Msg>,
        keepers: &mut Keepers,
    ) -> Result<(), ActorProcessingErr> {
        keepers.clear();
        myself.stop_children(None);
        Ok(())
    }
}

async fn start(myself: &ActorRef<Msg>, keepers: &mut Keepers, family: Arc<Family>, falls: u32) {
    match Keeper::spawn_linked(None, Keeper, Arc::clone(&family), myself.get_cell()).await {
        Ok((keeper, _)) => drop(keepers.insert(keeper.get_id(), (family, falls))),
        Err(error) => rest(myself, family, falls, &error.to_string()),
    }
}

/// One second, two, four … with a quarter of jitter either way.
fn rest(myself: &ActorRef<Msg>, family: Arc<Family>, falls: u32, why: &str) {
    let wait =
        Duration::from_secs(1 << falls.min(6)).min(LONGEST_REST).mul_f64(0.75 + 0.5 * rand::random::<f64>());
    metrics::counter!("balcao_restarts_total", "actor" => "breaker").increment(1);
    tracing::error!(
        breaker.key = family.key,
        error = why,
        wait_ms = wait.as_millis() as u64,
        "the keeper of a breaker fell and will come back"
    );
    myself.send_after(wait, move || Msg::Again(family, falls + 1));
}
