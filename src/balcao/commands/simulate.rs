//! `balcao simulate`: shops, customers and a bank under random trouble, and after each the question whether all still holds.
//!
//! Real parts: a Postgres of its own, two server processes of this very program on it, HTTP, signed webhooks. A seed
//! decides what customers want, how they repeat themselves, what the bank reports, how often, in which order and
//! whether it is the bank at all, and when a server is killed (kill -9) or the database crashes. What runs side by side
//! is left to the machine, so a seed gives the same trouble again, if not the same instant.

mod fight;
mod story;
mod world;

use std::time::{Duration, Instant};

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::{
    cli::{Global, Simulate},
    output,
};
use story::Count;
use world::World;

/// What did not hold.
#[derive(Debug, Clone, Serialize)]
struct Violation {
    seed: u64,
    what: String,
}

/// What was done, and what did not hold.
#[derive(Debug, Default, Serialize)]
struct Report {
    seeds: u64,
    #[serde(flatten)]
    count: Count,
    servers_killed: u64,
    database_crashes: u64,
    seconds: f64,
    violations: Vec<Violation>,
}

/// Plays the seeds, one after the other.
pub async fn run(global: &Global, args: Simulate) -> anyhow::Result<()> {
    let config = super::settings(global, &[])?;
    if let Some(rounds) = args.fight {
        return fight::run(global, &config, rounds).await;
    }
    let seeds: Vec<u64> = match args.seed {
        Some(seed) => vec![seed],
        None => (args.first..args.first.saturating_add(args.seeds)).collect(),
    };
    let bar = ProgressBar::new(seeds.len() as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} seeds, {eta} left  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let began = Instant::now();
    let world = World::open(&config, args.calm).await?;
    let mut report = Report::default();
    for seed in seeds {
        bar.set_message(format!("seed {seed}, {} violations", report.violations.len()));
        let played = story::play(&world, seed, args.customers, &mut report.count).await;
        report.seeds += 1;
        match played {
            Ok(broken) => report.violations.extend(broken.into_iter().map(|what| Violation { seed, what })),
            // What the simulation itself cannot do is no violation, but nothing was shown either.
            Err(error) => report.violations.push(Violation { seed, what: format!("not played: {error:#}") }),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    (report.servers_killed, report.database_crashes) = world.troubles();
    report.seconds = began.elapsed().as_secs_f64();
    let kept = world.close(!report.violations.is_empty()).await;
    output::print(global.json, &report, people)?;
    if let Some(kept) = kept {
        eprintln!("the servers' logs are kept in `{}`", kept.display());
    }
    match report.violations.first() {
        None => Ok(()),
        Some(first) => bail!(
            "{} violation(s); the first again: balcao simulate --seed {}",
            report.violations.len(),
            first.seed
        ),
    }
}

fn people(report: &Report) {
    let count = &report.count;
    println!(
        "{} seeds in {:.0} s: {} messages, {} orders, {} reports of the bank ({} of them forged)",
        report.seeds, report.seconds, count.messages, count.orders, count.reports, count.forged
    );
    println!("{} servers killed, {} crashes of the database", report.servers_killed, report.database_crashes);
    for violation in &report.violations {
        println!("seed {}: {}", violation.seed, violation.what);
    }
    println!("violations: {}", report.violations.len());
}

/// The longest that anything may take to come right again after the trouble is over.
const PATIENCE: Duration = Duration::from_secs(90);
