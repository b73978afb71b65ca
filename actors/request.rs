//! What the agent is given, and how it is asked: within its budget, watched, and no longer.

use std::time::Duration;

use balcao_agent::{HistoryItem, TurnRequest, turn::Author};
use balcao_channels::Indication;
use balcao_domain::{
    Language, TenantCtx, TurnId,
    sale::Sale,
    turn::{Outcome, Progress},
};
use balcao_store::{
    StoreError,
    conversations::{self, HistoryLine},
    inbox::Claim,
    turns,
};
use chrono::Utc;
use tokio::time::{Instant, timeout};

use crate::{
    directory::{Account, Shop},
    system::TurnEvent,
    tenant::House,
    turn::Failure,
};

/// Lines of history the agent gets; it keeps what fits its token budget.
const HISTORY_LINES: i64 = 40;

/// How long past its budget the agent may take before its turn counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long showing "typing…" may take: it is a courtesy.
const COURTESY: Duration = Duration::from_secs(5);

/// Marks the customer's last message read and shows that an answer is being written. Best effort, on the side.
pub(crate) fn show_typing(account: &Account, claim: &Claim) {
    let Some(channel) = account.channel.clone() else { return };
    if account.account.paused_reason.is_some() {
        return;
    }
    let Some(last) = claim.messages.iter().rev().find(|m| m.message.content.starts_turn()) else { return };
    let id = last.message.provider_message_id.clone();
    tokio::spawn(async move {
        let _ = timeout(COURTESY, channel.indicate(&id, Indication::Typing)).await;
    });
}

/// Asks the agent for a turn.
pub(crate) async fn ask_agent(
    house: &House,
    shop: &Shop,
    claim: &Claim,
    turn_id: TurnId,
) -> Result<Outcome, Failure> {
    let shared = &house.shared;
    let budget = Duration::from_millis(shop.tenant.settings.turn_budget_ms);
    let deadline = Instant::now() + budget;
    let Past { history, language, sale, model_turns_today } = past(house, shop, claim).await?;
    let request = TurnRequest {
        tenant: shop.tenant.clone(),
        conversation_id: claim.conversation_id,
        turn_id,
        channel: claim.channel,
        customer_name: claim.customer_name.clone(),
        language,
        sale_is_fresh: sale.as_ref().is_some_and(|(_, fresh)| *fresh),
        sale: sale.map(|(sale, _)| sale),
        history,
        messages: claim.messages.iter().map(|m| m.message.clone()).collect(),
        opted_out: claim.opted_out,
        model_turns_today,
        now: Utc::now(),
        deadline: deadline.into_std(),
    };
    let id = claim.conversation_id;
    let watch = |progress: Progress| {
        if shared.watchers.watched(id) {
            shared.watchers.publish(id, TurnEvent::Progress { turn_id, progress });
        }
    };
    let answer = shared.agent.take_turn(request, &watch);
    tokio::time::timeout_at(deadline + PATIENCE, answer).await.map_err(|_| Failure::TooSlow)
}

/// What is known before a turn.
struct Past {
    history: Vec<HistoryItem>,
    language: Option<Language>,
    /// Where they stand in buying, and whether the last turn left it there.
    sale: Option<(Sale, bool)>,
    model_turns_today: u32,
}

/// What was said before, in which language, and how many model turns the tenant has used today.
async fn past(house: &House, shop: &Shop, claim: &Claim) -> Result<Past, StoreError> {
    let mut tx = house.shared.store.tenant_tx(&TenantCtx::system(claim.tenant_id)).await?;
    let page = conversations::history(&mut tx, claim.conversation_id, None, HISTORY_LINES).await?;
    let language = turns::language(&mut tx, claim.conversation_id).await?;
    let sale = turns::sale(&mut tx, claim.conversation_id).await?;
    let model_turns_today = match shop.tenant.settings.model_turns_per_day {
        Some(_) => turns::model_turns_today(&mut tx).await?,
        None => 0,
    };
    tx.commit().await?;
    let history = page.items.into_iter().filter_map(|line| said_before(line, claim)).collect();
    Ok(Past { history, language, sale, model_turns_today })
}

fn said_before(line: HistoryLine, claim: &Claim) -> Option<HistoryItem> {
    let author = match line.author.as_str() {
        "customer" => Author::Customer,
        "human" => Author::Human,
        _ => Author::Agent,
    };
    // The messages of this turn are in the database too, but they are its question, not its past.
    let first = claim.messages.first()?;
    let asked_now = author == Author::Customer && line.turn_id.is_none() && line.at >= first.received_at;
    (!asked_now).then_some(HistoryItem { author, text: line.text, at: line.at })
}
