//! `balcao ledger` and `balcao invariants`: whether the books are right, and what is in them.

use anyhow::{Context, bail};
use balcao_domain::TenantCtx;
use balcao_store::{
    sales::books::{self, Breach},
    tenants,
};
use serde::Serialize;

use crate::{
    boot::{self, Opened},
    cli::{Global, Ledger},
    output,
};

/// A breach and the shop it is in.
#[derive(Debug, Serialize)]
struct Found {
    tenant: String,
    #[serde(flatten)]
    breach: Breach,
}

/// Carries out one of the sub-commands.
pub async fn run(global: &Global, command: Ledger) -> anyhow::Result<()> {
    let opened = boot::open(&super::settings(global, &[])?).await?;
    let done = match command {
        Ledger::Verify { tenant } => check(global, &opened, Some(&tenant)).await,
        Ledger::Balances { tenant } => balances(global, &opened, &tenant).await,
    };
    opened.close().await;
    done
}

/// Checks every invariant of one shop or of all.
pub async fn invariants(global: &Global, tenant: Option<&str>) -> anyhow::Result<()> {
    let opened = boot::open(&super::settings(global, &[])?).await?;
    let done = check(global, &opened, tenant).await;
    opened.close().await;
    done
}

async fn check(global: &Global, opened: &Opened, slug: Option<&str>) -> anyhow::Result<()> {
    let shops = match slug {
        Some(slug) => vec![opened.tenant(slug).await?],
        None => tenants::list(&opened.store).await.context("failed to list the shops")?,
    };
    let mut found = Vec::new();
    for shop in &shops {
        let mut tx = opened.store.tenant_tx(&TenantCtx::system(shop.tenant_id)).await?;
        let breaches =
            books::verify(&mut tx).await.with_context(|| format!("failed to check `{}`", shop.slug))?;
        found.extend(breaches.into_iter().map(|breach| Found { tenant: shop.slug.clone(), breach }));
    }
    output::print(global.json, &found, |found| {
        if found.is_empty() {
            println!("all holds in {} shop(s)", shops.len());
        } else {
            output::table(
                ["shop", "what should hold", "where it does not", "numbers"],
                found.iter().map(|f| {
                    [
                        f.tenant.clone(),
                        f.breach.invariant.clone(),
                        f.breach.subject.clone(),
                        f.breach.detail.clone(),
                    ]
                }),
            );
        }
    })?;
    match found.first() {
        None => Ok(()),
        Some(first) => bail!(
            "{} row(s) do not add up, the first: {} of {} ({})",
            found.len(),
            first.breach.invariant,
            first.breach.subject,
            first.breach.detail
        ),
    }
}

async fn balances(global: &Global, opened: &Opened, slug: &str) -> anyhow::Result<()> {
    let shop = opened.tenant(slug).await?;
    let mut tx = opened.store.tenant_tx(&TenantCtx::system(shop.tenant_id)).await?;
    let all = books::balances(&mut tx).await.context("failed to read the books")?;
    output::print(global.json, &all, |all| {
        output::table(
            ["account", "balance"],
            all.iter().map(|b| [b.account.clone(), output::money(b.minor, &b.currency, shop.language)]),
        );
    })
}
