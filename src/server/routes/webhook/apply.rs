//! Carries a webhook's items out: messages into the inbox with one call, then the rest, each on its own.

use std::sync::Arc;

use balcao_channels::whatsapp::WebhookItem;
use balcao_domain::{TenantCtx, inbound::Inbound};
use balcao_store::{
    StoreError,
    channels::ChannelAccount,
    customers, dead_letters,
    inbox::{Appended, NewMessage},
};
use serde_json::{Value, json};

use super::{Refusal, later, news};
use crate::{App, people::Place};

/// A message whose account is known.
struct Arrived {
    account: Arc<ChannelAccount>,
    message: Inbound,
}

/// Carries everything out, or says that Meta must come back because the database is away.
pub(super) async fn apply(
    app: &App,
    signer: &Arc<ChannelAccount>,
    items: Vec<WebhookItem>,
) -> Result<(), Refusal> {
    let mut arrived = Vec::with_capacity(items.len());
    let mut rest = Vec::new();
    for item in items {
        match item {
            WebhookItem::Message { phone_number_id, inbound } => {
                if let Some(account) = owner(app, signer, &phone_number_id).await? {
                    arrived.push(Arrived { account, message: inbound });
                }
            }
            WebhookItem::Ignored { why, detail } => {
                count("ignored", 1);
                tracing::debug!(why = why.as_str(), detail, "ignored an item of a webhook");
            }
            other => rest.push(other),
        }
    }
    if !arrived.is_empty() {
        take_in(app, arrived).await?;
    }
    if !rest.is_empty() {
        news::carry_out(app, signer, rest).await?;
    }
    Ok(())
}

/// The account a number's items belong to. Without one they are counted and dropped: never guessed.
pub(super) async fn owner(
    app: &App,
    signer: &ChannelAccount,
    phone_number_id: &str,
) -> Result<Option<Arc<ChannelAccount>>, Refusal> {
    let known = app.accounts.of_number(&app.store, phone_number_id, signer).await;
    let known = known.map_err(|error| later(&error))?;
    if known.is_none() {
        count("unknown_number", 1);
        tracing::warn!(channel.id = %signer.channel_id, "a webhook names a number that is not of this app");
    }
    Ok(known)
}

/// Stores messages and wakes their conversations.
async fn take_in(app: &App, arrived: Vec<Arrived>) -> Result<(), Refusal> {
    let refused = store(app, arrived).await?;
    if refused.is_empty() {
        return Ok(());
    }
    // A conversation we remembered may be gone (customers were joined elsewhere): look it up anew, once.
    for (one, _) in &refused {
        app.people.forget_sender(one.account.channel_id, &one.message.sender);
    }
    for (one, error) in store(app, refused.into_iter().map(|(one, _)| one).collect()).await? {
        let evidence = serde_json::to_value(&one.message).unwrap_or_default();
        set_aside(app, &one.account, "message", &error.to_string(), &evidence).await?;
    }
    Ok(())
}

/// Stores messages; returns those the database refused.
async fn store(app: &App, arrived: Vec<Arrived>) -> Result<Vec<(Arrived, StoreError)>, Refusal> {
    let mut refused = Vec::new();
    let mut ready = Vec::with_capacity(arrived.len());
    look_up(app, &arrived).await?;
    for one in arrived {
        match place(app, &one).await {
            Ok(place) => ready.push((one, place)),
            Err(error @ StoreError::Unavailable { .. }) => return Err(later(&error)),
            Err(error) => refused.push((one, error)),
        }
    }
    if ready.is_empty() {
        return Ok(refused);
    }
    let rows = ready.iter().map(|(one, place)| NewMessage {
        tenant_id: one.account.tenant_id,
        channel_id: one.account.channel_id,
        conversation_id: place.conversation_id,
        message: one.message.clone(),
    });
    let appended = app.system.accept(rows.collect()).await.map_err(|error| {
        tracing::error!(%error, "a webhook could not be stored");
        Refusal::Later
    })?;
    let (mut stored, mut duplicates) = (0, 0);
    for ((one, _), result) in ready.into_iter().zip(appended) {
        match result {
            Ok(Appended::Stored { .. }) => stored += 1,
            Ok(Appended::Duplicate { .. }) => duplicates += 1,
            Err(error @ StoreError::Unavailable { .. }) => return Err(later(&error)),
            Err(error) => refused.push((one, error)),
        }
    }
    count("stored", stored);
    count("duplicate", duplicates);
    Ok(refused)
}

