//! Durable acceptance of webhooks, beside pgbench on the same server in the same run.
//!
//! The whole server is in the path: signature, parsing, the sender's conversation, the group commit, the wake-up. Answers
//! are kept out of it by a long quiet time. The load runs in this process, on the same cores.

use std::{sync::Arc, time::Duration};

use balcao_domain::tenant::Settings;

use super::{
    Figure, figure,
    ground::{Ground, NoEmbedder, StandIns, StubAgent},
    load::{self, Webhooks},
    pgbench,
};
use crate::config::Config;

/// Distinct customers.
const SENDERS: u64 = 2_000;

/// Measures at 1, 8, 64 and 256 connections.
pub async fn measure(config: &Config, length: Duration) -> anyhow::Result<Vec<Figure>> {
    let quiet = Settings { quiet_ms: 3_600_000, quiet_cap_ms: 3_600_000, ..Settings::default() };
    let ground = Ground::prepare(config, quiet).await?;
    pgbench::prepare(&ground)?;
    let agent = StubAgent { per_message: Duration::ZERO, at_once: tokio::sync::Semaphore::new(1) };
    let stand_ins =
        StandIns { agent: Some(Arc::new(agent)), embedder: Some(Arc::new(NoEmbedder)), model: None };
    let running = ground.serve(stand_ins).await?;
    let webhooks = Arc::new(Webhooks::new(format!("/webhooks/whatsapp/{}", ground.account.channel_id))?);

    // Everybody has written once: customers, conversations and their actors exist, as on any day but the first.
    let new = load::everybody_once(running.address, &webhooks, 32, SENDERS).await?;
    let mut figures =
        vec![figure("first messages of new customers, 32 connections", new.rate(), "messages/s")];
    for connections in [1, 8, 64, 256] {
        let yardstick = pgbench::insert(&ground, connections, length)?;
        let seen = load::closed_loop(running.address, &webhooks, connections, SENDERS, length).await?;
        let name = |what: &str| format!("{what}, {connections} connections");
        figures.push(figure(name("webhooks accepted"), seen.rate(), "messages/s"));
        figures.push(figure(name("time to 200, p50"), seen.percentile_ms(50.0), "ms"));
        figures.push(figure(name("time to 200, p99"), seen.percentile_ms(99.0), "ms"));
        figures.push(figure(format!("pgbench inserts, {} clients", connections), yardstick.rate, "rows/s"));
        figures.push(figure(format!("pgbench insert p50, {} clients", connections), yardstick.p50_ms, "ms"));
        figures.push(figure(name("webhooks / pgbench"), seen.rate() / yardstick.rate, "×"));
    }
    running.stop().await;
    ground.clear().await;
    Ok(figures)
}
