//! One message on its way out: wait for its pace, see that it may go, send it, record what became of it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use balcao_agent::desk::notices;
use balcao_channels::{
    Outgoing, SendError, SendReceipt, Target,
    pacing::Pacer,
    whatsapp::template::{Variables, template},
};
use balcao_domain::{
    ConversationId, TenantCtx,
    customer::{IdentityChange, Sender},
    money::Money,
    sale::{Fact, Shown},
};
use balcao_store::{
    StoreError, TenantTx, channels, customers, events, failpoint,
    outbox::{self, Due},
    tenants, turns,
};
use chrono::{TimeDelta, Utc};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{directory::Shop, shared::Shared};

/// WhatsApp takes free text for a day after the customer's last message. A minute is left for the way.
const WINDOW: TimeDelta = TimeDelta::minutes(24 * 60 - 1);
/// Beyond this wait a message goes back to the queue, so that others get its place.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// A send without an answer after this has an unknown outcome.
const SEND_LIMIT: Duration = Duration::from_secs(40);
/// A message that could not be sent for this long is set aside: an answer that comes later confuses.
const GIVE_UP_AFTER: Duration = Duration::from_secs(6 * 3_600);
const SHORTEST_BACKOFF: Duration = Duration::from_secs(2);
const LONGEST_BACKOFF: Duration = Duration::from_secs(600);
/// The breaker says itself when it tries again; asking costs nothing.
const BREAKER_BACKOFF: Duration = Duration::from_secs(4);
/// How often recording is tried: what was sent and is not recorded looks like a send of unknown outcome.
const RECORD_TRIES: u32 = 5;
const RECORD_LIMIT: Duration = Duration::from_secs(5);

/// One message, and what it needs to go out.
pub(crate) struct Delivery {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pacer: Arc<Mutex<Pacer<ConversationId>>>,
    pub(crate) closing: watch::Receiver<bool>,
    pub(crate) due: Due,
}

/// What the sender should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    GoOn,
    /// Take a rest: the next message would fare no better.
    Pause,
}

/// What becomes of the row.
#[derive(Debug, Clone, PartialEq)]
enum Fate {
    Sent(SendReceipt),
    Retry {
        after: Duration,
        code: Option<i64>,
        detail: String,
    },
    Unknown(String),
    Dead {
        code: Option<i64>,
        detail: String,
    },
    Template(Outgoing),
    /// What it says of prices or stock is no longer so: this goes in its place.
    Fresh(Outgoing, Vec<Fact>),
    /// The account is in trouble: the message waits, and a person hears of it.
    Blocked {
        code: Option<i64>,
        detail: String,
    },
}

impl Delivery {
    /// Carries one message out. Records its fate before it returns, if the database lets it.
    pub(crate) async fn carry_out(mut self) -> Verdict {
        let fate = match self.fate().await {
            Ok(fate) => fate,
            // Nothing was sent: the shop could not be read.
            Err(error) => retry_after(Duration::from_secs(5), error.to_string()),
        };
        let result = name(&fate);
        metrics::counter!("balcao_outbox_sent_total", "result" => result).increment(1);
        failpoint::hit("after_send");
        let pause = matches!(fate, Fate::Blocked { .. }) || fate.is_breaker();
        if !matches!(fate, Fate::Sent(_)) {
            tracing::info!(
                tenant.id = %self.due.tenant_id, channel.id = %self.due.channel_id, outbox.id = %self.due.outbox_id,
                attempt = self.due.attempt, result, "a message was not sent"
            );
        }
        let recorded = self.record(&fate).await;
        failpoint::hit("after_record");
        if pause || !recorded { Verdict::Pause } else { Verdict::GoOn }
    }

    async fn fate(&mut self) -> Result<Fate, StoreError> {
        if let Some(fate) = self.wait_for_pace().await {
            return Ok(fate);
        }
        let shop = self.shared.directory.shop(self.due.tenant_id).await?;
        if let Some(fate) = forbidden(&self.due, &shop) {
            return Ok(fate);
        }
        let account = shop.accounts.get(&self.due.channel_id);
        let Some(channel) = account.and_then(|account| account.channel.clone()) else {
            return Ok(Fate::Dead { code: None, detail: "the account has no sender".into() });
        };
        let to = Target { phone: self.due.phone.clone(), user_id: self.due.user_id.clone() };
        let message = Outgoing {
            kind: self.due.kind.clone(),
            text: self.due.text.clone(),
            body: self.due.body.clone(),
        };
        if let Some(fate) = self.no_longer_so().await? {
            return Ok(fate);
        }
        let tag = self.due.outbox_id.to_string();
        failpoint::hit("before_send");
        Ok(match timeout(SEND_LIMIT, channel.send(&to, &message, &tag)).await {
            Ok(Ok(receipt)) => {
                self.pacer.lock().accepted(&self.due.conversation_id);
                Fate::Sent(receipt)
            }
            Ok(Err(error)) => {
                if matches!(error, SendError::PairLimited { .. }) {
                    self.pacer.lock().refused(Instant::now().into_std(), &self.due.conversation_id);
                }
                judge(error, &self.due, &shop, age(&self.due), rand::random())
            }
            Err(_) => unsettled("no answer in time".into(), &self.due),
        })
    }

