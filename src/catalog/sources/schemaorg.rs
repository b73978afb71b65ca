//! schema.org in JSON-LD: what search engines read of shops, in files of its own or in web pages.

use scraper::{Html, Selector};

use super::{Pen, label, named, whole};
use crate::{
    File, Options, ReadError,
    json::Node,
    model::{Availability, Choice, Condition, Dimensions, Product, Status, Stock, Variant},
    notes::{Doubts, Taker},
    rules::{
        amount::Prices,
        availability::{self, Preorder, Said},
        measure, text, time,
    },
};

/// Places where something that is listed may stand.
const WITHIN: &[&str] = &["@graph", "itemListElement", "item", "mainEntity", "mainEntityOfPage"];

/// Levels below which products are not looked for.
const DEEPEST: usize = 8;

pub(super) fn read(files: &[File], options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    for file in files {
        let text = file.text()?;
        if text.trim_start().starts_with('<') {
            read_page(file, &text, options, notes)?;
        } else {
            let node = Node::parse(&text)
                .map_err(|error| file.malformed("JSON-LD or a web page", error.to_string()))?;
            walk(file.name(), &node, options, 0, notes)?;
        }
    }
    Ok(())
}

fn read_page(file: &File, text: &str, options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let selector = Selector::parse(r#"script[type="application/ld+json"]"#)
        .map_err(|error| file.malformed("a web page", error.to_string()))?;
    let scripts: Vec<String> =
        Html::parse_document(text).select(&selector).map(|s| s.text().collect()).collect();
    for (at, script) in scripts.iter().enumerate() {
        let place = format!("{}, script {}", file.name(), at + 1);
        match Node::parse(script) {
            Ok(node) => walk(&place, &node, options, 0, notes)?,
            // Pages hold other people's scripts too; one that is broken does not spoil the product's.
            Err(error) => notes.rejected(place, "script", format!("it is no JSON: {error}"))?,
        }
    }
    Ok(())
}

fn walk(
    place: &str,
    node: &Node,
    options: &Options,
    depth: usize,
    notes: &mut Taker<'_>,
) -> Result<(), ReadError> {
    if depth > DEEPEST {
        return Ok(());
    }
    for (at, one) in node.items().iter().enumerate() {
        let place = format!("{place}/{at}");
        if is(one, "ProductGroup") || is(one, "Product") {
            read_product(&place, one, options, notes)?;
        } else {
            WITHIN.iter().try_for_each(|name| walk(&place, one.get(name), options, depth + 1, notes))?;
        }
    }
    Ok(())
}

fn is(node: &Node, kind: &str) -> bool {
    node.get("@type").items().iter().any(|name| last(name) == Some(kind))
}

/// The name at the end of an address: `https://schema.org/InStock`.
fn last(node: &Node) -> Option<&str> {
    node.text().map(|text| text.rsplit('/').next().unwrap_or(text))
}

fn read_product(place: &str, node: &Node, options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let title = node.get("name").text().and_then(text::title);
    let code = node.get("productGroupID").text().or_else(|| node.get("sku").text());
    let id = code.or_else(|| node.get("@id").text()).or_else(|| node.get("url").text());
    let Some((id, title)) = named(id, title, place, notes)? else { return Ok(()) };
    let mut pen = Pen::new(&id, options.currency);
    let mut product = Product::new(&id, title);
    product.description_text = node.get("description").text().and_then(text::either);
    product.brand = node.get("brand").text().or_else(|| node.at("brand.name").text()).and_then(text::title);
    let category = node.get("category").text().or_else(|| node.at("category.name").text());
    product.category_path = category.and_then(|path| text::path(path, '>'));
    let own = [node.clone()];
    let has_variants = node.get("hasVariant").items();
    let nodes = if has_variants.is_empty() { &own[..] } else { has_variants };
    let pictures = nodes.iter().chain(&own).rev().flat_map(|node| node.get("image").items());
    let pictures: Vec<Option<&str>> = pictures
        .map(|image| {
            image.text().or_else(|| image.get("url").text()).or_else(|| image.get("contentUrl").text())
        })
        .collect();
    product.media = pen.pictures(pictures);
    let codes: Vec<&str> = if has_variants.is_empty() { Vec::new() } else { varies_by(node, nodes) };
    product.option_names = codes.iter().map(|code| label(code, options.language)).collect();
    let mut discontinued = true;
    for (at, found) in nodes.iter().enumerate() {
        let (mut variant, offer) = read_variant(found, node, &id, at, options, &mut pen);
        discontinued &= last(offer.get("availability")) == Some("Discontinued");
        product.condition = product.condition.or_else(|| condition(offer, found, &mut pen.doubts, pen.item));
        product.url = product.url.or_else(|| offer.get("url").string()).or_else(|| found.get("url").string());
        let values = codes.iter().zip(&product.option_names).map(|(code, name)| Choice {
            name: name.clone(),
            value: found
                .get(code)
                .text()
                .or_else(|| found.get(code).get("name").text())
                .and_then(text::title)
                .unwrap_or_default(),
        });
        variant.option_values = values.collect();
        product.variants.push(variant);
    }
    if discontinued {
        product.status = Status::Archived;
    }
    whole(product, code.map(str::to_owned), pen.doubts, notes)
}

fn condition(offer: &Node, node: &Node, doubts: &mut Doubts, item: &str) -> Option<Condition> {
    let text = offer.get("itemCondition").text().or_else(|| node.get("itemCondition").text());
    crate::rules::condition::of(text, item, "itemCondition", doubts)
}

/// What a group says its variants differ in; where it does not say, what they do.
fn varies_by<'a>(group: &'a Node, variants: &'a [Node]) -> Vec<&'a str> {
    let said: Vec<&str> = group.get("variesBy").items().iter().filter_map(last).collect();
    if !said.is_empty() {
        return said;
    }
    let differs = |code: &&str| variants.iter().any(|variant| variant.get(code) != variants[0].get(code));
    ["color", "size", "material", "pattern"].into_iter().filter(differs).collect()
}

fn read_variant<'a>(
    node: &'a Node,
    group: &'a Node,
    id: &str,
    at: usize,
    options: &Options,
    pen: &mut Pen<'_>,
) -> (Variant, &'a Node) {
    let offers = if node.get("offers") == &Node::Null { group.get("offers") } else { node.get("offers") };
    let mut offer = offers.first();
    // An aggregate holds the offers it sums up; its own price is a range.
    if let Some(first) = offer.get("offers").items().first() {
        offer = first;
    }
    let sku = node.get("sku").string();
    let mut variant = Variant::new(sku.clone().unwrap_or_else(|| format!("{id}#{at}")));
    variant.sku = sku;
    let number = ["gtin13", "gtin", "gtin14", "gtin12", "gtin8", "isbn"]
        .into_iter()
        .find_map(|name| node.get(name).text().map(|text| (name, text)));
    variant.gtin = number.and_then(|(name, text)| pen.gtin(Some(text), name));
    let currency = offer.get("priceCurrency");
    let price = if offer.get("price") == &Node::Null { offer.get("lowPrice") } else { offer.get("price") };
    let price = pen.price_in(currency, price, "price");
    let specifications = offer.get("priceSpecification").items();
    let before = specifications.iter().find(|spec| {
        matches!(last(spec.get("priceType")), Some("StrikethroughPrice" | "ListPrice" | "MSRP" | "SRP"))
    });
    let before = before
        .and_then(|spec| pen.price_in(spec.get("priceCurrency"), spec.get("price"), "priceSpecification"));
    let plain = specifications.iter().find(|spec| spec.get("priceType") == &Node::Null);
    let price = price.or_else(|| {
        plain.and_then(|spec| pen.price_in(spec.get("priceCurrency"), spec.get("price"), "price"))
    });
    let prices = Prices::new(price, before);
    (variant.price, variant.compare_at_price) = (prices.now, prices.before);
    variant.availability = stock(offer, prices.now.is_none(), options, pen);
    (variant.weight_g, variant.dimensions_mm) = package(node, group, pen);
    (variant, offer)
}

