//! `balcao simulate --fight N`: customers who all want the last pieces of the same two things at the same moment, each asking
//! for them in an order of their own. Never is more sold than there is, and nobody sees a deadlock.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use balcao_domain::{
    Language, TenantCtx, VariantId,
    money::{Currency, Money},
    order::Wanted,
    payment::CommissionTerms,
    tenant::Settings,
};
use balcao_store::{
    Store, StoreError,
    sales::{
        books,
        orders::{self, NewOrder, PlaceError, Placed},
        products::{self, NewProduct, NewVariant},
    },
    tenants,
};
use indicatif::ProgressBar;
use rand::Rng;
use serde::Serialize;
use tokio::sync::Barrier;

use crate::{boot, cli::Global, config::Config, output};

/// Customers of a round.
const CUSTOMERS: usize = 64;
/// Pieces there are.
const PIECES: i64 = 5;
const PRICE: i64 = 19_900;

/// What the rounds came to.
#[derive(Debug, Default, Serialize)]
struct Fought {
    rounds: usize,
    asked: usize,
    placed: usize,
    refused: usize,
    /// Rounds in which more or fewer were placed than there were pieces.
    oversold: usize,
    /// What the database told that is no answer.
    errors: Vec<String>,
    /// What does not add up afterwards.
    breaches: usize,
    seconds: f64,
}

/// Fights so many rounds.
pub async fn run(global: &Global, config: &Config, rounds: usize) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("balcao-fight").tempdir()?;
    let mut config = config.clone();
    config.data_dir = folder.path().join("balcao");
    config.database.url = None;
    config.database.embedded_connections = 120;
    config.database.max_connections = u32::try_from(CUSTOMERS).unwrap_or(64) + 4;
    let opened = boot::open(&config).await?;
    let fought = fight(&opened.store, rounds).await;
    opened.close().await;
    let fought = fought?;
    output::print(global.json, &fought, |fought| {
        println!(
            "{} rounds of {CUSTOMERS} customers after {PIECES} pieces in {:.0} s: {} placed, {} refused",
            fought.rounds, fought.seconds, fought.placed, fought.refused
        );
        println!("rounds that sold more or fewer than there were: {}", fought.oversold);
        println!("errors: {}; what does not add up: {}", fought.errors.len(), fought.breaches);
    })?;
    match fought.errors.first() {
        Some(first) => bail!("a customer was told: {first}"),
        None if fought.oversold + fought.breaches > 0 => bail!("stock was promised twice, or not at all"),
        None => Ok(()),
    }
}

fn product(id: &str, title: &str) -> NewProduct {
    let variant = NewVariant {
        external_id: id.into(),
        sku: Some(id.into()),
        gtin: None,
        title: String::new(),
        options: serde_json::Map::new(),
        price_minor: Some(PRICE),
        currency: Currency::BRL.code().into(),
        sellable: true,
        on_hand: Some(PIECES),
        promise: None,
        available_on: None,
        lead_days: None,
    };
    NewProduct {
        source: "fight".into(),
        external_id: id.into(),
        title: title.into(),
        brand: None,
        description: String::new(),
        category: Vec::new(),
        attributes: serde_json::Map::new(),
        media: Vec::new(),
        url: None,
        language: Language::Portuguese,
        listed: true,
        variants: vec![variant],
    }
}

async fn fight(store: &Store, rounds: usize) -> anyhow::Result<Fought> {
    let slug = "fight";
    let tenant = tenants::create(store, slug, "Fight", Language::Portuguese, &Settings::default()).await?;
    let ctx = TenantCtx::system(tenant.tenant_id);
    let bar = ProgressBar::new(rounds as u64);
    let began = std::time::Instant::now();
    let mut fought = Fought { rounds, ..Fought::default() };
    for round in 0..rounds {
        // New things each round: what was sold before is no matter.
        let goods =
            [product(&format!("dress-{round}"), "Vestido"), product(&format!("belt-{round}"), "Cinto")];
        let mut tx = store.tenant_tx(&ctx).await?;
        products::put(&mut tx, &goods).await?;
        let mut variants = Vec::new();
        for thing in &goods {
            let found = products::by_retailer_id(&mut tx, std::slice::from_ref(&thing.external_id)).await?;
            variants.push(found.first().context("what was just put in is not found")?.1.variant_id);
        }
        tx.commit().await?;
        one(store, &ctx, round, &variants, &mut fought).await;
        bar.inc(1);
    }
    bar.finish_and_clear();
    fought.seconds = began.elapsed().as_secs_f64();
    let mut tx = store.tenant_tx(&ctx).await?;
    fought.breaches = books::verify(&mut tx).await?.len();
    tx.commit().await?;
    Ok(fought)
}

async fn one(store: &Store, ctx: &TenantCtx, round: usize, variants: &[VariantId], fought: &mut Fought) {
    let barrier = Arc::new(Barrier::new(CUSTOMERS));
    let tasks: Vec<_> = (0..CUSTOMERS)
        .map(|customer| {
            let (store, ctx, barrier) = (store.clone(), ctx.clone(), barrier.clone());
            let mut wanted: Vec<Wanted> = variants
                .iter()
                .map(|variant| Wanted { variant_id: *variant, quantity: 1, unit: Money::brl(PRICE) })
                .collect();
            if rand::rng().random_bool(0.5) {
                wanted.reverse();
            }
            tokio::spawn(async move {
                let new = NewOrder {
                    intent: format!("{round}/{customer}"),
                    customer_id: None,
                    conversation_id: None,
                    wanted,
                    delivery_minor: 0,
                    discount_minor: 0,
                    delivery: serde_json::json!({}),
                    hold: Duration::from_secs(3_600),
                    commission: CommissionTerms::none(),
                    code: rand::rng().random(),
                };
                barrier.wait().await;
                let mut tx = store.tenant_tx(&ctx).await.map_err(PlaceError::from)?;
                let placed = orders::place(&mut tx, &new).await?;
                tx.commit().await.map_err(PlaceError::from)?;
                Ok::<Placed, PlaceError>(placed)
            })
        })
        .collect();
    let mut sold = 0_i64;
    for task in tasks {
        fought.asked += 1;
        match task.await {
            Ok(Ok(Placed::Now(_) | Placed::Before(_))) => sold += 1,
            Ok(Ok(Placed::Refused(_))) => fought.refused += 1,
            // Somebody else's code: drawn anew by the counter.
            Ok(Err(PlaceError::Store(StoreError::Conflict { constraint })))
                if constraint == "sales_order_code_unique" => {}
            Ok(Err(error)) => fought.errors.push(error.to_string()),
            Err(error) => fought.errors.push(error.to_string()),
        }
    }
    fought.placed += usize::try_from(sold).unwrap_or_default();
    fought.oversold += usize::from(sold != PIECES);
}
