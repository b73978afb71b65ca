//! Catalogues: how fast each source is read, how much memory a feed takes that is larger than it, and how long a product
//! search takes in a large shop.

use std::{
    fmt::Write as _,
    fs::File as OsFile,
    io::{BufWriter, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use balcao_catalog::{File, Item, Options, Source, import::Import, read};
use balcao_domain::{Language, TenantCtx, money::Currency, tenant::Settings};
use balcao_store::sales::products;
use serde_json::Value;

use super::{Figure, figure, ground::Ground, load::percentile, resident_mb};
use crate::{cli::BenchCatalogue, config::Config};

/// What the made-up products are made of.
const THINGS: [&str; 12] = [
    "Camiseta",
    "Vestido",
    "Calça",
    "Tênis",
    "Bolsa",
    "Cinto",
    "Jaqueta",
    "Caneca",
    "Panela",
    "Luminária",
    "Cadeira",
    "Mochila",
];
const STUFFS: [&str; 10] =
    ["algodão", "linho", "couro", "jeans", "cerâmica", "ferro", "madeira", "lã", "vidro", "bambu"];
const STYLES: [&str; 9] =
    ["básica", "oversized", "clássica", "infantil", "rústica", "dobrável", "longa", "curta", "leve"];
const COLOURS: [&str; 8] = ["azul", "preta", "branca", "verde", "vermelha", "cinza", "bege", "rosa"];

/// Questions asked in turn, some of them misspelt.
const QUESTIONS: [&str; 8] = [
    "tem camiseta azul de algodão?",
    "vestido de linho branco",
    "quanto custa a panela de ferro",
    "calsa jeans preta",
    "tenes de couro",
    "mochila dobravel verde",
    "luminaria de bambu 4711",
    "camizeta oversized cinza",
];

/// Measures.
pub async fn measure(config: &Config, args: &BenchCatalogue) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    if let Some(fixtures) = &args.fixtures {
        let (fixtures, seconds) = (fixtures.clone(), args.seconds);
        figures.extend(tokio::task::spawn_blocking(move || adapters(&fixtures, seconds)).await??);
    }
    let ground = Ground::prepare(config, Settings::default()).await?;
    let ctx = TenantCtx::system(ground.tenant.tenant_id);
    let feed = ground.folder().join("feed.xml");
    let products = args.products;
    write_feed(&feed, products)?;
    let size = std::fs::metadata(&feed)?.len() as f64 / 1_048_576.0;
    figures.push(figure(format!("a feed of {products} items"), size, "MB"));

    let peak = Peak::start();
    let began = Instant::now();
    let report = import(&feed, true).run(&ground.opened.store, &ctx, &|_| {}).await?;
    let seconds = began.elapsed().as_secs_f64();
    if report.products != products {
        bail!("{} of {products} products were taken in", report.products);
    }
    figures.push(figure("… taken in", products as f64 / seconds, "products/s"));
    figures.push(figure("… memory of the whole process, at most", peak.stop(), "MB"));
    let began = Instant::now();
    let again = import(&feed, true).run(&ground.opened.store, &ctx, &|_| {}).await?;
    if again.taken.changed + again.taken.variants > 0 {
        bail!("the same feed changed something: {:?}", again.taken);
    }
    figures.push(figure("… the same again", products as f64 / began.elapsed().as_secs_f64(), "products/s"));
    ground.sql("analyze")?;
    figures.extend(search(&ground, &ctx, products, args.seconds).await?);
    ground.clear().await;
    Ok(figures)
}

/// How fast each adapter reads, without storing: its fixture again and again.
fn adapters(fixtures: &Path, seconds: u64) -> anyhow::Result<Vec<Figure>> {
    let expected = std::fs::read_to_string(fixtures.join("expected.json"))
        .with_context(|| format!("`{}` has no expected.json", fixtures.display()))?;
    let expected: Value = serde_json::from_str(&expected)?;
    let mut figures = Vec::new();
    for source in Source::ALL {
        let names = expected["per_source"][source.id()]["files"].as_array().cloned().unwrap_or_default();
        let files: Vec<File> = names
            .iter()
            .filter_map(Value::as_str)
            .map(|name| Ok(File::of(name, std::fs::read(fixtures.join(name))?)))
            .collect::<anyhow::Result<_>>()?;
        let (began, mut count) = (Instant::now(), 0_u64);
        while began.elapsed() < Duration::from_secs(seconds) {
            read(*source, &files, &options(), &mut |item| {
                count += u64::from(matches!(item, Item::Product(_)));
                true
            })?;
        }
        figures.push(figure(
            format!("read: {source}"),
            count as f64 / began.elapsed().as_secs_f64(),
            "products/s",
        ));
    }
    Ok(figures)
}

fn options() -> Options {
    Options::new(Currency::BRL, Language::Portuguese, chrono::Utc::now())
}

fn import(feed: &Path, complete: bool) -> Import {
    Import { source: Source::Google, files: vec![File::at(feed)], options: options(), complete }
}

/// A feed of so many products, one row each.
fn write_feed(path: &Path, products: u64) -> anyhow::Result<()> {
    let mut file = BufWriter::new(OsFile::create(path)?);
    file.write_all(b"<rss xmlns:g=\"http://base.google.com/ns/1.0\"><channel><title>Bench</title>\n")?;
    let pick = |words: &[&'static str], n: u64| words[(n % words.len() as u64) as usize];
    let mut row = String::new();
    for n in 0..products {
        row.clear();
        let (thing, stuff) = (pick(&THINGS, n), pick(&STUFFS, n / 12));
        let (style, colour) = (pick(&STYLES, n / 7), pick(&COLOURS, n / 5));
        writeln!(
            row,
            "<item><g:id>B-{n}</g:id><g:title>{thing} {style} de {stuff} {colour} {n}</g:title>\
             <g:description>{thing} {style} feita de {stuff}, cor {colour}. Modelo {n} da coleção {}. Vai bem com tudo e dura \
             muitos anos quando é bem cuidada.</g:description><g:link>https://bench.example/p/{n}</g:link>\
             <g:image_link>https://bench.example/i/{n}.jpg</g:image_link><g:availability>in_stock</g:availability>\
             <g:price>{}.90 BRL</g:price><g:brand>Marca {}</g:brand><g:condition>new</g:condition>\
             <g:product_type>Loja &gt; {thing} &gt; {style}</g:product_type><g:color>{colour}</g:color></item>",
            n % 40,
            19 + n % 400,
            n % 60,
        )?;
        file.write_all(row.as_bytes())?;
    }
    file.write_all(b"</channel></rss>\n")?;
    file.flush()?;
    Ok(())
}

async fn search(
    ground: &Ground,
    ctx: &TenantCtx,
    products: u64,
    seconds: u64,
) -> anyhow::Result<Vec<Figure>> {
    let mut micros = Vec::new();
    let began = Instant::now();
    let mut round = 0;
    while began.elapsed() < Duration::from_secs(seconds) || micros.len() < QUESTIONS.len() * 2 {
        let question = QUESTIONS[round % QUESTIONS.len()];
        let asked = Instant::now();
        let mut tx = ground.opened.store.tenant_tx(ctx).await?;
        let found = products::search(&mut tx, question, 8).await?;
        tx.commit().await?;
        let took = u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX);
        if found.offers.is_empty() {
            bail!("`{question}` finds nothing");
        }
        // The first round fills the caches.
        if round >= QUESTIONS.len() {
            micros.push(took);
        }
        round += 1;
    }
    micros.sort_unstable();
    let name = |what: &str| format!("a product search among {products}, {what}");
    Ok(vec![
        figure(name("p50"), percentile(&micros, 50.0) / 1_000.0, "ms"),
        figure(name("p99"), percentile(&micros, 99.0) / 1_000.0, "ms"),
    ])
}

/// Watches the memory of this process.
struct Peak {
    stop: Arc<AtomicBool>,
    most: Arc<AtomicU64>,
    watcher: std::thread::JoinHandle<()>,
}

impl Peak {
    fn start() -> Self {
        let (stop, most) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let watcher = std::thread::spawn({
            let (stop, most) = (stop.clone(), most.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    most.fetch_max((resident_mb() * 1_024.0) as u64, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        });
        Self { stop, most, watcher }
    }

    /// The most that was seen, in MB.
    fn stop(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.watcher.join();
        self.most.load(Ordering::Relaxed) as f64 / 1_024.0
    }
}
