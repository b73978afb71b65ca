//! A look into the inbox: takes or keeps the lease, and sums up what is pending.

use std::{panic::AssertUnwindSafe, time::Duration};

use balcao_domain::{
    ConversationId, TenantCtx,
    channel::Kind,
    conversation::{Looked, Pending},
    tenant::Settings,
};
use balcao_store::{
    StoreError, failpoint,
    inbox::{self, Claim},
};
use futures::FutureExt;

use crate::tenant::House;

/// Messages of one turn. A customer's burst is shorter; a backlog is worked off in portions of this size.
const MESSAGES_A_TURN: usize = 32;

/// A look that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(10);

/// Never fails and never hangs: a panic or a slow database is [`Looked::Failed`].
pub(crate) async fn look(house: &House, id: ConversationId) -> (Looked, Option<Box<Claim>>) {
    let looking = AssertUnwindSafe(claim(house, id)).catch_unwind();
    let (error, id) = match tokio::time::timeout(LIMIT, looking).await {
        Ok(Ok(Ok(None))) => return (Looked::Elsewhere, None),
        Ok(Ok(Ok(Some((claim, settings))))) => {
            let pending = sum_up(&claim, &settings, house.shared.stale_after);
            return (Looked::Ours(pending), Some(Box::new(claim)));
        }
        Ok(Ok(Err(error))) => (error.to_string(), id),
        Ok(Err(_)) => ("the look panicked".to_owned(), id),
        Err(_) => ("the look took too long".to_owned(), id),
    };
    tracing::warn!(tenant.id = %house.tenant_id, conversation.id = %id, error, "cannot look into the inbox");
    (Looked::Failed, None)
}

async fn claim(house: &House, id: ConversationId) -> Result<Option<(Claim, Settings)>, StoreError> {
    let _turn = house.looks.acquire().await;
    let shared = &house.shared;
    let settings = shared.directory.shop(house.tenant_id).await?.tenant.settings.clone();
    let ctx = TenantCtx::system(house.tenant_id);
    let claim =
        inbox::claim(&shared.store, &ctx, id, &shared.node, shared.lease, MESSAGES_A_TURN as i64).await?;
    failpoint::hit("after_claim");
    Ok(claim.map(|claim| (claim, settings)))
}

fn sum_up(claim: &Claim, settings: &Settings, stale_after: Duration) -> Pending {
    // Both clocks are outside: the provider's and the database's. A node's own clock decides nothing.
    let old = |m: &inbox::StoredMessage| {
        (m.received_at - m.message.sent_at).to_std().is_ok_and(|age| age > stale_after)
    };
    let waits = claim.channel == Kind::Whatsapp;
    let quiet = |ms| if waits { Duration::from_millis(ms) } else { Duration::ZERO };
    Pending {
        messages: claim.messages.len(),
        more: claim.messages.len() >= MESSAGES_A_TURN,
        asks: claim.messages.iter().any(|m| m.message.content.starts_turn()),
        stale: claim.messages.iter().all(old),
        handed_off: claim.handed_off,
        failures: u32::try_from(claim.attempts).unwrap_or(0),
        quiet: quiet(settings.quiet_ms),
        quiet_cap: quiet(settings.quiet_cap_ms),
    }
}
