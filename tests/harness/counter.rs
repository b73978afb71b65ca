//! The whole counter on one address: two shops with documents and keys, a WhatsApp number each, a model if one wants.

use std::{
    net::Ipv4Addr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use balcao_actors::{Cashier, ChannelFactory, System, SystemConfig, breakers::Breakers};
use balcao_agent::{Engine, EngineConfig, Limits, PriceTable, Prompts, RulePacks, Till};
use balcao_channels::{
    Channel,
    api::ApiChannel,
    whatsapp::{HttpClient, WhatsappChannel, WhatsappSettings},
};
use balcao_domain::{ChannelId, Language, Scope, TenantCtx, tenant::Settings};
use balcao_emulators::{
    openai::OpenAiEmulator,
    whatsapp::{self, NewNumber},
};
use balcao_llm::{E5, LanguageModel, openai};
use balcao_retrieval::{HybridSearcher, Ingestor, NewDocument, Searcher};
use balcao_server::{App, DemoShop, Parts, ServerSettings, telemetry};
use balcao_store::{
    Store, api_keys,
    channels::{self, ChannelAccount, NewWhatsapp, WhatsappCredentials},
    tenants,
};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::Sha256;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::database::{TestDb, assets};

/// The app secret the WhatsApp fixtures are signed with: both shops hang on one Meta app.
pub const APP_SECRET: &str = "segredo-de-teste-nao-usar";

const PORTUGUESE: &str = "# Trocas e devoluções\n\n## Prazo para troca\n\nVocê pode trocar o produto em até 30 dias \
    corridos depois de recebê-lo, com a etiqueta e a nota fiscal.\n\n## Frete da troca\n\nO frete da primeira troca é \
    por nossa conta.\n";
const ENGLISH: &str = "# Returns\n\n## Return window\n\nYou can return any item within 45 days of delivery for a full \
    refund, in its original packaging.\n\n## Return shipping\n\nReturn shipping is free within the country.\n";

/// What is different from the usual.
#[derive(Default)]
pub struct Setup {
    /// A scripted model stands behind the agent; without it the rules answer.
    pub model: bool,
    /// The chat page works without a key.
    pub demo: bool,
    /// The server's settings.
    pub settings: ServerSettings,
    /// Both shops' settings; short waits without.
    pub shops: Option<Settings>,
    /// Of the breaker in front of the model; those of a language model without.
    pub breaker: Option<balcao_domain::breaker::Config>,
    /// How the emulated WhatsApp behaves.
    pub whatsapp: whatsapp::Options,
    /// How long the status of a send of unknown outcome is waited for; two seconds without.
    pub unknown_grace: Option<Duration>,
}

/// A shop and what its owner knows.
pub struct Shop {
    pub ctx: TenantCtx,
    pub slug: &'static str,
    pub chat: String,
    pub ingest: String,
    pub admin: String,
    pub channel_id: ChannelId,
    pub phone_number_id: &'static str,
}

/// The counter, open.
pub struct Counter {
    pub url: String,
    pub http: reqwest::Client,
    pub store: Store,
    pub system: System,
    /// Portuguese: Loja Aurora of the fixtures.
    pub aurora: Shop,
    /// English: Trigo Bom of the fixtures, translated.
    pub harbour: Shop,
    pub whatsapp: whatsapp::Running,
    pub model: Option<OpenAiEmulator>,
    stop: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
    pub db: TestDb,
}

/// The real embedding model, loaded once.
pub fn embedder() -> E5 {
    static MODEL: OnceLock<E5> = OnceLock::new();
    let path = assets().join("models").join("e5-small-enpt-q4.bin");
    MODEL.get_or_init(|| E5::load(path).expect("tests need the embedding model: `make assets`")).clone()
}

struct Senders {
    base_url: String,
    http: HttpClient,
}

impl ChannelFactory for Senders {
    fn channel(&self, account: &ChannelAccount) -> Arc<dyn Channel> {
        let Some(credentials) = &account.credentials else { return Arc::new(ApiChannel) };
        let settings = WhatsappSettings {
            base_url: self.base_url.clone(),
            api_version: "v24.0".into(),
            phone_number_id: account.external_id.clone(),
            access_token: credentials.access_token.clone(),
        };
        Arc::new(WhatsappChannel::new(settings, self.http.clone()))
    }
}

impl Counter {
    /// With the rules alone.
    pub async fn open() -> Self {
        Self::with(Setup::default()).await
    }

    /// As one wants it.
    pub async fn with(setup: Setup) -> Self {
        Self::try_with(setup).await.expect("the counter opens")
    }

    async fn try_with(setup: Setup) -> anyhow::Result<Self> {
        let db = TestDb::new().await;
        let store = db.store().await;
        let whatsapp = whatsapp::serve_locally(setup.whatsapp.clone()).await?;
        let model = if setup.model { Some(OpenAiEmulator::start_local().await?) } else { None };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);

        let embedder = Arc::new(embedder());
        let searcher: Arc<dyn Searcher> = Arc::new(HybridSearcher::new(store.clone(), embedder.clone()));
        let ingestor = Ingestor::new(store.clone(), embedder);
        let aurora = shop(&store, Some(&ingestor), AURORA, APP_SECRET, setup.shops.as_ref()).await?;
        let harbour = shop(&store, Some(&ingestor), HARBOUR, APP_SECRET, setup.shops.as_ref()).await?;

        let system = system(&store, &searcher, model.as_ref(), whatsapp.url(), &setup).await?;
        let demo = |shop: &Shop, name: &str, language| DemoShop {
            slug: shop.slug.into(),
            name: name.into(),
            language,
            chat_key: shop.chat.clone().into(),
            greeting: String::new(),
            suggestions: Vec::new(),
        };
        let demo = match setup.demo {
            true => vec![
                demo(&aurora, "Loja Aurora", Language::Portuguese),
                demo(&harbour, "Harbour Goods", Language::English),
            ],
            false => Vec::new(),
        };
        let app = App::new(Parts {
            store: store.clone(),
            system: system.clone(),
            searcher,
            ingestor,
            metrics: telemetry::metrics_recorder()?,
            settings: ServerSettings { public_url: url.clone(), demo, ..setup.settings },
        });
        let stop = CancellationToken::new();
        let server = tokio::spawn(balcao_server::serve(listener, app, stop.clone()));
        let http = reqwest::Client::builder().no_proxy().build()?;
        let counter = Self { url, http, store, system, aurora, harbour, whatsapp, model, stop, server, db };
        for shop in [&counter.aurora, &counter.harbour] {
            counter.register(shop).await?;
        }
        Ok(counter)
    }

    /// A third shop, whose number hangs on a Meta app of its own.
    pub async fn another_app(&self, app_secret: &str) -> Shop {
        shop(&self.store, None, STRANGER, app_secret, None).await.expect("the database is there")
    }

    /// Tells the emulator of a shop's number, as one types it into Meta's form.
    async fn register(&self, shop: &Shop) -> anyhow::Result<()> {
        let number = NewNumber {
            phone_number_id: shop.phone_number_id.into(),
            waba_id: waba(shop.phone_number_id),
            display_phone_number: "551140009001".into(),
            access_token: format!("token-{}", shop.slug),
            app_secret: APP_SECRET.into(),
            verify_token: format!("verify-{}", shop.slug),
            webhook_url: self.webhook(shop),
            allowed: None,
        };
        self.whatsapp.client().register(&number).await.map(drop)
    }

    /// The address Meta delivers a shop's webhooks to.
    pub fn webhook(&self, shop: &Shop) -> String {
        format!("{}/webhooks/whatsapp/{}", self.url, shop.channel_id)
    }

    /// Delivers a body as Meta would; gives the status.
    pub async fn deliver(&self, shop: &Shop, body: impl Into<Vec<u8>>) -> u16 {
        let body = body.into();
        let signature = sign(&body);
        let request = self.http.post(self.webhook(shop)).header("x-hub-signature-256", signature).body(body);
        request.send().await.expect("the server answers").status().as_u16()
    }

    /// A request with a key.
    pub fn ask(&self, method: &str, path: &str, key: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(key)
    }

    /// Status and body of a `GET`.
    pub async fn get(&self, path: &str, key: &str) -> (u16, Value) {
        read(self.ask("GET", path, key)).await
    }

    /// Status and body of a `POST`.
    pub async fn post(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        read(self.ask("POST", path, key).json(body)).await
    }

    /// Says something as a customer over the chat API and gives the answer.
    pub async fn say(&self, shop: &Shop, conversation: &str, text: &str) -> Value {
        let path = format!("/v1/conversations/{conversation}/messages");
        let (status, body) = self.post(&path, &shop.chat, &serde_json::json!({ "text": text })).await;
        assert!((200..300).contains(&status), "{status}: {body}");
        body
    }

    /// Closes in order, as Ctrl-C does.
    pub async fn close(self) {
        self.stop.cancel();
        let _ = self.server.await;
        self.system.shutdown(Duration::from_secs(5)).await;
        self.store.close().await;
    }
}

