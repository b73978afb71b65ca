//! How the parts are put together: settings → database → model → agent → actors → server.
//!
//! [`open`] is for commands that need only the database; [`start`] builds the whole counter on top of it.

mod demo_shops;
mod keys;
mod node;
mod parts;

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use balcao_actors::{Cashier, System, SystemConfig, breakers::Breakers};
use balcao_agent::{Agent, Engine, EngineConfig, Limits, PriceTable, RulePacks, Till, prompts::Prompts};
use balcao_domain::tenant::Tenant;
use balcao_llm::{E5, Embedder, LanguageModel};
use balcao_retrieval::{HybridSearcher, Searcher, ingest::Ingestor};
use balcao_server::{App, Parts, ServerSettings};
use balcao_store::{
    ConnectOptions, Keyring, Store,
    check::check,
    embedded::{EmbeddedError, EmbeddedOptions, EmbeddedPostgres},
    migrate, nodes, tenants,
};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::ExposeSecret;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

pub use demo_shops::{DEMO_SHOPS, DemoNumber, DemoShop, DemoShops, demo_documents};
pub use parts::{Accounts, model, probe_model};

/// How long a stopping server waits for turns and sends under way.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The database, migrated and checked.
pub struct Opened {
    pub store: Store,
    /// The URL of the role that owns the tables, for migrations and measurements.
    pub admin_url: String,
    embedded: Option<EmbeddedPostgres>,
}

impl Opened {
    /// The shop of a slug; the error names the nearest one.
    pub async fn tenant(&self, slug: &str) -> anyhow::Result<Tenant> {
        if let Some(tenant) =
            tenants::by_slug(&self.store, slug).await.context("failed to look up the shop")?
        {
            return Ok(tenant);
        }
        let all = tenants::list(&self.store).await.context("failed to list the shops")?;
        match all.iter().min_by_key(|tenant| strsim::damerau_levenshtein(&tenant.slug, slug)) {
            Some(near) => bail!("there is no shop `{slug}`: did you mean `{}`?", near.slug),
            None => bail!("there is no shop yet: create one with `balcao tenant create {slug} --name …`"),
        }
    }

    /// Closes the connections, and stops the embedded Postgres if this process started it.
    pub async fn close(self) {
        self.store.close().await;
        if let Some(embedded) = self.embedded
            && let Err(error) = embedded.stop().await
        {
            tracing::warn!(%error, "the embedded Postgres did not stop cleanly; the next start will see to it");
        }
    }
}

/// Starts or reaches the database, brings it up to date, and refuses one that would not keep shops apart.
pub async fn open(config: &Config) -> anyhow::Result<Opened> {
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("failed to create the data folder `{}`", config.data_dir.display()))?;
    let keyring = keys::keyring(config)?;
    let (admin_url, embedded) = match &config.database.url {
        Some(url) => (url.expose_secret().to_owned(), None),
        None => start_embedded(config).await?,
    };
    match connect(config, &admin_url, keyring).await {
        Ok(store) => Ok(Opened { store, admin_url, embedded }),
        Err(error) => {
            if let Some(embedded) = embedded {
                let _ = embedded.stop().await;
            }
            Err(error)
        }
    }
}

/// Starts the embedded Postgres, or goes along with the one a running server has started here.
async fn start_embedded(config: &Config) -> anyhow::Result<(String, Option<EmbeddedPostgres>)> {
    let bin_dir = config.assets_dir.join("postgres/bin");
    if !bin_dir.join("postgres").exists() {
        bail!(
            "the embedded Postgres is not in `{}`: fetch it with `scripts/fetch-assets --dir {}`, or set DATABASE_URL",
            bin_dir.display(),
            config.assets_dir.display()
        );
    }
    let data_dir = config.data_dir.join("data");
    let options = EmbeddedOptions {
        max_connections: config.database.embedded_connections,
        ..EmbeddedOptions::new(bin_dir, &data_dir)
    };
    let started = EmbeddedPostgres::start(options).await;
    if matches!(started, Err(EmbeddedError::InUse(_)))
        && let Some(url) = EmbeddedPostgres::admin_url_beside(&data_dir)
    {
        return Ok((url, None));
    }
    let embedded = started.context("failed to start the embedded Postgres")?;
    Ok((embedded.admin_url(), Some(embedded)))
}

async fn connect(config: &Config, admin_url: &str, keyring: Keyring) -> anyhow::Result<Store> {
    let report = migrate::migrate(admin_url).await.context("failed to prepare the database")?;
    if !report.applied.is_empty() {
        tracing::info!(count = report.applied.len(), "migrations applied");
    }
    let url =
        migrate::runtime_url(admin_url, &keyring).await.context("failed to prepare the server's role")?;
    let options = ConnectOptions { url, max_connections: config.database.max_connections, keyring };
    let store = Store::connect(&options).await.context("failed to connect to the database")?;
    let problems = check(&store).await.context("failed to check the database")?;
    if problems.is_empty() {
        return Ok(store);
    }
    store.close().await;
    let lines: Vec<String> = problems.iter().map(|p| format!("- {}: {}", p.what, p.remedy)).collect();
    bail!("this database would not keep shops apart, so it is not served:\n{}", lines.join("\n"))
}

