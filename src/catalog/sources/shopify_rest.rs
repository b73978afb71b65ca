//! Shopify, REST Admin API: what webhooks still send.

use super::{Pen, named, whole};
use crate::{
    File, Options, ReadError,
    json::Node,
    model::{Choice, Product, Status, Variant},
    notes::Taker,
    rules::{
        amount::Prices,
        availability::{self, Said},
        measure, text, time,
    },
};

/// The option and the value of a product that has none.
const NO_OPTION: (&str, &str) = ("Title", "Default Title");

/// The states of a product, in either API.
pub(super) const STATUSES: &[(&str, Status)] = &[
    ("active", Status::Active),
    ("draft", Status::Draft),
    ("archived", Status::Archived),
    ("unlisted", Status::Paused),
];

pub(super) fn read(files: &[File], options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    for (place, answer) in super::answers(files)? {
        let wrapped =
            [answer.get("products"), answer.get("product")].into_iter().find(|node| **node != Node::Null);
        for product in wrapped.unwrap_or(&answer).items() {
            read_product(&place, product, options, notes)?;
        }
    }
    Ok(())
}

fn read_product(place: &str, node: &Node, options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let title = node.get("title").text().and_then(text::title);
    let Some((id, title)) = named(node.get("id").text(), title, place, notes)? else { return Ok(()) };
    let mut pen = Pen::new(&id, options.currency);
    let mut product = Product::new(&id, title);
    product.description_text = node.get("body_html").text().and_then(text::of_html);
    product.brand = node.get("vendor").text().and_then(text::title);
    product.category_path = node.get("product_type").text().and_then(text::title).map(|leaf| vec![leaf]);
    product.status = pen.status(node.get("status").text(), "status", STATUSES);
    product.media = pen.pictures(node.get("images").items().iter().map(|image| image.get("src").text()));
    product.updated_at = node.get("updated_at").text().and_then(time::at);
    let names: Vec<String> = node
        .get("options")
        .items()
        .iter()
        .filter_map(|option| text::title(option.get("name").text()?))
        .collect();
    for (at, found) in node.get("variants").items().iter().enumerate() {
        let mut variant = Variant::new(found.get("id").text().unwrap_or(&at.to_string()));
        variant.sku = found.get("sku").string();
        variant.gtin = pen.gtin(found.get("barcode").text(), "barcode");
        let prices = Prices::new(
            pen.price(found.get("price"), "price"),
            pen.price(found.get("compare_at_price"), "compare_at_price"),
        );
        (variant.price, variant.compare_at_price) = (prices.now, prices.before);
        variant.availability = availability::of(&Said {
            untracked: found.get("inventory_management").text().is_none(),
            quantity: found.get("inventory_quantity").whole(),
            oversold: found.get("inventory_policy").text() == Some("continue"),
            ..Said::default()
        });
        variant.weight_g = weight(found, &mut pen);
        let values = names.iter().zip(1..).map(|(name, number)| Choice {
            name: name.clone(),
            value: found.get(&format!("option{number}")).string().unwrap_or_default(),
        });
        variant.option_values = values.collect();
        product.variants.push(variant);
    }
    without_default(&mut product, names);
    whole(product, None, pen.doubts, notes)
}

fn weight(variant: &Node, pen: &mut Pen<'_>) -> Option<u32> {
    let unit = variant.get("weight_unit").text().and_then(measure::weight_unit);
    match unit {
        Some(unit) => pen.measure(variant.get("weight"), unit, "weight"),
        None => pen.measure(variant.get("grams"), measure::GRAM, "grams"),
    }
}

/// Every product has an option; that of a product without options is not one.
pub(super) fn without_default(product: &mut Product, names: Vec<String>) {
    let default = |choices: &[Choice]| matches!(choices, [only] if (only.name.as_str(), only.value.as_str()) == NO_OPTION);
    if product.variants.iter().all(|variant| default(&variant.option_values)) {
        product.variants.iter_mut().for_each(|variant| variant.option_values.clear());
    } else {
        product.option_names = names;
    }
}
