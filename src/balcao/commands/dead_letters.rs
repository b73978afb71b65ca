//! `balcao dead-letters`: what was set aside for a person to look at.

use anyhow::Context;
use balcao_domain::{DeadLetterId, TenantCtx};
use balcao_store::{
    StoreError,
    dead_letters::{self, DeadLetter},
};
use serde_json::json;

use crate::{
    boot,
    cli::{DeadLetters, Global},
    output,
};

/// The longest list that is printed.
const LIST_LIMIT: i64 = 200;

/// Carries out one of the sub-commands.
pub async fn run(global: &Global, command: DeadLetters) -> anyhow::Result<()> {
    let opened = boot::open(&super::settings(global, &[])?).await?;
    let done = carry_out(global, command, &opened).await;
    opened.close().await;
    done
}

async fn carry_out(global: &Global, command: DeadLetters, opened: &boot::Opened) -> anyhow::Result<()> {
    let slug = match &command {
        DeadLetters::List { tenant, .. }
        | DeadLetters::Show { tenant, .. }
        | DeadLetters::Retry { tenant, .. }
        | DeadLetters::Resolve { tenant, .. } => tenant,
    };
    let tenant = opened.tenant(slug).await?;
    let mut tx = opened.store.tenant_tx(&TenantCtx::system(tenant.tenant_id)).await?;
    match command {
        DeadLetters::List { all, .. } => {
            let page = dead_letters::list(&mut tx, all, None, LIST_LIMIT).await.context("failed to list")?;
            output::print(global.json, &page, |page| {
                output::table(["id", "kind", "when", "state", "reason"], page.items.iter().map(row));
            })
        }
        DeadLetters::Show { id, .. } => {
            let id: DeadLetterId = id.parse()?;
            let letter =
                dead_letters::get(&mut tx, id).await.with_context(|| format!("failed to read `{id}`"))?;
            println!("{}", serde_json::to_string_pretty(&letter)?);
            Ok(())
        }
        DeadLetters::Retry { id, .. } => {
            let id: DeadLetterId = id.parse()?;
            dead_letters::replay(&mut tx, id).await.map_err(|error| why_not(id, error))?;
            tx.commit().await?;
            output::print(global.json, &json!({ "retried": id }), |_| println!("{id} will be tried again"))
        }
        DeadLetters::Resolve { id, .. } => {
            let id: DeadLetterId = id.parse()?;
            dead_letters::resolve(&mut tx, id).await.with_context(|| format!("failed to resolve `{id}`"))?;
            tx.commit().await?;
            output::print(global.json, &json!({ "resolved": id }), |_| println!("{id} is dealt with"))
        }
    }
}

/// Why a letter cannot be tried again, in words that lead on.
fn why_not(id: DeadLetterId, error: StoreError) -> anyhow::Error {
    match &error {
        StoreError::NotFound => {
            anyhow::anyhow!("there is no dead letter `{id}` in this shop (see `balcao dead-letters list`)")
        }
        StoreError::Conflict { constraint } => match constraint.as_str() {
            "dead_letter_resolved" => anyhow::anyhow!("`{id}` has been dealt with already"),
            "dead_letter_message_kept" => anyhow::anyhow!(
                "what `{id}` is about has been deleted since (`keep_messages_days`); mark it with `balcao dead-letters resolve`"
            ),
            _ => anyhow::anyhow!(
                "nothing can be tried again for this kind of letter; see `balcao dead-letters show`, then `resolve` it"
            ),
        },
        _ => anyhow::Error::new(error).context(format!("failed to retry `{id}`")),
    }
}

fn row(letter: &DeadLetter) -> [String; 5] {
    [
        letter.dead_letter_id.to_string(),
        letter.kind.clone(),
        letter.created_at.format("%Y-%m-%d %H:%M").to_string(),
        if letter.resolved_at.is_some() { "resolved" } else { "open" }.into(),
        letter.reason.clone(),
    ]
}
