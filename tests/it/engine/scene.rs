//! A shop with a WhatsApp number, an agent one can script, a phone that remembers, and nodes that serve them.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering::SeqCst},
    time::Duration,
};

use async_trait::async_trait;
use balcao_actors::{ChannelFactory, System, SystemConfig, breakers::Breakers};
use balcao_agent::{Agent, TurnRequest};
use balcao_channels::{Channel, Indication, Outgoing, SendError, SendReceipt, Target};
use balcao_domain::{
    ChannelId, ConversationId, Language, TenantCtx,
    customer::Sender,
    inbound::{Content, Inbound},
    reply::Reply,
    tenant::Settings,
    turn::{Action, Evidence, Outcome, Path, Progress, Reason},
};
use balcao_store::{
    Store,
    channels::{self, ChannelAccount, NewWhatsapp, WhatsappCredentials},
    customers,
    inbox::{Appended, NewMessage},
    tenants,
};
use balcao_tests::database::TestDb;
use chrono::Utc;
use parking_lot::Mutex;

/// Longer than anything here takes on a busy machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the agent saw in one turn.
#[derive(Debug, Clone)]
pub struct Seen {
    pub conversation_id: ConversationId,
    pub texts: Vec<String>,
    pub history: Vec<String>,
}

/// What the agent does before it answers `re: <texts>`.
type Script = Box<dyn Fn(&TurnRequest) + Send + Sync>;

/// An agent that does as it is told. A text `wait <ms>` holds its turn, `boom` panics, `stop` opts out, `start` opts in,
/// `person` hands off.
#[derive(Default)]
pub struct ScriptedAgent {
    pub seen: Mutex<Vec<Seen>>,
    at_work: Mutex<HashMap<ConversationId, usize>>,
    pub overlaps: AtomicUsize,
    script: Option<Script>,
}

impl ScriptedAgent {
    pub fn with(script: impl Fn(&TurnRequest) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { script: Some(Box::new(script)), ..Self::default() })
    }

    /// All texts of a conversation in the order of its turns.
    pub fn texts_of(&self, id: ConversationId) -> Vec<String> {
        self.seen.lock().iter().filter(|s| s.conversation_id == id).flat_map(|s| s.texts.clone()).collect()
    }
}

#[async_trait]
impl Agent for ScriptedAgent {
    async fn take_turn(&self, request: TurnRequest, watch: &(dyn Fn(Progress) + Send + Sync)) -> Outcome {
        let texts: Vec<String> =
            request.messages.iter().filter_map(|m| m.content.words().map(str::to_owned)).collect();
        let id = request.conversation_id;
        *self.at_work.lock().entry(id).or_default() += 1;
        if self.at_work.lock()[&id] > 1 {
            self.overlaps.fetch_add(1, SeqCst);
        }
        let history = request.history.iter().map(|h| h.text.clone()).collect();
        self.seen.lock().push(Seen { conversation_id: id, texts: texts.clone(), history });
        watch(Progress::Stage { name: "gather".into() });
        if let Some(script) = &self.script {
            script(&request);
        }
        let wait = texts.iter().find_map(|text| text.strip_prefix("wait ")?.parse().ok());
        tokio::time::sleep(Duration::from_millis(wait.unwrap_or(0))).await;
        *self.at_work.lock().entry(id).or_default() -= 1;
        assert!(!texts.iter().any(|text| text == "boom"), "the agent was told to fail");
        let said = |word: &str| texts.iter().any(|text| text == word);
        let action = match () {
            () if said("stop") => Action::OptOut,
            () if said("start") => Action::OptIn,
            () if said("person") => Action::HandOff { reason: "asked".into() },
            () => Action::Continue,
        };
        let reply = Some(Reply::text(format!("re: {}", texts.join("|"))));
        Outcome { reply, action, path: Path::Rules, reason: Reason::NoModel, evidence: Evidence::default() }
    }
}

/// The customers' phones: every message that reached the channel, in order. What to answer is scripted per text.
#[derive(Default)]
pub struct Phone {
    pub sent: Mutex<Vec<(String, String, String)>>,
    pub indications: AtomicUsize,
    /// Answers to the next sends, first come first served; then every send is accepted.
    pub answers: Mutex<Vec<SendError>>,
}

impl Phone {
    /// The texts in the order in which they arrived.
    pub fn texts(&self) -> Vec<String> {
        self.sent.lock().iter().map(|(_, text, _)| text.clone()).collect()
    }

    /// The texts one person got.
    pub fn texts_to(&self, phone: &str) -> Vec<String> {
        self.sent.lock().iter().filter(|(to, ..)| to == phone).map(|(_, text, _)| text.clone()).collect()
    }

    /// The tag of the n-th message.
    pub fn tag(&self, n: usize) -> String {
        self.sent.lock()[n].2.clone()
    }
}

#[async_trait]
impl Channel for Phone {
    fn render(&self, reply: &Reply, _: Language) -> Vec<Outgoing> {
        let body = serde_json::json!({ "type": "text", "text": { "body": reply.text } });
        vec![Outgoing { kind: "text".into(), text: reply.text.clone(), body }]
    }

    async fn send(&self, to: &Target, message: &Outgoing, tag: &str) -> Result<SendReceipt, SendError> {
        let mut answers = self.answers.lock();
        let answer = (!answers.is_empty()).then(|| answers.remove(0));
        // Only what is certainly refused does not reach the phone.
        if matches!(answer, None | Some(SendError::Unknown(_))) {
            let to = to.phone.clone().unwrap_or_default();
            self.sent.lock().push((to, message.text.clone(), tag.to_owned()));
        }
        match answer {
            Some(error) => Err(error),
            None => Ok(SendReceipt {
                provider_message_id: format!("wamid.out.{tag}"),
                resolved_phone: None,
                resolved_user_id: None,
            }),
        }
    }

