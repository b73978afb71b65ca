//! Everything a webhook says besides messages: statuses, echoes, new ids, wishes, and news of the account.
//!
//! Deliveries come twice and in any order, so each of these leaves the same state however often it is applied.

use std::sync::Arc;

use balcao_channels::{
    SendError,
    whatsapp::{AccountEffect, AccountEvent, Echo, StatusUpdate, WebhookItem},
};
use balcao_domain::{
    OutboxId, TenantCtx,
    customer::{IdentityChange, Sender},
    delivery::State,
};
use balcao_store::{
    StoreError, TenantTx,
    channels::{self, ChannelAccount},
    conversations, customers, events, idempotency,
    outbox::{self, Applied, StatusReport},
    turns::NewOutgoing,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Refusal,
    apply::{count, owner, set_aside},
    later,
};
use crate::App;

/// Carries the items out, each on its own.
pub(super) async fn carry_out(
    app: &App,
    signer: &Arc<ChannelAccount>,
    items: Vec<WebhookItem>,
) -> Result<(), Refusal> {
    let mut statuses: Vec<(Arc<ChannelAccount>, StatusUpdate)> = Vec::new();
    for item in items {
        match item {
            WebhookItem::Status { phone_number_id, status } => {
                let Some(account) = owner(app, signer, &phone_number_id).await? else { continue };
                statuses.push((account, status));
            }
            WebhookItem::Echo { phone_number_id, echo } => {
                let Some(account) = owner(app, signer, &phone_number_id).await? else { continue };
                let raw = serde_json::to_value(&echo).unwrap_or_default();
                settle(app, &account, "echo", step_back(app, &account, echo).await, &raw).await?;
            }
            WebhookItem::IdentityChange { phone_number_id, change, at: _ } => {
                let Some(account) = owner(app, signer, &phone_number_id).await? else { continue };
                let raw = serde_json::to_value(&change).unwrap_or_default();
                settle(app, &account, "identity", rename(app, &account, change).await, &raw).await?;
            }
            WebhookItem::Preference { phone_number_id, sender, category, stop, at } => {
                let Some(account) = owner(app, signer, &phone_number_id).await? else { continue };
                let raw = json!({ "sender": sender, "category": category, "stop": stop, "at": at });
                let done = prefer(app, &account, &sender, stop, &raw).await;
                settle(app, &account, "preference", done, &raw).await?;
            }
            WebhookItem::Account(event) => of_account(app, signer, event).await?,
            WebhookItem::Unreadable { phone_number_id, why, raw } => {
                let Some(account) = owner(app, signer, &phone_number_id).await? else { continue };
                set_aside(app, &account, "webhook", why, &raw).await?;
            }
            // Nothing says whose it is. It is kept where the body came in, and touches nobody's data.
            WebhookItem::Unroutable { why, raw } => set_aside(app, signer, "webhook", why, &raw).await?,
            WebhookItem::Message { .. } | WebhookItem::Ignored { .. } => {}
        }
    }
    report_all(app, statuses).await
}

/// Three of these follow each message of ours: those of an account share a transaction. If one of them is refused,
/// each is tried on its own.
async fn report_all(
    app: &App,
    mut statuses: Vec<(Arc<ChannelAccount>, StatusUpdate)>,
) -> Result<(), Refusal> {
    // Stable: the order of one account's statuses stays as it was.
    statuses.sort_by_key(|(account, _)| account.channel_id);
    for group in statuses.chunk_by(|(a, _), (b, _)| a.channel_id == b.channel_id) {
        let Some((account, _)) = group.first() else { continue };
        let updates: Vec<&StatusUpdate> = group.iter().map(|(_, status)| status).collect();
        match report(app, account, &updates).await {
            Ok(()) => count("status", updates.len() as u64),
            Err(error @ StoreError::Unavailable { .. }) => return Err(later(&error)),
            Err(_) => {
                for status in updates {
                    let outcome = report(app, account, &[status]).await;
                    settle(app, account, "status", outcome, &status.raw).await?;
                }
            }
        }
    }
    Ok(())
}

/// What an item's outcome means for the delivery: only a database that is away makes Meta come back.
async fn settle(
    app: &App,
    account: &ChannelAccount,
    what: &'static str,
    outcome: Result<(), StoreError>,
    raw: &Value,
) -> Result<(), Refusal> {
    match outcome {
        Ok(()) => {
            count(what, 1);
            Ok(())
        }
        Err(error @ StoreError::Unavailable { .. }) => Err(later(&error)),
        Err(error) => set_aside(app, account, "webhook", &error.to_string(), raw).await,
    }
}

/// Messages of ours moved on.
async fn report(app: &App, account: &ChannelAccount, updates: &[&StatusUpdate]) -> Result<(), StoreError> {
    let mut tx = app.store.tenant_tx(&TenantCtx::system(account.tenant_id)).await?;
    let mut parked = 0;
    for status in updates {
        let applied = outbox::report(&mut tx, account.channel_id, &status_report(status)).await?;
        parked += u64::from(applied == Applied::Parked);
        if let (Applied::Moved(State::Failed), Some(SendError::AccountBlocked { code, detail })) =
            (applied, status.failure())
        {
            let data = json!({ "channel_id": account.channel_id, "code": code, "detail": detail });
            events::push(&mut tx, "channel.alert", None, &data).await?;
        }
    }
    tx.commit().await?;
    count("status_parked", parked);
    Ok(())
}

