//! `balcao tenant`: shops and their WhatsApp numbers.

use std::path::Path;

use anyhow::{Context, bail};
use balcao_domain::{Language, TenantCtx, tenant::Settings};
use balcao_store::{
    StoreError,
    channels::{self, NewWhatsapp, WhatsappCredentials},
    tenants,
};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    boot::{self, Opened},
    cli::{Global, Tenant},
    output,
};

/// Carries out one of the sub-commands.
pub async fn run(global: &Global, command: Tenant) -> anyhow::Result<()> {
    let opened = boot::open(&super::settings(global, &[])?).await?;
    let done = carry_out(global, command, &opened).await;
    opened.close().await;
    done
}

async fn carry_out(global: &Global, command: Tenant, opened: &Opened) -> anyhow::Result<()> {
    let store = &opened.store;
    match command {
        Tenant::Create { slug, name, language } => {
            check_slug(&slug)?;
            let language = Language::from_code(&language).context("the language must be pt or en")?;
            let tenant = match tenants::create(store, &slug, &name, language, &Settings::default()).await {
                Err(StoreError::Conflict { .. }) => {
                    bail!("there is a shop `{slug}` already (see `balcao tenant list`)")
                }
                other => other.context("failed to create the shop")?,
            };
            output::print(global.json, &tenant, |tenant| {
                println!("created {} ({})", tenant.slug, tenant.tenant_id);
                println!("next: balcao key issue --tenant {} --name first --scope chat", tenant.slug);
                println!("      balcao ingest FOLDER --tenant {}", tenant.slug);
            })
        }
        Tenant::List => {
            let all = tenants::list(store).await.context("failed to list the shops")?;
            output::print(global.json, &all, |all| {
                output::table(
                    ["slug", "name", "language", "id"],
                    all.iter().map(|t| {
                        [t.slug.clone(), t.name.clone(), t.language.to_string(), t.tenant_id.to_string()]
                    }),
                );
            })
        }
        Tenant::Show { slug } => show(global, opened, &slug).await,
        Tenant::Set { slug, settings } => set(global, opened, &slug, &settings).await,
        Tenant::ConnectWhatsapp {
            slug,
            phone_number_id,
            waba_id,
            display,
            app_secret_file,
            verify_token_file,
            access_token_file,
            replace,
        } => {
            let new = NewWhatsapp {
                phone_number_id,
                waba_id,
                display,
                credentials: WhatsappCredentials {
                    app_secret: secret_file(&app_secret_file)?,
                    verify_token: secret_file(&verify_token_file)?,
                    access_token: secret_file(&access_token_file)?,
                },
            };
            let tenant = opened.tenant(&slug).await?;
            let mut tx = store.tenant_tx(&TenantCtx::system(tenant.tenant_id)).await?;
            let account = match replace {
                true => channels::reconnect_whatsapp(&mut tx, &new).await,
                false => channels::connect_whatsapp(&mut tx, &new).await,
            };
            let account = match account {
                Err(StoreError::Conflict { .. }) => {
                    bail!(
                        "the number `{}` is connected already, to this shop (then repeat with --replace) or another",
                        new.phone_number_id
                    )
                }
                Err(StoreError::NotFound) => {
                    bail!("`{slug}` has no number `{}`: connect it without --replace", new.phone_number_id)
                }
                other => other.context("failed to connect the number")?,
            };
            tx.commit().await?;
            let value = json!({
                "channel_id": account.channel_id,
                "webhook_path": format!("/webhooks/whatsapp/{}", account.channel_id),
            });
            output::print(global.json, &value, |value| {
                println!("connected {} as {}", new.phone_number_id, account.channel_id);
                println!(
                    "callback URL for the Meta app: <public URL>{}",
                    value["webhook_path"].as_str().unwrap_or("")
                );
                println!(
                    "then subscribe the app to the WhatsApp Business Account and to the field `messages`"
                );
            })
        }
        Tenant::ResumeWhatsapp { slug, phone_number_id } => {
            let tenant = opened.tenant(&slug).await?;
            let mut tx = store.tenant_tx(&TenantCtx::system(tenant.tenant_id)).await?;
            let id = match channels::whatsapp_number(&mut tx, &phone_number_id).await {
                Err(StoreError::NotFound) => {
                    bail!("`{slug}` has no number `{phone_number_id}` (see `balcao tenant show {slug}`)")
                }
                other => other.context("failed to look for the number")?,
            };
            channels::set_paused(&mut tx, id, None).await.context("failed to resume the number")?;
            tx.commit().await?;
            output::print(global.json, &json!({ "resumed": id }), |_| {
                println!("{phone_number_id} sends again; a running server takes it up within a minute")
            })
        }
        Tenant::Delete { slug, yes } => {
            let tenant = opened.tenant(&slug).await?;
            if !yes {
                bail!("this removes `{slug}` with all its conversations and documents: repeat with --yes");
            }
            tenants::delete(store, tenant.tenant_id).await.context("failed to delete the shop")?;
            output::print(global.json, &json!({ "deleted": slug }), |_| println!("deleted {slug}"))
        }
    }
}

