//! The yardstick: pgbench inserting the same row, one a commit, on the same server.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, bail};

use super::{ground::Ground, load::percentile};

/// What pgbench saw.
pub struct Inserted {
    /// Rows a second.
    pub rate: f64,
    /// Median time of one insert with its commit, in milliseconds.
    pub p50_ms: f64,
}

/// Makes the table: the inbox's columns and keys, without row security and foreign keys.
pub fn prepare(ground: &Ground) -> anyhow::Result<()> {
    ground.sql(
        "create table bench_row (
           tenant_id uuid not null, conversation_id uuid not null, seq bigint not null, channel_id uuid not null,
           provider_message_id text not null, kind text not null, sent_at timestamptz not null,
           received_at timestamptz not null, payload jsonb not null,
           primary key (tenant_id, conversation_id, seq), unique (tenant_id, channel_id, provider_message_id))",
    )?;
    Ok(())
}

/// Inserts as fast as so many clients go.
pub fn insert(ground: &Ground, clients: u64, length: Duration) -> anyhow::Result<Inserted> {
    let payload = r#"{"provider_message_id":"wamid.HBgNNTUxMTkwMDAwMDAwMRUCABIYFDNB","sender":{"user_id":"BR.900000000000000001","phone":"5511900000001","name":"Cliente 1"},"sent_at":"2026-11-06T14:00:00Z","content":{"kind":"text","text":"tem no tamanho 38?"}}"#;
    let script = format!(
        "\\set r random(1, 1000000000000)\n\\set c random(1, 2000)\n\
         insert into bench_row values ('{tenant}', ('00000000-0000-7000-8000-' || lpad(:c::text, 12, '0'))::uuid, :r,\n\
         '{channel}', 'wamid.HBgNNTUxMTkwMDAwMDAw.' || :client_id || '.' || :r, 'text', now(), clock_timestamp(), '{payload}')\n\
         on conflict do nothing;\n",
        tenant = ground.tenant.tenant_id.as_uuid(),
        channel = ground.account.channel_id.as_uuid(),
    );
    let folder = ground.folder().join(format!("pgbench-{clients}"));
    let rate = run(ground, &folder, &script, clients, length, true)?;
    Ok(Inserted { rate, p50_ms: median_ms(&folder)? })
}

/// Runs a script as fast as so many clients go; transactions a second. `log`: each one's time is written beside it.
pub fn run(
    ground: &Ground,
    folder: &Path,
    script: &str,
    clients: u64,
    length: Duration,
    log: bool,
) -> anyhow::Result<f64> {
    fs::create_dir_all(folder)?;
    let file = folder.join("script.sql");
    fs::write(&file, script)?;
    let (clients, seconds) = (clients.to_string(), length.as_secs().to_string());
    let output = Command::new(ground.config.assets_dir.canonicalize()?.join("postgres/bin/pgbench"))
        .current_dir(folder)
        .args(["-n", "-M", "prepared", "-c", &clients, "-j", "2", "-T", &seconds])
        .args(log.then_some("-l"))
        .arg("-f")
        .arg(&file)
        .arg(&ground.opened.admin_url)
        .output()
        .context("failed to run pgbench")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    match rate.filter(|_| output.status.success()) {
        Some(rate) => Ok(rate),
        None => bail!("pgbench failed: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// The median over the logs of all threads: the third number of each line is microseconds.
fn median_ms(folder: &Path) -> anyhow::Result<f64> {
    let mut micros: Vec<u32> = Vec::new();
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("pgbench_log") {
            let log = fs::read_to_string(entry.path())?;
            micros.extend(log.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<u32>().ok()));
        }
    }
    micros.sort_unstable();
    Ok(percentile(&micros, 50.0) / 1_000.0)
}
