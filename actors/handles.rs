//! Seats in the tree, so that a handle outlives the actor that sits there.
//!
//! An actor that comes back is a new actor with a new mailbox. Whoever speaks to it holds a [`Seat`], and the
//! actor takes its seat each time it starts.

use std::sync::Arc;

use balcao_store::StoreError;
use parking_lot::RwLock;
use ractor::{ActorRef, Message};

/// A place in the tree, and who sits there now.
pub(crate) struct Seat<M: Message>(Arc<RwLock<Option<ActorRef<M>>>>);

impl<M: Message> Clone for Seat<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Message> Seat<M> {
    /// A seat nobody has taken yet.
    pub(crate) fn empty() -> Self {
        Self(Arc::new(RwLock::new(None)))
    }

    /// From now on messages go to `actor`.
    pub(crate) fn take(&self, actor: ActorRef<M>) {
        *self.0.write() = Some(actor);
    }

    /// Who sits here.
    pub(crate) fn occupant(&self) -> Option<ActorRef<M>> {
        self.0.read().clone()
    }

    /// Sends `message` to whoever sits here. A message to an empty seat is lost: rings may be, rows are not.
    pub(crate) fn cast(&self, message: M) {
        if let Some(actor) = self.0.read().as_ref() {
            let _ = actor.cast(message);
        }
    }
}

/// The same error once more: one failed commit is the answer to several callers.
pub(crate) fn same_error(error: &StoreError) -> StoreError {
    match error {
        StoreError::NotFound => StoreError::NotFound,
        StoreError::Conflict { constraint } => StoreError::Conflict { constraint: constraint.clone() },
        StoreError::Unavailable { message, outcome } => {
            StoreError::Unavailable { message: message.clone(), outcome: *outcome }
        }
        StoreError::Corrupt(what) => StoreError::Corrupt(what.clone()),
    }
}
