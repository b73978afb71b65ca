//! `balcao payments`: the providers of a shop, and what they reported.

use std::path::Path;

use anyhow::{Context, bail};
use balcao_domain::TenantCtx;
use balcao_payments::{
    provider::{self, Access, Client},
    webhook::{self, PROVIDERS, Secrets},
};
use balcao_store::sales::{
    reconciliations::{self, Reconciliation},
    reports::{self, Account, Reported},
};
use secrecy::SecretString;
use serde_json::json;

use crate::{
    boot::{self, Opened},
    cli::{Global, Payments},
    output,
};

/// Carries out one of the sub-commands.
pub async fn run(global: &Global, command: Payments) -> anyhow::Result<()> {
    let opened = boot::open(&super::settings(global, &[])?).await?;
    let done = carry_out(global, command, &opened).await;
    opened.close().await;
    done
}

async fn carry_out(global: &Global, command: Payments, opened: &Opened) -> anyhow::Result<()> {
    let slug = match &command {
        Payments::Connect { tenant, .. }
        | Payments::List { tenant }
        | Payments::Reports { tenant, .. }
        | Payments::Reconcile { tenant }
        | Payments::Reconciliations { tenant, .. } => tenant,
    };
    let shop = opened.tenant(slug).await?;
    let mut tx = opened.store.tenant_tx(&TenantCtx::system(shop.tenant_id)).await?;
    match command {
        Payments::Connect { provider, secret_file, access_file, .. } => {
            known(&provider)?;
            let read = |path: &Path| {
                std::fs::read_to_string(path).with_context(|| format!("failed to read `{}`", path.display()))
            };
            let mut keys = secrets(&read(&secret_file)?)?;
            let calls = access_file.is_some();
            if let Some(path) = access_file {
                keys = with_access(&provider, &keys, &read(&path)?)?;
            }
            let account = reports::connect(&mut tx, &provider, &keys, calls)
                .await
                .context("failed to store the provider's keys")?;
            tx.commit().await?;
            output::print(global.json, &shown(&account), |_| {
                println!("{provider} may report to {} now", path(&account));
                println!("give the provider your server's public address with this path");
                if calls {
                    println!(
                        "it makes the charges of orders from now on, and its books are compared with ours"
                    );
                }
            })
        }
        Payments::List { .. } => {
            let accounts = reports::accounts(&mut tx).await.context("failed to list the providers")?;
            let all: Vec<serde_json::Value> = accounts.iter().map(shown).collect();
            output::print(global.json, &all, |_| {
                output::table(
                    ["provider", "webhook path", "is called", "since"],
                    accounts.iter().map(|account| {
                        [
                            account.provider.clone(),
                            path(account),
                            if account.calls { "yes" } else { "no" }.to_owned(),
                            account.created_at.format("%Y-%m-%d %H:%M").to_string(),
                        ]
                    }),
                );
            })
        }
        Payments::Reconcile { .. } => {
            let accounts = reports::accounts(&mut tx).await.context("failed to list the providers")?;
            let called: Vec<&Account> = accounts.iter().filter(|account| account.calls).collect();
            if called.is_empty() {
                bail!(
                    "no provider of this shop can be called: `balcao payments connect --access-file …` says how"
                );
            }
            for account in &called {
                reconciliations::hurry(&mut tx, account.account_id).await?;
            }
            tx.commit().await?;
            let names: Vec<&str> = called.iter().map(|account| account.provider.as_str()).collect();
            output::print(global.json, &names, |names| {
                println!("to be compared by a running server now: {}", names.join(", "));
                println!("`balcao payments reconciliations --tenant {}` shows what it finds", shop.slug);
            })
        }
        Payments::Reconciliations { limit, .. } => {
            let all =
                reconciliations::list(&mut tx, limit).await.context("failed to list the comparisons")?;
            output::print(global.json, &all, |all| {
                output::table(
                    ["when", "provider", "window", "told", "missed", "of no charge", "error"],
                    all.iter().map(comparison),
                );
            })
        }
        Payments::Reports { limit, .. } => {
            let all = reports::list(&mut tx, limit).await.context("failed to list the reports")?;
            output::print(global.json, &all, |all| {
                output::table(["when", "provider", "kind", "state", "tries", "note"], all.iter().map(row));
            })
        }
    }
}

