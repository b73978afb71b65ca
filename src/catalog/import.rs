//! From a reading into a shop's catalogue: the one part of this crate that knows the database.

use std::{
    collections::HashSet,
    mem,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
};

use balcao_domain::TenantCtx;
use balcao_store::{
    Store, StoreError,
    sales::products::{self, NewProduct, NewVariant, Promise, Taken},
};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::{sync::mpsc, task};

use crate::{
    File, Item, Note, Options, Product, ReadError, Source,
    model::{Status, Stock, Variant},
    read,
};

/// Products written by one transaction.
const BATCH: usize = 250;

/// Notes that a report lists; the rest are counted.
const LISTED: usize = 1_000;

/// What is to be taken in.
#[derive(Debug, Clone)]
pub struct Import {
    /// Who describes it.
    pub source: Source,
    /// Its files, in the order in which they are read.
    pub files: Vec<File>,
    /// What they do not say.
    pub options: Options,
    /// The files are all that the source has: what it had before and they do not name leaves the shelf.
    pub complete: bool,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Products that were read and stored.
    pub products: u64,
    /// What became of them.
    #[serde(flatten)]
    pub taken: Taken,
    /// Products that left the shelf because the source no longer has them.
    pub withdrawn: u64,
    /// How many were left out.
    pub rejected: u64,
    /// How many doubts there were about what was taken.
    pub warnings: u64,
    /// The first of those that were left out, each with its reason.
    pub rejections: Vec<Note>,
    /// The first of the doubts.
    pub doubts: Vec<Note>,
}

/// Why an import stopped. What was stored before stands, and the same import again goes on from it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The database could not take it.
    #[error("the catalogue could not be stored")]
    Store(#[from] StoreError),
    /// The reading ended without a word: a defect.
    #[error("the reading of the files ended unexpectedly")]
    Ended,
}

/// A part of a reading.
#[derive(Default)]
struct Batch {
    products: Vec<NewProduct>,
    rejected: Vec<Note>,
    warnings: Vec<Note>,
}

impl Import {
    /// Reads the files and stores what they hold, some hundred products at a time; the reading waits for the storing.
    /// `progress` is told how many products have been dealt with. Imports may be repeated: what says the same again
    /// changes nothing.
    ///
    /// # Errors
    /// [`ImportError`]. A product that the database refuses is rejected and stops nothing.
    pub async fn run(
        self,
        store: &Store,
        ctx: &TenantCtx,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Report, ImportError> {
        let (to, mut from) = mpsc::channel(2);
        let (source, complete) = (self.source, self.complete);
        // The reading ends with the future that asked for it, not when its files do.
        let stop = StopOnDrop::default();
        let stopped = stop.0.clone();
        let reading = task::spawn_blocking(move || self.read(&to, &stopped));
        let mut report = Report::default();
        let mut kept = Vec::new();
        while let Some(batch) = from.recv().await {
            keep(&mut report.rejections, &mut report.rejected, batch.rejected);
            keep(&mut report.doubts, &mut report.warnings, batch.warnings);
            if complete {
                kept.extend(batch.products.iter().map(|product| product.external_id.clone()));
            }
            put(store, ctx, batch.products, &mut report).await?;
            progress(report.products + report.rejected);
        }
        reading.await.map_err(|_| ImportError::Ended)??;
        // What names nothing is broken: it does not empty the shelf.
        if complete && report.products > 0 {
            let mut tx = store.tenant_tx(ctx).await?;
            report.withdrawn = products::withdraw_others(&mut tx, source.id(), &kept).await?;
            tx.commit().await?;
        }
        Ok(report)
    }

    fn read(self, to: &mpsc::Sender<Batch>, stopped: &AtomicBool) -> Result<(), ReadError> {
        let mut seen = HashSet::new();
        let mut batch = Batch::default();
        let read = read(self.source, &self.files, &self.options, &mut |item| {
            match item {
                Item::Product(product) if !seen.insert(product.external_id.clone()) => {
                    batch.rejected.push(Note {
                        item: product.external_id,
                        field: "id".to_owned(),
                        reason: "another product before it has the same id".to_owned(),
                    });
                }
                Item::Product(product) => {
                    let new = stored(*product, self.source, &self.options, &mut batch.warnings);
                    batch.products.push(new);
                }
                Item::Rejected(note) => batch.rejected.push(note),
                Item::Warning(note) => batch.warnings.push(note),
            }
            let full = batch.products.len() >= BATCH || batch.rejected.len() >= BATCH;
            !stopped.load(Ordering::Relaxed) && (!full || to.blocking_send(mem::take(&mut batch)).is_ok())
        });
        // What was read before an error stands.
        let _ = to.blocking_send(batch);
        read
    }
}

#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn keep(listed: &mut Vec<Note>, count: &mut u64, notes: Vec<Note>) {
    *count += notes.len() as u64;
    let room = LISTED.saturating_sub(listed.len());
    listed.extend(notes.into_iter().take(room));
}

