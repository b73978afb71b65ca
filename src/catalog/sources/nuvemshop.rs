//! Nuvemshop (Tiendanube). Texts come in several languages, sizes in kilograms and centimetres.

use balcao_domain::Language;

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

pub(super) fn read(files: &[File], options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let answers = super::answers(files)?;
    answers.iter().try_for_each(|(place, product)| read_product(place, product, options, notes))
}

fn read_product(place: &str, node: &Node, options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let said = |node: &Node| in_language(node, options.language).map(str::to_owned);
    let title = said(node.get("name")).as_deref().and_then(text::title);
    let Some((id, title)) = named(node.get("id").text(), title, place, notes)? else { return Ok(()) };
    let mut pen = Pen::new(&id, options.currency);
    let mut product = Product::new(&id, title);
    product.description_text = said(node.get("description")).as_deref().and_then(text::of_html);
    product.brand = node.get("brand").text().and_then(text::title);
    product.category_path = path(node.get("categories"), options.language);
    product.status = if node.get("published").is_false() { Status::Paused } else { Status::Active };
    product.media = pen.pictures(node.get("images").items().iter().map(|image| image.get("src").text()));
    product.url = node.get("canonical_url").string();
    product.updated_at = node.get("updated_at").text().and_then(time::at);
    product.option_names = node
        .get("attributes")
        .items()
        .iter()
        .filter_map(|name| text::title(in_language(name, options.language)?))
        .collect();
    for found in node.get("variants").items() {
        let mut variant = Variant::new(found.get("id").text().unwrap_or_default());
        variant.sku = found.get("sku").string();
        variant.gtin = pen.gtin(found.get("barcode").text(), "barcode");
        let full = pen.price(found.get("price"), "price");
        let lower = pen.price(found.get("promotional_price"), "promotional_price");
        let before = pen.price(found.get("compare_at_price"), "compare_at_price");
        let prices = Prices::reduced(full, lower);
        let prices = Prices::new(prices.now, prices.before.or(before));
        (variant.price, variant.compare_at_price) = (prices.now, prices.before);
        variant.availability = availability::of(&Said {
            asks: prices.now.is_none(),
            untracked: found.get("stock_management").is_false() || found.get("stock") == &Node::Null,
            quantity: found.get("stock").whole(),
            ..Said::default()
        });
        variant.weight_g = pen.measure(found.get("weight"), measure::KILOGRAM, "weight");
        let mut side = |name: &str| pen.measure(found.get(name), measure::CENTIMETRE, name);
        variant.dimensions_mm = measure::sides(side("depth"), side("width"), side("height"));
        let values = found.get("values").items();
        let chosen = product.option_names.iter().enumerate().map(|(at, name)| {
            let value =
                values.get(at).and_then(|value| in_language(value, options.language)).and_then(text::title);
            Choice { name: name.clone(), value: value.unwrap_or_default() }
        });
        variant.option_values = chosen.collect();
        product.variants.push(variant);
    }
    whole(product, None, pen.doubts, notes)
}

/// A text in the shop's language, else in another it has.
fn in_language(node: &Node, language: Language) -> Option<&str> {
    let order = if language == Language::Portuguese { ["pt", "es", "en"] } else { ["en", "pt", "es"] };
    let known = order.into_iter().find_map(|code| node.get(code).text());
    known.or_else(|| node.text()).or_else(|| node.fields().find_map(|(_, value)| value.text()))
}

/// The longest way down through the categories that a product is listed in.
fn path(categories: &Node, language: Language) -> Option<Vec<String>> {
    let categories = categories.items();
    let way = |leaf: &Node| {
        let mut path = Vec::new();
        let mut next = Some(leaf);
        while let Some(category) = next {
            path.extend(in_language(category.get("name"), language).and_then(text::title));
            let parent = category.get("parent").text();
            next = parent.and_then(|parent| {
                categories.iter().find(|category| category.get("id").text() == Some(parent))
            });
            // A circle is nobody's range of goods.
            if path.len() > categories.len() {
                break;
            }
        }
        path.reverse();
        path
    };
    let paths = categories.iter().map(way);
    paths
        .reduce(|longest, path| if path.len() > longest.len() { path } else { longest })
        .filter(|path| !path.is_empty())
}
