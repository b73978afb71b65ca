//! The catalogue as it is sold from: products, their variants, prices and stock.

use std::collections::BTreeMap;

use balcao_domain::{Language, ProductId, VariantId, sale, text};
use chrono::NaiveDate;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{StoreError, TenantTx};

/// Characters of the longest word that is one.
const WORD: usize = 40;

/// A product as its source has it.
#[derive(Debug, Clone, Serialize)]
pub struct NewProduct {
    /// Where it comes from: `shopify_rest`, `planilha` …
    pub source: String,
    /// Its id there; the same id again is the same product.
    pub external_id: String,
    pub title: String,
    pub brand: Option<String>,
    pub description: String,
    /// Outermost first.
    pub category: Vec<String>,
    /// Names and values, for facets and search.
    pub attributes: serde_json::Map<String, serde_json::Value>,
    /// Addresses of pictures.
    pub media: Vec<String>,
    pub url: Option<String>,
    /// What it is written in.
    #[serde(serialize_with = "language_code")]
    pub language: Language,
    /// Whether customers find it; what the shop has paused stays in the books without being offered.
    pub listed: bool,
    /// At least one.
    pub variants: Vec<NewVariant>,
}

/// What of a product can be ordered.
#[derive(Debug, Clone, Serialize)]
pub struct NewVariant {
    /// Its id at the source, unique within the product.
    pub external_id: String,
    pub sku: Option<String>,
    pub gtin: Option<String>,
    /// What tells it from its sisters: `azul / M`.
    pub title: String,
    pub options: serde_json::Map<String, serde_json::Value>,
    /// Minor units; `None` where no price is known: it cannot be ordered then.
    pub price_minor: Option<i64>,
    /// ISO 4217.
    pub currency: String,
    /// Whether the source lets it be sold.
    pub sellable: bool,
    /// Pieces; `None` where nobody counts them.
    pub on_hand: Option<i64>,
    /// Sold though it is not there; `None`: from stock.
    pub promise: Option<Promise>,
    /// When it is sent at the earliest.
    pub available_on: Option<NaiveDate>,
    /// Days until it is sent.
    pub lead_days: Option<u16>,
}

/// How something is sold that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// It will come.
    Preorder,
    /// It is made or fetched when it is ordered.
    Backorder,
}

impl Promise {
    fn of(text: &str) -> Option<Self> {
        match text {
            "preorder" => Some(Self::Preorder),
            "backorder" => Some(Self::Backorder),
            _ => None,
        }
    }
}

fn language_code<S: serde::Serializer>(language: &Language, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(language.code())
}

/// What [`put`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Products that were not there.
    pub added: u64,
    /// Products that say something else than before. Prices and stock are the variants' and count as no change.
    pub changed: u64,
    /// The rest.
    pub unchanged: u64,
    /// Variants that are new or say something else than before: price and stock too.
    pub variants: u64,
    /// Variants of which the source counts fewer pieces than are promised to orders.
    pub short: u64,
}

impl Taken {
    /// Of two calls together.
    pub fn add(&mut self, more: Self) {
        self.added += more.added;
        self.changed += more.changed;
        self.unchanged += more.unchanged;
        self.variants += more.variants;
        self.short += more.short;
    }
}

/// Takes products in as their source has them now: some hundreds at a time. Ids within one call must be unique.
///
/// # Errors
/// `Conflict` where a price is negative or a currency no currency.
pub async fn put(tx: &mut TenantTx, products: &[NewProduct]) -> Result<Taken, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let items = products.iter().map(with_ids).collect::<Result<Vec<_>, _>>()?;
    remember_words(tx, products).await?;
    let row = sqlx::query!(
        r#"select added as "added!", changed as "changed!", unchanged as "unchanged!", variants as "variants!",
                  short as "short!"
           from product_put($1, $2)"#,
        tenant_id,
        serde_json::Value::Array(items),
    )
    .fetch_one(tx.conn())
    .await?;
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    Ok(Taken {
        added: count(row.added),
        changed: count(row.changed),
        unchanged: count(row.unchanged),
        variants: count(row.variants),
        short: count(row.short),
    })
}

/// Whether the shop has no products at all.
pub async fn is_empty(tx: &mut TenantTx) -> Result<bool, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let any = sqlx::query_scalar!(
        r#"select exists (select from product where tenant_id = $1) as "any!""#,
        tenant_id,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(!any)
}

