//! Which conversation a sender's messages belong to: a small memory in front of `customers::resolve`.
//!
//! A shop's regulars write again and again; looking each message up would cost a transaction before the one that
//! stores it. The memory never answers for a sender it has not seen with exactly these ids and names: a user id
//! and a phone that were seen apart are looked up together once more, since they may turn out to be one person.

use std::{hash::BuildHasher, time::Duration};

use balcao_domain::{ChannelId, ConversationId, CustomerId, TenantCtx, TenantId, customer::Sender};
use balcao_store::{Store, StoreError, channels, customers};
use moka::sync::Cache;

/// People remembered at most. An entry takes about 200 bytes.
const REMEMBERED: u64 = 200_000;
/// How long: another node may have joined two customers meanwhile.
const FRESH: Duration = Duration::from_secs(60);

/// Where a sender's messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The person.
    pub customer_id: CustomerId,
    /// The talk.
    pub conversation_id: ConversationId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    place: Place,
    /// Of the names as they were: a new name is worth a look-up, which stores it.
    names: u64,
}

/// The memory.
pub struct People {
    by_id: Cache<(ChannelId, Id), Known>,
    api_channels: Cache<TenantId, ChannelId>,
    hasher: std::hash::RandomState,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Id {
    User(Box<str>),
    Phone(Box<str>),
}

impl Default for People {
    fn default() -> Self {
        Self {
            by_id: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(FRESH)
                .support_invalidation_closures()
                .build(),
            api_channels: Cache::builder().max_capacity(10_000).build(),
            hasher: std::hash::RandomState::new(),
        }
    }
}

fn ids(sender: &Sender) -> impl Iterator<Item = Id> {
    let user = sender.user_id.as_deref().map(|id| Id::User(id.into()));
    let phone = sender.phone.as_deref().map(|phone| Id::Phone(phone.into()));
    user.into_iter().chain(phone)
}

impl People {
    /// Where a sender's messages go, if the memory is sure.
    pub fn recall(&self, channel: ChannelId, sender: &Sender) -> Option<Place> {
        let names = self.names(sender);
        let mut found = ids(sender).map(|id| self.by_id.get(&(channel, id)));
        let first = found.next()??;
        let agreed = found.all(|other| other.is_some_and(|other| other.place == first.place));
        (agreed && first.names == names).then_some(first.place)
    }

    /// Remembers what a look-up said. An id that belonged to someone else until now means two customers were
    /// joined: everything known of the other one is forgotten.
    pub fn remember(&self, channel: ChannelId, sender: &Sender, place: Place) {
        let known = Known { place, names: self.names(sender) };
        for id in ids(sender) {
            let before = self.by_id.get(&(channel, id.clone())).map(|known| known.place);
            if let Some(gone) = before.filter(|before| *before != place) {
                self.forget(gone.conversation_id);
            }
            self.by_id.insert((channel, id), known);
        }
    }

    /// Forgets a conversation: its row is gone, or its ids have changed.
    pub fn forget(&self, conversation: ConversationId) {
        // The closure only runs lazily and cannot fail to register: closures are enabled above.
        let _ = self.by_id.invalidate_entries_if(move |_, known| known.place.conversation_id == conversation);
    }

    /// Forgets a person: they were erased.
    pub fn forget_customer(&self, customer: CustomerId) {
        let _ = self.by_id.invalidate_entries_if(move |_, known| known.place.customer_id == customer);
    }

    /// Forgets one sender's ids, and with them everything known of the same conversations.
    pub fn forget_sender(&self, channel: ChannelId, sender: &Sender) {
        for id in ids(sender) {
            if let Some(known) = self.by_id.get(&(channel, id.clone())) {
                self.forget(known.place.conversation_id);
            }
            self.by_id.invalidate(&(channel, id));
        }
    }

    /// Where a sender's messages go; looked up where the memory is not sure.
    pub async fn place(
        &self,
        store: &Store,
        ctx: &TenantCtx,
        channel: ChannelId,
        sender: &Sender,
    ) -> Result<Place, StoreError> {
        if let Some(place) = self.recall(channel, sender) {
            return Ok(place);
        }
        let mut tx = store.tenant_tx(ctx).await?;
        let found = customers::resolve(&mut tx, channel, sender).await?;
        tx.commit().await?;
        let place = Place { customer_id: found.customer_id, conversation_id: found.conversation_id };
        self.remember(channel, sender, place);
        Ok(place)
    }

    /// The tenant's API channel.
    pub async fn api_channel(&self, store: &Store, ctx: &TenantCtx) -> Result<ChannelId, StoreError> {
        if let Some(channel) = self.api_channels.get(&ctx.tenant_id) {
            return Ok(channel);
        }
        let mut tx = store.tenant_tx(ctx).await?;
        let channel = channels::api_channel(&mut tx).await?.channel_id;
        tx.commit().await?;
        self.api_channels.insert(ctx.tenant_id, channel);
        Ok(channel)
    }

    fn names(&self, sender: &Sender) -> u64 {
        self.hasher.hash_one((&sender.name, &sender.username))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { customer_id: CustomerId::generate(), conversation_id: ConversationId::generate() }
    }

    fn sender(user: Option<&str>, phone: Option<&str>) -> Sender {
        Sender { user_id: user.map(Into::into), phone: phone.map(Into::into), name: None, username: None }
    }

    #[test]
    fn a_sender_seen_before_is_recalled_and_a_stranger_is_not() {
        let (people, channel, home) = (People::default(), ChannelId::generate(), place());
        people.remember(channel, &sender(Some("BR.1"), Some("5511900000001")), home);
        for known in [
            sender(Some("BR.1"), Some("5511900000001")),
            sender(Some("BR.1"), None),
            sender(None, Some("5511900000001")),
        ] {
            assert_eq!(people.recall(channel, &known), Some(home));
        }
        assert_eq!(people.recall(channel, &sender(Some("BR.2"), None)), None);
        assert_eq!(people.recall(ChannelId::generate(), &sender(Some("BR.1"), None)), None);
        assert_eq!(people.recall(channel, &sender(None, None)), None);
    }

    #[test]
    fn ids_that_were_seen_apart_are_looked_up_together() {
        let (people, channel) = (People::default(), ChannelId::generate());
        people.remember(channel, &sender(Some("BR.1"), None), place());
        people.remember(channel, &sender(None, Some("5511900000001")), place());
        assert_eq!(people.recall(channel, &sender(Some("BR.1"), Some("5511900000001"))), None);
    }

    #[test]
    fn joining_two_customers_forgets_the_one_that_went() {
        let (people, channel, older, younger) = (People::default(), ChannelId::generate(), place(), place());
        people.remember(channel, &sender(Some("BR.1"), Some("5511900000009")), younger);
        people.remember(channel, &sender(Some("BR.1"), Some("5511900000001")), older);
        assert_eq!(people.recall(channel, &sender(None, Some("5511900000009"))), None);
        assert_eq!(people.recall(channel, &sender(Some("BR.1"), None)), Some(older));
    }

    #[test]
    fn a_new_name_is_worth_a_look_up() {
        let (people, channel, home) = (People::default(), ChannelId::generate(), place());
        people.remember(channel, &sender(Some("BR.1"), None), home);
        let renamed = Sender { name: Some("Camila".into()), ..sender(Some("BR.1"), None) };
        assert_eq!(people.recall(channel, &renamed), None);
        people.remember(channel, &renamed, home);
        assert_eq!(people.recall(channel, &renamed), Some(home));
    }
}