/// The local embedding model.
pub fn embedder(assets: &Path) -> anyhow::Result<E5> {
    let path = assets.join("models/e5-small-enpt-q4.bin");
    E5::load(&path).with_context(|| {
        format!(
            "failed to load the embedding model: `scripts/fetch-assets --dir {}` fetches it",
            assets.display()
        )
    })
}

/// What [`start`] is given besides the settings.
pub struct Extras {
    /// The socket, bound already: whoever asks for port 0 knows the address before the server runs.
    pub listener: TcpListener,
    /// Shops whose chat page needs no key.
    pub demo: Vec<balcao_server::DemoShop>,
    /// Instead of the model of the settings.
    pub model: Option<Arc<dyn LanguageModel>>,
    /// Instead of the real agent: measurements of everything else.
    pub agent: Option<Arc<dyn Agent>>,
    /// Instead of loading the embedding model.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// Renders `/metrics`: one per process.
    pub metrics: PrometheusHandle,
}

/// The counter, open.
pub struct Running {
    pub address: SocketAddr,
    pub store: Store,
    pub system: System,
    pub ingestor: Arc<Ingestor>,
    pub searcher: Arc<dyn Searcher>,
    stop: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
    _node: node::Node,
}

/// Builds everything above the database and serves.
pub async fn start(config: &Config, store: &Store, extras: Extras) -> anyhow::Result<Running> {
    let address = extras.listener.local_addr().context("the socket has no address")?;
    let embedder: Arc<dyn Embedder> = match extras.embedder {
        Some(embedder) => embedder,
        None => {
            let assets = config.assets_dir.clone();
            Arc::new(tokio::task::spawn_blocking(move || embedder(&assets)).await??)
        }
    };
    let searcher: Arc<dyn Searcher> = Arc::new(HybridSearcher::new(store.clone(), Arc::clone(&embedder)));
    let ingestor = Arc::new(Ingestor::new(store.clone(), embedder));
    let breakers = Breakers::start().await.context("failed to start the breakers")?;
    let model = match extras.model.or(parts::model(config)?) {
        Some(model) => Some(breakers.guard_model(balcao_server::telemetry::traced(model)).await),
        None => None,
    };
    let cashier = Cashier::new(store.clone(), breakers.clone());
    let agent = match extras.agent {
        Some(agent) => agent,
        None => Arc::new(Engine::new(EngineConfig {
            model,
            searcher: Arc::clone(&searcher),
            rules: Arc::new(
                RulePacks::load(rules_dir(config).as_deref()).context("a rule pack cannot be used")?,
            ),
            prompts: Arc::new(
                Prompts::load(config.prompts_dir.as_deref()).context("a prompt cannot be used")?,
            ),
            sales: Some(Arc::new(Till::new(store.clone()).with_charges(Arc::new(cashier.clone())))),
            limits: Limits { first_token: config.llm.first_token_timeout, ..Limits::default() },
            prices: PriceTable::default(),
        })) as Arc<dyn Agent>,
    };
    let node = node::node(config)?;
    if node.is_only_one {
        let left = nodes::recover(store, &node.name, config.engine.unknown_grace).await;
        let left = left.context("failed to take back what an earlier run left behind")?;
        if left.conversations + left.sends > 0 {
            tracing::info!(
                conversations = left.conversations,
                sends = left.sends,
                "going on where an earlier run stopped"
            );
        }
    }
    let system = System::start(SystemConfig {
        node: node.name.clone(),
        store: store.clone(),
        agent,
        channels: Arc::new(Accounts::new(config)?),
        webhooks: balcao_channels::webhooks::Sender { allow_private: config.webhooks_allow_private },
        cashier,
        breakers,
        lease: config.engine.lease,
        idle: config.engine.idle,
        sweep: config.engine.sweep,
        forget: config.engine.forget,
        unknown_grace: config.engine.unknown_grace,
        stale_after: config.engine.stale_after,
    })
    .await
    .context("failed to start the actors")?;
    let app = App::new(Parts {
        store: store.clone(),
        system: system.clone(),
        searcher: Arc::clone(&searcher),
        ingestor: Ingestor::clone(&ingestor),
        metrics: extras.metrics,
        settings: ServerSettings {
            public_url: config.server.public_url.clone().unwrap_or_else(|| format!("http://{address}")),
            demo: extras.demo,
            requests_per_minute: config.server.rate_per_minute,
            ..ServerSettings::default()
        },
    });
    let stop = CancellationToken::new();
    let server = tokio::spawn(balcao_server::serve(extras.listener, app, stop.clone()));
    Ok(Running { address, store: store.clone(), system, ingestor, searcher, stop, server, _node: node })
}

impl Running {
    /// Stops taking requests, lets turns and sends under way end, and stops the actors.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Ok(Err(error)) = self.server.await {
            tracing::warn!(%error, "the server ended with an error");
        }
        self.system.shutdown(STOP_LIMIT).await;
    }

    /// The address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn rules_dir(config: &Config) -> Option<std::path::PathBuf> {
    config.prompts_dir.as_ref().map(|dir| dir.join("rules"))
}
