//! A Postgres of our own, for those who have none: started in the data folder, reachable only through a private socket.
//!
//! - It listens on no network address. Its socket lies in a folder that only the user it runs as (and root) may
//!   enter; who can reach it could read the data files as well, so a password would protect nothing (`trust`).
//! - It runs in a process group of its own: Ctrl-C in the terminal reaches us, and we stop it in order.
//! - A server that was killed leaves it running. The next start finds it by its pid file, makes sure that it is
//!   the postmaster of this very folder, and goes on with it.
//! - Postgres refuses to run as root: then it runs as an unprivileged user of the machine.
//!
//! Reading order: this file (start, stop), [`place`] (folders and users), [`process`] (who is running).

mod place;
mod process;

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};

use crate::dsn;
use place::{Place, RunAs};
use process::Postmaster;

/// The database the program uses.
const DATABASE: &str = "balcao";
/// How long a start may take: recovery after a crash replays at most `max_wal_size` of log.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// How long an orderly stop may take before it is made less orderly.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Between two looks at the socket.
const POLL: Duration = Duration::from_millis(10);

/// What to start, and where.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// The folder with `postgres` and `initdb`.
    pub bin_dir: PathBuf,
    /// Where the data lives; made on the first start.
    pub data_dir: PathBuf,
    /// How many connections it takes.
    pub max_connections: u32,
    /// Whether a commit survives a power cut. Only throw-away databases of tests say no.
    pub durable: bool,
}

impl EmbeddedOptions {
    /// The usual server in `data_dir`: durable, 100 connections.
    pub fn new(bin_dir: impl Into<PathBuf>, data_dir: impl Into<PathBuf>) -> Self {
        Self { bin_dir: bin_dir.into(), data_dir: data_dir.into(), max_connections: 100, durable: true }
    }
}

/// Why it did not start or stop.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The programs are not there.
    #[error("no Postgres in `{0}`: fetch the assets (`make assets`), or set DATABASE_URL")]
    NoBinaries(PathBuf),
    /// Another process of ours holds the folder.
    #[error("another balcao is running on the data folder `{0}`")]
    InUse(PathBuf),
    /// A file or folder could not be read or written.
    #[error("cannot use `{path}`: {source}")]
    Files { path: PathBuf, source: std::io::Error },
    /// `initdb` failed.
    #[error("cannot make a database in `{path}`: {detail}")]
    Init { path: PathBuf, detail: String },
    /// It ended before it answered.
    #[error("Postgres did not start: {detail} (its log: `{log}`)")]
    Start { detail: String, log: PathBuf },
}

impl EmbeddedError {
    fn files(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Files { path, source }
    }
}

/// A running server. Stops when dropped, too, but then nobody waits for it.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    place: Place,
    postmaster: Postmaster,
    /// Ours by birth; `None` when it was running already.
    child: Option<Child>,
    stopped: bool,
    /// Held while we live: one balcao a data folder.
    _lock: File,
}

impl EmbeddedPostgres {
    /// Starts the server, making its database first if there is none; or goes on with the one a killed
    /// process left behind.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        // Files and processes: nothing here that a reactor could wait for.
        let prepared = tokio::task::spawn_blocking({
            let options = options.clone();
            move || prepare(&options)
        })
        .await
        .map_err(|e| EmbeddedError::Start { detail: e.to_string(), log: options.data_dir.clone() })??;
        let (place, lock, left_behind) = prepared;

