//! `balcao webhooks`: a shop's own systems that are told what happens.

use anyhow::{Context, bail};
use balcao_channels::webhooks::{Sender, secret};
use balcao_domain::{EndpointId, TenantCtx};
use balcao_store::{
    StoreError,
    webhooks::{self, Endpoint, Seen},
};
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::{
    boot::{self, Opened},
    cli::{Global, Webhooks},
    output,
};

/// Carries out one of the sub-commands.
pub async fn run(global: &Global, command: Webhooks) -> anyhow::Result<()> {
    let config = super::settings(global, &[])?;
    let sender = Sender { allow_private: config.webhooks_allow_private };
    let opened = boot::open(&config).await?;
    let done = carry_out(global, command, sender, &opened).await;
    opened.close().await;
    done
}

async fn carry_out(
    global: &Global,
    command: Webhooks,
    sender: Sender,
    opened: &Opened,
) -> anyhow::Result<()> {
    let slug = match &command {
        Webhooks::Add { tenant, .. }
        | Webhooks::List { tenant }
        | Webhooks::Rotate { tenant, .. }
        | Webhooks::Remove { tenant, .. }
        | Webhooks::Attempts { tenant, .. } => tenant,
    };
    let shop = opened.tenant(slug).await?;
    let mut tx = opened.store.tenant_tx(&TenantCtx::system(shop.tenant_id)).await?;
    match command {
        Webhooks::Add { url, kinds, .. } => {
            sender.check(&url)?;
            let secret = new_secret();
            let id = match webhooks::add(&mut tx, &url, &kinds, &secret).await {
                Err(StoreError::Conflict { .. }) => {
                    bail!("`{url}` is told already (see `balcao webhooks list`)")
                }
                other => other.context("failed to store the address")?,
            };
            tx.commit().await?;
            show_secret(global, id, &secret)
        }
        Webhooks::List { .. } => {
            let all = webhooks::list(&mut tx).await.context("failed to list the addresses")?;
            output::print(global.json, &all, |all| {
                output::table(["id", "address", "events", "since", "state"], all.iter().map(row));
            })
        }
        Webhooks::Rotate { id, .. } => {
            let (id, secret) = (parsed(&id)?, new_secret());
            webhooks::rotate(&mut tx, id, &secret).await.map_err(|error| why_not(id, error))?;
            tx.commit().await?;
            show_secret(global, id, &secret)
        }
        Webhooks::Remove { id, .. } => {
            let id = parsed(&id)?;
            webhooks::remove(&mut tx, id).await.map_err(|error| why_not(id, error))?;
            tx.commit().await?;
            output::print(global.json, &json!({ "removed": id }), |_| println!("{id} is told no more"))
        }
        Webhooks::Attempts { limit, .. } => {
            let all = webhooks::attempts(&mut tx, limit).await.context("failed to list the attempts")?;
            output::print(global.json, &all, |all| {
                output::table(
                    ["when", "address", "event", "try", "answer", "ms", "state"],
                    all.iter().map(attempt),
                );
            })
        }
    }
}

fn new_secret() -> SecretString {
    secret(rand::rng().random())
}

fn show_secret(global: &Global, id: EndpointId, secret: &SecretString) -> anyhow::Result<()> {
    let shown = json!({ "endpoint_id": id, "secret": secret.expose_secret() });
    output::print(global.json, &shown, |_| {
        println!("{id}");
        println!("secret, shown this once: {}", secret.expose_secret());
    })
}

fn parsed(id: &str) -> anyhow::Result<EndpointId> {
    id.parse().with_context(|| format!("`{id}` is no address of a webhook (see `balcao webhooks list`)"))
}

fn why_not(id: EndpointId, error: StoreError) -> anyhow::Error {
    match error {
        StoreError::NotFound => {
            anyhow::anyhow!("there is no `{id}` in this shop (see `balcao webhooks list`)")
        }
        other => anyhow::Error::new(other).context(format!("failed to change `{id}`")),
    }
}

fn row(endpoint: &Endpoint) -> [String; 5] {
    [
        endpoint.endpoint_id.to_string(),
        endpoint.url.clone(),
        if endpoint.kinds.is_empty() { "all".to_owned() } else { endpoint.kinds.join(", ") },
        endpoint.created_at.format("%Y-%m-%d %H:%M").to_string(),
        endpoint.disabled.clone().map_or_else(|| "told".to_owned(), |why| format!("given up: {why}")),
    ]
}

fn attempt(seen: &Seen) -> [String; 7] {
    let answer = seen.status.map(|status| status.to_string()).or_else(|| seen.error.clone());
    [
        seen.at.format("%Y-%m-%d %H:%M:%S").to_string(),
        seen.url.clone(),
        seen.kind.clone(),
        seen.number.to_string(),
        answer.unwrap_or_default(),
        seen.took_ms.to_string(),
        seen.state.clone(),
    ]
}
