//! Shopify, GraphQL Admin API.

use super::{
    Pen, named,
    shopify_rest::{STATUSES, without_default},
    whole,
};
use crate::{
    File, Options, ReadError,
    json::Node,
    model::{Choice, Product, Variant},
    notes::Taker,
    rules::{
        amount::Prices,
        availability::{self, Said},
        measure, text, time,
    },
};

pub(super) fn read(files: &[File], options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    for (place, answer) in super::answers(files)? {
        let data = if answer.get("data").is_object() { answer.get("data") } else { &answer };
        let currency = data.at("shop.currencyCode").text().and_then(|code| code.parse().ok());
        let options = Options { currency: currency.unwrap_or(options.currency), ..options.clone() };
        let products = nodes(data.get("products")).chain(data.get("product").items());
        for product in products {
            read_product(&place, product, &options, notes)?;
        }
    }
    Ok(())
}

/// What a connection holds, asked for by `edges` or by `nodes`.
fn nodes(connection: &Node) -> impl Iterator<Item = &Node> {
    let edges = connection.get("edges").items().iter().map(|edge| edge.get("node"));
    edges.chain(connection.get("nodes").items())
}

fn read_product(place: &str, node: &Node, options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let title = node.get("title").text().and_then(text::title);
    let Some((id, title)) = named(node.get("id").text(), title, place, notes)? else { return Ok(()) };
    let mut pen = Pen::new(&id, options.currency);
    let mut product = Product::new(&id, title);
    product.description_text = node.get("descriptionHtml").text().and_then(text::of_html);
    product.brand = node.get("vendor").text().and_then(text::title);
    product.category_path = node.get("productType").text().and_then(text::title).map(|leaf| vec![leaf]);
    product.status = pen.status(node.get("status").text(), "status", STATUSES);
    let media: Vec<&Node> = nodes(node.get("media")).chain(nodes(node.get("images"))).collect();
    product.media = pen
        .pictures(media.iter().map(|media| media.at("image.url").text().or_else(|| media.get("url").text())));
    product.url = node.get("onlineStoreUrl").string();
    product.updated_at = node.get("updatedAt").text().and_then(time::at);
    let names: Vec<String> = node
        .get("options")
        .items()
        .iter()
        .filter_map(|option| text::title(option.get("name").text()?))
        .collect();
    for (at, found) in nodes(node.get("variants")).enumerate() {
        let mut variant = Variant::new(found.get("id").text().unwrap_or(&at.to_string()));
        variant.sku = found.get("sku").string();
        variant.gtin = pen.gtin(found.get("barcode").text(), "barcode");
        let prices = Prices::new(
            pen.price(found.get("price"), "price"),
            pen.price(found.get("compareAtPrice"), "compareAtPrice"),
        );
        (variant.price, variant.compare_at_price) = (prices.now, prices.before);
        variant.availability = availability::of(&Said {
            untracked: found.at("inventoryItem.tracked").is_false(),
            quantity: found.get("inventoryQuantity").whole(),
            oversold: found.get("inventoryPolicy").text() == Some("CONTINUE"),
            ..Said::default()
        });
        let weight = found.at("inventoryItem.measurement.weight");
        if let Some(unit) = weight.get("unit").text().and_then(measure::weight_unit) {
            variant.weight_g = pen.measure(weight.get("value"), unit, "weight");
        }
        let selected = found.get("selectedOptions").items();
        let values = names.iter().map(|name| {
            let option = selected.iter().find(|option| option.get("name").text() == Some(name));
            Choice {
                name: name.clone(),
                value: option.and_then(|o| o.get("value").string()).unwrap_or_default(),
            }
        });
        variant.option_values = values.collect();
        product.variants.push(variant);
    }
    without_default(&mut product, names);
    whole(product, None, pen.doubts, notes)
}