async fn show(global: &Global, opened: &Opened, slug: &str) -> anyhow::Result<()> {
    let tenant = opened.tenant(slug).await?;
    let mut tx = opened.store.tenant_tx(&TenantCtx::system(tenant.tenant_id)).await?;
    let accounts = channels::list(&mut tx).await.context("failed to list the shop's channels")?;
    let accounts: Vec<Value> = accounts
        .iter()
        .map(|account| {
            json!({
                "channel_id": account.channel_id,
                "kind": account.kind.as_str(),
                "external_id": account.external_id,
                "display": account.display,
                "paused": account.paused_reason,
            })
        })
        .collect();
    let value = json!({ "tenant": tenant, "channels": accounts });
    output::print(global.json, &value, |value| {
        println!("{} ({}), {}", tenant.name, tenant.slug, tenant.tenant_id);
        println!("{}", serde_json::to_string_pretty(&value["tenant"]["settings"]).unwrap_or_default());
        let text = |channel: &Value, key: &str| channel[key].as_str().unwrap_or("-").to_owned();
        output::table(
            ["channel", "kind", "number", "display", "paused"],
            accounts
                .iter()
                .map(|c| ["channel_id", "kind", "external_id", "display", "paused"].map(|key| text(c, key))),
        );
    })
}

/// Changes settings by name; the type of each is that of the setting.
async fn set(
    global: &Global,
    opened: &Opened,
    slug: &str,
    values: &[(String, String)],
) -> anyhow::Result<()> {
    let tenant = opened.tenant(slug).await?;
    let mut settings = serde_json::to_value(&tenant.settings)?;
    for (key, text) in values {
        let known: Vec<String> =
            settings.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
        if !known.contains(key) {
            let nearest = known.iter().min_by_key(|name| strsim::damerau_levenshtein(name, key));
            bail!("unknown setting `{key}`: did you mean `{}`?", nearest.map_or("quiet_ms", String::as_str));
        }
        settings[key] = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
    }
    let settings: Settings = serde_json::from_value(settings).context("a value has the wrong type")?;
    if settings.time_zone.parse::<chrono_tz::Tz>().is_err() {
        bail!("`{}` is not a time zone: write one like `America/Sao_Paulo`", settings.time_zone);
    }
    settings.check().map_err(anyhow::Error::msg)?;
    let mut tx = opened.store.tenant_tx(&TenantCtx::system(tenant.tenant_id)).await?;
    tenants::update_settings(&mut tx, &settings).await.context("failed to store the settings")?;
    tx.commit().await?;
    output::print(global.json, &settings, |_| {
        println!("changed; a running server takes it up within a minute")
    })
}

fn check_slug(slug: &str) -> anyhow::Result<()> {
    let good = (1..=40).contains(&slug.len())
        && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !slug.starts_with('-');
    if good {
        return Ok(());
    }
    bail!("`{slug}` is not a short name: use up to 40 lower-case letters, digits and hyphens")
}

fn secret_file(path: &Path) -> anyhow::Result<SecretString> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("failed to read `{}`", path.display()))?;
    let text = text.trim();
    if text.is_empty() {
        bail!("`{}` is empty", path.display());
    }
    Ok(SecretString::from(text.to_owned()))
}