    /// What it says of prices and stock was true when its turn read it, and it has waited since: it is read once more, as
    /// the last thing before it goes.
    async fn no_longer_so(&self) -> Result<Option<Fate>, StoreError> {
        let mut tx = self.shared.store.tenant_tx(&TenantCtx::system(self.due.tenant_id)).await?;
        let stale = outbox::stale(&mut tx, self.due.outbox_id).await?;
        if stale.is_empty() {
            tx.commit().await?;
            return Ok(None);
        }
        let language = match turns::language(&mut tx, self.due.conversation_id).await? {
            Some(language) => language,
            None => tenants::get(&mut tx).await?.language,
        };
        tx.commit().await?;
        metrics::counter!("balcao_stale_messages_total").increment(1);
        let price = |one: &outbox::Stale| {
            let currency = one.currency.parse().ok()?;
            one.price_minor.filter(|_| one.there).map(|minor| Money::new(minor, currency))
        };
        let changes: Vec<(String, Option<Money>)> =
            stale.iter().map(|one| (one.title.clone(), price(one))).collect();
        let facts = stale.iter().filter_map(|one| {
            let shown = Shown { variant_id: one.variant_id, title: one.title.clone(), unit: price(one)? };
            Some(Fact::of(&shown, true))
        });
        let reply = notices::no_longer_so(&changes, language);
        let message = balcao_channels::whatsapp::render::render(&reply, language).into_iter().next();
        Ok(message.map(|message| Fate::Fresh(message, facts.collect())))
    }

    /// Waits until the number and the person may get a message; `Some` when it must not wait here.
    async fn wait_for_pace(&mut self) -> Option<Fate> {
        let began = Instant::now();
        loop {
            if *self.closing.borrow() {
                return Some(retry_after(Duration::ZERO, "the server was closing".into()));
            }
            let wait = match self.pacer.lock().admit(Instant::now().into_std(), &self.due.conversation_id) {
                Ok(()) => return None,
                Err(wait) => wait,
            };
            if began.elapsed() + wait > LONGEST_WAIT {
                return Some(retry_after(wait, "waits for its pace".into()));
            }
            let _ = timeout(wait, self.closing.wait_for(|closing| *closing)).await;
        }
    }

    async fn record(&self, fate: &Fate) -> bool {
        for attempt in 0..RECORD_TRIES {
            match timeout(RECORD_LIMIT, self.write(fate)).await {
                Ok(Ok(())) => return true,
                Ok(Err(error)) => {
                    tracing::warn!(outbox.id = %self.due.outbox_id, %error, "cannot record what became of a message");
                }
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
        }
        false
    }

    fn write<'a>(&'a self, fate: &'a Fate) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let ctx = TenantCtx::system(self.due.tenant_id);
            let mut tx = self.shared.store.tenant_tx(&ctx).await?;
            let id = self.due.outbox_id;
            match fate {
                Fate::Sent(receipt) => {
                    outbox::sent(&mut tx, id, &receipt.provider_message_id).await?;
                    self.learn(&mut tx, receipt).await?;
                }
                Fate::Retry { after, code, detail } => {
                    outbox::retry(&mut tx, id, *after, *code, detail).await?
                }
                Fate::Unknown(detail) => {
                    outbox::unknown(&mut tx, id, self.shared.unknown_grace, detail).await?;
                }
                Fate::Dead { code, detail } => outbox::dead(&mut tx, id, *code, detail).await?,
                Fate::Template(m) => outbox::replace(&mut tx, id, &m.kind, &m.text, &m.body).await?,
                Fate::Fresh(m, facts) => {
                    outbox::replace(&mut tx, id, &m.kind, &m.text, &m.body).await?;
                    outbox::set_facts(&mut tx, id, facts).await?;
                }
                Fate::Blocked { code, detail } => {
                    outbox::retry(&mut tx, id, Duration::from_secs(1), *code, detail).await?;
                    channels::set_paused(&mut tx, self.due.channel_id, Some(detail)).await?;
                    let data = serde_json::json!({
                        "channel_id": self.due.channel_id, "code": code, "detail": detail,
                    });
                    events::push(&mut tx, "channel.alert", None, &data).await?;
                }
            }
            tx.commit().await?;
            if matches!(fate, Fate::Blocked { .. }) {
                self.shared.directory.forget(self.due.tenant_id).await;
            }
            Ok(())
        })
    }

    /// The channel may have told us an id of this person that we did not know.
    async fn learn(&self, tx: &mut TenantTx, receipt: &SendReceipt) -> Result<(), StoreError> {
        let Some(change) = news(&self.due, receipt) else { return Ok(()) };
        customers::change_identity(tx, self.due.channel_id, &change).await
    }
}

