//! One turn through the engine, as the API sees it: the message goes into the same inbox as everybody's, and the
//! answer is heard as it is made.
//!
//! Hearing is lossy (another node may take the turn, a slow listener is dropped); the truth is the recorded turn.
//! So a listener also looks there from time to time, and what it tells in the end is what was committed.

use std::{sync::Arc, time::Duration};

use balcao_actors::TurnEvent;
use balcao_domain::{
    ChannelId, ConversationId, TenantCtx, TurnId,
    customer::Sender,
    inbound::{Content, Inbound},
    reply::Source,
    turn::{Outcome, Progress, Reason},
};
use balcao_store::{
    StoreError,
    inbox::{Appended, NewMessage},
    turns,
};
use chrono::Utc;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use crate::{ApiError, App};

/// How often a listener looks at the recorded turns, in case it heard nothing.
const LOOK_EVERY: Duration = Duration::from_millis(750);

/// What a caller says.
#[derive(Debug, Clone)]
pub struct Saying {
    /// For whom.
    pub ctx: TenantCtx,
    /// The caller's own id of the conversation.
    pub conversation: String,
    /// The caller's own id of the message: saying it twice is saying it once.
    pub message_id: String,
    /// What is said.
    pub content: Content,
}

/// What a listener hears, in this order and ending with `Answer`.
#[derive(Debug, Clone)]
pub enum Heard {
    /// A stage began.
    Stage(String),
    /// Words of the reply.
    Token(String),
    /// The words so far are void.
    Restart(Option<Reason>),
    /// What the answer stands on.
    Sources(Vec<Source>),
    /// The turn is recorded.
    Answer(Answer),
}

/// A recorded turn.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Which.
    pub turn_id: TurnId,
    /// What it decided.
    pub outcome: Arc<Outcome>,
}

/// Listens for the turn that answers one message.
pub struct Listener {
    app: App,
    ctx: TenantCtx,
    /// The conversation, by our id.
    pub conversation_id: ConversationId,
    seq: i64,
    events: Option<broadcast::Receiver<TurnEvent>>,
    look: Interval,
    deadline: Instant,
    /// Words were heard of this turn, and nothing took them back yet.
    speaking: Option<TurnId>,
    finished: bool,
}

