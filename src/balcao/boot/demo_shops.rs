//! The two demo shops: created on first start, found again on every later one.

use anyhow::Context;
use balcao_catalog::{File, Options, Source, import::Import};
use balcao_domain::{
    Language, Scope, TenantCtx,
    money::Currency,
    tenant::{DeliveryOption, PixReceiver, Settings, Tenant},
};
use balcao_retrieval::{
    MediaType,
    ingest::{DEFAULT_COLLECTION, Ingestor, NewDocument},
};
use balcao_store::{
    Store, api_keys,
    channels::{self, ChannelAccount, NewWhatsapp, WhatsappCredentials},
    sales::products,
    tenants,
};
use include_dir::{Dir, include_dir};
use indicatif::{ProgressBar, ProgressStyle};
use rand::RngCore;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::demo::{DemoFile, DemoKeys, DemoTenant, DemoWhatsapp};

static CORPORA: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../corpora");

/// The folders of `corpora/`, the Portuguese shop first, each with its number on the emulated WhatsApp.
pub const DEMO_SHOPS: &[DemoNumber] = &[
    DemoNumber {
        folder: "loja-aurora",
        phone_number_id: "309900000000001",
        waba_id: "209900000000001",
        display: "551140009001",
    },
    DemoNumber {
        folder: "harbour-goods",
        phone_number_id: "309900000000002",
        waba_id: "209900000000002",
        display: "554132209002",
    },
];

/// One number of the demo.
#[derive(Debug, Clone, Copy)]
pub struct DemoNumber {
    pub folder: &'static str,
    pub phone_number_id: &'static str,
    pub waba_id: &'static str,
    pub display: &'static str,
}

/// What a shop says of itself in `shop.toml`; what the demo does not use is for readers.
#[derive(Debug, Clone, Deserialize)]
struct ShopFile {
    slug: String,
    name: String,
    language: String,
    time_zone: String,
    #[serde(default)]
    hold_minutes: Option<u32>,
    #[serde(default)]
    pix: Option<PixReceiver>,
    #[serde(default)]
    delivery: Vec<DeliveryOption>,
    catalogue: CatalogueFile,
}

/// What a shop sells: a table in `corpora/`.
#[derive(Debug, Clone, Deserialize)]
struct CatalogueFile {
    file: String,
    currency: Currency,
}

impl ShopFile {
    fn settings(&self) -> Settings {
        let default = Settings::default();
        Settings {
            time_zone: self.time_zone.clone(),
            hold_minutes: self.hold_minutes.unwrap_or(default.hold_minutes),
            pix: self.pix.clone(),
            delivery: self.delivery.clone(),
            ..default
        }
    }
}

/// The demo shops as they stand in the database.
pub struct DemoShops {
    pub shops: Vec<DemoShop>,
}

/// One of them.
pub struct DemoShop {
    pub tenant: Tenant,
    pub account: ChannelAccount,
    pub credentials: WhatsappCredentials,
    pub keys: DemoKeys,
    pub number: DemoNumber,
}

impl DemoShops {
    /// Finds the shops or creates them, with keys and a number each. `before` is the demo file of an earlier start.
    pub async fn prepare(store: &Store, before: Option<&DemoFile>) -> anyhow::Result<Self> {
        // One Meta app serves both numbers, so its secret is theirs in common.
        let known = before.and_then(|file| file.tenants.first());
        let app_secret = known.map_or_else(random_hex, |tenant| tenant.whatsapp.app_secret.clone());
        let mut shops = Vec::new();
        for number in DEMO_SHOPS {
            let known = before.and_then(|file| file.tenant(number.folder));
            shops.push(prepare_shop(store, *number, &app_secret, known).await?);
        }
        Ok(Self { shops })
    }

