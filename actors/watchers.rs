//! Those who watch a conversation while it is answered: the chat API's streams.
//!
//! Bounded and lossy by design: a slow watcher misses events and reads the turn from the database instead.

use std::collections::HashMap;

use balcao_domain::ConversationId;
use parking_lot::RwLock;
use tokio::sync::broadcast;

use crate::system::TurnEvent;

/// Events a watcher may lag behind: a long answer's tokens.
const BUFFER: usize = 256;

/// How many conversations may gather before those nobody watches any more are looked for.
const TIDY_AT: usize = 64;

/// Who watches what.
#[derive(Default)]
pub(crate) struct Watchers {
    map: RwLock<HashMap<ConversationId, broadcast::Sender<TurnEvent>>>,
}

impl Watchers {
    /// Hears the turns of a conversation from now on.
    pub(crate) fn watch(&self, id: ConversationId) -> broadcast::Receiver<TurnEvent> {
        let mut map = self.map.write();
        // Doubling keeps the tidying cheap: each pass is paid for by as many arrivals.
        if map.len() >= TIDY_AT && map.len().is_power_of_two() {
            map.retain(|_, sender| sender.receiver_count() > 0);
        }
        map.entry(id).or_insert_with(|| broadcast::channel(BUFFER).0).subscribe()
    }

    /// Tells those who watch, if any.
    pub(crate) fn publish(&self, id: ConversationId, event: TurnEvent) {
        let heard = match self.map.read().get(&id) {
            None => return,
            Some(sender) => sender.send(event).is_ok(),
        };
        if !heard {
            let mut map = self.map.write();
            if map.get(&id).is_some_and(|sender| sender.receiver_count() == 0) {
                map.remove(&id);
            }
        }
    }

    /// Whether anybody watches: spares the making of events.
    pub(crate) fn watched(&self, id: ConversationId) -> bool {
        self.map.read().contains_key(&id)
    }
}

#[cfg(test)]
mod tests {
    use balcao_domain::TurnId;

    use super::*;

    fn abandoned() -> TurnEvent {
        TurnEvent::Abandoned { turn_id: TurnId::generate() }
    }

    #[test]
    fn every_watcher_hears_and_other_conversations_do_not() {
        let watchers = Watchers::default();
        let id = ConversationId::generate();
        let (mut a, mut b) = (watchers.watch(id), watchers.watch(id));
        let mut other = watchers.watch(ConversationId::generate());
        watchers.publish(id, abandoned());
        assert!(a.try_recv().is_ok() && b.try_recv().is_ok());
        assert!(other.try_recv().is_err());
    }

    #[test]
    fn a_conversation_nobody_watches_any_more_is_forgotten() {
        let watchers = Watchers::default();
        let id = ConversationId::generate();
        drop(watchers.watch(id));
        assert!(watchers.watched(id));
        watchers.publish(id, abandoned());
        assert!(!watchers.watched(id));
    }

    #[test]
    fn watchers_that_left_before_any_event_do_not_pile_up() {
        let watchers = Watchers::default();
        for _ in 0..10_000 {
            drop(watchers.watch(ConversationId::generate()));
        }
        assert!(watchers.map.read().len() <= TIDY_AT + 1);
    }
}
