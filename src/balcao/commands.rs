//! One file a command; this one only leads to them.

mod bench;
mod catalog;
mod chat;
mod config;
mod customer;
mod dead_letters;
mod doctor;
mod emulator;
mod eval;
mod ingest;
mod key;
mod ledger;
mod migrate;
mod orders;
mod payments;
mod serve;
mod simulate;
mod tenant;
mod webhooks;

use anyhow::Context;

use crate::{
    cli::{Cli, Command, Global},
    config::{Config, Loaded, Overrides, load},
};

/// Carries out what was typed.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    let global = cli.global;
    match cli.command {
        Command::Serve(args) => serve::run(&global, args).await,
        Command::Chat(args) => chat::run(&global, args).await,
        Command::Ingest(args) => ingest::run(&global, args).await,
        Command::Catalog(command) => catalog::run(&global, command).await,
        Command::Orders(command) => orders::run(&global, command).await,
        Command::Payments(command) => payments::run(&global, command).await,
        Command::Webhooks(command) => webhooks::run(&global, command).await,
        Command::Ledger(command) => ledger::run(&global, command).await,
        Command::Invariants { tenant } => ledger::invariants(&global, tenant.as_deref()).await,
        Command::Tenant(command) => tenant::run(&global, command).await,
        Command::Key(command) => key::run(&global, command).await,
        Command::Emulator(args) => emulator::run(&global, args).await,
        Command::Doctor => doctor::run(&global).await,
        Command::Config(_) => config::show(&global),
        Command::Migrate { dry_run } => migrate::run(&global, dry_run).await,
        Command::Bench(command) => bench::run(&global, command).await,
        Command::Simulate(args) => simulate::run(&global, args).await,
        Command::DeadLetters(command) => dead_letters::run(&global, command).await,
        Command::Eval(command) => eval::run(&global, command).await,
        Command::Customer(command) => customer::run(&global, command).await,
    }
}

/// The settings, untyped: with their origins.
fn loaded(global: &Global, more: &[(&str, Option<String>)]) -> anyhow::Result<Loaded> {
    let mut values = global.values.clone();
    if let Some(dir) = &global.data_dir {
        values.push(("data.dir".into(), dir.display().to_string()));
    }
    values.extend(more.iter().filter_map(|(key, value)| Some(((*key).to_owned(), value.clone()?))));
    let environment: Vec<(String, String)> = std::env::vars().collect();
    load(&Overrides { file: global.config.clone(), values }, &environment)
}

/// The settings, typed.
fn settings(global: &Global, more: &[(&str, Option<String>)]) -> anyhow::Result<Config> {
    let mut config = Config::from_loaded(&loaded(global, more)?).context("the settings are not usable")?;
    // Tests and packagers keep the assets apart from the data.
    if let Some(dir) = std::env::var_os("BALCAO_ASSETS") {
        config.assets_dir = dir.into();
    }
    Ok(config)
}