fn known(provider: &str) -> anyhow::Result<()> {
    if webhook::provider(provider).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = PROVIDERS.iter().map(|provider| provider.name()).collect();
    let near = names.iter().min_by_key(|name| strsim::damerau_levenshtein(name, provider)).copied();
    bail!(
        "there is no provider `{provider}`: did you mean `{}`? Known are {}",
        near.unwrap_or_default(),
        names.join(", ")
    )
}

/// One secret as it is, or the kept form with several keys.
fn secrets(text: &str) -> anyhow::Result<SecretString> {
    let text = text.trim();
    if text.is_empty() {
        bail!("the file is empty: it must hold what the provider signs with");
    }
    if text.starts_with('{') {
        let kept = SecretString::from(text);
        Secrets::from_json(&kept)
            .context("the file is not JSON of keys (see `balcao payments connect --help`)")?;
        return Ok(kept);
    }
    let secrets = if text.starts_with("-----BEGIN") {
        Secrets::none().with_public_key_pem(text)
    } else {
        Secrets::none().with_key(text)
    };
    Ok(secrets.to_json())
}

/// The keys, and how the provider is called; what is missing is said now rather than at the first charge.
fn with_access(provider: &str, keys: &SecretString, text: &str) -> anyhow::Result<SecretString> {
    let access: Access = serde_json::from_str(text)
        .context("the access file is not JSON of what is needed to call a provider (see `balcao payments connect --help`)")?;
    let called =
        provider::provider(provider).with_context(|| format!("{provider} reports, but cannot be called"))?;
    Client::new(called, access.clone())
        .map_err(|why| anyhow::anyhow!("{why}: see `balcao payments connect --help`"))?;
    let keys = Secrets::from_json(keys).context("the secret file cannot be read")?;
    Ok(keys.with_access(access).to_json())
}

fn comparison(run: &Reconciliation) -> [String; 7] {
    let window = match (run.since, run.until) {
        (Some(since), Some(until)) => {
            let hours = (until - since).num_hours();
            if hours >= 48 { format!("{} days", hours / 24) } else { format!("{hours} hours") }
        }
        _ => String::new(),
    };
    [
        run.started_at.format("%Y-%m-%d %H:%M:%S").to_string(),
        run.provider.clone(),
        window,
        run.found.told.to_string(),
        run.found.missed.to_string(),
        run.found.unmatched.to_string(),
        run.error.clone().unwrap_or_default(),
    ]
}

fn path(account: &Account) -> String {
    format!("/webhooks/payments/{}", account.account_id)
}

fn shown(account: &Account) -> serde_json::Value {
    json!({
        "account_id": account.account_id,
        "provider": account.provider,
        "webhook_path": path(account),
        "is_called": account.calls,
        "created_at": account.created_at,
    })
}

fn row(reported: &Reported) -> [String; 6] {
    [
        reported.received_at.format("%Y-%m-%d %H:%M:%S").to_string(),
        reported.provider.clone(),
        reported.event.get("kind").and_then(|kind| kind.as_str()).unwrap_or("?").to_owned(),
        reported.state.clone(),
        reported.attempts.to_string(),
        reported.note.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_secret_is_taken_as_it_is_or_as_several_keys() {
        assert!(secrets("whsec_x\n").expect("one key").expose_secret().contains("\"whsec_x\""));
        assert!(secrets(r#"{"keys": ["a", "b"]}"#).is_ok());
        for wrong in ["", " \n", r#"{"key": "a"}"#] {
            assert!(secrets(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_missing_to_call_a_provider_is_named() {
        let keys = secrets("k").expect("a key");
        let error = with_access("efi-bcb-pix", &keys, r#"{"client_id": "a"}"#).expect_err("incomplete");
        assert!(error.to_string().contains("client_secret, pix_key"), "{error}");
        assert!(with_access("stripe", &keys, r#"{"tokn": "a"}"#).is_err(), "an unknown field");
        let kept = with_access("stripe", &keys, r#"{"token": "sk_1"}"#).expect("complete");
        let kept = Secrets::from_json(&kept).expect("the kept form");
        assert!(kept.access.is_some_and(|access| access.token.is_some()));
    }

    #[test]
    fn a_provider_that_is_misspelt_is_shown_the_nearest() {
        let error = known("stripes").expect_err("there is none").to_string();
        assert!(error.contains("did you mean `stripe`?"), "{error}");
    }
}
