//! A channel account behind its breaker.

use balcao_channels::port::{Indication, Outgoing, SendError, SendReceipt, Target};
use balcao_domain::{Language, reply::Reply};

use super::*;

/// An account that answers what the test last said.
struct Scripted {
    answer: Mutex<Result<(), SendError>>,
    sends: AtomicU32,
}

#[async_trait]
impl Channel for Scripted {
    fn render(&self, reply: &Reply, _: Language) -> Vec<Outgoing> {
        vec![Outgoing { kind: "text".into(), text: reply.text.clone(), body: serde_json::Value::Null }]
    }

    async fn send(&self, _: &Target, _: &Outgoing, tag: &str) -> Result<SendReceipt, SendError> {
        self.sends.fetch_add(1, SeqCst);
        let receipt = |()| SendReceipt {
            provider_message_id: tag.into(),
            resolved_phone: None,
            resolved_user_id: None,
        };
        self.answer.lock().clone().map(receipt)
    }

    async fn indicate(&self, _: &str, _: Indication) -> Result<(), SendError> {
        self.answer.lock().clone()
    }
}

const KEY: &str = "whatsapp:106540352242922";

async fn guarded() -> (Breakers, Arc<Scripted>, Arc<dyn Channel>) {
    let breakers = breakers().await;
    let scripted = Arc::new(Scripted { answer: Mutex::new(Ok(())), sends: AtomicU32::new(0) });
    let channel = breakers.guard_channel(KEY, scripted.clone()).await;
    (breakers, scripted, channel)
}

async fn send(channel: &Arc<dyn Channel>) -> Result<(), SendError> {
    let message = channel.render(&Reply::text("Olá!"), Language::Portuguese).remove(0);
    channel.send(&Target::default(), &message, "out_1").await.map(drop)
}

async fn sends_until_open(error: SendError) -> Option<u32> {
    let (breakers, scripted, channel) = guarded().await;
    *scripted.answer.lock() = Err(error);
    for _ in 0..25 {
        let _ = send(&channel).await;
    }
    (state(&breakers, KEY) == "open").then(|| scripted.sends.load(SeqCst))
}

#[tokio::test(start_paused = true)]
async fn each_error_of_a_send_opens_as_it_should() {
    let detail = || "detail".to_owned();
    let retry = |code| SendError::Retry { code, detail: detail(), after: None };
    assert_eq!(sends_until_open(retry(None)).await, Some(5), "a failing network");
    assert_eq!(sends_until_open(retry(Some(131_016))).await, Some(5), "a failing service");
    assert_eq!(sends_until_open(SendError::Unknown(detail())).await, Some(5), "lost answers");
    let blocked = SendError::AccountBlocked { code: Some(190), detail: detail() };
    assert_eq!(sends_until_open(blocked).await, Some(1), "a blocked account at once");
    assert_eq!(sends_until_open(retry(Some(130_429))).await, None, "a rate limit waits");
    let code = Some(131_056);
    assert_eq!(sends_until_open(SendError::PairLimited { code, detail: detail() }).await, None);
    assert_eq!(sends_until_open(SendError::Never { code, detail: detail() }).await, None);
    assert_eq!(sends_until_open(SendError::WindowClosed { code, detail: detail() }).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_send_whose_outcome_is_unknown_is_told_as_such_and_counted_as_such() {
    let (breakers, scripted, channel) = guarded().await;
    *scripted.answer.lock() = Err(SendError::Unknown("the connection broke".into()));
    assert_eq!(send(&channel).await, Err(SendError::Unknown("the connection broke".into())));
    let account = view(&breakers, KEY);
    assert_eq!((account.unknown, account.failures, account.state.as_str()), (1, 1, "closed"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_through_an_open_breaker() {
    let (breakers, scripted, channel) = guarded().await;
    assert!(breakers.order(KEY, Order::ForceOpen, "ana", None).await);
    assert_eq!(send(&channel).await, Err(SendError::BreakerOpen));
    assert_eq!(channel.indicate("wamid.1", Indication::Read).await, Err(SendError::BreakerOpen));
    assert_eq!(scripted.sends.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_guarded_again_keeps_its_breaker() {
    let (breakers, scripted, channel) = guarded().await;
    *scripted.answer.lock() = Err(SendError::Unknown("lost".into()));
    for _ in 0..5 {
        let _ = send(&channel).await;
    }
    let again = breakers.guard_channel(KEY, scripted.clone()).await;
    assert_eq!(send(&again).await, Err(SendError::BreakerOpen));
    assert_eq!(breakers.views().len(), 1);
}
