//! Group commit against a stand-in for the database, on paused time.

use balcao_domain::{ChannelId, ConversationId, TenantId, customer::Sender};
use chrono::Utc;
use ractor::ActorStatus;
use tokio::time::sleep;

use super::*;

/// A database whose commits take 10 ms and which remembers its batches.
#[derive(Clone, Default)]
struct Slow {
    batches: Arc<parking_lot::Mutex<Vec<usize>>>,
}

impl Slow {
    fn append(&self) -> Append {
        let batches = self.batches.clone();
        Arc::new(move |messages| {
            let batches = batches.clone();
            Box::pin(async move {
                batches.lock().push(messages.len());
                sleep(Duration::from_millis(10)).await;
                Ok((1..=messages.len() as i64).map(|seq| Ok(Appended::Stored { seq })).collect())
            })
        })
    }
}

fn message(text: &str) -> NewMessage {
    NewMessage {
        tenant_id: TenantId::generate(),
        channel_id: ChannelId::generate(),
        conversation_id: ConversationId::generate(),
        message: Inbound {
            provider_message_id: "wamid.1".into(),
            sender: Sender::default(),
            sent_at: Utc::now(),
            content: Content::Text { text: text.into() },
            reply_to: None,
            product: None,
            referral: None,
        },
    }
}

async fn a_writer(append: Append) -> (Inbox, ActorRef<Msg>) {
    let inbox = Inbox::closed();
    let args = Args { inbox: inbox.clone(), append, tenants: Seat::empty() };
    let (writer, _) = InboxWriter::spawn(None, InboxWriter, args).await.expect("it starts");
    (inbox, writer)
}

#[tokio::test(start_paused = true)]
async fn what_waits_while_a_commit_runs_shares_the_next_one() {
    let database = Slow::default();
    let (inbox, _writer) = a_writer(database.append()).await;
    let requests = (0..102).map(|_| {
        let inbox = inbox.clone();
        async move { inbox.accept(vec![message("oi")]).await.map(|rows| rows.len()) }
    });
    let answers = futures::future::join_all(requests).await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(1))));
    let batches = database.batches.lock().clone();
    assert_eq!(batches.iter().sum::<usize>(), 102);
    assert!(batches.len() <= 4, "102 requests took {} commits: {batches:?}", batches.len());
}

#[tokio::test(start_paused = true)]
async fn a_lone_request_waits_for_one_commit_and_no_timer() {
    let (inbox, _writer) = a_writer(Slow::default().append()).await;
    let began = tokio::time::Instant::now();
    inbox.accept(vec![message("oi"), message("tudo bem?")]).await.expect("it is stored");
    assert_eq!(began.elapsed().as_millis(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_batch_stays_below_its_rows_and_its_bytes() {
    let database = Slow::default();
    let (inbox, _writer) = a_writer(database.append()).await;
    let big = "x".repeat(1 << 20);
    let many = (0..2_000).map(|_| inbox.accept(vec![message("oi")]));
    let large = (0..20).map(|_| inbox.accept(vec![message(&big)]));
    let (many, large) = tokio::join!(futures::future::join_all(many), futures::future::join_all(large));
    assert!(many.iter().chain(&large).all(Result::is_ok));
    assert!(database.batches.lock().iter().all(|rows| *rows <= BATCH_ROWS));
}

#[tokio::test(start_paused = true)]
async fn too_much_waiting_is_refused_at_once_and_nothing_else_is_lost() {
    let never: Append = Arc::new(|_| Box::pin(std::future::pending()));
    let (inbox, _writer) = a_writer(never).await;
    let huge = "x".repeat(8 << 20);
    let mut waiting = JoinSet::new();
    let mut refused = 0;
    for _ in 0..20 {
        let (inbox, message) = (inbox.clone(), message(&huge));
        let answer = waiting.spawn(async move { inbox.accept(vec![message]).await });
        tokio::task::yield_now().await;
        refused += usize::from(answer.is_finished());
    }
    assert!(refused >= 12, "only {refused} of 20 requests of 8 MB were refused");
    while let Some(answer) = waiting.join_next().await {
        let answer = answer.expect("no panic");
        assert!(matches!(
            answer,
            Err(AcceptError::Overloaded
                | AcceptError::Store(StoreError::Unavailable { outcome: Outcome::Unknown, .. }))
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_the_answer_to_each_of_its_callers() {
    let refuse: Append = Arc::new(|_| Box::pin(async { Err(StoreError::NotFound) }));
    let (inbox, _writer) = a_writer(refuse).await;
    let (a, b) = tokio::join!(inbox.accept(vec![message("a")]), inbox.accept(vec![message("b")]));
    for answer in [a, b] {
        assert!(matches!(answer, Err(AcceptError::Store(StoreError::NotFound))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_panics_ends_the_actor_and_its_callers_learn_that_nobody_knows() {
    let explode: Append = Arc::new(|_| Box::pin(async { panic!("a bug") }));
    let (inbox, writer) = a_writer(explode).await;
    let answer = inbox.accept(vec![message("oi")]).await;
    assert!(matches!(answer, Err(AcceptError::Store(error)) if error.outcome() == Outcome::Unknown));
    writer.wait(Some(Duration::from_secs(1))).await.expect("it has ended, for its supervisor to see");
}

#[tokio::test(start_paused = true)]
async fn closing_writes_what_waits_and_takes_nothing_new() {
    let database = Slow::default();
    let (inbox, writer) = a_writer(database.append()).await;
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let inbox = inbox.clone();
            tokio::spawn(async move { inbox.accept(vec![message("oi")]).await })
        })
        .collect();
    sleep(Duration::from_millis(1)).await;
    writer.cast(Msg::Close).expect("it hears");
    for answer in futures::future::join_all(waiting).await {
        assert!(answer.expect("no panic").is_ok());
    }
    writer.wait(Some(Duration::from_secs(1))).await.expect("it ends when all is written");
    assert_eq!(writer.get_status(), ActorStatus::Stopped);
    assert!(matches!(inbox.accept(vec![message("late")]).await, Err(AcceptError::Overloaded)));
}