/// The words of products join those that customers' words are held against.
async fn remember_words(tx: &mut TenantTx, products: &[NewProduct]) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let mut words = BTreeMap::new();
    for product in products {
        let values =
            product.variants.iter().flat_map(|variant| variant.options.values()).filter_map(|v| v.as_str());
        let texts = [product.title.as_str()].into_iter().chain(product.brand.as_deref());
        for text in texts.chain(product.category.iter().map(String::as_str)).chain(values) {
            let raw = text.split(|c: char| !c.is_alphanumeric());
            let spoken = raw.filter(|raw| (3..=WORD).contains(&raw.chars().count()));
            words.extend(spoken.map(|raw| (text::fold(raw), text::sound(raw))));
        }
    }
    // In one order, so that two imports do not wait for each other.
    let (words, sounds): (Vec<String>, Vec<String>) = words.into_iter().unzip();
    sqlx::query!(
        "insert into product_word (tenant_id, word, sound)
         select $1, w.word, w.sound from unnest($2::text[], $3::text[]) as w (word, sound)
         on conflict do nothing",
        tenant_id,
        &words,
        &sounds,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes off the shelf what a source no longer has: all of its products but those with these ids. Says how many.
pub async fn withdraw_others(tx: &mut TenantTx, source: &str, kept: &[String]) -> Result<u64, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let gone = sqlx::query_scalar!(
        r#"select product_withdraw_others($1, $2, $3) as "gone!""#,
        tenant_id,
        source,
        kept,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(u64::try_from(gone).unwrap_or_default())
}

/// As the function takes it: with the ids that new rows would get, and a hash of what makes the product what it is.
fn with_ids(product: &NewProduct) -> Result<serde_json::Value, StoreError> {
    let mut item = serde_json::to_value(product)?;
    let mut described = item.clone();
    if let Some(described) = described.as_object_mut() {
        // What its variants are called is what it is found by.
        let called = |variant: &NewVariant| (variant.title.clone(), variant.sku.clone());
        let called: Vec<_> = product.variants.iter().map(called).collect();
        described.insert("variants".into(), serde_json::to_value(called)?);
        described.remove("listed");
    }
    let hash = Sha256::digest(serde_json::to_vec(&described)?);
    if let Some(item) = item.as_object_mut() {
        item.insert("product_id".into(), ProductId::generate().as_uuid().to_string().into());
        item.insert("content_hash".into(), hex::encode(hash).into());
        let variants = item.get_mut("variants").and_then(|v| v.as_array_mut()).into_iter().flatten();
        for (position, variant) in variants.enumerate() {
            if let Some(variant) = variant.as_object_mut() {
                variant.insert("position".into(), position.into());
                variant.insert("variant_id".into(), VariantId::generate().as_uuid().to_string().into());
            }
        }
    }
    Ok(item)
}

/// A variant with what it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Offer {
    pub product_id: ProductId,
    pub variant_id: VariantId,
    /// The product's.
    pub title: String,
    /// The variant's own; empty where it is the only one.
    pub variant: String,
    pub brand: Option<String>,
    pub sku: Option<String>,
    pub price_minor: Option<i64>,
    pub currency: String,
    /// Whether the source lets it be sold; says nothing of the stock.
    pub sellable: bool,
    /// Pieces that may still be promised; `None` where nobody counts.
    pub available: Option<i64>,
    /// Sold though it is not there; `None`: from stock.
    pub promise: Option<Promise>,
    /// When it is sent at the earliest.
    pub available_on: Option<NaiveDate>,
    /// Days until it is sent.
    pub lead_days: Option<i32>,
    pub url: Option<String>,
}

impl Offer {
    /// Whether so many can be ordered now.
    pub fn can_be_had(&self, quantity: i64) -> bool {
        self.sellable && self.price_minor.is_some() && self.available.is_none_or(|left| left >= quantity)
    }
}

struct Row {
    product_id: Uuid,
    variant_id: Uuid,
    title: String,
    variant: String,
    brand: Option<String>,
    sku: Option<String>,
    price_minor: Option<i64>,
    currency: String,
    sellable: bool,
    available: Option<i64>,
    promise: Option<String>,
    available_on: Option<NaiveDate>,
    lead_days: Option<i32>,
    url: Option<String>,
}

impl From<Row> for Offer {
    fn from(row: Row) -> Self {
        Self {
            product_id: ProductId::from_uuid(row.product_id),
            variant_id: VariantId::from_uuid(row.variant_id),
            title: row.title,
            variant: row.variant,
            brand: row.brand,
            sku: row.sku,
            price_minor: row.price_minor,
            currency: row.currency,
            sellable: row.sellable,
            available: row.available,
            promise: row.promise.as_deref().and_then(Promise::of),
            available_on: row.available_on,
            lead_days: row.lead_days,
            url: row.url,
        }
    }
}

/// Variants as they are now, in no order; those that are not there are missing.
pub async fn offers(tx: &mut TenantTx, variants: &[VariantId]) -> Result<Vec<Offer>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let ids: Vec<Uuid> = variants.iter().map(VariantId::as_uuid).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select p.product_id, v.variant_id, p.title, v.title as variant, p.brand, v.sku, v.price_minor, v.currency,
                  v.sellable and p.listed as "sellable!", v.on_hand - v.reserved as available, v.promise,
                  v.available_on, v.lead_days, p.url
           from variant v join product p on p.tenant_id = v.tenant_id and p.product_id = v.product_id
           where v.tenant_id = $1 and v.variant_id = any($2)"#,
        tenant_id,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Offer::from).collect())
}

