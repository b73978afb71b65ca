//! Amazon, Selling Partner API, Listings Items 2021-08-01.
//!
//! A product with variants has a parent row, which is never sold, and a row for each child.

use std::collections::BTreeMap;

use super::{Pen, label, named};
use crate::{
    File, Options, ReadError,
    group::{Gather, Group, Row},
    json::Node,
    model::{Availability, Choice, Product, Status, Stock, Variant},
    notes::Taker,
    rules::{
        amount::Prices,
        availability::{self, Said},
        measure, text, time,
    },
};

/// What children vary in where no theme says so.
const USUAL: &[&str] = &["color", "size"];

pub(super) fn read(files: &[File], options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let mut items = Vec::new();
    for (place, answer) in super::answers(files)? {
        let listed = if answer.get("items") == &Node::Null { &answer } else { answer.get("items") };
        items.extend(listed.items().iter().map(|item| (place.clone(), item.clone())));
    }
    let parents: BTreeMap<&str, &Node> = items
        .iter()
        .filter(|(_, item)| is_parent(item))
        .filter_map(|(_, item)| Some((item.get("sku").text()?, item)))
        .collect();
    let mut gather = Gather::default();
    for (place, item) in items.iter().filter(|(_, item)| !is_parent(item)) {
        read_item(place, item, &parents, options, &mut gather, notes)?;
    }
    gather.finish(notes)
}

fn is_parent(item: &Node) -> bool {
    attribute(item, "parentage_level") == Some("parent")
        || !relationship(item).get("childSkus").items().is_empty()
}

fn relationship(item: &Node) -> &Node {
    item.get("relationships").first().get("relationships").first()
}

/// An attribute's value; of several the first.
fn attribute<'a>(item: &'a Node, name: &str) -> Option<&'a str> {
    item.get("attributes").get(name).first().get("value").text()
}

fn read_item(
    place: &str,
    item: &Node,
    parents: &BTreeMap<&str, &Node>,
    options: &Options,
    gather: &mut Gather,
    notes: &mut Taker<'_>,
) -> Result<(), ReadError> {
    let summary = item.get("summaries").first();
    let title_of = |item: &Node| {
        let summary = item.get("summaries").first().get("itemName");
        attribute(item, "item_name").or_else(|| summary.text()).and_then(text::title)
    };
    let Some((sku, title)) = named(item.get("sku").text(), title_of(item), place, notes)? else {
        return Ok(());
    };
    let mut pen = Pen::new(&sku, options.currency);
    let parent_sku = relationship(item).get("parentSkus").first().text().or_else(|| {
        item.get("attributes").get("child_parent_sku_relationship").first().get("parent_sku").text()
    });
    let parent = parent_sku.and_then(|sku| parents.get(sku).copied());
    let mut product = Product::new(&sku, title);
    product.description_text = description(parent.unwrap_or(item)).or_else(|| description(item));
    product.brand = attribute(item, "brand").and_then(text::title);
    product.condition = pen.condition(summary.get("conditionType").text(), "conditionType");
    product.status = status(item, summary);
    let pictures: Vec<Option<&str>> = parent.into_iter().chain([item]).flat_map(pictures).collect();
    product.media = pen.pictures(pictures);
    product.updated_at = summary.get("lastUpdatedDate").text().and_then(time::at);
    product.variants.push(variant(item, &sku, product.status, &mut pen));
    let theme: Vec<&str> =
        relationship(item).at("variationTheme.attributes").items().iter().filter_map(Node::text).collect();
    let codes = if theme.is_empty() { USUAL } else { &theme };
    let chosen = codes.iter().filter_map(|code| {
        Some(Choice {
            name: label(code, options.language),
            value: attribute(item, code).and_then(text::title)?,
        })
    });
    let row = Row {
        product,
        group: Group { title: parent.and_then(title_of), ..Group::coded(parent_sku.map(str::to_owned)) },
        options: chosen.collect(),
    };
    notes.warnings(pen.doubts)?;
    gather.row(row, notes)
}

