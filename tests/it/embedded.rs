//! The embedded Postgres: starts, stops, starts again, and no crash leaves anything in the way of the next start.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use balcao_store::{
    admin::Admin,
    embedded::{EmbeddedError, EmbeddedOptions, EmbeddedPostgres},
    migrate,
};
use balcao_tests::database::{assets, keyring};
use tempfile::TempDir;

fn folder() -> TempDir {
    // Postgres runs as somebody else when we are root, and must be able to come here.
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o711)).tempdir().unwrap()
}

fn options(data: &Path) -> EmbeddedOptions {
    EmbeddedOptions { durable: false, ..EmbeddedOptions::new(assets().join("postgres/bin"), data) }
}

async fn start(data: &Path) -> EmbeddedPostgres {
    EmbeddedPostgres::start(options(data)).await.unwrap()
}

async fn note(server: &EmbeddedPostgres, word: &str) {
    let mut admin = Admin::connect(&server.admin_url()).await.unwrap();
    admin
        .execute(&format!("create table if not exists note (word text); insert into note values ('{word}')"))
        .await
        .unwrap();
}

async fn notes(server: &EmbeddedPostgres) -> Vec<String> {
    let mut admin = Admin::connect(&server.admin_url()).await.unwrap();
    let rows = admin.rows("select word from note order by word").await.unwrap();
    rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_there_after_a_stop_and_a_second_start() {
    let dir = folder();
    let server = start(dir.path()).await;
    let pid = server.pid();
    note(&server, "kept").await;

    let mut admin = Admin::connect(&server.admin_url()).await.unwrap();
    assert_eq!(admin.value("show listen_addresses").await.unwrap().as_deref(), Some(""));
    let socket_dir = fs::metadata(server.socket_dir()).unwrap();
    assert_eq!(socket_dir.mode() & 0o777, 0o700);
    drop(admin);

    // A second balcao on the same folder is refused, and disturbs nothing.
    let second = EmbeddedPostgres::start(options(dir.path())).await;
    assert!(matches!(second, Err(EmbeddedError::InUse(_))), "{second:?}");

    server.stop().await.unwrap();
    assert!(!is_running(pid));
    let server = start(dir.path()).await;
    assert_eq!(notes(&server).await, ["kept"]);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_crash_leaves_a_postgres_that_blocks_the_next_start() {
    let dir = folder();
    let server = start(dir.path()).await;
    note(&server, "one").await;
    let pid = server.pid();

    // We were killed: Postgres runs on, and the next start goes on with it.
    server.abandon();
    let server = start(dir.path()).await;
    assert_eq!(server.pid(), pid);
    note(&server, "two").await;

    // We were killed, and so was it, with a session in the middle of a statement that does not notice.
    let mut busy = Admin::connect(&server.admin_url()).await.unwrap();
    let busy = tokio::spawn(async move { busy.execute("select pg_sleep(60)").await });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    server.abandon();
    kill(pid);
    let server = start(dir.path()).await;
    assert_ne!(server.pid(), pid);
    assert!(busy.await.unwrap().is_err());
    assert_eq!(notes(&server).await, ["one", "two"]);

    // The machine was switched off, and its pid is another process's now.
    let data = data_of(dir.path());
    let pid_file = fs::read_to_string(data.join("postmaster.pid")).unwrap();
    server.stop().await.unwrap();
    let other =
        pid_file.replacen(&pid_file[..pid_file.find('\n').unwrap()], &std::process::id().to_string(), 1);
    fs::write(data.join("postmaster.pid"), other).unwrap();
    let server = start(dir.path()).await;
    assert_eq!(notes(&server).await, ["one", "two"]);

    // Dropped instead of stopped: it ends all the same.
    let pid = server.pid();
    drop(server);
    for _ in 0..500 {
        if !is_running(pid) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("a dropped server runs on");
}

fn data_of(root: &Path) -> PathBuf {
    root.join("postgres").canonicalize().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_a_long_name_and_a_broken_first_start_work_too() {
    let dir = folder();
    let deep = dir.path().join("d".repeat(120)).join("e".repeat(60));
    // A first start that was interrupted while it made the database.
    fs::create_dir_all(deep.join("postgres.new")).unwrap();
    fs::write(deep.join("postgres.new/PG_VERSION"), "18\n").unwrap();
    let server = start(&deep).await;
    assert!(server.socket_dir().as_os_str().len() < 90, "{:?}", server.socket_dir());
    let socket_dir = server.socket_dir().to_owned();
    let report = migrate::migrate(&server.admin_url()).await.unwrap();
    assert!(report.applied.len() >= 6 && report.already == 0, "{report:?}");
    let again = migrate::migrate(&server.admin_url()).await.unwrap();
    assert!(again.applied.is_empty() && again.already == report.applied.len(), "{again:?}");
    server.stop().await.unwrap();
    fs::remove_dir(socket_dir).unwrap();
}

/// Under a home only root may enter, Postgres' own user can read neither the programs nor the data.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_nobody_else_may_enter_is_no_obstacle() {
    let closed = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap();
    let data = closed.path().join("data");
    let server = start(&data).await;
    note(&server, "kept").await;
    server.stop().await.unwrap();
    let server = start(&data).await;
    assert_eq!(notes(&server).await, ["kept"]);
    let socket_dir = server.socket_dir().to_owned();
    server.stop().await.unwrap();
    let real = data_of(&data);
    if !real.starts_with(closed.path().canonicalize().unwrap()) {
        fs::remove_dir_all(real).unwrap();
        fs::remove_dir(socket_dir).unwrap();
    }
}

/// On an operator's server with passwords, the server's role gets one from the keyring, the same on every node.
#[tokio::test(flavor = "multi_thread")]
async fn the_servers_role_logs_in_with_a_password_derived_from_the_key() {
    let dir = folder();
    let server = start(dir.path()).await;
    migrate::migrate(&server.admin_url()).await.unwrap();
    let rules = "local all balcao_app scram-sha-256\nlocal all all trust\n";
    fs::write(data_of(dir.path()).join("pg_hba.conf"), rules).unwrap();
    let mut admin = Admin::connect(&server.admin_url()).await.unwrap();
    admin.execute("select pg_reload_conf()").await.unwrap();
    let without = server.admin_url().replacen("postgres@", "balcao_app@", 1);
    for _ in 0..200 {
        if Admin::connect(&without).await.is_err() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(Admin::connect(&without).await.is_err(), "a password is needed now");

    let url = migrate::runtime_url(&server.admin_url(), &keyring()).await.unwrap();
    assert_eq!(migrate::runtime_url(&server.admin_url(), &keyring()).await.unwrap(), url);
    let mut runtime = Admin::connect(&url).await.unwrap();
    let who = runtime.value("select session_user || ' ' || current_user").await.unwrap();
    assert_eq!(who.as_deref(), Some("balcao_app balcao_app"));
    // Who has the runtime role's URL alone is taken at their word.
    assert_eq!(migrate::runtime_url(&url, &keyring()).await.unwrap(), url);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_programs_are_said_in_one_line() {
    let dir = folder();
    let error = EmbeddedPostgres::start(EmbeddedOptions::new("/nowhere/bin", dir.path())).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no Postgres in `/nowhere/bin`: fetch the assets (`make assets`), or set DATABASE_URL"
    );
}