fn stock(offer: &Node, priceless: bool, options: &Options, pen: &mut Pen<'_>) -> Availability {
    let state = match last(offer.get("availability")) {
        Some("OutOfStock" | "SoldOut" | "Discontinued") => Stock::OutOfStock,
        _ if priceless => Stock::OnRequest,
        Some("InStock" | "LimitedAvailability" | "OnlineOnly" | "InStoreOnly" | "MadeToOrder") => {
            Stock::InStock
        }
        Some("PreOrder" | "PreSale") => {
            let on = offer.get("availabilityStarts").text().and_then(time::day);
            let on = on.filter(|day| *day >= options.now.date_naive());
            let preorder = Some(Preorder { on, days: None });
            return availability::of(&Said { preorder, ..Said::default() });
        }
        Some("BackOrder") => Stock::Backorder,
        other => {
            let word = other.unwrap_or_default().to_owned();
            pen.doubt("availability", format!("`{word}` is nothing that is known; it is not offered"));
            Stock::Unknown
        }
    };
    // Nobody counts here.
    Availability { quantity: None, ..availability::stated(state) }
}

fn package(node: &Node, group: &Node, pen: &mut Pen<'_>) -> (Option<u32>, Option<Dimensions>) {
    let own = |name: &str| if node.get(name) == &Node::Null { group.get(name) } else { node.get(name) };
    let mut read = |name: &str, units: fn(&str) -> Option<measure::Unit>| {
        let quantity = own(name);
        let unit = quantity.get("unitCode").text().or_else(|| quantity.get("unitText").text());
        match unit.and_then(units) {
            Some(unit) => pen.measure(quantity.get("value"), unit, name),
            None => pen.measured(quantity.text(), name, |text| measure::with_unit(text, units)),
        }
    };
    let weight = read("weight", measure::weight_unit);
    let mut side = |name: &str| read(name, measure::length_unit);
    (weight, measure::sides(side("depth"), side("width"), side("height")))
}