        if let Some(postmaster) = left_behind {
            tracing::info!(postgres.pid = postmaster.pid, "going on with the Postgres that was left running");
            let mut server = Self { place, postmaster, child: None, stopped: false, _lock: lock };
            if server.wait_until_ready().await.is_ok() {
                return Ok(server);
            }
            // It was on its way out.
            server.stop().await?;
            return Box::pin(Self::start(options)).await;
        }
        let mut child = spawn(&place, &options)?;
        let postmaster = Postmaster { pid: child.id() };
        // From here on dropping stops it.
        if let Ok(Some(status)) = child.try_wait() {
            return Err(place.start_error(&status.to_string()));
        }
        let mut server = Self { place, postmaster, child: Some(child), stopped: false, _lock: lock };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// The owner's URL of the server that another balcao runs in this data folder, for commands beside it.
    pub fn admin_url_beside(data_dir: &Path) -> Option<String> {
        let clusters = place::clusters(data_dir);
        let (_, socket_dir) = clusters.iter().find_map(|cluster| process::find(cluster))?;
        (!socket_dir.as_os_str().is_empty()).then(|| url_at(&socket_dir, "postgres", DATABASE))
    }

    /// The URL of the owner of everything, for migrations.
    pub fn admin_url(&self) -> String {
        self.url("postgres", DATABASE)
    }

    /// The same server, another database.
    pub fn admin_url_of(&self, database: &str) -> String {
        self.url("postgres", database)
    }