/// Looks up the senders nobody remembers: those of an account in one transaction. Best effort: what fails here is
/// looked up on its own afterwards, where its error is its own.
async fn look_up(app: &App, arrived: &[Arrived]) -> Result<(), Refusal> {
    let mut strangers: Vec<&Arrived> = arrived
        .iter()
        .filter(|one| app.people.recall(one.account.channel_id, &one.message.sender).is_none())
        .collect();
    if strangers.len() < 2 {
        return Ok(());
    }
    // One order for everybody: two batches with the same people never wait for each other in a circle.
    strangers.sort_by(|a, b| {
        let key = |one: &Arrived| {
            (one.account.channel_id, one.message.sender.user_id.clone(), one.message.sender.phone.clone())
        };
        key(a).cmp(&key(b))
    });
    for group in strangers.chunk_by(|a, b| a.account.channel_id == b.account.channel_id) {
        match look_up_group(app, group).await {
            Err(error @ StoreError::Unavailable { .. }) => return Err(later(&error)),
            Err(error) => tracing::debug!(%error, "failed to look up the senders of a batch together"),
            Ok(()) => {}
        }
    }
    Ok(())
}

async fn look_up_group(app: &App, group: &[&Arrived]) -> Result<(), StoreError> {
    let Some(first) = group.first() else { return Ok(()) };
    let mut tx = app.store.tenant_tx(&TenantCtx::system(first.account.tenant_id)).await?;
    let mut found = Vec::with_capacity(group.len());
    for one in group {
        found.push(customers::resolve(&mut tx, one.account.channel_id, &one.message.sender).await?);
    }
    tx.commit().await?;
    for (one, found) in group.iter().zip(found) {
        let place = Place { customer_id: found.customer_id, conversation_id: found.conversation_id };
        app.people.remember(one.account.channel_id, &one.message.sender, place);
    }
    Ok(())
}

async fn place(app: &App, one: &Arrived) -> Result<Place, StoreError> {
    let ctx = TenantCtx::system(one.account.tenant_id);
    app.people.place(&app.store, &ctx, one.account.channel_id, &one.message.sender).await
}

/// Sets an item aside for a person, in the tenant of `account`.
pub(super) async fn set_aside(
    app: &App,
    account: &ChannelAccount,
    kind: &str,
    reason: &str,
    evidence: &Value,
) -> Result<(), Refusal> {
    count("dead_letter", 1);
    let evidence = json!({ "channel_id": account.channel_id, "item": evidence });
    let written = async {
        let mut tx = app.store.tenant_tx(&TenantCtx::system(account.tenant_id)).await?;
        if news::seen_before(&mut tx, "dead_letter", &evidence).await? {
            return Ok(());
        }
        dead_letters::push(&mut tx, kind, None, reason, &evidence).await?;
        tx.commit().await
    };
    match written.await {
        Ok(()) => Ok(()),
        Err(error @ StoreError::Unavailable { .. }) => Err(later(&error)),
        Err(error) => {
            tracing::error!(channel.id = %account.channel_id, %error, "failed to set an item of a webhook aside");
            Ok(())
        }
    }
}

/// Counts what became of items.
pub(super) fn count(outcome: &'static str, items: u64) {
    if items > 0 {
        metrics::counter!("balcao_webhook_items_total", "outcome" => outcome).increment(items);
    }
}
