//! Mercado Livre, User Products: one item a variant, those of a family share `family_id`.

use std::collections::BTreeMap;

use super::{Pen, mercadolivre_legacy, named};
use crate::{
    File, Options, ReadError,
    group::{Gather, Group, Row},
    json::Node,
    model::{Choice, Dimensions, Product, Status, Variant},
    notes::{Doubts, Taker},
    rules::{
        amount::Prices,
        availability::{self, Preorder, Said},
        measure, text, time,
    },
};

/// Attributes that say something of the row itself, and are never what customers choose by.
const OWN: &[&str] = &["SELLER_SKU", "GTIN", "EMPTY_GTIN_REASON", "BRAND", "ITEM_CONDITION", "MPN"];

pub(super) fn read(files: &[File], options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let (items, descriptions) = collect(files, notes)?;
    let mut gather = Gather::default();
    for (place, item) in &items {
        // Accounts have items of both models while they are moved to the new one.
        if item.get("variations").items().is_empty() {
            read_item(place, item, &descriptions, options, &mut gather, notes)?;
        } else {
            mercadolivre_legacy::read_item(place, item, &descriptions, options, notes)?;
        }
    }
    gather.finish(notes)
}

/// Descriptions by item id.
pub(super) type Descriptions = BTreeMap<String, Node>;

/// The items and the descriptions that the files hold, whatever was asked for: one item, a list, a multiget.
pub(super) fn collect(
    files: &[File],
    notes: &mut Taker<'_>,
) -> Result<(Vec<(String, Node)>, Descriptions), ReadError> {
    let (mut items, mut descriptions) = (Vec::new(), Descriptions::new());
    for (place, answer) in super::answers(files)? {
        if answer.get("code") != &Node::Null {
            let body = answer.get("body");
            if answer.get("code").whole() == Some(200) {
                items.push((place, body.clone()));
            } else {
                let mut doubts = Doubts::default();
                let code = answer.get("code").text().unwrap_or("nothing").to_owned();
                let why = body.get("message").text().unwrap_or("no reason given");
                doubts.add(
                    body.get("id").text().unwrap_or(&place),
                    "code",
                    format!("answered {code}: {why}; skipped"),
                );
                notes.warnings(doubts)?;
            }
        } else if answer.get("id") != &Node::Null || answer.get("title") != &Node::Null {
            items.push((place, answer));
        } else {
            let described = answer.fields().filter(|(_, value)| value.get("plain_text") != &Node::Null);
            let before = descriptions.len();
            descriptions.extend(described.map(|(id, value)| (id.to_owned(), value.clone())));
            if descriptions.len() == before {
                notes.rejected(place, "id", "it is neither an item nor descriptions by item id")?;
            }
        }
    }
    Ok((items, descriptions))
}

fn read_item(
    place: &str,
    item: &Node,
    descriptions: &Descriptions,
    options: &Options,
    gather: &mut Gather,
    notes: &mut Taker<'_>,
) -> Result<(), ReadError> {
    let family = item.get("family_name").text().and_then(text::title);
    let title = family.clone().or_else(|| item.get("title").text().and_then(text::title));
    let Some((id, title)) = named(item.get("id").text(), title, place, notes)? else { return Ok(()) };
    let mut pen = Pen::new(&id, options.currency);
    let attributes = item.get("attributes");
    let mut product = product(item, &id, &title, descriptions, &mut pen);
    let mut variant = Variant::new(&id);
    variant.sku = attribute(attributes, "SELLER_SKU");
    variant.gtin = pen.gtin(attribute(attributes, "GTIN").as_deref(), "GTIN");
    offer(&mut variant, item, item, &mut pen);
    (variant.weight_g, variant.dimensions_mm) = package(item, &mut pen);
    product.variants.push(variant);
    let choices = attributes.items().iter().filter_map(|attribute| {
        let code = attribute.get("id").text()?;
        let chosen = !OWN.contains(&code) && !code.contains("PACKAGE");
        Some(Choice { name: text::title(attribute.get("name").text()?)?, value: value(attribute)? })
            .filter(|_| chosen)
    });
    let row = Row {
        product,
        group: Group { id: item.get("family_id").string(), title: family, ..Group::default() },
        options: choices.collect(),
    };
    notes.warnings(pen.doubts)?;
    gather.row(row, notes)
}