/// Stores what a caller says and listens for its answer.
pub async fn say(app: &App, saying: Saying) -> Result<Listener, ApiError> {
    let deadline = Instant::now() + app.settings.answer_timeout;
    let channel_id = app.people.api_channel(&app.store, &saying.ctx).await?;
    let sender = Sender { user_id: Some(saying.conversation.clone()), ..Sender::default() };
    // The listener is there before the message: no word can be missed.
    let mut stored = store(app, &saying, channel_id, &sender).await;
    if matches!(&stored, Err(ApiError::Conflict(_) | ApiError::NotFound(_))) {
        // The conversation we remembered is gone (customers were joined elsewhere): look it up anew, once.
        app.people.forget_sender(channel_id, &sender);
        stored = store(app, &saying, channel_id, &sender).await;
    }
    let (conversation_id, events, appended) = stored?;
    let (seq, first_look) = match appended {
        Appended::Stored { seq } => (seq, Instant::now() + LOOK_EVERY),
        // Said before: its answer may be there already.
        Appended::Duplicate { seq } => (seq, Instant::now()),
    };
    let mut look = interval_at(first_look, LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Ok(Listener {
        app: app.clone(),
        ctx: saying.ctx,
        conversation_id,
        seq,
        events: Some(events),
        look,
        deadline,
        speaking: None,
        finished: false,
    })
}

type Stored = (ConversationId, broadcast::Receiver<TurnEvent>, Appended);

async fn store(
    app: &App,
    saying: &Saying,
    channel_id: ChannelId,
    sender: &Sender,
) -> Result<Stored, ApiError> {
    let place = app.people.place(&app.store, &saying.ctx, channel_id, sender).await?;
    let events = app.system.watch(place.conversation_id);
    let message = NewMessage {
        tenant_id: saying.ctx.tenant_id,
        channel_id,
        conversation_id: place.conversation_id,
        message: Inbound {
            // Callers number their messages per conversation; the inbox wants one id per channel.
            provider_message_id: format!("{}:{}", saying.conversation, saying.message_id),
            sender: sender.clone(),
            sent_at: Utc::now(),
            content: saying.content.clone(),
            reply_to: None,
            product: None,
            referral: None,
        },
    };
    let appended = app.system.accept(vec![message]).await?;
    let appended = appended.into_iter().next().ok_or(ApiError::Internal)?;
    Ok((place.conversation_id, events, appended?))
}

impl Listener {
    /// The next thing heard; `None` after the answer.
    pub async fn next(&mut self) -> Option<Result<Heard, ApiError>> {
        if self.finished {
            return None;
        }
        let heard = self.listen().await;
        self.finished = matches!(&heard, Ok(Heard::Answer(_)) | Err(_));
        Some(heard)
    }

    /// Waits for the answer and lets the rest go by.
    pub async fn answer(mut self) -> Result<Answer, ApiError> {
        loop {
            if let Heard::Answer(answer) = self.listen().await? {
                return Ok(answer);
            }
        }
    }

    async fn listen(&mut self) -> Result<Heard, ApiError> {
        loop {
            tokio::select! {
                biased;
                event = next_event(&mut self.events) => match event {
                    Ok(event) => if let Some(heard) = self.hear(event) { return Ok(heard) },
                    Err(RecvError::Lagged(_)) => self.look.reset_immediately(),
                    Err(RecvError::Closed) => self.events = None,
                },
                _ = self.look.tick() => if let Some(answer) = self.recorded().await? {
                    return Ok(Heard::Answer(answer));
                },
                () = tokio::time::sleep_until(self.deadline) => return Err(ApiError::AnswerLate),
            }
        }
    }

    /// What an event means to the one who waits for message `seq`.
    fn hear(&mut self, event: TurnEvent) -> Option<Heard> {
        match event {
            TurnEvent::Progress { turn_id, progress } => match progress {
                Progress::Stage { name } => Some(Heard::Stage(name)),
                Progress::Token { text } => {
                    self.speaking = Some(turn_id);
                    Some(Heard::Token(text))
                }
                Progress::Restart { reason } => {
                    self.speaking = None;
                    Some(Heard::Restart(Some(reason)))
                }
                Progress::Sources { sources } => Some(Heard::Sources(sources)),
            },
            TurnEvent::Committed { turn_id, first_seq, last_seq, outcome }
                if (first_seq..=last_seq).contains(&self.seq) =>
            {
                Some(Heard::Answer(Answer { turn_id, outcome }))
            }
            // A later turn: ours is recorded already and went by unheard.
            TurnEvent::Committed { first_seq, .. } if first_seq > self.seq => {
                self.look.reset_immediately();
                None
            }
            // The turn before ours ended, or ours begins anew: what was heard of it is not our answer.
            TurnEvent::Committed { turn_id, .. } | TurnEvent::Abandoned { turn_id } => {
                (self.speaking.take() == Some(turn_id)).then_some(Heard::Restart(None))
            }
        }
    }

    async fn recorded(&self) -> Result<Option<Answer>, ApiError> {
        let mut tx = self.app.store.tenant_tx(&self.ctx).await?;
        let turn = match turns::covering(&mut tx, self.conversation_id, self.seq).await {
            Ok(turn) => turn,
            Err(StoreError::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        tx.commit().await?;
        Ok(turn.map(|turn| Answer { turn_id: turn.turn_id, outcome: Arc::new(turn.outcome) }))
    }
}

async fn next_event(events: &mut Option<broadcast::Receiver<TurnEvent>>) -> Result<TurnEvent, RecvError> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}