/// All that is known about a product.
#[derive(Debug, Clone, Serialize)]
pub struct Details {
    pub title: String,
    pub brand: Option<String>,
    pub description: String,
    pub attributes: serde_json::Value,
    /// Its variants, in their source's order.
    pub offers: Vec<Offer>,
}

/// The product of a variant; `None` where it has left the shelf.
pub async fn details(tx: &mut TenantTx, variant: VariantId) -> Result<Option<Details>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let product = sqlx::query!(
        "select p.product_id, p.title, p.brand, p.description, p.attributes
         from product p join variant v on v.tenant_id = p.tenant_id and v.product_id = p.product_id
         where p.tenant_id = $1 and v.variant_id = $2 and p.listed",
        tenant_id,
        variant.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(product) = product else { return Ok(None) };
    let variants = sqlx::query_scalar!(
        "select variant_id from variant where tenant_id = $1 and product_id = $2 order by position, variant_id",
        tenant_id,
        product.product_id,
    )
    .fetch_all(tx.conn())
    .await?;
    let order: Vec<VariantId> = variants.into_iter().map(VariantId::from_uuid).collect();
    let mut offers = offers(tx, &order).await?;
    offers.sort_by_key(|offer| order.iter().position(|id| *id == offer.variant_id));
    Ok(Some(Details {
        title: product.title,
        brand: product.brand,
        description: product.description,
        attributes: product.attributes,
        offers,
    }))
}

/// What a search found.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// The question, with words that no product has replaced by what they may have meant.
    pub question: String,
    /// Best first, each product with its variants in their source's order.
    pub offers: Vec<Offer>,
}

/// The question with its misspelt words as they were meant: only words that the shop's products do not have, and only
/// where one of theirs sounds the same or has nearly the same letters.
async fn as_meant(tx: &mut TenantTx, question: &str) -> Result<String, StoreError> {
    let (words, sounds): (Vec<String>, Vec<String>) = sale::named(question).into_iter().unzip();
    if words.is_empty() {
        return Ok(question.to_owned());
    }
    let meant = sqlx::query!(
        r#"select typed as "typed!", meant as "meant!" from product_spelling($1, $2)"#,
        &words,
        &sounds,
    )
    .fetch_all(tx.conn())
    .await?;
    if meant.is_empty() {
        return Ok(question.to_owned());
    }
    let as_meant = |raw: &str| {
        let word = text::fold(raw);
        meant.iter().find(|row| row.typed == word).map_or_else(|| raw.to_owned(), |row| row.meant.clone())
    };
    let words = question.split(|c: char| !c.is_alphanumeric()).filter(|raw| !raw.is_empty());
    Ok(words.map(as_meant).collect::<Vec<_>>().join(" "))
}

/// Products by the words of a question, best first. Accents, inflection and small mistakes of writing do not matter.
/// What is out of stock comes after what is not.
pub async fn search(tx: &mut TenantTx, question: &str, limit: i64) -> Result<Found, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let question = as_meant(tx, question).await?;
    let rows = sqlx::query_as!(
        Row,
        r#"select f.product_id as "product_id!", v.variant_id, p.title, v.title as variant, p.brand, v.sku,
                  v.price_minor, v.currency, v.sellable, v.on_hand - v.reserved as available, v.promise, v.available_on,
                  v.lead_days, p.url
           from search_products($2, $3, $4) f
           join product p on p.tenant_id = $1 and p.product_id = f.product_id
           join variant v on v.tenant_id = $1 and v.product_id = f.product_id
           order by f.can_be_had desc, f.score desc, f.product_id, v.position, v.variant_id"#,
        tenant_id,
        &question,
        sale::content(&question),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(Found { question, offers: rows.into_iter().map(Offer::from).collect() })
}

/// Variants by the id that a channel's catalogue has of them: the SKU, the id at the source, or the product's where it
/// has one variant. Each with the id that found it.
pub async fn by_retailer_id(tx: &mut TenantTx, ids: &[String]) -> Result<Vec<(String, Offer)>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query!(
        r#"select i.id as "id!", v.variant_id
           from unnest($2::text[]) as i (id)
           cross join lateral (
             select v.variant_id
             from variant v join product p on p.tenant_id = v.tenant_id and p.product_id = v.product_id
             where v.tenant_id = $1 and p.listed
               and (v.sku = i.id or v.external_id = i.id or p.external_id = i.id)
             order by (v.sku = i.id) desc nulls last, (v.external_id = i.id) desc, v.sellable desc, v.variant_id
             limit 1) v"#,
        tenant_id,
        ids,
    )
    .fetch_all(tx.conn())
    .await?;
    let variants: Vec<VariantId> = rows.iter().map(|row| VariantId::from_uuid(row.variant_id)).collect();
    let offers = offers(tx, &variants).await?;
    let offer = |id: Uuid| offers.iter().find(|offer| offer.variant_id.as_uuid() == id).cloned();
    Ok(rows.into_iter().filter_map(|row| Some((row.id, offer(row.variant_id)?))).collect())
}
