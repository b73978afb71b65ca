//! `balcao doctor`: what is missing, and what to do about it.

use std::time::Duration;

use anyhow::bail;
use balcao_domain::{TenantCtx, channel::Kind};
use balcao_llm::Embedder;
use balcao_store::{channels, tenants};
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::{
    boot::{self, Opened},
    cli::Global,
    config::Config,
    output,
};

/// How long an outside service may take to answer a question of health.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one check found.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    check: &'static str,
    /// `ok`, `note` (works, but read this) or `problem`.
    state: &'static str,
    found: String,
    /// What to do; empty when all is well.
    remedy: String,
}

fn ok(check: &'static str, found: impl Into<String>) -> Finding {
    Finding { check, state: "ok", found: found.into(), remedy: String::new() }
}

fn note(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { check, state: "note", found: found.into(), remedy: remedy.into() }
}

fn problem(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { check, state: "problem", found: found.into(), remedy: remedy.into() }
}

/// Runs every check; fails when one found a problem.
pub async fn run(global: &Global) -> anyhow::Result<()> {
    let config = super::settings(global, &[])?;
    let mut findings = assets(&config);
    findings.push(model_file(&config).await);
    match boot::open(&config).await {
        Ok(opened) => {
            findings.push(ok("database", where_it_is(&config)));
            findings.extend(shops(&config, &opened).await);
            opened.close().await;
        }
        Err(error) => findings.push(problem(
            "database",
            format!("{error:#}"),
            "do what the line says; without DATABASE_URL the embedded Postgres is used",
        )),
    }
    findings.push(language_model(&config).await);
    findings.push(encryption(&config));
    let problems = findings.iter().filter(|finding| finding.state == "problem").count();
    output::print(global.json, &findings, |findings| {
        output::table(
            ["check", "state", "found", "what to do"],
            findings.iter().map(|f| [f.check.into(), f.state.into(), f.found.clone(), f.remedy.clone()]),
        );
    })?;
    if problems > 0 {
        bail!("{problems} of {} checks found a problem", findings.len());
    }
    Ok(())
}

fn where_it_is(config: &Config) -> String {
    match &config.database.url {
        Some(_) => "the server of DATABASE_URL: reachable, migrated, row security forced".into(),
        None => format!("embedded in `{}`: migrated, row security forced", config.data_dir.display()),
    }
}

fn assets(config: &Config) -> Vec<Finding> {
    let binary = config.assets_dir.join("postgres/bin/postgres");
    let remedy = format!("scripts/fetch-assets --dir {}", config.assets_dir.display());
    let postgres = match (binary.exists(), &config.database.url) {
        (true, _) => ok("embedded Postgres", binary.display().to_string()),
        (false, Some(_)) => ok("embedded Postgres", "not there, and not needed: DATABASE_URL is set"),
        (false, None) => problem("embedded Postgres", format!("`{}` is missing", binary.display()), remedy),
    };
    vec![postgres]
}

async fn model_file(config: &Config) -> Finding {
    let assets = config.assets_dir.clone();
    match tokio::task::spawn_blocking(move || boot::embedder(&assets)).await {
        Ok(Ok(embedder)) => {
            ok("embedding model", format!("{} ({} numbers)", embedder.model_id(), embedder.dimensions()))
        }
        Ok(Err(error)) => problem(
            "embedding model",
            format!("{error:#}"),
            format!("scripts/fetch-assets --dir {}", config.assets_dir.display()),
        ),
        Err(error) => problem("embedding model", error.to_string(), "report this: it should not happen"),
    }
}

async fn shops(config: &Config, opened: &Opened) -> Vec<Finding> {
    let all = match tenants::list(&opened.store).await {
        Ok(all) => all,
        Err(error) => return vec![problem("shops", error.to_string(), "see the database check")],
    };
    if all.is_empty() {
        return vec![note(
            "shops",
            "none yet",
            "balcao tenant create SLUG --name NAME, or balcao serve --demo",
        )];
    }
    let mut findings = vec![ok("shops", format!("{}", all.len()))];
    for tenant in &all {
        let Ok(mut tx) = opened.store.tenant_tx(&TenantCtx::system(tenant.tenant_id)).await else { continue };
        let accounts = channels::list(&mut tx).await.unwrap_or_default();
        for account in accounts.iter().filter(|account| account.kind == Kind::Whatsapp) {
            findings.push(number(config, &tenant.slug, account).await);
        }
    }
    findings
}

/// Asks the Cloud API about a number, with the number's own token.
async fn number(config: &Config, slug: &str, account: &channels::ChannelAccount) -> Finding {
    const CHECK: &str = "WhatsApp number";
    let name = format!("{slug} {}", account.external_id);
    if let Some(reason) = &account.paused_reason {
        return problem(
            CHECK,
            format!("{name}: paused ({reason})"),
            format!(
                "settle it with Meta, then: balcao tenant resume-whatsapp {slug} --phone-number-id {}",
                account.external_id
            ),
        );
    }
    let Some(credentials) = &account.credentials else {
        return problem(
            CHECK,
            format!("{name}: no credentials"),
            "connect it again: balcao tenant connect-whatsapp … --replace",
        );
    };
    let url = format!("{}/{}/{}", config.whatsapp.base_url, config.whatsapp.api_version, account.external_id);
    let asked = reqwest::Client::new()
        .get(&url)
        .bearer_auth(credentials.access_token.expose_secret())
        .header("user-agent", concat!("balcao/", env!("CARGO_PKG_VERSION")))
        .timeout(PATIENCE)
        .send()
        .await
        .map(|answer| answer.status().as_u16());
    match asked {
        Ok(status) if (200..300).contains(&status) => ok(CHECK, format!("{name}: the token works")),
        Ok(401 | 403) => problem(
            CHECK,
            format!("{name}: the access token was refused"),
            "create a system-user token, then: balcao tenant connect-whatsapp … --replace",
        ),
        Ok(status) => {
            note(CHECK, format!("{name}: the Cloud API answered {status}"), "check the phone_number_id")
        }
        Err(error) => note(
            CHECK,
            format!("{name}: {} is not reachable ({error})", config.whatsapp.base_url),
            "in the demo the emulator runs only while `balcao serve --demo` does",
        ),
    }
}

async fn language_model(config: &Config) -> Finding {
    const CHECK: &str = "language model";
    if !config.llm.is_configured() {
        return note(
            CHECK,
            "none: the rule path answers",
            "set llm.model, with OPENAI_API_KEY or llm.base_url",
        );
    }
    match boot::probe_model(config, PATIENCE).await {
        Ok(found) => ok(CHECK, found),
        Err(error) => problem(
            CHECK,
            format!("{error:#}"),
            "check llm.base_url, llm.api_key and llm.model; until then the rule path answers",
        ),
    }
}

fn encryption(config: &Config) -> Finding {
    match (&config.encryption_key, &config.database.url) {
        (Some(_), _) => ok("encryption key", "set"),
        (None, None) => ok("encryption key", "generated, in the data folder"),
        (None, Some(_)) => note(
            "encryption key",
            "generated, in the data folder of this machine",
            "set security.encryption_key (openssl rand -hex 32) before a second node joins, and keep a copy",
        ),
    }
}
