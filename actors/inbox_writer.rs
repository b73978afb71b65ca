//! Group commit of what customers send: many requests, one transaction, an answer after the commit.
//!
//! Owns:      the bounded queue of requests, and two writers.
//! Hears:     `WriterEnded`, `Close`; requests come over the queue, because ractor's mailboxes have no bound.
//! Says:      `tenants::Msg::Rang` after each commit.
//! Ends when: told, after its queue is empty.
//! Restarted: yes, with a new queue; those who waited in the old one are told that nobody knows.
//!
//! Batching has no timer: a writer takes whatever waits when its last commit returns. Under little load a request
//! pays one commit; under much load batches grow by themselves. Two writers keep the database busy while one of
//! them prepares the next batch.

use std::{collections::HashMap, sync::Arc, time::Duration};

use balcao_domain::inbound::{Content, Inbound};
use balcao_store::{
    Outcome, StoreError, failpoint,
    inbox::{Appended, NewMessage},
};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::RwLock;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent, async_trait};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinSet,
};

use crate::{
    handles::{Seat, same_error},
    system::AcceptError,
    tenants::{self, Ring},
};

/// Rows of one transaction: beyond this a batch only makes everybody in it wait longer.
const BATCH_ROWS: usize = 512;
/// Bytes of one transaction.
const BATCH_BYTES: usize = 4 << 20;
/// Batches on their way to the database at the same time.
const WRITERS: usize = 2;
/// Requests that may wait.
const QUEUE_REQUESTS: usize = 8_192;
/// Kilobytes that may wait: a webhook may carry 3 MB, so counting requests is not enough.
const QUEUE_KILOBYTES: usize = 64 << 10;
/// A commit that takes longer is treated as lost; its outcome is unknown.
const COMMIT_LIMIT: Duration = Duration::from_secs(10);

type Rows = Vec<Result<Appended, StoreError>>;
/// Stores one batch: `store::inbox::append`, or a test's stand-in.
pub(crate) type Append =
    Arc<dyn Fn(Vec<NewMessage>) -> BoxFuture<'static, Result<Rows, StoreError>> + Send + Sync>;

/// The way in.
#[derive(Clone)]
pub(crate) struct Inbox {
    queue: Arc<RwLock<Option<mpsc::Sender<Request>>>>,
    room: Arc<Semaphore>,
}

struct Request {
    messages: Vec<NewMessage>,
    bytes: usize,
    reply: oneshot::Sender<Result<Rows, StoreError>>,
    _room: OwnedSemaphorePermit,
}

impl Inbox {
    /// A way in that leads nowhere until the actor starts.
    pub(crate) fn closed() -> Self {
        Self { queue: Arc::default(), room: Arc::new(Semaphore::new(QUEUE_KILOBYTES)) }
    }

    /// Stores messages with everybody else's; answers after the commit.
    pub(crate) async fn accept(&self, messages: Vec<NewMessage>) -> Result<Rows, AcceptError> {
        if messages.is_empty() {
            return Ok(vec![]);
        }
        let bytes: usize = messages.iter().map(|m| weight(&m.message)).sum();
        let kilobytes = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX).min(QUEUE_KILOBYTES as u32);
        let overloaded = |_| {
            metrics::counter!("balcao_inbox_overloaded_total").increment(1);
            AcceptError::Overloaded
        };
        let room = self.room.clone().try_acquire_many_owned(kilobytes).map_err(|_| overloaded(()))?;
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.read().clone().ok_or(AcceptError::Overloaded)?;
        queue.try_send(Request { messages, bytes, reply, _room: room }).map_err(|_| overloaded(()))?;
        let lost = |_| unknown("the writer of the inbox ended before it answered");
        Ok(answer.await.map_err(lost)??)
    }
}

fn unknown(message: &str) -> StoreError {
    StoreError::Unavailable { message: message.into(), outcome: Outcome::Unknown }
}

/// About how many bytes a message takes in memory and on its way to the database.
fn weight(message: &Inbound) -> usize {
    const FRAME: usize = 512;
    let content = match &message.content {
        Content::Form { fields, .. } => value_weight(fields),
        Content::Unknown { raw, .. } => value_weight(raw),
        Content::Contacts { cards } => cards.len() * 128,
        Content::Cart { lines, .. } => lines.len() * 128,
        other => other.words().map_or(0, str::len),
    };
    FRAME + content + message.referral.as_ref().map_or(0, value_weight)
}

fn value_weight(value: &serde_json::Value) -> usize {
    use serde_json::Value::*;
    16 + match value {
        String(text) => text.len(),
        Array(items) => items.iter().map(value_weight).sum(),
        Object(fields) => fields.iter().map(|(key, value)| key.len() + value_weight(value)).sum(),
        _ => 0,
    }
}

/// See the module.
pub(crate) struct InboxWriter;

/// What it needs.
pub(crate) struct Args {
    pub(crate) inbox: Inbox,
    pub(crate) append: Append,
    pub(crate) tenants: Seat<tenants::Msg>,
}