/// The description and the bullet points after it.
fn description(item: &Node) -> Option<String> {
    let points = item
        .get("attributes")
        .get("bullet_point")
        .items()
        .iter()
        .filter_map(|point| point.get("value").text());
    let lines: Vec<String> =
        attribute(item, "product_description").into_iter().chain(points).filter_map(text::either).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The main picture and up to eight others.
fn pictures(item: &Node) -> impl Iterator<Item = Option<&str>> {
    let located = |name: &str| item.get("attributes").get(name).first().get("media_location").text();
    let main = located("main_product_image_locator")
        .or_else(|| item.get("summaries").first().at("mainImage.link").text());
    let others = (1..=8).map(move |number| located(&format!("other_product_image_locator_{number}")));
    std::iter::once(main).chain(others)
}

fn status(item: &Node, summary: &Node) -> Status {
    let enforced =
        item.get("issues").items().iter().flat_map(|issue| issue.at("enforcements.actions").items());
    let off = ["LISTING_SUPPRESSED", "CATALOG_ITEM_REMOVED", "SEARCH_SUPPRESSED"];
    if enforced
        .into_iter()
        .any(|action| action.get("action").text().is_some_and(|action| off.contains(&action)))
    {
        return Status::Blocked;
    }
    let listed =
        summary.get("status").items().iter().any(|s| matches!(s.text(), Some("BUYABLE" | "DISCOVERABLE")));
    if listed { Status::Active } else { Status::Paused }
}

fn variant(item: &Node, sku: &str, status: Status, pen: &mut Pen<'_>) -> Variant {
    let mut variant = Variant::new(sku);
    variant.sku = Some(sku.to_owned());
    variant.gtin = pen.gtin(
        attribute(item, "externally_assigned_product_identifier"),
        "externally_assigned_product_identifier",
    );
    let offers = item.get("offers").items();
    // What businesses pay is not what a customer is told.
    let offer = offers
        .iter()
        .find(|offer| offer.get("offerType").text() != Some("B2B"))
        .map(|offer| offer.get("price"));
    let price =
        offer.and_then(|price| pen.price_in(price.get("currencyCode"), price.get("amount"), "offers"));
    let list = item.get("attributes").get("list_price").first();
    let list = pen.price_in(list.get("currency"), list.get("value"), "list_price");
    // A listing that is not bought from now has no offer; what it costs is still its list price.
    let prices = if price.is_none() { Prices::new(list, None) } else { Prices::new(price, list) };
    (variant.price, variant.compare_at_price) = (prices.now, prices.before);
    variant.availability = stock(item, status);
    let package = item.get("attributes").get("item_package_weight").first();
    if let Some(unit) = package.get("unit").text().and_then(measure::weight_unit) {
        variant.weight_g = pen.measure(package.get("value"), unit, "item_package_weight");
    }
    let package = item.get("attributes").get("item_package_dimensions").first();
    let mut side = |name: &str| {
        let unit = package.get(name).get("unit").text().and_then(measure::length_unit)?;
        pen.measure(package.get(name).get("value"), unit, "item_package_dimensions")
    };
    variant.dimensions_mm = measure::sides(side("length"), side("width"), side("height"));
    variant
}

/// The sum over the ways it is sent; Amazon does not count what lies in its own warehouses here.
fn stock(item: &Node, status: Status) -> Availability {
    let quantities: Vec<i64> = item
        .get("fulfillmentAvailability")
        .items()
        .iter()
        .filter_map(|way| way.get("quantity").whole())
        .collect();
    if quantities.is_empty() {
        return availability::stated(if status == Status::Active { Stock::InStock } else { Stock::Unknown });
    }
    let quantity = quantities.into_iter().fold(0, i64::saturating_add);
    availability::of(&Said { quantity: Some(quantity), ..Said::default() })
}