    async fn indicate(&self, _: &str, _: Indication) -> Result<(), SendError> {
        self.indications.fetch_add(1, SeqCst);
        Ok(())
    }
}

struct OnePhone(Arc<Phone>);

impl ChannelFactory for OnePhone {
    fn channel(&self, _: &ChannelAccount) -> Arc<dyn Channel> {
        self.0.clone()
    }
}

/// The shop and its database.
pub struct Scene {
    pub db: TestDb,
    pub store: Store,
    pub ctx: TenantCtx,
    pub channel_id: ChannelId,
    pub agent: Arc<ScriptedAgent>,
    pub phone: Arc<Phone>,
}

/// A customer of the shop.
#[derive(Debug, Clone)]
pub struct Customer {
    pub conversation_id: ConversationId,
    pub phone: String,
    channel_id: ChannelId,
    ctx: TenantCtx,
}

impl Scene {
    /// A shop that answers each message at once.
    pub async fn prompt() -> Self {
        Self::with(Settings { quiet_ms: 0, ..Settings::default() }, Arc::default()).await
    }

    pub async fn with(settings: Settings, agent: Arc<ScriptedAgent>) -> Self {
        let db = TestDb::new().await;
        let store = db.store().await;
        let tenant = tenants::create(&store, "aurora", "Loja Aurora", Language::Portuguese, &settings)
            .await
            .expect("the slug is free");
        let ctx = TenantCtx::system(tenant.tenant_id);
        let mut tx = store.tenant_tx(&ctx).await.expect("the database is there");
        let new = NewWhatsapp {
            phone_number_id: "101".into(),
            waba_id: None,
            display: "+55 11 90000-0000".into(),
            credentials: WhatsappCredentials {
                app_secret: "secret".into(),
                verify_token: "verify".into(),
                access_token: "token".into(),
            },
        };
        let account = channels::connect_whatsapp(&mut tx, &new).await.expect("the number is free");
        tx.commit().await.expect("it is kept");
        Self { db, store, ctx, channel_id: account.channel_id, agent, phone: Arc::default() }
    }

    /// How a node is usually set up here: everything fast.
    pub async fn config(&self, node: &str) -> SystemConfig {
        let breakers = Breakers::start().await.expect("breakers start");
        SystemConfig {
            webhooks: balcao_channels::webhooks::Sender { allow_private: true },
            cashier: balcao_actors::Cashier::new(self.store.clone(), breakers.clone()),
            node: node.into(),
            store: self.store.clone(),
            agent: self.agent.clone(),
            channels: Arc::new(OnePhone(self.phone.clone())),
            breakers,
            lease: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            sweep: Duration::from_millis(100),
            forget: Duration::from_millis(200),
            unknown_grace: Duration::from_millis(500),
            stale_after: Duration::from_secs(3_600),
        }
    }

    /// A node.
    pub async fn node(&self) -> System {
        System::start(self.config("node-a").await).await.expect("the tree starts")
    }

    /// A customer, known by a phone number ending in `n`.
    pub async fn customer(&self, n: usize) -> Customer {
        let phone = format!("55119{n:08}");
        let sender = Sender { phone: Some(phone.clone()), ..Sender::default() };
        let mut tx = self.store.tenant_tx(&self.ctx).await.expect("the database is there");
        let resolved = customers::resolve(&mut tx, self.channel_id, &sender).await.expect("anyone may write");
        tx.commit().await.expect("it is kept");
        let (conversation_id, channel_id) = (resolved.conversation_id, self.channel_id);
        Customer { conversation_id, phone, channel_id, ctx: self.ctx.clone() }
    }

    /// One value of the database, as its owner sees it.
    pub async fn value(&self, sql: &str) -> String {
        let mut admin = self.db.admin().await;
        admin.value(sql).await.expect("the query is right").unwrap_or_default()
    }

    /// Waits until the query gives `expected`.
    pub async fn until(&self, sql: &str, expected: &str) {
        let began = tokio::time::Instant::now();
        let mut admin = self.db.admin().await;
        loop {
            let value = admin.value(sql).await.expect("the query is right").unwrap_or_default();
            if value == expected {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "`{sql}` is still {value}, not {expected}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until every message is done with and every reply is on its way.
    pub async fn until_quiet(&self) {
        self.until("select count(*) from conversation_cursor where head_seq > acked_seq", "0").await;
        self.until("select count(*) from outbox where state in ('queued', 'sending')", "0").await;
    }
}

/// Waits until it is so.
pub async fn until(what: &str, so: impl Fn() -> bool) {
    let began = tokio::time::Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Customer {
    /// A message whose id is its text.
    pub fn says(&self, text: &str) -> NewMessage {
        self.sends(text, Content::Text { text: text.into() })
    }

    pub fn sends(&self, id: &str, content: Content) -> NewMessage {
        NewMessage {
            tenant_id: self.ctx.tenant_id,
            channel_id: self.channel_id,
            conversation_id: self.conversation_id,
            message: Inbound {
                provider_message_id: format!("wamid.{}.{id}", self.phone),
                sender: Sender { phone: Some(self.phone.clone()), ..Sender::default() },
                sent_at: Utc::now(),
                content,
                reply_to: None,
                product: None,
                referral: None,
            },
        }
    }
}

/// Stores one message and returns its number.
pub async fn accept(system: &System, message: NewMessage) -> i64 {
    let rows = system.accept(vec![message]).await.expect("it is accepted");
    match rows.into_iter().next().expect("one row") {
        Ok(Appended::Stored { seq } | Appended::Duplicate { seq }) => seq,
        Err(error) => panic!("the row was refused: {error}"),
    }
}
