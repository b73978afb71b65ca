//! Children of one kind, known by a key: started on first use, rested after a fall, started again at the next use.
//!
//! What the supervisors of tenants and of senders have in common. One child that falls again and again must not take
//! the others with it: it rests for longer, no more.

use std::{collections::HashMap, hash::Hash, time::Duration};

use ractor::{ActorCell, ActorId, ActorRef, Message, SpawnErr, SupervisionEvent};
use tokio::time::Instant;

use crate::supervise::{Restarts, Verdict};

/// How long a child rests that has fallen too often.
const LONG_REST: Duration = Duration::from_secs(60);

/// Children by key.
pub(crate) struct Children<K, M> {
    slots: HashMap<K, Slot<M>>,
    by_actor: HashMap<ActorId, K>,
}

struct Slot<M> {
    actor: Option<ActorRef<M>>,
    resting: bool,
    restarts: Restarts,
}

/// A child that fell, and rests.
pub(crate) struct Fallen<K> {
    pub(crate) key: K,
    pub(crate) why: String,
    /// Then [`Children::rested`] is to be called.
    pub(crate) wait: Duration,
}

/// What the end of an actor means.
pub(crate) enum Ended<K> {
    /// It was not a child of this kind, or nothing ended.
    Stranger,
    /// It ended as it was told to.
    AsTold,
    /// It fell.
    Fell(Fallen<K>),
}

impl<K: Copy + Eq + Hash, M: Message> Children<K, M> {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { slots: HashMap::new(), by_actor: HashMap::new() }
    }

    /// The child of a key, started if need be; `None` while it rests after a fall.
    pub(crate) fn get_or_start(
        &mut self,
        key: K,
        start: impl FnOnce() -> Result<ActorRef<M>, SpawnErr>,
    ) -> Result<Option<&ActorRef<M>>, SpawnErr> {
        let slot = self.slots.entry(key).or_insert_with(|| Slot {
            actor: None,
            resting: false,
            restarts: Restarts::default(),
        });
        if slot.actor.is_none() && !slot.resting {
            let actor = start()?;
            self.by_actor.insert(actor.get_id(), key);
            slot.actor = Some(actor);
        }
        Ok(slot.actor.as_ref())
    }

    /// The child of a key, if it lives.
    pub(crate) fn get(&self, key: &K) -> Option<&ActorRef<M>> {
        self.slots.get(key)?.actor.as_ref()
    }

    /// Those who live.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &ActorRef<M>)> {
        self.slots.iter().filter_map(|(key, slot)| Some((key, slot.actor.as_ref()?)))
    }

    /// Whether all have ended.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_actor.is_empty()
    }

    /// It has rested: the next use may start it again.
    pub(crate) fn rested(&mut self, key: &K) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.resting = false;
        }
    }

    /// Takes note of what a supervisor heard; `told`: children are expected to end.
    pub(crate) fn ended(&mut self, event: SupervisionEvent, told: bool) -> Ended<K> {
        let Some((who, why)) = end_of(event) else { return Ended::Stranger };
        let Some(key) = self.by_actor.remove(&who.get_id()) else { return Ended::Stranger };
        if told {
            self.slots.remove(&key);
            return Ended::AsTold;
        }
        let Some(slot) = self.slots.get_mut(&key) else { return Ended::Stranger };
        let wait = match slot.restarts.failed(Instant::now().into_std(), rand::random()) {
            Verdict::After(wait) => wait,
            Verdict::GiveUp => LONG_REST,
        };
        (slot.actor, slot.resting) = (None, true);
        Ended::Fell(Fallen { key, why, wait })
    }
}

/// Who ended, and why; the state an ended actor leaves behind is dropped here.
fn end_of(event: SupervisionEvent) -> Option<(ActorCell, String)> {
    match event {
        SupervisionEvent::ActorFailed(who, error) => Some((who, error.to_string())),
        SupervisionEvent::ActorTerminated(who, _, reason) => {
            Some((who, reason.unwrap_or_else(|| "ended".into())))
        }
        _ => None,
    }
}
