//! Magalu, seller API. Prices are whole numbers with their divisor beside them; prices and stocks are answers of their
//! own for each SKU.

use std::collections::BTreeMap;

use super::{Pen, named};
use crate::{
    File, Options, ReadError,
    group::{Gather, Group, Row},
    json::Node,
    model::{Choice, Product, Status, Stock, Variant},
    notes::Taker,
    rules::{
        amount::{self, Prices},
        availability::{self, Said},
        text,
    },
};

/// Kinds of identifiers that are global trade item numbers.
const GLOBAL: &[&str] = &["ean", "gtin", "isbn", "upc"];

pub(super) fn read(files: &[File], options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let (mut skus, mut prices, mut stocks) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for (place, answer) in super::answers(files)? {
        let listed = if answer.get("results") == &Node::Null { &answer } else { answer.get("results") };
        if listed.items().iter().any(|one| one.get("sku") != &Node::Null) {
            skus.extend(listed.items().iter().map(|sku| (place.clone(), sku.clone())));
            continue;
        }
        for (sku, of) in answer.fields() {
            let results = of.get("results");
            let by = if results.first().get("quantity") == &Node::Null { &mut prices } else { &mut stocks };
            if results != &Node::Null {
                by.insert(sku.to_owned(), results.clone());
            }
        }
    }
    let mut gather = Gather::default();
    for (place, sku) in &skus {
        read_sku(place, sku, &prices, &stocks, options, &mut gather, notes)?;
    }
    gather.finish(notes)
}

fn read_sku(
    place: &str,
    node: &Node,
    prices: &BTreeMap<String, Node>,
    stocks: &BTreeMap<String, Node>,
    options: &Options,
    gather: &mut Gather,
    notes: &mut Taker<'_>,
) -> Result<(), ReadError> {
    let title = node.get("title").text().and_then(text::title);
    let Some((sku, title)) = named(node.get("sku").text(), title, place, notes)? else { return Ok(()) };
    let mut pen = Pen::new(&sku, options.currency);
    let mut product = Product::new(&sku, title);
    product.description_text = node.get("description").text().and_then(text::either);
    product.brand = node.get("brand").text().and_then(text::title);
    product.condition = pen.condition(node.get("condition").text(), "condition");
    product.status = pen.status(
        node.get("status").text(),
        "status",
        &[
            ("PUBLISHED", Status::Active),
            ("UNPUBLISHED", Status::Paused),
            ("DELETED", Status::Archived),
            ("DELETING", Status::Archived),
            ("BLOCKED", Status::Blocked),
            ("UNDER_REVIEW", Status::UnderReview),
        ],
    );
    product.media =
        pen.pictures(node.get("images").items().iter().map(|image| image.text().or(image.get("url").text())));
    product.url = node.get("url_marketplace").first().get("url").string();
    let mut variant = Variant::new(&sku);
    variant.sku = Some(sku.clone());
    let global =
        |id: &&Node| id.get("type").text().is_some_and(|kind| GLOBAL.contains(&kind.to_lowercase().as_str()));
    let identifier = node.get("identifiers").items().iter().find(global);
    variant.gtin = pen.gtin(identifier.and_then(|id| id.get("value").text()), "identifiers");
    let price = price(prices.get(&sku).unwrap_or(&Node::Null).first(), options, &mut pen);
    (variant.price, variant.compare_at_price) = (price.now, price.before);
    variant.availability = match stocks.get(&sku) {
        Some(places) => {
            let available =
                places.items().iter().filter(|place| place.get("type").text() == Some("AVAILABLE"));
            let quantity =
                available.filter_map(|place| place.get("quantity").whole()).fold(0, i64::saturating_add);
            availability::of(&Said { quantity: Some(quantity), ..Said::default() })
        }
        None => {
            pen.doubt("stock", "it is not in the files; add what the stock of this SKU answers");
            availability::stated(Stock::Unknown)
        }
    };
    product.variants.push(variant);
    let sheet = node.get("datasheet").items().iter().filter_map(|line| {
        Some(Choice {
            name: text::title(line.get("name").text()?)?,
            value: text::title(line.get("value").text()?)?,
        })
    });
    let row = Row { product, group: Group::coded(node.at("group.id").string()), options: sheet.collect() };
    notes.warnings(pen.doubts)?;
    gather.row(row, notes)
}

fn price(node: &Node, options: &Options, pen: &mut Pen<'_>) -> Prices {
    let currency = node.get("currency").text().and_then(|code| code.parse().ok()).unwrap_or(options.currency);
    let mut read = |field: &str| {
        let (amount, by) = (node.get(field).whole(), node.get("normalizer").whole());
        amount::divided(amount, by, currency, pen.item, field, &mut pen.doubts)
    };
    Prices::new(read("price"), read("list_price"))
}
