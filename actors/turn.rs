//! One turn, from what was claimed to what is committed. Runs as a conversation's task.
//!
//! Every way it can go wrong has an end that the core knows: a panic or an error of the agent is counted on the
//! row, a database that is away leaves the outcome to the next look, a lost lease writes nothing.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use balcao_channels::{Outgoing, api};
use balcao_domain::{
    Language, OutboxId, TenantCtx, TurnId,
    conversation::{Mode, TurnEnd, backoff},
    reply::Reply,
    turn::{Action, Evidence, Outcome, Path, Reason},
};
use balcao_store::{
    StoreError, failpoint,
    inbox::{self, Claim},
    turns::{self, Committed, NewOutgoing, NewTurn},
};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use tokio::time::{Instant, timeout};

use crate::{
    directory::{Account, Shop},
    outbox,
    request::{ask_agent, show_typing},
    system::TurnEvent,
    tenant::House,
};

/// A commit that takes longer may or may not have happened.
const COMMIT_LIMIT: Duration = Duration::from_secs(10);

/// Why a turn failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The agent did not keep its promise to answer within its budget.
    #[error("the agent did not answer in time")]
    TooSlow,
    /// The claim names an account that does not exist.
    #[error("the conversation's channel account is not known")]
    NoAccount,
    /// The database said no, or nothing.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes one turn on what was claimed.
pub(crate) async fn take_turn(house: &House, claim: &Claim, mode: Mode) -> TurnEnd {
    let _turn = house.turns.acquire().await;
    let turn_id = TurnId::generate();
    let mut announced = Announced { house, claim, turn_id, committed: false };
    let error = match AssertUnwindSafe(attempt(house, claim, mode, turn_id)).catch_unwind().await {
        Ok(Ok(Committed::Yes)) => {
            announced.committed = true;
            return TurnEnd::Committed;
        }
        Ok(Ok(Committed::Fenced)) => {
            metrics::counter!("balcao_fenced_total").increment(1);
            give_back(house, claim).await;
            return TurnEnd::Fenced;
        }
        // The messages are not to blame for a database that is away.
        Ok(Err(Failure::Store(error @ StoreError::Unavailable { .. }))) => {
            tracing::warn!(tenant.id = %claim.tenant_id, conversation.id = %claim.conversation_id, %error, "a turn could not be stored");
            return TurnEnd::Unsure;
        }
        Ok(Err(failure)) => failure.to_string(),
        Err(panic) => format!("panic: {}", panic_words(panic.as_ref())),
    };
    failed(house, claim, &error).await
}

/// Tells those who watch that nothing will come of the turn, however it ended: also when its task was stopped.
struct Announced<'a> {
    house: &'a House,
    claim: &'a Claim,
    turn_id: TurnId,
    committed: bool,
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        if !self.committed {
            let event = TurnEvent::Abandoned { turn_id: self.turn_id };
            self.house.shared.watchers.publish(self.claim.conversation_id, event);
        }
    }
}

/// Nothing was written: another node has the conversation, or a person took over while the agent was thinking. In
/// the second case the lease is still ours, and the messages must not wait for it to lapse.
async fn give_back(house: &House, claim: &Claim) {
    let ctx = TenantCtx::system(claim.tenant_id);
    let release = inbox::release(&house.shared.store, &ctx, claim.conversation_id, claim.epoch);
    let _ = timeout(COMMIT_LIMIT, release).await;
}

async fn failed(house: &House, claim: &Claim, error: &str) -> TurnEnd {
    metrics::counter!("balcao_turn_failures_total").increment(1);
    tracing::error!(tenant.id = %claim.tenant_id, conversation.id = %claim.conversation_id, error, "a turn failed");
    let ctx = TenantCtx::system(claim.tenant_id);
    let wait = backoff(u32::try_from(claim.attempts).unwrap_or(0) + 1);
    let noted = turns::fail(&house.shared.store, &ctx, claim, error, wait);
    match timeout(COMMIT_LIMIT, noted).await {
        Ok(Ok(Some(failures))) => TurnEnd::Failed { failures: u32::try_from(failures).unwrap_or(0) },
        Ok(Ok(None)) => TurnEnd::Fenced,
        Ok(Err(_)) | Err(_) => TurnEnd::Unsure,
    }
}

fn panic_words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

async fn attempt(house: &House, claim: &Claim, mode: Mode, turn_id: TurnId) -> Result<Committed, Failure> {
    let started_at = Utc::now();
    let began = Instant::now();
    let (shop, account) = account(house, claim).await?;
    let outcome = match mode {
        Mode::Silent(reason) => without_words(reason),
        Mode::GiveUp => apology(spoken(house, &shop, claim).await?, claim),
        Mode::Agent => {
            show_typing(&account, claim);
            mute(ask_agent(house, &shop, claim, turn_id).await?, claim.opted_out)
        }
    };
    let decided = Instant::now();
    failpoint::hit("after_decision");
    let turn = new_turn(claim, turn_id, started_at, outcome, &account, shop.tenant.language);
    let committed = commit(house, claim, &turn).await?;
    failpoint::hit("after_turn_commit");
    observe(&turn.outcome, began, decided);
    if committed == Committed::Yes {
        announce(house, claim, turn, &account);
    }
    Ok(committed)
}

