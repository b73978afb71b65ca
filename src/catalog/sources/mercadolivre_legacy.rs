//! Mercado Livre as it was before User Products: one item that holds its `variations`, all at one price.

use super::{
    Pen,
    mercadolivre::{self, Descriptions, attribute, value},
    named, whole,
};
use crate::{
    File, Options, ReadError,
    json::Node,
    model::{Choice, Variant},
    notes::Taker,
    rules::text,
};

pub(super) fn read(files: &[File], options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let (items, descriptions) = mercadolivre::collect(files, notes)?;
    items.iter().try_for_each(|(place, item)| read_item(place, item, &descriptions, options, notes))
}

/// An item and its variations; one without is its own.
pub(super) fn read_item(
    place: &str,
    item: &Node,
    descriptions: &Descriptions,
    options: &Options,
    notes: &mut Taker<'_>,
) -> Result<(), ReadError> {
    let title = item.get("title").text().and_then(text::title);
    let Some((id, title)) = named(item.get("id").text(), title, place, notes)? else { return Ok(()) };
    let mut pen = Pen::new(&id, options.currency);
    let mut product = mercadolivre::product(item, &id, &title, descriptions, &mut pen);
    let package = mercadolivre::package(item, &mut pen);
    let own = [item.clone()];
    let variations = item.get("variations").items();
    for combination in variations.iter().flat_map(|variation| variation.get("attribute_combinations").items())
    {
        let name = combination.get("name").text().and_then(text::title);
        product.option_names.extend(name.filter(|name| !product.option_names.contains(name)));
    }
    for variation in if variations.is_empty() { &own } else { variations } {
        let mut variant = Variant::new(variation.get("id").text().unwrap_or(&id));
        let attributes = variation.get("attributes");
        variant.sku = attribute(attributes, "SELLER_SKU");
        variant.gtin = pen.gtin(attribute(attributes, "GTIN").as_deref(), "GTIN");
        mercadolivre::offer(&mut variant, item, variation, &mut pen);
        (variant.weight_g, variant.dimensions_mm) = package;
        let combinations = variation.get("attribute_combinations").items();
        let chosen = |name: &String| {
            let same = |c: &&Node| c.get("name").text().and_then(text::title).as_ref() == Some(name);
            Choice {
                name: name.clone(),
                value: combinations.iter().find(same).and_then(value).unwrap_or_default(),
            }
        };
        variant.option_values = product.option_names.iter().map(chosen).collect();
        product.variants.push(variant);
    }
    // Without an answer of its own for the description, the item may hold one.
    whole(product, item.get("seller_custom_field").string(), pen.doubts, notes)
}
