//! The real program as a process of its own: to be killed, stopped politely, and started again on the same data.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::database::{assets, repository};

/// The debug build of the program, with its failpoints: `TEST_PROGRAM`, which `make test` has built, or built here.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(program) = std::env::var_os("TEST_PROGRAM") {
            return program.into();
        }
        let profile = std::env::current_exe().expect("a running test has a file");
        // target/debug/deps/it-… → target/debug/balcao
        let folder = profile.parent().and_then(Path::parent).expect("tests lie in target/<profile>/deps");
        let built = Command::new(env!("CARGO"))
            .args(["build", "-p", "balcao", "--bin", "balcao"])
            .args(cargo_profile(folder))
            .current_dir(repository())
            .status()
            .expect("cargo is running this test, so it can be run");
        assert!(built.success(), "the program does not build");
        folder.join("balcao")
    })
}

fn cargo_profile(folder: &Path) -> Vec<String> {
    let target = folder.parent().expect("a profile's folder lies in the target folder").display().to_string();
    vec!["--target-dir".into(), target]
}

/// A port nobody listens on right now.
pub fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("this machine has a free port");
    socket.local_addr().expect("a bound socket has an address").port()
}

/// One installation: its data folder, its address, and the settings every start uses.
pub struct Installation {
    pub folder: tempfile::TempDir,
    pub port: u16,
    settings: Vec<(String, String)>,
}

impl Installation {
    /// An empty one; `settings` are `BALCAO_…` variables.
    pub fn new(settings: &[(&str, &str)]) -> Self {
        Self {
            folder: tempfile::Builder::new().prefix("balcao-it").tempdir().expect("a temporary folder"),
            port: free_port(),
            settings: settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        }
    }

    /// Where the server listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A command of the program on this installation.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(args)
            .env_remove("DATABASE_URL")
            .env_remove("OPENAI_API_KEY")
            .env_remove("OPENAI_BASE_URL")
            .env("BALCAO_ASSETS", assets())
            .env("BALCAO_DATA_DIR", self.folder.path().join("balcao"))
            .env("BALCAO_SERVER_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("RUST_LOG", "warn")
            .envs(self.settings.iter().cloned())
            .current_dir(self.folder.path());
        command
    }

    /// Runs a command to its end and reads the JSON it prints.
    pub fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.push("--json");
        let output = self.command(&all).output().expect("the program runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("--json prints JSON")
    }

    /// Starts the server, to die at a failpoint if one is named.
    pub fn serve(&self, failpoint: Option<&str>) -> Server {
        let log = self.folder.path().join("server.log");
        let file = File::options().create(true).append(true).open(&log).expect("a writable temporary folder");
        let mut command = self.command(&["serve"]);
        if let Some(point) = failpoint {
            command.env("BALCAO_FAILPOINT", point);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        Server { child: command.spawn().expect("the program starts"), url: self.url(), log }
    }
}

/// A running server process.
pub struct Server {
    child: Child,
    url: String,
    log: PathBuf,
}

impl Server {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it answers that it is ready.
    pub async fn ready(&mut self) {
        let limit = Instant::now() + Duration::from_secs(60);
        let http = reqwest::Client::new();
        while Instant::now() < limit {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the server ended ({status}):\n{}", self.log());
            }
            let asked = http.get(format!("{}/health/ready", self.url)).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server was not ready in time:\n{}", self.log());
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        let limit = Instant::now() + patience;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() > limit {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// kill -9.
    pub async fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.ended(Duration::from_secs(5)).await;
    }

    /// Sends a signal by its name, as `kill` knows it.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "`kill -{name}` failed");
    }

    /// Ctrl-C, and waits for an orderly end.
    pub async fn interrupt(mut self) -> ExitStatus {
        self.signal("INT");
        match self.ended(Duration::from_secs(30)).await {
            Some(status) => status,
            None => panic!("the server did not stop within 30 s:\n{}", self.log()),
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
