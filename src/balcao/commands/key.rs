//! `balcao key`: API keys.

use anyhow::Context;
use balcao_domain::{KeyId, Scope, TenantCtx};
use balcao_store::api_keys::{self, ApiKey};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::{
    boot,
    cli::{Global, Key, ScopeWord},
    output,
};

/// Carries out one of the sub-commands.
pub async fn run(global: &Global, command: Key) -> anyhow::Result<()> {
    let opened = boot::open(&super::settings(global, &[])?).await?;
    let done = carry_out(global, command, &opened).await;
    opened.close().await;
    done
}

async fn carry_out(global: &Global, command: Key, opened: &boot::Opened) -> anyhow::Result<()> {
    let slug = match &command {
        Key::Issue { tenant, .. } | Key::List { tenant } | Key::Revoke { tenant, .. } => tenant,
    };
    let tenant = opened.tenant(slug).await?;
    let mut tx = opened.store.tenant_tx(&TenantCtx::system(tenant.tenant_id)).await?;
    match command {
        Key::Issue { name, scopes, .. } => {
            let scopes: Vec<Scope> = scopes.into_iter().map(scope).collect();
            let (key, secret) =
                api_keys::issue(&mut tx, &name, &scopes).await.context("failed to issue the key")?;
            tx.commit().await?;
            let value = json!({ "key_id": key.key_id, "secret": secret.expose_secret(), "scopes": scopes });
            output::print(global.json, &value, |_| {
                println!("{}", secret.expose_secret());
                println!("This is the only time the key is shown. Its id is {}.", key.key_id);
            })
        }
        Key::List { .. } => {
            let keys = api_keys::list(&mut tx).await.context("failed to list the keys")?;
            output::print(global.json, &keys, |keys| {
                output::table(["id", "name", "begins", "scopes", "last used", "state"], keys.iter().map(row));
            })
        }
        Key::Revoke { id, .. } => {
            let id: KeyId = id.parse()?;
            api_keys::revoke(&mut tx, id).await.with_context(|| format!("failed to revoke `{id}`"))?;
            tx.commit().await?;
            output::print(global.json, &json!({ "revoked": id }), |_| println!("revoked {id}"))
        }
    }
}

fn row(key: &ApiKey) -> [String; 6] {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    [
        key.key_id.to_string(),
        key.name.clone(),
        key.hint.clone(),
        scopes.join(" "),
        key.last_used_at.map_or_else(|| "never".into(), |at| at.format("%Y-%m-%d %H:%M").to_string()),
        if key.revoked_at.is_some() { "revoked" } else { "active" }.into(),
    ]
}

fn scope(word: ScopeWord) -> Scope {
    match word {
        ScopeWord::Chat => Scope::Chat,
        ScopeWord::Ingest => Scope::Ingest,
        ScopeWord::Admin => Scope::Admin,
    }
}
