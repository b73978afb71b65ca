//! `balcao payments`: the providers of a shop, and what they reported.

use anyhow::{Context, bail};
use balcao_domain::TenantCtx;
use balcao_payments::webhook::{self, PROVIDERS, Secrets};
use balcao_store::sales::reports::{self, Account, Reported};
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
        Payments::Connect { tenant, .. } | Payments::List { tenant } | Payments::Reports { tenant, .. } => {
            tenant
        }
    };
    let shop = opened.tenant(slug).await?;
    let mut tx = opened.store.tenant_tx(&TenantCtx::system(shop.tenant_id)).await?;
    match command {
        Payments::Connect { provider, secret_file, .. } => {
            known(&provider)?;
            let text = std::fs::read_to_string(&secret_file)
                .with_context(|| format!("failed to read `{}`", secret_file.display()))?;
            let account = reports::connect(&mut tx, &provider, &secrets(&text)?)
                .await
                .context("failed to store the provider's keys")?;
            tx.commit().await?;
            output::print(global.json, &shown(&account), |_| {
                println!("{provider} may report to {} now", path(&account));
                println!("give the provider your server's public address with this path");
            })
        }
        Payments::List { .. } => {
            let accounts = reports::accounts(&mut tx).await.context("failed to list the providers")?;
            let all: Vec<serde_json::Value> = accounts.iter().map(shown).collect();
            output::print(global.json, &all, |_| {
                output::table(
                    ["provider", "webhook path", "since"],
                    accounts.iter().map(|account| {
                        [
                            account.provider.clone(),
                            path(account),
                            account.created_at.format("%Y-%m-%d %H:%M").to_string(),
                        ]
                    }),
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

fn path(account: &Account) -> String {
    format!("/webhooks/payments/{}", account.account_id)
}

fn shown(account: &Account) -> serde_json::Value {
    json!({
        "account_id": account.account_id,
        "provider": account.provider,
        "webhook_path": path(account),
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
    fn a_provider_that_is_misspelt_is_shown_the_nearest() {
        let error = known("stripes").expect_err("there is none").to_string();
        assert!(error.contains("did you mean `stripe`?"), "{error}");
    }
}