/// What both models say of an item.
pub(super) fn product(
    item: &Node,
    id: &str,
    title: &str,
    descriptions: &Descriptions,
    pen: &mut Pen<'_>,
) -> Product {
    let attributes = item.get("attributes");
    let mut product = Product::new(id, title);
    let description = descriptions.get(id).unwrap_or(item.get("description"));
    product.description_text = description
        .get("plain_text")
        .text()
        .and_then(text::plain)
        .or_else(|| description.text().and_then(text::plain));
    product.brand = attribute(attributes, "BRAND");
    product.condition = pen.condition(item.get("condition").text(), "condition");
    product.status = status(item, pen);
    let pictures = item.get("pictures").items();
    product.media =
        pen.pictures(pictures.iter().map(|p| p.get("secure_url").text().or_else(|| p.get("url").text())));
    product.url = item.get("permalink").string();
    product.updated_at = item.get("last_updated").text().and_then(time::at);
    product
}

fn status(item: &Node, pen: &mut Pen<'_>) -> Status {
    // The marketplace pauses what has sold out; the shop still has it in its range.
    let sold_out = item.get("sub_status").items().iter().any(|s| s.text() == Some("out_of_stock"));
    match item.get("status").text() {
        Some("paused") if sold_out => Status::Active,
        word => pen.status(
            word,
            "status",
            &[
                ("active", Status::Active),
                ("paused", Status::Paused),
                ("not_yet_active", Status::Draft),
                ("closed", Status::Archived),
                ("inactive", Status::Blocked),
                ("under_review", Status::UnderReview),
            ],
        ),
    }
}

/// Price and stock of an item or one of its variations; what the variation does not say is the item's.
pub(super) fn offer(variant: &mut Variant, item: &Node, of: &Node, pen: &mut Pen<'_>) {
    let own =
        |name: &str| if of.get(name) == &Node::Null { item.get(name).clone() } else { of.get(name).clone() };
    let price = pen.price_in(item.get("currency_id"), &own("price"), "price");
    let before = pen.price_in(item.get("currency_id"), &own("original_price"), "original_price");
    let prices = Prices::new(price, before);
    (variant.price, variant.compare_at_price) = (prices.now, prices.before);
    variant.availability = availability::of(&Said {
        preorder: made_to_order(item),
        quantity: own("available_quantity").whole(),
        ..Said::default()
    });
}

/// What is made or brought in after it is ordered.
fn made_to_order(item: &Node) -> Option<Preorder> {
    let terms = item.get("sale_terms").items().iter();
    let term = terms.into_iter().find(|term| term.get("id").text() == Some("MANUFACTURING_TIME"))?;
    let text = term.get("value_name").text()?;
    let days = text.split_whitespace().next().and_then(|number| number.parse().ok());
    let in_days = text.contains("dia") || text.contains("day");
    days.filter(|days| *days > 0 && in_days).map(|days| Preorder { on: None, days: Some(days) })
}

/// Weight and sides of what is sent: attributes, or `HxWxL,g` as it was written before there were any.
pub(super) fn package(item: &Node, pen: &mut Pen<'_>) -> (Option<u32>, Option<Dimensions>) {
    let attributes = item.get("attributes");
    let mut side = |code: &str| {
        let text = attribute(attributes, code);
        pen.measured(text.as_deref(), code, |text| measure::with_unit(text, measure::length_unit))
    };
    let (length, width, height) =
        (side("SELLER_PACKAGE_LENGTH"), side("SELLER_PACKAGE_WIDTH"), side("SELLER_PACKAGE_HEIGHT"));
    let weight = attribute(attributes, "SELLER_PACKAGE_WEIGHT");
    let weight = pen.measured(weight.as_deref(), "SELLER_PACKAGE_WEIGHT", |text| {
        measure::with_unit(text, measure::weight_unit)
    });
    let old = item.at("shipping.dimensions").text().and_then(|text| {
        let (sides, grams) = text.split_once(',')?;
        let mut sides = sides.split('x').map(|side| measure::whole(side, measure::CENTIMETRE));
        let (height, width, length) = (sides.next()?, sides.next()?, sides.next()?);
        Some((measure::whole(grams, measure::GRAM), measure::sides(length, width, height)))
    });
    let (old_weight, old_sides) = old.unwrap_or_default();
    (weight.or(old_weight), measure::sides(length, width, height).or(old_sides))
}

/// An attribute's value by its id.
pub(super) fn attribute(attributes: &Node, id: &str) -> Option<String> {
    value(attributes.items().iter().find(|attribute| attribute.get("id").text() == Some(id))?)
}

/// `-1` is "does not apply".
pub(super) fn value(attribute: &Node) -> Option<String> {
    let named =
        attribute.get("value_name").text().or_else(|| attribute.get("values").first().get("name").text());
    named.filter(|_| attribute.get("value_id").text() != Some("-1")).and_then(text::title)
}