fn status_report(status: &StatusUpdate) -> StatusReport {
    let error = status.errors.first();
    StatusReport {
        provider_message_id: status.provider_message_id.clone(),
        outbox_id: status.tag.as_deref().and_then(|tag| tag.parse::<OutboxId>().ok()),
        state: status.state,
        at: status.at,
        error_code: error.map(|error| error.code),
        error_detail: error.map(|error| format!("{}: {}", error.title, error.detail)),
        raw: status.raw.clone(),
    }
}

/// A person of the shop answered in the phone's own app: keep what they said, and be silent from now on.
async fn step_back(app: &App, account: &ChannelAccount, echo: Echo) -> Result<(), StoreError> {
    let ctx = TenantCtx::system(account.tenant_id);
    let place = app.people.place(&app.store, &ctx, account.channel_id, &echo.to).await?;
    let body = serde_json::to_value(&echo.content).unwrap_or_default();
    let kind = body.get("kind").and_then(Value::as_str).unwrap_or("unknown").to_owned();
    let said = NewOutgoing {
        outbox_id: OutboxId::generate(),
        text: echo.content.words().map_or_else(|| format!("[{kind}]"), str::to_owned),
        kind,
        body,
    };
    let mut tx = app.store.tenant_tx(&ctx).await?;
    // A repetition must not silence an agent that has been given the conversation back since.
    let item = json!({ "channel_id": account.channel_id, "message_id": echo.provider_message_id });
    if seen_before(&mut tx, "echo", &item).await? {
        return Ok(());
    }
    outbox::push_human(&mut tx, place.conversation_id, &said, Some(&echo.provider_message_id)).await?;
    conversations::hand_off(&mut tx, place.conversation_id, "a person answered in the app").await?;
    tx.commit().await
}

/// A customer's ids changed.
async fn rename(app: &App, account: &ChannelAccount, change: IdentityChange) -> Result<(), StoreError> {
    let mut tx = app.store.tenant_tx(&TenantCtx::system(account.tenant_id)).await?;
    customers::change_identity(&mut tx, account.channel_id, &change).await?;
    tx.commit().await?;
    for sender in [&change.before, &change.after] {
        app.people.forget_sender(account.channel_id, sender);
    }
    Ok(())
}

/// A customer stopped or resumed marketing.
/// (A repetition must not bring back a wish that has changed since.)
async fn prefer(
    app: &App,
    account: &ChannelAccount,
    sender: &Sender,
    stop: bool,
    raw: &Value,
) -> Result<(), StoreError> {
    let mut tx = app.store.tenant_tx(&TenantCtx::system(account.tenant_id)).await?;
    if seen_before(&mut tx, "preference", &json!({ "channel_id": account.channel_id, "wish": raw })).await? {
        return Ok(());
    }
    customers::set_marketing(&mut tx, account.channel_id, sender, !stop).await?;
    tx.commit().await
}

/// News of the account: told to each shop it concerns, once.
async fn of_account(app: &App, signer: &ChannelAccount, event: AccountEvent) -> Result<(), Refusal> {
    let accounts = match (&event.phone_number_id, &event.waba_id) {
        (Some(number), _) => owner(app, signer, number).await?.into_iter().collect(),
        (None, Some(waba)) => {
            app.accounts.of_waba(&app.store, waba, signer).await.map_err(|error| later(&error))?
        }
        (None, None) => Vec::new(),
    };
    if accounts.is_empty() {
        count("unknown_account", 1);
    }
    for account in accounts {
        let raw = serde_json::to_value(&event).unwrap_or_default();
        settle(app, &account, "account", tell(app, &account, &event, &raw).await, &raw).await?;
    }
    Ok(())
}

async fn tell(
    app: &App,
    account: &ChannelAccount,
    event: &AccountEvent,
    raw: &Value,
) -> Result<(), StoreError> {
    let mut tx = app.store.tenant_tx(&TenantCtx::system(account.tenant_id)).await?;
    let data = json!({ "channel_id": account.channel_id, "news": raw });
    let mut same = data.clone();
    if let Some(news) = same["news"].as_object_mut().filter(|_| !event.dated) {
        news.remove("at");
    }
    if seen_before(&mut tx, "account", &same).await? {
        return Ok(());
    }
    let kind = match event.effect {
        AccountEffect::Template { .. } => "channel.template",
        AccountEffect::Limits => "channel.limits",
        _ => "channel.alert",
    };
    events::push(&mut tx, kind, None, &data).await?;
    match &event.effect {
        AccountEffect::Pause { reason } => {
            channels::set_paused(&mut tx, account.channel_id, Some(reason)).await?;
        }
        AccountEffect::Resume => channels::set_paused(&mut tx, account.channel_id, None).await?,
        AccountEffect::Template { .. } | AccountEffect::Limits | AccountEffect::Note => {}
    }
    tx.commit().await?;
    if matches!(event.effect, AccountEffect::Pause { .. } | AccountEffect::Resume) {
        app.system.tenant_changed(account.tenant_id);
        app.system.ring_outbox(account.tenant_id, account.channel_id);
    }
    Ok(())
}

/// Whether this very item was carried out before: these have no id of their own, so their content is their id.
/// The note is written in the transaction of the item's own effects.
pub(super) async fn seen_before(tx: &mut TenantTx, what: &str, item: &Value) -> Result<bool, StoreError> {
    let hash = Sha256::digest(item.to_string().as_bytes());
    let key = format!("webhook/{what}/{}", hex::encode(hash));
    match idempotency::begin(tx, &key, &hash).await? {
        idempotency::Begin::Fresh => {
            idempotency::finish(tx, &key, 200, &Value::Null).await?;
            Ok(false)
        }
        _ => Ok(true),
    }
}
