//! `balcao customer`: what a shop owes a person who asks for their data, or for its end.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use anyhow::{Context, bail};
use balcao_domain::TenantCtx;
use balcao_store::{
    TenantTx,
    customers::{self, Customer as Person},
};
use serde_json::json;

use crate::{
    boot,
    cli::{Customer, Global},
    output,
};

/// Carries out one of the sub-commands.
pub async fn run(global: &Global, command: Customer) -> anyhow::Result<()> {
    let opened = boot::open(&super::settings(global, &[])?).await?;
    let done = carry_out(global, command, &opened).await;
    opened.close().await;
    done
}

async fn carry_out(global: &Global, command: Customer, opened: &boot::Opened) -> anyhow::Result<()> {
    let (slug, who) = match &command {
        Customer::Find { tenant, who }
        | Customer::Export { tenant, who, .. }
        | Customer::Erase { tenant, who, .. } => (tenant.clone(), who.clone()),
    };
    let tenant = opened.tenant(&slug).await?;
    let mut tx = opened.store.tenant_tx(&TenantCtx::system(tenant.tenant_id)).await?;
    match command {
        Customer::Find { .. } => {
            let found = customers::find(&mut tx, &who).await.context("failed to look for the customer")?;
            output::print(global.json, &found, |found| {
                output::table(["id", "name", "phone", "user id", "since"], found.iter().map(row));
            })
        }
        Customer::Export { output, .. } => {
            let one = only(&mut tx, &slug, &who).await?;
            let all = customers::export(&mut tx, one.customer_id).await.context("failed to export")?;
            let text = serde_json::to_string_pretty(&all)? + "\n";
            match output {
                Some(path) => write_private(&path, &text),
                None => Ok(std::io::stdout().write_all(text.as_bytes())?),
            }
        }
        Customer::Erase { yes, .. } => {
            let one = only(&mut tx, &slug, &who).await?;
            if !yes {
                bail!(
                    "this deletes {} (`{}`) with every conversation, for ever: export first if they may ask, then repeat with --yes",
                    one.name.as_deref().unwrap_or("the customer"),
                    one.customer_id
                );
            }
            customers::erase(&mut tx, one.customer_id).await.context("failed to erase")?;
            tx.commit().await?;
            output::print(global.json, &json!({ "erased": one.customer_id }), |_| {
                println!("{} is erased; backups of the database are yours to see to", one.customer_id);
            })
        }
    }
}

/// The one customer an id names.
async fn only(tx: &mut TenantTx, slug: &str, who: &str) -> anyhow::Result<Person> {
    let mut found = customers::find(tx, who).await.context("failed to look for the customer")?;
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => bail!(
            "`{slug}` knows nobody by `{who}`: give a phone number with country code, a user id, or cus_…"
        ),
        (Some(_), false) => {
            bail!("`{who}` names several customers: see `balcao customer find`, and give one's cus_…")
        }
    }
}

/// Personal data: for the caller's eyes only.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("failed to create `{}`", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("failed to write `{}`", path.display()))?;
    eprintln!("written to {}", path.display());
    Ok(())
}

fn row(one: &Person) -> [String; 5] {
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    [
        one.customer_id.to_string(),
        or_dash(&one.name),
        or_dash(&one.phone),
        or_dash(&one.user_id),
        one.created_at.format("%Y-%m-%d").to_string(),
    ]
}
