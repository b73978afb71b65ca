//! Ordered processing: claim, a stub turn of 2.5 ms a message, fenced completion with its reply in the outbox.
//!
//! 200 conversations wait with 100 messages each, 24 turns run at a time; then the same beside one conversation in which
//! 50,000 messages wait. Everything but the agent is real.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use balcao_agent::{Agent, TurnRequest};
use balcao_domain::{
    ConversationId, TenantCtx,
    customer::Sender,
    inbound::{Content, Inbound},
    tenant::Settings,
    turn::{Outcome, Progress},
};
use balcao_store::{customers, inbox, inbox::NewMessage};

use super::{
    Figure, figure,
    ground::{Ground, NoEmbedder, StandIns, StubAgent},
};
use crate::config::Config;

const CONVERSATIONS: usize = 200;
const MESSAGES: usize = 100;
const AT_ONCE: usize = 24;
const PER_MESSAGE: Duration = Duration::from_micros(2_500);
const HOT: usize = 50_000;

/// Measures alone, and beside a hot conversation.
pub async fn measure(config: &Config) -> anyhow::Result<Vec<Figure>> {
    let alone = run(config, 0).await?;
    let beside = run(config, HOT).await?;
    Ok(vec![
        figure("ordered messages, 200 conversations, 24 at a time", alone, "messages/s"),
        figure("the same beside one conversation of 50,000", beside, "messages/s"),
        figure("what the others lose", (1.0 - beside / alone) * 100.0, "%"),
    ])
}

/// Counts the messages of ordinary conversations.
struct Counting {
    stub: StubAgent,
    hot: Option<ConversationId>,
    done: Arc<AtomicUsize>,
}

#[async_trait]
impl Agent for Counting {
    async fn take_turn(&self, request: TurnRequest, watch: &(dyn Fn(Progress) + Send + Sync)) -> Outcome {
        let (messages, ordinary) = (request.messages.len(), self.hot != Some(request.conversation_id));
        let outcome = self.stub.take_turn(request, watch).await;
        if ordinary {
            self.done.fetch_add(messages, Ordering::Relaxed);
        }
        outcome
    }
}

async fn run(config: &Config, hot: usize) -> anyhow::Result<f64> {
    let at_once = Settings { quiet_ms: 0, quiet_cap_ms: 0, ..Settings::default() };
    let ground = Ground::prepare(config, at_once).await?;
    let conversations = fill(&ground, CONVERSATIONS, MESSAGES, 0).await?;
    let heavy = match hot {
        0 => None,
        many => fill(&ground, 1, many, CONVERSATIONS).await?.first().copied(),
    };
    let done = Arc::new(AtomicUsize::new(0));
    let stub = StubAgent { per_message: PER_MESSAGE, at_once: tokio::sync::Semaphore::new(AT_ONCE) };
    let agent = Counting { stub, hot: heavy, done: Arc::clone(&done) };
    let stand_ins =
        StandIns { agent: Some(Arc::new(agent)), embedder: Some(Arc::new(NoEmbedder)), model: None };
    let started = Instant::now();
    let running = ground.serve(stand_ins).await?;
    for id in heavy.iter().chain(&conversations) {
        running.system.wake(ground.tenant.tenant_id, *id);
    }
    while done.load(Ordering::Relaxed) < CONVERSATIONS * MESSAGES {
        anyhow::ensure!(
            started.elapsed() < Duration::from_secs(300),
            "the messages were not processed in 300 s"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rate = (CONVERSATIONS * MESSAGES) as f64 / started.elapsed().as_secs_f64();
    running.stop().await;
    ground.clear().await;
    Ok(rate)
}

/// Puts waiting messages into the inbox.
async fn fill(
    ground: &Ground,
    conversations: usize,
    messages: usize,
    first: usize,
) -> anyhow::Result<Vec<ConversationId>> {
    let ctx = TenantCtx::system(ground.tenant.tenant_id);
    let mut ids = Vec::new();
    let mut waiting = Vec::new();
    for place in first..first + conversations {
        let sender = Sender { phone: Some(format!("55119{place:08}")), ..Sender::default() };
        let mut tx = ground.opened.store.tenant_tx(&ctx).await?;
        let resolved = customers::resolve(&mut tx, ground.account.channel_id, &sender).await?;
        tx.commit().await?;
        ids.push(resolved.conversation_id);
        waiting.extend((0..messages).map(|number| NewMessage {
            tenant_id: ground.tenant.tenant_id,
            channel_id: ground.account.channel_id,
            conversation_id: resolved.conversation_id,
            message: Inbound {
                provider_message_id: format!("wamid.{place}.{number}"),
                sender: sender.clone(),
                sent_at: std::time::SystemTime::now().into(),
                content: Content::Text { text: "tem no tamanho 38?".into() },
                reply_to: None,
                product: None,
                referral: None,
            },
        }));
    }
    for batch in waiting.chunks(512) {
        for stored in inbox::append(&ground.opened.store, batch).await? {
            stored?;
        }
    }
    Ok(ids)
}