    /// The process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.postmaster.pid
    }

    /// Where it writes its log.
    pub fn log(&self) -> &Path {
        &self.place.log
    }

    /// The folder of its socket.
    pub fn socket_dir(&self) -> &Path {
        &self.place.socket_dir
    }

    /// Stops it in order: connections are ended, everything is written. Harder if it takes too long.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        self.stopped = true;
        let limit = Instant::now() + STOP_TIMEOUT;
        self.postmaster.stop_fast();
        while self.is_running() {
            if Instant::now() > limit {
                self.postmaster.stop_now();
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        // After an immediate stop it is gone within moments.
        let limit = Instant::now() + Duration::from_secs(5);
        while self.is_running() && Instant::now() < limit {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Leaves it running, as being killed would: for tests.
    #[doc(hidden)]
    pub fn abandon(mut self) {
        self.stopped = true;
    }

    fn is_running(&mut self) -> bool {
        match &mut self.child {
            // A child that has ended stays a zombie until we ask.
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => self.postmaster.is_alive(),
        }
    }

    fn url(&self, user: &str, database: &str) -> String {
        url_at(&self.place.socket_dir, user, database)
    }

    async fn wait_until_ready(&mut self) -> Result<(), EmbeddedError> {
        let limit = Instant::now() + START_TIMEOUT;
        let error = |place: &Place, e: &dyn std::fmt::Display| place.start_error(&e.to_string());
        let options = dsn::parse(&self.admin_url_of("postgres")).map_err(|e| error(&self.place, &e))?;
        let mut connection = loop {
            match PgConnection::connect_with(&options).await {
                Ok(connection) => break connection,
                Err(_) if !self.is_running() => {
                    self.stopped = true;
                    return Err(self.place.start_error("it ended"));
                }
                Err(e) if Instant::now() > limit => return Err(error(&self.place, &e)),
                Err(_) => tokio::time::sleep(POLL).await,
            }
        };
        let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await
            .map_err(|e| error(&self.place, &e))?;
        if !exists {
            sqlx::raw_sql("create database balcao")
                .execute(&mut connection)
                .await
                .map_err(|e| error(&self.place, &e))?;
        }
        let _ = connection.close().await;
        Ok(())
    }
}

impl Drop for EmbeddedPostgres {
    fn drop(&mut self) {
        if !self.stopped {
            self.postmaster.stop_fast();
        }
    }
}

fn url_at(socket_dir: &Path, user: &str, database: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("host", &socket_dir.to_string_lossy());
    format!("postgres://{user}@localhost/{database}?{}", query.finish())
}

/// Everything before the server runs: the folders, the lock, what an earlier life left behind, the first database.
fn prepare(options: &EmbeddedOptions) -> Result<(Place, File, Option<Postmaster>), EmbeddedError> {
    let place = Place::prepare(options)?;
    let lock_path = place.root.join("lock");
    let lock = File::create(&lock_path).map_err(EmbeddedError::files(&lock_path))?;
    if lock.try_lock().is_err() {
        return Err(EmbeddedError::InUse(options.data_dir.clone()));
    }
    match process::find(&place.data) {
        Some((postmaster, socket_dir)) if socket_dir == place.socket_dir => {
            return Ok((place, lock, Some(postmaster)));
        }
        Some((postmaster, _)) => process::stop_and_wait(&postmaster, STOP_TIMEOUT),
        None => {}
    }
    process::clear(&place.data);
    if !place.data.join("PG_VERSION").exists() {
        init(&place, options)?;
    }
    place.prepare_socket_dir()?;
    Ok((place, lock, None))
}

/// Makes the first database beside its place and moves it there when it is whole: a first start that was interrupted
/// is simply made again.
fn init(place: &Place, options: &EmbeddedOptions) -> Result<(), EmbeddedError> {
    let fresh = place.data.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(EmbeddedError::files(&fresh))?;
    }
    place.make_private(&fresh)?;
    let mut command = place.command("initdb");
    command
        .arg("-D")
        .arg(&fresh)
        .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions"])
        // The same order of letters on every machine.
        .args(["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]);
    if !options.durable {
        command.arg("--no-sync");
    }
    let output = command.output().map_err(EmbeddedError::files(&place.bin))?;
    if !output.status.success() {
        let detail = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        return Err(EmbeddedError::Init { path: fresh, detail });
    }
    // An empty folder where the data goes is a leftover of ours.
    let _ = fs::remove_dir(&place.data);
    fs::rename(&fresh, &place.data).map_err(EmbeddedError::files(&place.data))
}

fn spawn(place: &Place, options: &EmbeddedOptions) -> Result<Child, EmbeddedError> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(&place.log)
        .map_err(EmbeddedError::files(&place.log))?;
    let copy = log.try_clone().map_err(EmbeddedError::files(&place.log))?;
    let mut command = place.command("postgres");
    command.arg("-D").arg(&place.data);
    for (name, value) in settings(place, options) {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(copy)
        .process_group(0)
        .spawn()
        .map_err(EmbeddedError::files(&place.bin))
}

/// Given on the command line, so that they change with the program and not with the age of the data folder.
fn settings(place: &Place, options: &EmbeddedOptions) -> Vec<(&'static str, String)> {
    let on = |yes: bool| if yes { "on" } else { "off" }.to_owned();
    vec![
        ("listen_addresses", String::new()),
        ("unix_socket_directories", place.socket_dir.to_string_lossy().into_owned()),
        ("unix_socket_permissions", "0700".into()),
        ("max_connections", options.max_connections.to_string()),
        ("fsync", on(options.durable)),
        // Without fsync this still survives a crash of Postgres, if not of the machine.
        ("synchronous_commit", "on".into()),
        ("full_page_writes", on(options.durable)),
        ("shared_buffers", "128MB".into()),
        ("work_mem", "8MB".into()),
        ("maintenance_work_mem", "128MB".into()),
        ("random_page_cost", "1.1".into()),
        // Fewer, larger checkpoints: after one, every page touched goes into the log whole.
        ("wal_compression", "on".into()),
        ("min_wal_size", "128MB".into()),
        ("max_wal_size", "2GB".into()),
        ("checkpoint_timeout", "15min".into()),
        // The inbox moves fast and its cursors are updated all the time.
        ("autovacuum_naptime", "15s".into()),
        // What people wrote belongs in tables, not in logs: neither statements nor the values in errors.
        ("log_min_error_statement", "panic".into()),
        ("log_error_verbosity", "terse".into()),
        ("log_parameter_max_length_on_error", "0".into()),
        ("log_line_prefix", "%m [%p] ".into()),
        ("log_checkpoints", "off".into()),
        ("log_timezone", "UTC".into()),
        ("timezone", "UTC".into()),
    ]
}

/// Puts the command under another user, if there must be one.
fn become_user(command: &mut Command, run_as: Option<RunAs>) {
    if let Some(RunAs { uid, gid }) = run_as {
        command.uid(uid).gid(gid);
    }
}
