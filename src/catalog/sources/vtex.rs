//! VTEX, the legacy search API. Its quantities are magnitudes: only none and one are said exactly.

use super::{Pen, named, whole};
use crate::{
    File, Options, ReadError,
    json::Node,
    model::{Attribute, Availability, Choice, Product, Stock, Variant},
    notes::Taker,
    rules::{
        amount::Prices,
        availability::{self, Preorder, Said},
        text, time,
    },
};

pub(super) fn read(files: &[File], options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let answers = super::answers(files)?;
    answers.iter().try_for_each(|(place, product)| read_product(place, product, options, notes))
}

fn read_product(place: &str, node: &Node, options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let title = node.get("productName").text().and_then(text::title);
    let Some((id, title)) = named(node.get("productId").text(), title, place, notes)? else { return Ok(()) };
    let mut pen = Pen::new(&id, options.currency);
    let mut product = Product::new(&id, title);
    product.description_text = node.get("description").text().and_then(text::of_html);
    product.brand = node.get("brand").text().and_then(text::title);
    // All of a category's ancestors are listed beside it.
    let paths = node.get("categories").items().iter().filter_map(|path| text::path(path.text()?, '/'));
    product.category_path =
        paths.reduce(|longest, path| if path.len() > longest.len() { path } else { longest });
    product.url = node.get("link").string();
    product.attributes = specifications(node);
    let items = node.get("items").items();
    let images = items.iter().flat_map(|item| item.get("images").items());
    product.media = pen.pictures(images.map(|image| image.get("imageUrl").text()));
    for name in items.iter().flat_map(|item| item.get("variations").items()) {
        let name = name.text().or_else(|| name.get("name").text()).and_then(text::title);
        product.option_names.extend(name.filter(|name| !product.option_names.contains(name)));
    }
    product.variants =
        items.iter().map(|item| read_item(item, &product.option_names, options, &mut pen)).collect();
    whole(product, node.get("productReference").string(), pen.doubts, notes)
}

fn read_item(item: &Node, names: &[String], options: &Options, pen: &mut Pen<'_>) -> Variant {
    let mut variant = Variant::new(item.get("itemId").text().unwrap_or_default());
    let references = item.get("referenceId").items();
    let reference = references.iter().find(|id| id.get("Key").text() == Some("RefId"));
    variant.sku = reference.and_then(|id| id.get("Value").string());
    variant.gtin = pen.gtin(item.get("ean").text(), "ean");
    let sellers = item.get("sellers");
    let default = sellers.items().iter().find(|seller| seller.get("sellerDefault").is_true());
    let offer = default.unwrap_or(sellers.first()).get("commertialOffer");
    // What cannot be had has a price of zero.
    let prices =
        Prices::new(pen.price(offer.get("Price"), "Price"), pen.price(offer.get("ListPrice"), "ListPrice"));
    (variant.price, variant.compare_at_price) = (prices.now, prices.before);
    variant.availability = stock(item, offer, options);
    let value = |name: &String| {
        let of = item.get("variations").items().iter().find(|v| v.get("name").text() == Some(name));
        let values = of.map_or(item.get(name), |of| of.get("values"));
        Choice { name: name.clone(), value: values.first().text().and_then(text::title).unwrap_or_default() }
    };
    variant.option_values = names.iter().map(value).collect();
    variant
}

fn stock(item: &Node, offer: &Node, options: &Options) -> Availability {
    if !offer.get("IsAvailable").is_true() {
        return availability::stated(Stock::OutOfStock);
    }
    let arrival = item.get("estimatedDateArrival").text().and_then(time::day);
    if let Some(on) = arrival.filter(|day| *day > options.now.date_naive()) {
        let preorder = Some(Preorder { on: Some(on), days: None });
        return availability::of(&Said { preorder, ..Said::default() });
    }
    let one = offer.get("AvailableQuantity").whole() == Some(1);
    Availability { quantity: one.then_some(1), ..availability::stated(Stock::InStock) }
}

fn specifications(node: &Node) -> Vec<Attribute> {
    let names = node.get("allSpecifications").items().iter().filter_map(Node::text);
    let attributes = names.flat_map(|name| {
        let values = node.get(name).items().iter().filter_map(|value| text::title(value.text()?));
        values.map(move |value| Attribute { label: name.to_owned(), value })
    });
    attributes.collect()
}
