//! A database of one's own for every test: copied from a migrated template, on one Postgres for the whole process.
//!
//! The server is embedded (from the assets, in a folder of its own that is gone afterwards), or the one of
//! `BALCAO_TEST_DATABASE_URL`, a superuser's URL. Several test processes at once do not meet.

use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use balcao_domain::{Language, TenantCtx, TenantId, tenant::Settings};
use balcao_store::{
    ConnectOptions, Keyring, Store,
    admin::{self, Admin},
    embedded::{EmbeddedOptions, EmbeddedPostgres},
    migrate, tenants,
};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// The key tests encrypt with.
pub const KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

static SERVER: OnceCell<Server> = OnceCell::const_new();

struct Server {
    admin_url: String,
    template: String,
    /// Not ours: what we make there we must remove ourselves.
    foreign: bool,
}

/// A migrated, empty database; dropped with this value.
#[derive(Debug)]
pub struct TestDb {
    name: String,
    admin_url: String,
    runtime_url: String,
    server_url: String,
    foreign: bool,
}

impl TestDb {
    /// A new one.
    pub async fn new() -> Self {
        Self::try_new().await.expect("tests need a Postgres: `make assets`, or set BALCAO_TEST_DATABASE_URL")
    }

    async fn try_new() -> Result<Self> {
        let server = SERVER.get_or_try_init(start_server).await?;
        let name = format!("balcao_test_{}", Uuid::now_v7().simple());
        let mut admin = Admin::connect(&server.admin_url).await?;
        admin.execute(&format!("create database {name} template {}", server.template)).await?;
        admin.execute(&format!("grant connect on database {name} to balcao_app")).await?;
        admin.close().await;
        let admin_url = admin::url_of_database(&server.admin_url, &name)?;
        let runtime_url = migrate::runtime_url(&admin_url, &keyring()).await?;
        let (server_url, foreign) = (server.admin_url.clone(), server.foreign);
        Ok(Self { name, admin_url, runtime_url, server_url, foreign })
    }

    /// A store as the server has it, with ten connections.
    pub async fn store(&self) -> Store {
        self.store_with(10).await
    }

    /// A store with so many connections.
    pub async fn store_with(&self, max_connections: u32) -> Store {
        let options = ConnectOptions { url: self.runtime_url.clone(), max_connections, keyring: keyring() };
        Store::connect(&options).await.expect("the server's role can log in")
    }

    /// A plain connection of the superuser.
    pub async fn admin(&self) -> Admin {
        Admin::connect(&self.admin_url).await.expect("the superuser can log in")
    }

    /// A plain connection of the server's role.
    pub async fn runtime(&self) -> Admin {
        Admin::connect(&self.runtime_url).await.expect("the server's role can log in")
    }

    /// The superuser's URL.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// The URL of the server's role: what a `balcao` process is given.
    pub fn runtime_url(&self) -> &str {
        &self.runtime_url
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let (url, name) = (self.server_url.clone(), self.name.clone());
        // The test's own runtime may be on its way out.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let mut admin = Admin::connect(&url).await.ok()?;
                admin.execute(&format!("drop database if exists {name} with (force)")).await.ok()
            })
        });
        // An embedded server takes all its databases with it; nobody needs to wait.
        if self.foreign {
            let _ = dropping.join();
        }
    }
}

/// The keyring of tests.
pub fn keyring() -> Keyring {
    Keyring::parse(KEY).expect("the key above is well formed")
}

/// A shop with the usual settings.
pub async fn a_tenant(store: &Store, slug: &str) -> TenantCtx {
    let tenant = tenants::create(store, slug, slug, Language::Portuguese, &Settings::default())
        .await
        .expect("a fresh database takes any slug");
    TenantCtx::system(tenant.tenant_id)
}

/// The context of a tenant that does not exist.
pub fn no_tenant() -> TenantCtx {
    TenantCtx::system(TenantId::generate())
}

/// Where the assets are: `BALCAO_ASSETS`, or `.balcao` of this checkout.
pub fn assets() -> PathBuf {
    std::env::var_os("BALCAO_ASSETS").map_or_else(|| repository().join(".balcao"), PathBuf::from)
}

/// The root of this checkout.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("`tests` is a folder of the checkout")
}

async fn start_server() -> Result<Server> {
    match std::env::var("BALCAO_TEST_DATABASE_URL") {
        Ok(admin_url) => {
            let template = prepare_template(&admin_url).await?;
            Ok(Server { admin_url, template, foreign: true })
        }
        Err(_) => {
            let admin_url = start_embedded().await?;
            let template = prepare_template(&admin_url).await?;
            Ok(Server { admin_url, template, foreign: false })
        }
    }
}

/// Makes the template once, whoever comes first; its name tells apart checkouts with different migrations.
async fn prepare_template(admin_url: &str) -> Result<String> {
    let pending = migrate::pending(admin_url).await?;
    let name = format!("balcao_template_{}", fingerprint(&pending));
    let mut admin = Admin::connect(admin_url).await?;
    admin.execute("select pg_advisory_lock(hashtextextended('balcao:test-template', 0))").await?;
    let exists = admin
        .value(&format!("select 1 from pg_database where datname = '{name}' and datistemplate"))
        .await?
        .is_some();
    if !exists {
        admin.execute(&format!("drop database if exists {name} with (force)")).await?;
        admin.execute(&format!("create database {name}")).await?;
        migrate::migrate(&admin::url_of_database(admin_url, &name)?).await?;
        admin.execute(&format!("alter database {name} is_template true")).await?;
    }
    admin.close().await;
    Ok(name)
}

fn fingerprint(migrations: &[String]) -> String {
    use sha2::{Digest, Sha256};
    // The files too: a migration under construction changes without changing its name.
    let mut hash = Sha256::new();
    for migration in migrations {
        hash.update(migration);
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(repository().join("migrations"))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    for file in files {
        hash.update(std::fs::read(file).unwrap_or_default());
    }
    hex::encode(&hash.finalize()[..8])
}

/// Starts the process's own server in a throw-away folder. A small shell outlives us for a moment: when our end of its
/// input closes, however we end, it stops the server and removes the folder.
async fn start_embedded() -> Result<String> {
    let dir = tempfile::Builder::new()
        .prefix("balcao-test-")
        // Postgres runs as somebody else when we are root.
        .permissions(std::fs::Permissions::from_mode(0o711))
        .tempdir()?
        .keep();
    let options = EmbeddedOptions {
        durable: false,
        max_connections: 300,
        ..EmbeddedOptions::new(assets().join("postgres").join("bin"), &dir)
    };
    let server = EmbeddedPostgres::start(options).await.context("failed to start the embedded Postgres")?;
    let script = r#"cat >/dev/null
        kill -INT "$1" 2>/dev/null
        for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$1" 2>/dev/null || break; sleep 0.3; done
        rm -rf "$2""#;
    let mut watcher = Command::new("sh")
        .args(["-c", script, "sh", &server.pid().to_string()])
        .arg(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let url = server.admin_url_of("postgres");
    // Both live as long as the process.
    std::mem::forget(watcher.stdin.take());
    std::mem::forget(server);
    Ok(url)
}