impl Fate {
    fn is_breaker(&self) -> bool {
        matches!(self, Fate::Retry { detail, .. } if detail == BREAKER_OPEN)
    }
}

const BREAKER_OPEN: &str = "the breaker in front of the channel is open";

fn name(fate: &Fate) -> &'static str {
    match fate {
        Fate::Sent(_) => "sent",
        Fate::Retry { .. } => "retry",
        Fate::Unknown(_) => "unknown",
        Fate::Dead { .. } => "dead",
        Fate::Template(_) => "template",
        Fate::Fresh(..) => "stale",
        Fate::Blocked { .. } => "blocked",
    }
}

fn retry_after(after: Duration, detail: String) -> Fate {
    Fate::Retry { after, code: None, detail }
}

/// What must not go out at all, or not like this.
fn forbidden(due: &Due, shop: &Shop) -> Option<Fate> {
    let is_template = due.kind == "template";
    if due.opted_out && is_template {
        return Some(Fate::Dead { code: None, detail: "the customer wants no messages".into() });
    }
    let open = due.last_inbound_at.is_some_and(|last| Utc::now() - last < WINDOW);
    (!open && !is_template).then(|| outside_window(due, shop, None))
}

/// Outside the window only an approved template may go, and only to who wants messages.
fn outside_window(due: &Due, shop: &Shop, code: Option<i64>) -> Fate {
    match &shop.tenant.settings.reopen_template {
        Some(t) if !due.opted_out && due.kind != "template" => {
            Fate::Template(template(&t.name, &t.language, &Variables::Positional(vec![])))
        }
        _ => Fate::Dead { code, detail: "the 24-hour window is closed and no template may go".into() },
    }
}

/// How long ago the message was written: its id carries the time.
fn age(due: &Due) -> Duration {
    let written = due.outbox_id.as_uuid().get_timestamp().map_or((0, 0), |t| t.to_unix());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::new(written.0, written.1))
}

fn judge(error: SendError, due: &Due, shop: &Shop, age: Duration, jitter: f64) -> Fate {
    match error {
        SendError::BreakerOpen => retry_after(BREAKER_BACKOFF.mul_f64(0.5 + jitter), BREAKER_OPEN.into()),
        SendError::Retry { code, detail, .. } | SendError::PairLimited { code, detail }
            if age > GIVE_UP_AFTER =>
        {
            Fate::Dead { code, detail }
        }
        SendError::Retry { code, detail, after } => {
            let after = backoff(age, jitter).max(after.unwrap_or_default());
            Fate::Retry { after, code, detail }
        }
        SendError::PairLimited { code, detail } => {
            // The provider's own advice: 4, 16, 64 … seconds.
            let exponent = u32::try_from(due.attempt).unwrap_or(1).clamp(1, 4);
            let after = Duration::from_secs(4u64.pow(exponent));
            Fate::Retry { after: after.mul_f64(1.0 + jitter / 4.0), code, detail }
        }
        SendError::Never { code, detail } => Fate::Dead { code, detail },
        SendError::WindowClosed { code, .. } => outside_window(due, shop, code),
        SendError::AccountBlocked { code, detail } => Fate::Blocked { code, detail },
        SendError::Unknown(detail) => unsettled(detail, due),
    }
}

/// One resend is allowed after an outcome that nobody could settle; a second unknown outcome is for a person.
fn unsettled(detail: String, due: &Due) -> Fate {
    if due.after_unknown { Fate::Dead { code: None, detail } } else { Fate::Unknown(detail) }
}

/// As long again as it has waited already, between two seconds and ten minutes, and between half and all of that.
/// Attempts do not count: waiting for a breaker or for its pace is none of a message's fault.
fn backoff(age: Duration, jitter: f64) -> Duration {
    age.clamp(SHORTEST_BACKOFF, LONGEST_BACKOFF).mul_f64(0.5 + jitter / 2.0)
}

fn news(due: &Due, receipt: &SendReceipt) -> Option<IdentityChange> {
    let new_user = receipt.resolved_user_id.is_some() && receipt.resolved_user_id != due.user_id;
    let new_phone = receipt.resolved_phone.is_some() && due.phone.is_none();
    (new_user || new_phone).then(|| IdentityChange {
        before: Sender { phone: due.phone.clone(), user_id: due.user_id.clone(), ..Sender::default() },
        after: Sender {
            phone: receipt.resolved_phone.clone().or_else(|| due.phone.clone()),
            user_id: receipt.resolved_user_id.clone().or_else(|| due.user_id.clone()),
            ..Sender::default()
        },
    })
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
