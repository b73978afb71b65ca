//! `balcao catalog`: what a shop sells, taken in and looked at.

mod following;

use std::{io::Write, path::Path, time::Duration};

use anyhow::{Context, bail};
use balcao_catalog::{
    File, Options, Source,
    import::{Import, Report},
};
use balcao_domain::{TenantCtx, money::Currency};
use balcao_store::sales::products;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::{
    boot::{self, Opened},
    cli::{Catalog, CatalogImport, Global},
    output,
};

/// How long a server may say nothing while a feed is fetched.
const SILENCE: Duration = Duration::from_secs(60);

/// Carries out one of the sub-commands.
pub async fn run(global: &Global, command: Catalog) -> anyhow::Result<()> {
    if let Catalog::Sources = command {
        return sources(global);
    }
    let opened = boot::open(&super::settings(global, &[])?).await?;
    let done = match command {
        Catalog::Import(args) => import(global, &opened, args).await,
        Catalog::Search { tenant, words, limit } => {
            search(global, &opened, &tenant, &words.join(" "), limit).await
        }
        Catalog::Follow { .. } | Catalog::Feeds { .. } | Catalog::Unfollow { .. } => {
            following::run(global, &opened, command).await
        }
        Catalog::Sources => Ok(()),
    };
    opened.close().await;
    done
}

fn sources(global: &Global) -> anyhow::Result<()> {
    let all: Vec<serde_json::Value> =
        Source::ALL.iter().map(|source| json!({ "source": source.id(), "files": source.files() })).collect();
    output::print(global.json, &all, |_| {
        output::table(
            ["source", "files"],
            Source::ALL.iter().map(|source| [source.id().to_owned(), source.files().to_owned()]),
        );
    })
}

async fn import(global: &Global, opened: &Opened, args: CatalogImport) -> anyhow::Result<()> {
    let source = source_of(&args.from)?;
    let currency: Currency = args.currency.parse()?;
    let shop = opened.tenant(&args.tenant).await?;
    // Fetched files live until the import is over.
    let mut fetched = Vec::new();
    let mut files = Vec::new();
    for name in &args.files {
        if name.starts_with("https://") || name.starts_with("http://") {
            let file = fetch(name).await?;
            files.push(File::at(file.path()));
            fetched.push(file);
        } else if Path::new(name).is_file() {
            files.push(File::at(Path::new(name)));
        } else {
            bail!("there is no file `{name}`");
        }
    }
    let options = Options::new(currency, shop.language, chrono::Utc::now());
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {human_pos} products, {per_sec}  {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(120));
    let import = Import { source, files, options, complete: args.complete };
    let done =
        import.run(&opened.store, &TenantCtx::system(shop.tenant_id), &|done| bar.set_position(done)).await;
    bar.finish_and_clear();
    let report =
        done.context("the import stopped; what was stored before stands, and it may be run again")?;
    output::print(global.json, &report, people)?;
    if report.products == 0 {
        bail!("none of the products could be taken in");
    }
    Ok(())
}

/// The source of that name; the error names the nearest one.
fn source_of(name: &str) -> anyhow::Result<Source> {
    name.parse::<Source>().map_err(|error| {
        let near = Source::ALL.iter().min_by_key(|s| strsim::damerau_levenshtein(s.id(), name));
        anyhow::anyhow!(
            "{error}: did you mean `{}`? See `balcao catalog sources`",
            near.map_or("", |s| s.id())
        )
    })
}

fn people(report: &Report) {
    let taken = &report.taken;
    println!(
        "{} products: {} new, {} changed, {} unchanged; {} variants new or with another price or stock",
        report.products, taken.added, taken.changed, taken.unchanged, taken.variants
    );
    if report.withdrawn > 0 {
        println!("{} products left the shelf: the source no longer has them", report.withdrawn);
    }
    if taken.short > 0 {
        println!("{} variants are promised to more orders than the source counts pieces", taken.short);
    }
    for (what, count, notes) in
        [("left out", report.rejected, &report.rejections), ("in doubt", report.warnings, &report.doubts)]
    {
        for note in notes {
            println!("{what}: {}, {}: {}", note.item, note.field, note.reason);
        }
        if count > notes.len() as u64 {
            println!("{what}: {} more", count - notes.len() as u64);
        }
    }
}

/// Fetches a file to disk, since feeds are read more than once and may be larger than the memory.
async fn fetch(address: &str) -> anyhow::Result<NamedTempFile> {
    let client = reqwest::Client::builder().connect_timeout(SILENCE).read_timeout(SILENCE).build()?;
    let answer = client.get(address).send().await.and_then(reqwest::Response::error_for_status);
    let answer = answer.with_context(|| format!("failed to fetch `{address}`"))?;
    let bar = ProgressBar::new(answer.content_length().unwrap_or_default()).with_style(
        ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut file = NamedTempFile::new().context("failed to make a temporary file")?;
    let mut body = answer.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.with_context(|| format!("`{address}` broke off"))?;
        file.write_all(&chunk).context("failed to write the temporary file")?;
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    Ok(file)
}

async fn search(
    global: &Global,
    opened: &Opened,
    slug: &str,
    question: &str,
    limit: i64,
) -> anyhow::Result<()> {
    let shop = opened.tenant(slug).await?;
    let mut tx = opened.store.tenant_tx(&TenantCtx::system(shop.tenant_id)).await?;
    let found = products::search(&mut tx, question, limit).await.context("failed to search")?;
    output::print(global.json, &found, |found| {
        if found.question != question {
            println!("searched for: {}", found.question);
        }
        output::table(
            ["product", "variant", "code", "price", "pieces"],
            found.offers.iter().map(|offer| {
                let price =
                    offer.price_minor.map(|minor| output::money(minor, &offer.currency, shop.language));
                let pieces = match (offer.sellable, offer.available) {
                    (false, _) => "not for sale".to_owned(),
                    (true, Some(pieces)) => pieces.to_string(),
                    (true, None) => "not counted".to_owned(),
                };
                [
                    offer.title.clone(),
                    offer.variant.clone(),
                    offer.sku.clone().unwrap_or_default(),
                    price.unwrap_or_else(|| "on request".to_owned()),
                    pieces,
                ]
            }),
        );
    })
}
