//! Shopee, Open Platform v2. Variants (`model`) are an answer of their own for each item.

use std::collections::BTreeMap;

use super::{Pen, named, whole};
use crate::{
    File, Options, ReadError,
    json::Node,
    model::{Choice, Product, Status, Variant},
    notes::Taker,
    rules::{
        amount::Prices,
        availability::{self, Preorder, Said},
        measure, text, time,
    },
};

pub(super) fn read(files: &[File], options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let (mut items, mut models) = (Vec::new(), BTreeMap::new());
    for file in files {
        let answer = file.json()?;
        let response = answer.get("response");
        if response.get("model") == &Node::Null {
            let listed = if response.is_object() { response.get("item_list") } else { &answer };
            items.extend(listed.items().iter().map(|item| (file.name().to_owned(), item.clone())));
        } else if let Some(id) = item_id(file.name()) {
            models.insert(id, response.clone());
        } else {
            notes.rejected(
                file.name(),
                "item_id",
                "models do not say of which item they are: name the file by it",
            )?;
        }
    }
    items.iter().try_for_each(|(place, item)| read_item(place, item, &models, options, notes))
}

/// The digits that a file's name ends with.
fn item_id(name: &str) -> Option<String> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let digits = stem.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    (!digits.is_empty()).then(|| digits.to_owned())
}

fn read_item(
    place: &str,
    item: &Node,
    models: &BTreeMap<String, Node>,
    options: &Options,
    notes: &mut Taker<'_>,
) -> Result<(), ReadError> {
    let title = item.get("item_name").text().and_then(text::title);
    let Some((id, title)) = named(item.get("item_id").text(), title, place, notes)? else { return Ok(()) };
    let mut pen = Pen::new(&id, options.currency);
    let mut product = Product::new(&id, title);
    product.description_text = description(item);
    product.brand =
        item.at("brand.original_brand_name").text().filter(|brand| *brand != "NoBrand").and_then(text::title);
    product.condition = pen.condition(item.get("condition").text(), "condition");
    product.status = pen.status(
        item.get("item_status").text(),
        "item_status",
        &[
            ("NORMAL", Status::Active),
            ("UNLIST", Status::Paused),
            ("SELLER_DELETE", Status::Archived),
            ("SHOPEE_DELETE", Status::Archived),
            ("BANNED", Status::Blocked),
            ("REVIEWING", Status::UnderReview),
        ],
    );
    product.media = pen.pictures(item.at("image.image_url_list").items().iter().map(Node::text));
    product.updated_at = item.get("update_time").whole().and_then(time::unix);
    if item.get("has_model").is_true() {
        let Some(list) = models.get(&id) else {
            let reason = format!(
                "its models are not in the files; add what get_model_list answers as model_list-{id}.json"
            );
            return notes.rejected(id.as_str(), "model", reason);
        };
        let tiers = list.get("tier_variation").items();
        product.option_names =
            tiers.iter().filter_map(|tier| text::title(tier.get("name").text()?)).collect();
        for model in list.get("model").items() {
            let mut variant = read_variant(model, item, "model_sku", &mut pen);
            let chosen = tiers.iter().zip(&product.option_names).zip(model.get("tier_index").items());
            let value = |tier: &Node, index: &Node| {
                let at = usize::try_from(index.whole()?).ok()?;
                text::title(tier.get("option_list").items().get(at)?.get("option").text()?)
            };
            let chosen = chosen.map(|((tier, name), index)| Choice {
                name: name.clone(),
                value: value(tier, index).unwrap_or_default(),
            });
            variant.option_values = chosen.collect();
            variant.external_id = model.get("model_id").string().unwrap_or_default();
            product.variants.push(variant);
        }
    } else {
        product
            .variants
            .push(Variant { external_id: "0".to_owned(), ..read_variant(item, item, "item_sku", &mut pen) });
    }
    whole(product, item.get("item_sku").string(), pen.doubts, notes)
}

fn description(item: &Node) -> Option<String> {
    let extended = item.at("description_info.extended_description.field_list").items();
    let lines: Vec<String> =
        extended.iter().filter_map(|field| text::plain(field.get("text").text()?)).collect();
    if lines.is_empty() {
        item.get("description").text().and_then(text::plain)
    } else {
        Some(lines.join("\n"))
    }
}

/// A model, or an item that has none; what a model does not say is the item's.
fn read_variant(node: &Node, item: &Node, sku: &str, pen: &mut Pen<'_>) -> Variant {
    let own = |name: &str| if node.get(name) == &Node::Null { item.get(name) } else { node.get(name) };
    let mut variant = Variant::new("");
    variant.sku = node.get(sku).string();
    variant.gtin = pen.gtin(node.get("gtin_code").text(), "gtin_code");
    let info = node.get("price_info").first();
    let price = pen.price_in(info.get("currency"), info.get("current_price"), "current_price");
    let before = pen.price_in(info.get("currency"), info.get("original_price"), "original_price");
    let prices = Prices::new(price, before);
    (variant.price, variant.compare_at_price) = (prices.now, prices.before);
    let preorder = own("pre_order");
    let days = preorder.get("days_to_ship").whole().and_then(|days| u16::try_from(days).ok());
    variant.availability = availability::of(&Said {
        preorder: preorder.get("is_pre_order").is_true().then_some(Preorder { on: None, days }),
        quantity: node.at("stock_info_v2.summary_info.total_available_stock").whole(),
        ..Said::default()
    });
    variant.weight_g = pen.measure(own("weight"), measure::KILOGRAM, "weight");
    let dimension = own("dimension");
    let mut side = |name: &str| pen.measure(dimension.get(name), measure::CENTIMETRE, name);
    variant.dimensions_mm =
        measure::sides(side("package_length"), side("package_width"), side("package_height"));
    variant
}