    /// Reads the shops' documents in; quick when nothing has changed.
    pub async fn ingest(&self, ingestor: &Ingestor) -> anyhow::Result<()> {
        let documents: Vec<_> = self.shops.iter().flat_map(|shop| shop.documents()).collect();
        let bar = ProgressBar::new(documents.len() as u64).with_style(
            ProgressStyle::with_template("reading the demo shops' documents {bar:30} {pos}/{len} {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        for (ctx, document) in documents {
            let report = ingestor
                .ingest_document(&ctx, document, &|_| {})
                .await
                .context("failed to store a document")?;
            if let Some(failed) = report.failed.first() {
                tracing::warn!(document = %failed.uri, reason = %failed.reason, "a demo document was left out");
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// What scripts need to know.
    pub fn file(&self, base_url: &str, emulator_url: &str) -> DemoFile {
        let tenants = self.shops.iter().map(|shop| DemoTenant {
            slug: shop.tenant.slug.clone(),
            language: shop.tenant.language.code().to_owned(),
            keys: shop.keys.clone(),
            whatsapp: DemoWhatsapp {
                webhook_path: shop.webhook_path(),
                app_secret: shop.credentials.app_secret.expose_secret().to_owned(),
                verify_token: shop.credentials.verify_token.expose_secret().to_owned(),
                phone_number_id: shop.number.phone_number_id.to_owned(),
            },
        });
        DemoFile {
            base_url: base_url.to_owned(),
            emulator_url: emulator_url.to_owned(),
            tenants: tenants.collect(),
        }
    }
}

impl DemoShop {
    /// Where the Cloud API delivers this shop's webhooks.
    pub fn webhook_path(&self) -> String {
        format!("/webhooks/whatsapp/{}", self.account.channel_id)
    }

    fn documents(&self) -> Vec<(TenantCtx, NewDocument)> {
        let ctx = TenantCtx::system(self.tenant.tenant_id);
        demo_documents(self.number.folder).into_iter().map(|document| (ctx.clone(), document)).collect()
    }
}

/// The documents of a folder of `corpora/`, by name.
pub fn demo_documents(folder: &str) -> Vec<NewDocument> {
    let files = CORPORA.get_dir(folder).into_iter().flat_map(|dir| dir.files());
    let mut documents: Vec<_> = files
        .filter_map(|file| {
            Some(NewDocument {
                collection: DEFAULT_COLLECTION.to_owned(),
                uri: file.path().file_name()?.to_str()?.to_owned(),
                title: None,
                bytes: file.contents().to_vec(),
                media_type: Some(MediaType::of_path(file.path())?),
            })
        })
        .collect();
    documents.sort_by(|a, b| a.uri.cmp(&b.uri));
    documents
}

async fn prepare_shop(
    store: &Store,
    number: DemoNumber,
    app_secret: &str,
    known: Option<&DemoTenant>,
) -> anyhow::Result<DemoShop> {
    let file = shop_file(number.folder)?;
    let tenant = match tenants::by_slug(store, &file.slug).await.context("failed to look up a demo shop")? {
        Some(tenant) => tenant,
        None => {
            let language =
                Language::from_code(&file.language).context("a demo shop's language is pt or en")?;
            tenants::create(store, &file.slug, &file.name, language, &file.settings())
                .await
                .context("failed to create a demo shop")?
        }
    };
    let tenant = sell(store, tenant, &file).await?;
    let mut tx = store.tenant_tx(&TenantCtx::system(tenant.tenant_id)).await?;
    let accounts = channels::list(&mut tx).await.context("failed to read a demo shop's channels")?;
    let account = match accounts.into_iter().find(|account| account.external_id == number.phone_number_id) {
        Some(account) => account,
        None => {
            let new = NewWhatsapp {
                phone_number_id: number.phone_number_id.to_owned(),
                waba_id: Some(number.waba_id.to_owned()),
                display: number.display.to_owned(),
                credentials: WhatsappCredentials {
                    app_secret: SecretString::from(app_secret.to_owned()),
                    verify_token: SecretString::from(random_hex()),
                    access_token: SecretString::from(random_hex()),
                },
            };
            channels::connect_whatsapp(&mut tx, &new).await.context("failed to connect a demo number")?
        }
    };
    tx.commit().await?;
    let credentials = account.credentials.clone().context("a demo number has no credentials")?;
    let keys = keys(store, &tenant, known).await?;
    Ok(DemoShop { tenant, account, credentials, keys, number })
}

/// Fills the shelves of a shop that sells nothing yet, also of one from before shops sold.
async fn sell(store: &Store, mut tenant: Tenant, file: &ShopFile) -> anyhow::Result<Tenant> {
    let ctx = TenantCtx::system(tenant.tenant_id);
    let mut tx = store.tenant_tx(&ctx).await?;
    let empty = products::is_empty(&mut tx).await.context("failed to look at a demo shop's shelves")?;
    let untouched = Settings { time_zone: file.time_zone.clone(), ..Settings::default() };
    if tenant.settings == untouched {
        tenant.settings = file.settings();
        tenants::update_settings(&mut tx, &tenant.settings).await.context("failed to set up a demo shop")?;
    }
    tx.commit().await?;
    if empty {
        let table = CORPORA
            .get_file(&file.catalogue.file)
            .with_context(|| format!("`corpora/{}` is missing", file.catalogue.file))?;
        let import = Import {
            source: Source::Planilha,
            files: vec![File::of(file.catalogue.file.as_str(), table.contents())],
            options: Options::new(file.catalogue.currency, tenant.language, chrono::Utc::now()),
            complete: true,
        };
        let report =
            import.run(store, &ctx, &|_| {}).await.context("failed to fill a demo shop's shelves")?;
        for note in report.rejections.iter().chain(&report.doubts) {
            tracing::warn!(product = %note.item, field = %note.field, reason = %note.reason, "a demo product is in doubt");
        }
    }
    Ok(tenant)
}

/// The keys of an earlier start where they still work, else new ones.
async fn keys(store: &Store, tenant: &Tenant, known: Option<&DemoTenant>) -> anyhow::Result<DemoKeys> {
    if let Some(known) = known {
        let mut all_work = true;
        for secret in [&known.keys.chat, &known.keys.ingest, &known.keys.admin] {
            let found = api_keys::authenticate(store, secret).await.context("failed to check a demo key")?;
            all_work &= found.is_some_and(|found| found.tenant_id == tenant.tenant_id);
        }
        if all_work {
            return Ok(known.keys.clone());
        }
    }
    let mut tx = store.tenant_tx(&TenantCtx::system(tenant.tenant_id)).await?;
    let mut secrets = Vec::new();
    for scope in [Scope::Chat, Scope::Ingest, Scope::Admin] {
        let name = format!("demo {}", scope.as_str());
        let (_, secret) =
            api_keys::issue(&mut tx, &name, &[scope]).await.context("failed to issue a demo key")?;
        secrets.push(secret.expose_secret().to_owned());
    }
    tx.commit().await?;
    let mut secrets = secrets.into_iter();
    let mut next = || secrets.next().context("three keys were issued");
    Ok(DemoKeys { chat: next()?, ingest: next()?, admin: next()? })
}

fn shop_file(folder: &str) -> anyhow::Result<ShopFile> {
    let path = format!("{folder}/shop.toml");
    let file = CORPORA.get_file(&path).with_context(|| format!("`corpora/{path}` is missing"))?;
    let text = file.contents_utf8().with_context(|| format!("`corpora/{path}` is not UTF-8"))?;
    toml::from_str(text).with_context(|| format!("`corpora/{path}` cannot be read"))
}

fn random_hex() -> String {
    let mut bytes = [0_u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}