/// The shop, and the account the conversation takes place on; looked for twice, since it may be new.
async fn account(house: &House, claim: &Claim) -> Result<(Arc<Shop>, Account), Failure> {
    let directory = &house.shared.directory;
    for _ in 0..2 {
        let shop = directory.shop(claim.tenant_id).await?;
        if let Some(account) = shop.accounts.get(&claim.channel_id).cloned() {
            return Ok((shop, account));
        }
        directory.forget(claim.tenant_id).await;
    }
    Err(Failure::NoAccount)
}

fn without_words(reason: Reason) -> Outcome {
    let evidence = Evidence::default();
    Outcome { reply: None, action: Action::Continue, path: Path::Silent, reason, evidence }
}

/// Who asked not to be written to is answered only when they ask to be written to again.
fn mute(outcome: Outcome, opted_out: bool) -> Outcome {
    if !opted_out || outcome.action == Action::OptIn {
        return outcome;
    }
    Outcome { reply: None, path: Path::Silent, reason: Reason::OptedOut, ..outcome }
}

/// The conversation's language; the shop's where the customer's words have not told one.
async fn spoken(house: &House, shop: &Shop, claim: &Claim) -> Result<Language, StoreError> {
    let mut tx = house.shared.store.tenant_tx(&TenantCtx::system(claim.tenant_id)).await?;
    let language = turns::language(&mut tx, claim.conversation_id).await?;
    tx.commit().await?;
    Ok(language.unwrap_or(shop.tenant.language))
}

fn apology(language: Language, claim: &Claim) -> Outcome {
    let words = match language {
        Language::Portuguese => {
            "Desculpe, não consegui tratar a sua mensagem. Já avisei a nossa equipe. Se preferir, escreva de outro jeito."
        }
        Language::English => {
            "Sorry, I could not deal with your message. I have told our team. You may also try to put it differently."
        }
    };
    let reply = (!claim.opted_out).then(|| Reply::text(words));
    let evidence = Evidence {
        language: Some(language),
        errors: vec![format!("{} attempts failed", claim.attempts)],
        ..Evidence::default()
    };
    Outcome { reply, action: Action::Continue, path: Path::Apology, reason: Reason::Poisoned, evidence }
}

fn new_turn(
    claim: &Claim,
    turn_id: TurnId,
    started_at: DateTime<Utc>,
    outcome: Outcome,
    account: &Account,
    shops: Language,
) -> NewTurn {
    let first_seq = claim.messages.first().map_or(claim.acked_seq + 1, |m| m.seq);
    let last_seq = claim.messages.last().map_or(claim.acked_seq, |m| m.seq);
    let language = outcome.evidence.language.unwrap_or(shops);
    let outgoing = outcome.reply.as_ref().map(|reply| render(reply, account, language)).unwrap_or_default();
    NewTurn { turn_id, first_seq, last_seq, outcome, outgoing, started_at }
}

fn render(reply: &Reply, account: &Account, language: Language) -> Vec<NewOutgoing> {
    let rendered = match &account.channel {
        Some(channel) => channel.render(reply, language),
        None => api::render(reply),
    };
    let outgoing = |m: Outgoing| NewOutgoing {
        outbox_id: OutboxId::generate(),
        kind: m.kind,
        text: m.text,
        body: m.body,
    };
    rendered.into_iter().map(outgoing).collect()
}

async fn commit(house: &House, claim: &Claim, turn: &NewTurn) -> Result<Committed, Failure> {
    let ctx = TenantCtx::system(claim.tenant_id);
    match timeout(COMMIT_LIMIT, turns::commit(&house.shared.store, &ctx, claim, turn)).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Failure::Store(StoreError::Unavailable {
            message: "the commit of a turn took too long".into(),
            outcome: balcao_store::Outcome::Unknown,
        })),
    }
}

fn observe(outcome: &Outcome, began: Instant, decided: Instant) {
    let (path, reason) = (outcome.path.as_str(), outcome.reason.as_str());
    metrics::counter!("balcao_turns_total", "path" => path, "reason" => reason).increment(1);
    let record = |stage: String, took: f64| {
        metrics::histogram!("balcao_turn_seconds", "stage" => stage).record(took);
    };
    for stage in &outcome.evidence.stages {
        record(stage.name.clone(), stage.duration_us as f64 / 1e6);
    }
    record("commit".into(), decided.elapsed().as_secs_f64());
    record("total".into(), began.elapsed().as_secs_f64());
}

fn announce(house: &House, claim: &Claim, turn: NewTurn, account: &Account) {
    let NewTurn { turn_id, first_seq, last_seq, outcome, outgoing, .. } = turn;
    if !outgoing.is_empty() && account.channel.is_some() {
        let (tenant_id, channel_id) = (claim.tenant_id, claim.channel_id);
        house.shared.outbox.cast(outbox::Msg::Rang { tenant_id, channel_id });
    }
    let outcome = Arc::new(outcome);
    let event = TurnEvent::Committed { turn_id, first_seq, last_seq, outcome };
    house.shared.watchers.publish(claim.conversation_id, event);
}
