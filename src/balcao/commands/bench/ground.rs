//! What every measurement stands on: a database of its own, and the server as it serves.

use std::{
    process::Command,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, bail};
use async_trait::async_trait;
use axum::{Json, Router, routing::post};
use balcao_agent::{Agent, TurnRequest};
use balcao_domain::{
    Language, TenantCtx,
    reply::Reply,
    tenant::{Settings, Tenant},
    turn::{Action, Evidence, Outcome, Path, Progress, Reason},
};
use balcao_llm::{Embedder, LanguageModel};
use balcao_server::telemetry;
use balcao_store::{
    channels::{self, ChannelAccount, NewWhatsapp, WhatsappCredentials},
    tenants,
};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    boot::{self, Extras, Opened, Running},
    config::Config,
};

/// Signs the load's webhooks.
pub const APP_SECRET: &str = "bench-app-secret";
/// The number the load writes to.
pub const NUMBER: &str = "300000000000001";

/// A database of its own, with one shop and its number.
pub struct Ground {
    pub config: Config,
    pub opened: Opened,
    pub tenant: Tenant,
    pub account: ChannelAccount,
    folder: tempfile::TempDir,
    taker: JoinHandle<()>,
}

impl Ground {
    /// Starts a fresh embedded Postgres beside whatever runs already.
    pub async fn prepare(config: &Config, settings: Settings) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("balcao-bench").tempdir()?;
        let mut config = config.clone();
        config.data_dir = folder.path().join("balcao");
        config.database.url = None;
        // Room for pgbench with as many clients as the load has connections.
        config.database.embedded_connections = 320;
        // Nothing of a measurement leaves this machine.
        let (url, taker) = taker().await?;
        config.whatsapp.base_url = url;
        let opened = boot::open(&config).await?;
        let tenant =
            tenants::create(&opened.store, "bench", "Bench", Language::Portuguese, &settings).await?;
        let mut tx = opened.store.tenant_tx(&TenantCtx::system(tenant.tenant_id)).await?;
        let new = NewWhatsapp {
            phone_number_id: NUMBER.into(),
            waba_id: None,
            display: NUMBER.into(),
            credentials: WhatsappCredentials {
                app_secret: SecretString::from(APP_SECRET.to_owned()),
                verify_token: SecretString::from("verify".to_owned()),
                access_token: SecretString::from("access".to_owned()),
            },
        };
        let account = channels::connect_whatsapp(&mut tx, &new).await?;
        tx.commit().await?;
        Ok(Self { config, opened, tenant, account, folder, taker })
    }

    /// Opens the counter on a free port.
    pub async fn serve(&self, stand_ins: StandIns) -> anyhow::Result<Running> {
        let extras = Extras {
            listener: TcpListener::bind("127.0.0.1:0").await?,
            demo: Vec::new(),
            model: stand_ins.model,
            agent: stand_ins.agent,
            embedder: stand_ins.embedder,
            metrics: metrics()?,
        };
        boot::start(&self.config, &self.opened.store, extras).await
    }

    /// Asks the database with its own client.
    pub fn sql(&self, query: &str) -> anyhow::Result<String> {
        let output = Command::new(self.config.assets_dir.join("postgres/bin/psql"))
            .args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.opened.admin_url, "-c", query])
            .output()
            .context("failed to run psql")?;
        if !output.status.success() {
            bail!("psql failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// A place for files of the measurement.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Stops the database; the folder goes with it.
    pub async fn clear(self) {
        self.opened.close().await;
        self.taker.abort();
    }
}

/// What a measurement replaces.
#[derive(Default)]
pub struct StandIns {
    pub agent: Option<Arc<dyn Agent>>,
    pub model: Option<Arc<dyn LanguageModel>>,
    pub embedder: Option<Arc<dyn Embedder>>,
}

/// A Cloud API that takes everything at once and tells nobody: the emulator's bookkeeping would be measured, too.
async fn taker() -> anyhow::Result<(String, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let taken = Arc::new(AtomicU64::new(0));
    let answer = move |Json(body): Json<Value>| {
        let number = taken.fetch_add(1, Ordering::Relaxed);
        async move {
            match body["status"].as_str() {
                Some("read") => Json(json!({ "success": true })),
                _ => Json(json!({
                    "messaging_product": "whatsapp",
                    "contacts": [{ "input": body["to"], "wa_id": body["to"].as_str().unwrap_or("").trim_start_matches('+') }],
                    "messages": [{ "id": format!("wamid.taken.{number}") }],
                })),
            }
        }
    };
    let app = Router::new().fallback(post(answer));
    let task = tokio::spawn(async move {
        let _ = axum::serve(listener, app).await;
    });
    Ok((url, task))
}

/// The recorder is the process's: made once.
fn metrics() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let handle = telemetry::metrics_recorder()?;
    Ok(HANDLE.get_or_init(|| handle).clone())
}

/// Takes a fixed time for each message, at most so many turns at once, and answers with one line.
pub struct StubAgent {
    pub per_message: std::time::Duration,
    pub at_once: tokio::sync::Semaphore,
}

#[async_trait]
impl Agent for StubAgent {
    async fn take_turn(&self, request: TurnRequest, _: &(dyn Fn(Progress) + Send + Sync)) -> Outcome {
        let _place = self.at_once.acquire().await;
        for _ in &request.messages {
            tokio::time::sleep(self.per_message).await;
        }
        Outcome {
            reply: Some(Reply::text("recebido")),
            action: Action::Continue,
            path: Path::Rules,
            reason: Reason::NoModel,
            evidence: Evidence::default(),
        }
    }
}

/// An embedder that is never asked: for measurements without questions.
pub struct NoEmbedder;

#[async_trait]
impl Embedder for NoEmbedder {
    fn model_id(&self) -> &str {
        "none"
    }
    fn dimensions(&self) -> usize {
        384
    }
    fn count_tokens(&self, text: &str) -> usize {
        text.len() / 4
    }
    async fn embed_query(&self, _: &str) -> Result<Vec<f32>, balcao_llm::EmbedError> {
        Err(balcao_llm::EmbedError::Transient("not in this measurement".into()))
    }
    async fn embed_passages(&self, _: &[String]) -> Result<Vec<Vec<f32>>, balcao_llm::EmbedError> {
        Err(balcao_llm::EmbedError::Transient("not in this measurement".into()))
    }
}