/// Stores a batch; where the database refuses it, one by one, so that one bad product costs only itself.
async fn put(
    store: &Store,
    ctx: &TenantCtx,
    batch: Vec<NewProduct>,
    report: &mut Report,
) -> Result<(), ImportError> {
    if batch.is_empty() {
        return Ok(());
    }
    match try_put(store, ctx, &batch).await {
        Ok(taken) => {
            report.taken.add(taken);
            report.products += batch.len() as u64;
        }
        Err(error) if is_away(&error) => return Err(error.into()),
        Err(_) => {
            for product in batch {
                match try_put(store, ctx, std::slice::from_ref(&product)).await {
                    Ok(taken) => {
                        report.taken.add(taken);
                        report.products += 1;
                    }
                    Err(error) if is_away(&error) => return Err(error.into()),
                    Err(error) => {
                        let note = Note {
                            item: product.external_id,
                            field: "product".to_owned(),
                            reason: format!("the database refused it: {error}"),
                        };
                        keep(&mut report.rejections, &mut report.rejected, vec![note]);
                    }
                }
            }
        }
    }
    Ok(())
}

async fn try_put(store: &Store, ctx: &TenantCtx, batch: &[NewProduct]) -> Result<Taken, StoreError> {
    let mut tx = store.tenant_tx(ctx).await?;
    let taken = products::put(&mut tx, batch).await?;
    tx.commit().await?;
    Ok(taken)
}

/// Whether it is the database that is unwell, and no product.
fn is_away(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. })
}

/// A product as the catalogue stores it.
fn stored(product: Product, source: Source, options: &Options, doubts: &mut Vec<Note>) -> NewProduct {
    let listed = product.status == Status::Active;
    let mut attributes = Map::new();
    for attribute in product.attributes {
        let value = match attributes.get(&attribute.label).and_then(Value::as_str) {
            Some(before) => format!("{before}, {}", attribute.value),
            None => attribute.value,
        };
        attributes.insert(attribute.label, value.into());
    }
    let mut ids = HashSet::new();
    let mut variants = Vec::new();
    for variant in product.variants {
        if ids.insert(variant.external_id.clone()) {
            variants.push(stored_variant(variant, product.status, options));
        } else {
            doubts.push(Note {
                item: product.external_id.clone(),
                field: "variants".to_owned(),
                reason: format!("two of them have the id `{}`; the first is kept", variant.external_id),
            });
        }
    }
    NewProduct {
        source: source.id().to_owned(),
        external_id: product.external_id,
        title: product.title,
        brand: product.brand,
        description: product.description_text.unwrap_or_default(),
        category: product.category_path.unwrap_or_default(),
        attributes,
        media: product.media,
        url: product.url,
        language: options.language,
        listed,
        variants,
    }
}

fn stored_variant(variant: Variant, product: Status, options: &Options) -> NewVariant {
    let title = variant.title();
    let availability = variant.availability;
    let on_hand = match availability.state {
        Stock::InStock | Stock::Preorder => availability.quantity.map(i64::from),
        Stock::OutOfStock => Some(0),
        // It is sold without being there; what cannot be sold needs no number.
        Stock::Backorder | Stock::OnRequest | Stock::Unknown => None,
    };
    let promise = match availability.state {
        Stock::Preorder => Some(Promise::Preorder),
        Stock::Backorder => Some(Promise::Backorder),
        _ => None,
    };
    let choices = variant.option_values.into_iter().map(|choice| (choice.name, choice.value.into()));
    NewVariant {
        title,
        options: choices.collect(),
        price_minor: variant.price.map(|price| price.minor()),
        currency: variant.price.map_or(options.currency, |price| price.currency()).code().to_owned(),
        // Being out of stock is for the stock to say.
        sellable: product == Status::Active
            && variant.price.is_some()
            && !matches!(availability.state, Stock::OnRequest | Stock::Unknown),
        on_hand,
        promise,
        available_on: availability.available_on,
        lead_days: availability.lead_time_days,
        external_id: variant.external_id,
        sku: variant.sku,
        gtin: variant.gtin,
    }
}