/// What it hears.
pub(crate) enum Msg {
    /// A writer stopped, by panic or because the queue is closed and empty.
    WriterEnded { panicked: bool },
    /// Take no more; end when what waits is written.
    Close,
}

/// What it remembers.
pub(crate) struct State {
    inbox: Inbox,
    writers: JoinSet<()>,
    left: usize,
    closing: bool,
}

#[async_trait]
impl Actor for InboxWriter {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, myself: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let (sender, receiver) = mpsc::channel(QUEUE_REQUESTS);
        let queue = Arc::new(Mutex::new(receiver));
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let work = write(queue.clone(), args.append.clone(), args.tenants.clone());
            let myself = myself.clone();
            writers.spawn(async move {
                let panicked = std::panic::AssertUnwindSafe(work).catch_unwind().await.is_err();
                let _ = myself.cast(Msg::WriterEnded { panicked });
            });
        }
        *args.inbox.queue.write() = Some(sender);
        Ok(State { inbox: args.inbox, writers, left: WRITERS, closing: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        msg: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Close => {
                state.closing = true;
                // Without a sender the queue ends once it is empty, and the writers with it.
                *state.inbox.queue.write() = None;
            }
            Msg::WriterEnded { panicked: true } => return Err("a writer of the inbox panicked".into()),
            Msg::WriterEnded { panicked: false } => {
                state.left -= 1;
                let _ = state.writers.try_join_next();
                if state.left == 0 && state.closing {
                    myself.stop(None);
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Msg>,
        _: SupervisionEvent,
        _: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

async fn write(queue: Arc<Mutex<mpsc::Receiver<Request>>>, append: Append, tenants: Seat<tenants::Msg>) {
    loop {
        let Some(batch) = gather(&mut *queue.lock().await).await else { return };
        commit(batch, &append, &tenants).await;
    }
}

/// Waits for the first request, then takes what else is there, without waiting.
async fn gather(queue: &mut mpsc::Receiver<Request>) -> Option<Vec<Request>> {
    let first = queue.recv().await?;
    let (mut rows, mut bytes) = (first.messages.len(), first.bytes);
    let mut batch = vec![first];
    while rows < BATCH_ROWS && bytes < BATCH_BYTES {
        let Ok(next) = queue.try_recv() else { break };
        rows += next.messages.len();
        bytes += next.bytes;
        batch.push(next);
    }
    Some(batch)
}

async fn commit(batch: Vec<Request>, append: &Append, tenants: &Seat<tenants::Msg>) {
    let mut messages = Vec::with_capacity(batch.len());
    let mut callers = Vec::with_capacity(batch.len());
    for request in batch {
        callers.push((request.reply, request.messages.len(), request._room));
        messages.extend(request.messages);
    }
    let places: Vec<_> = messages.iter().map(|m| (m.tenant_id, m.conversation_id)).collect();
    metrics::histogram!("balcao_inbox_batch_size").record(messages.len() as f64);
    let began = tokio::time::Instant::now();
    failpoint::hit("before_inbox_commit");
    let stored = match tokio::time::timeout(COMMIT_LIMIT, append(messages)).await {
        Ok(Ok(rows)) if rows.len() == places.len() => Ok(rows),
        Ok(Ok(_)) => Err(StoreError::Corrupt("the inbox answered for fewer rows than it was given".into())),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(unknown("the commit of the inbox took too long")),
    };
    failpoint::hit("after_inbox_commit");
    metrics::histogram!("balcao_inbox_commit_seconds").record(began.elapsed().as_secs_f64());
    match stored {
        Ok(rows) => {
            ring(&places, &rows, tenants);
            let mut rows = rows.into_iter();
            for (reply, count, _room) in callers {
                let _ = reply.send(Ok(rows.by_ref().take(count).collect()));
            }
        }
        Err(error) => {
            tracing::warn!(%error, requests = callers.len(), "a batch of the inbox was not stored");
            for (reply, _, _room) in callers {
                let _ = reply.send(Err(same_error(&error)));
            }
        }
    }
}

/// One ring a conversation, however many messages it got.
fn ring(
    places: &[(balcao_domain::TenantId, balcao_domain::ConversationId)],
    rows: &[Result<Appended, StoreError>],
    tenants: &Seat<tenants::Msg>,
) {
    let mut rings: HashMap<_, Ring> = HashMap::new();
    for ((tenant_id, conversation_id), row) in places.iter().zip(rows) {
        if let Ok(Appended::Stored { .. }) = row {
            let ring = Ring { tenant_id: *tenant_id, conversation_id: *conversation_id, arrived: true };
            rings.insert(*conversation_id, ring);
        }
    }
    if !rings.is_empty() {
        tenants.cast(tenants::Msg::Rang(rings.into_values().collect()));
    }
}

#[cfg(test)]
#[path = "inbox_writer_tests.rs"]
mod tests;
