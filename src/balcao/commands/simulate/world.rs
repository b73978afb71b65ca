//! What a simulation stands on: a database of its own, two servers on it, and whoever pulls their plugs.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use balcao_emulators::payments;
use balcao_store::Keyring;
use rand::{Rng, rngs::StdRng};
use secrecy::ExposeSecret;
use tokio::sync::Mutex;

use super::PATIENCE;
use crate::{
    boot::{self, Opened},
    config::Config,
};

/// Servers that share the work.
pub const SERVERS: usize = 2;

/// See the module.
pub struct World {
    pub opened: Opened,
    pub http: reqwest::Client,
    /// The payment provider of those shops that have one.
    pub provider: payments::Running,
    config: Config,
    folder: tempfile::TempDir,
    key: String,
    servers: Arc<[Server; SERVERS]>,
    killed: Arc<AtomicU64>,
    crashed: Arc<AtomicU64>,
    calm: bool,
}

/// A server and its process.
struct Server {
    port: u16,
    child: Mutex<Option<Child>>,
}

impl World {
    pub async fn open(config: &Config, calm: bool) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("balcao-simulate").tempdir()?;
        let key = Keyring::generate();
        let mut config = config.clone();
        config.data_dir = folder.path().join("balcao");
        config.database.url = None;
        config.database.embedded_connections = 120;
        config.encryption_key = Some(key.clone());
        let opened = boot::open(&config).await?;
        let server = || Ok::<_, std::io::Error>(Server { port: free_port()?, child: Mutex::new(None) });
        let options = payments::Options {
            // A server that was killed is back within this.
            retries: vec![Duration::from_millis(300); 60],
            ..payments::Options::default()
        };
        let provider = payments::serve_locally(options).await?;
        let world = Self {
            provider,
            opened,
            http: reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?,
            config,
            folder,
            key: key.expose_secret().to_owned(),
            servers: Arc::new([server()?, server()?]),
            killed: Arc::default(),
            crashed: Arc::default(),
            calm,
        };
        for at in 0..SERVERS {
            world.start(at).await?;
        }
        world.ready().await?;
        Ok(world)
    }

    pub fn url(&self, at: usize) -> String {
        format!("http://127.0.0.1:{}", self.servers[at % SERVERS].port)
    }

    async fn start(&self, at: usize) -> anyhow::Result<()> {
        let server = &self.servers[at];
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join(format!("server-{at}.log")))?;
        let child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .env_remove("OPENAI_API_KEY")
            .env_remove("OPENAI_BASE_URL")
            .env("DATABASE_URL", &self.opened.admin_url)
            .env("BALCAO_ASSETS", self.config.assets_dir.canonicalize()?)
            .env("BALCAO_DATA_DIR", self.folder.path().join(format!("node-{at}")))
            .env("BALCAO_SERVER_LISTEN", format!("127.0.0.1:{}", server.port))
            .env("BALCAO_SECURITY_ENCRYPTION_KEY", &self.key)
            .env("BALCAO_ENGINE_SWEEP", "100ms")
            .env("BALCAO_ENGINE_LEASE", "2s")
            .env("BALCAO_SERVER_RATE_PER_MINUTE", "1000000")
            .env("BALCAO_DATABASE_MAX_CONNECTIONS", "20")
            .env("RUST_LOG", "warn")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("failed to start a server")?;
        *server.child.lock().await = Some(child);
        Ok(())
    }

    /// Waits until both servers say that they are ready; one that has ended is started again.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        for at in 0..SERVERS {
            loop {
                let asked = self.http.get(format!("{}/health/ready", self.url(at))).send().await;
                if asked.is_ok_and(|answer| answer.status().is_success()) {
                    break;
                }
                let ended = match self.servers[at].child.lock().await.as_mut() {
                    Some(child) => child.try_wait()?.is_some(),
                    None => true,
                };
                if ended {
                    self.start(at).await?;
                }
                if began.elapsed() > PATIENCE {
                    bail!("server {at} is not ready: see its log in `{}`", self.folder.path().display());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Makes trouble until it is stopped: kills a server and starts it again, or a process of the database, which
    /// brings all of it down and up again.
    pub async fn trouble(&self, mut rng: StdRng) -> anyhow::Result<()> {
        loop {
            tokio::time::sleep(Duration::from_millis(rng.random_range(200..1_500))).await;
            if self.calm {
                continue;
            }
            if rng.random_bool(0.25) {
                self.crash_database().await?;
            } else {
                let at = rng.random_range(0..SERVERS);
                if let Some(mut child) = self.servers[at].child.lock().await.take() {
                    child.kill()?;
                    child.wait()?;
                    self.killed.fetch_add(1, Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(rng.random_range(0..300))).await;
                self.start(at).await?;
            }
        }
    }

    /// kill -9 of a backend: Postgres ends all others and recovers from its log.
    async fn crash_database(&self) -> anyhow::Result<()> {
        let asked = self.sql("select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() limit 1");
        let Some(pid) = asked.await.ok().filter(|pid| !pid.is_empty()) else { return Ok(()) };
        let killed = Command::new("kill").args(["-KILL", &pid]).status()?;
        if killed.success() {
            self.crashed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Asks the database with its own client, as its owner.
    pub async fn sql(&self, query: &str) -> anyhow::Result<String> {
        let output = tokio::process::Command::new(self.config.assets_dir.join("postgres/bin/psql"))
            .args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.opened.admin_url, "-c", query])
            .output()
            .await
            .context("failed to run psql")?;
        if !output.status.success() {
            bail!("psql failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Servers killed and crashes of the database.
    pub fn troubles(&self) -> (u64, u64) {
        (self.killed.load(Ordering::Relaxed), self.crashed.load(Ordering::Relaxed))
    }

    /// Ends it all; keeps the logs where asked to.
    pub async fn close(self, keep: bool) -> Option<PathBuf> {
        for server in self.servers.iter() {
            if let Some(mut child) = server.child.lock().await.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        self.provider.stop().await;
        self.opened.close().await;
        keep.then(|| self.folder.keep())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.get_mut().take() {
            let _ = child.kill();
        }
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