/// Status and JSON body of a request; `null` where there is none.
pub async fn read(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.expect("the server answers");
    let status = answer.status().as_u16();
    let bytes = answer.bytes().await.expect("a body");
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// Meta's signature of a body.
pub fn sign(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(APP_SECRET.as_bytes()).expect("any key fits");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

struct New {
    slug: &'static str,
    name: &'static str,
    language: Language,
    phone_number_id: &'static str,
    document: (&'static str, &'static str),
}

const AURORA: New = New {
    slug: "aurora",
    name: "Loja Aurora",
    language: Language::Portuguese,
    phone_number_id: "309900000000001",
    document: ("politicas/trocas.md", PORTUGUESE),
};
const HARBOUR: New = New {
    slug: "harbour",
    name: "Harbour Goods",
    language: Language::English,
    phone_number_id: "309900000000002",
    document: ("policies/returns.md", ENGLISH),
};
const STRANGER: New = New {
    slug: "stranger",
    name: "Another App's Shop",
    language: Language::English,
    phone_number_id: "309900000000003",
    document: ("empty.md", "# Nothing\n"),
};

fn waba(phone_number_id: &str) -> String {
    phone_number_id.replacen("30", "20", 1)
}

async fn shop(
    store: &Store,
    ingestor: Option<&Ingestor>,
    new: New,
    app_secret: &str,
    settings: Option<&Settings>,
) -> anyhow::Result<Shop> {
    // Short enough for tests, long enough to merge what is sent at once.
    let usual = Settings { quiet_ms: 60, quiet_cap_ms: 500, ..Settings::default() };
    let settings = settings.cloned().unwrap_or(usual);
    let tenant = tenants::create(store, new.slug, new.name, new.language, &settings).await?;
    let ctx = TenantCtx::system(tenant.tenant_id);
    let (uri, text) = new.document;
    let document = NewDocument {
        collection: "default".into(),
        uri: uri.into(),
        title: None,
        bytes: text.as_bytes().to_vec(),
        media_type: None,
    };
    if let Some(ingestor) = ingestor {
        ingestor.ingest_document(&ctx, document, &|_| {}).await?;
    }
    let mut tx = store.tenant_tx(&ctx).await?;
    let account = NewWhatsapp {
        phone_number_id: new.phone_number_id.into(),
        waba_id: Some(waba(new.phone_number_id)),
        display: new.name.into(),
        credentials: WhatsappCredentials {
            app_secret: app_secret.into(),
            verify_token: format!("verify-{}", new.slug).into(),
            access_token: format!("token-{}", new.slug).into(),
        },
    };
    let channel_id = channels::connect_whatsapp(&mut tx, &account).await?.channel_id;
    let mut keys = Vec::new();
    for scope in [Scope::Chat, Scope::Ingest, Scope::Admin] {
        let (_, secret) = api_keys::issue(&mut tx, scope.as_str(), &[scope]).await?;
        keys.push(secret.expose_secret().to_owned());
    }
    tx.commit().await?;
    let mut keys = keys.into_iter();
    let mut next = || keys.next().unwrap_or_default();
    let (chat, ingest, admin) = (next(), next(), next());
    Ok(Shop { ctx, slug: new.slug, chat, ingest, admin, channel_id, phone_number_id: new.phone_number_id })
}

async fn system(
    store: &Store,
    searcher: &Arc<dyn Searcher>,
    model: Option<&OpenAiEmulator>,
    whatsapp_url: String,
    setup: &Setup,
) -> anyhow::Result<System> {
    let breakers = Breakers::start().await?;
    let model = match model {
        None => None,
        Some(emulator) => {
            let settings = openai::Settings::new(emulator.base_url(), "emulated-model");
            let model: Arc<dyn LanguageModel> = Arc::new(openai::OpenAi::new(settings)?);
            let config = setup.breaker.clone().unwrap_or_else(balcao_domain::breaker::Config::llm);
            Some(breakers.guard_model_with(telemetry::traced(model), config).await)
        }
    };
    let cashier = Cashier::new(store.clone(), breakers.clone());
    let agent = Engine::new(EngineConfig {
        model,
        searcher: searcher.clone(),
        rules: Arc::new(RulePacks::load(None)?),
        prompts: Arc::new(Prompts::load(None)?),
        sales: Some(Arc::new(Till::new(store.clone()).with_charges(Arc::new(cashier.clone())))),
        limits: Limits::default(),
        prices: PriceTable::default(),
    });
    System::start(SystemConfig {
        node: format!("test-{}", uuid::Uuid::now_v7().simple()),
        store: store.clone(),
        agent: Arc::new(agent),
        channels: Arc::new(Senders { base_url: whatsapp_url, http: HttpClient::with_defaults()? }),
        webhooks: balcao_channels::webhooks::Sender { allow_private: true },
        cashier,
        breakers,
        lease: Duration::from_secs(10),
        idle: Duration::from_secs(5),
        sweep: Duration::from_millis(500),
        forget: Duration::from_secs(60 * 60),
        unknown_grace: setup.unknown_grace.unwrap_or(Duration::from_secs(2)),
        // The fixtures were written long ago, or will be: what counts here is that they are answered.
        stale_after: Duration::from_secs(3650 * 24 * 3600),
    })
    .await
}
