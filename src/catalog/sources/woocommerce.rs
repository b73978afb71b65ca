//! WooCommerce, REST API v3.

use std::collections::BTreeMap;

use super::{Pen, named, whole};
use crate::{
    File, Options, ReadError,
    json::Node,
    model::{Availability, Choice, Product, Status, Stock, Variant},
    notes::Taker,
    rules::{
        amount::Prices,
        availability::{self, Said},
        measure::{self, Unit},
        text, time,
    },
};

/// What the shop set once for all products.
struct Shop {
    options: Options,
    weight: Unit,
    length: Unit,
}

pub(super) fn read(files: &[File], options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let mut shop = Shop { options: options.clone(), weight: measure::KILOGRAM, length: measure::CENTIMETRE };
    let (mut products, mut variations) = (Vec::new(), BTreeMap::new());
    for (place, answer) in super::answers(files)? {
        // Only products say of what type they are; settings have ids that are names.
        if answer.get("type").text().is_some() && answer.get("name") != &Node::Null {
            products.push((place, answer));
        } else if shop.set(&answer) {
        } else if let Some(id) = answer.get("id").string() {
            variations.insert(id, answer);
        } else {
            notes.rejected(place, "id", "it is no product, no variation and no setting")?;
        }
    }
    products.iter().try_for_each(|(place, product)| read_product(place, product, &variations, &shop, notes))
}

impl Shop {
    /// Takes settings, as a map or one by one as the API answers; says whether there were any.
    fn set(&mut self, answer: &Node) -> bool {
        let named = |name: &str| {
            let one = (answer.get("id").text() == Some(name)).then(|| answer.get("value"));
            one.unwrap_or_else(|| answer.get(name)).text()
        };
        if let Some(currency) = named("woocommerce_currency").and_then(|code| code.parse().ok()) {
            self.options.currency = currency;
        }
        self.weight = named("woocommerce_weight_unit").and_then(measure::weight_unit).unwrap_or(self.weight);
        self.length =
            named("woocommerce_dimension_unit").and_then(measure::length_unit).unwrap_or(self.length);
        answer.get("id").text().is_some_and(|id| id.starts_with("woocommerce_"))
            || answer.fields().any(|(name, _)| name.starts_with("woocommerce_"))
    }
}

fn read_product(
    place: &str,
    node: &Node,
    variations: &BTreeMap<String, Node>,
    shop: &Shop,
    notes: &mut Taker<'_>,
) -> Result<(), ReadError> {
    let title = node.get("name").text().and_then(text::title);
    let Some((id, title)) = named(node.get("id").text(), title, place, notes)? else { return Ok(()) };
    let mut pen = Pen::new(&id, shop.options.currency);
    let mut product = Product::new(&id, title);
    product.description_text = node.get("description").text().and_then(text::of_html);
    product.brand = brand(node);
    let path: Vec<String> = node
        .get("categories")
        .items()
        .iter()
        .filter_map(|category| text::title(category.get("name").text()?))
        .collect();
    product.category_path = Some(path).filter(|path| !path.is_empty());
    product.status = pen.status(
        node.get("status").text(),
        "status",
        &[
            ("publish", Status::Active),
            ("private", Status::Paused),
            ("draft", Status::Draft),
            ("pending", Status::Draft),
            ("future", Status::Draft),
            ("trash", Status::Archived),
        ],
    );
    product.media = pen.pictures(node.get("images").items().iter().map(|image| image.get("src").text()));
    product.url = node.get("permalink").string();
    product.updated_at = node.get("date_modified_gmt").text().and_then(time::at);
    match node.get("type").text().unwrap_or_default() {
        "simple" => product.variants.push(read_variant(node, node, shop, &mut pen)),
        "variable" => {
            let attributes = node.get("attributes").items().iter().filter(|a| a.get("variation").is_true());
            product.option_names = attributes.filter_map(|a| text::title(a.get("name").text()?)).collect();
            for wanted in node.get("variations").items().iter().filter_map(Node::text) {
                let Some(found) = variations.get(wanted) else {
                    let reason = format!(
                        "variation {wanted} is not in the files; add what /products/{id}/variations answers"
                    );
                    pen.doubt("variations", reason);
                    continue;
                };
                let mut variant = read_variant(found, node, shop, &mut pen);
                variant.option_values = product.option_names.iter().map(|name| chosen(found, name)).collect();
                product.variants.push(variant);
            }
        }
        other => {
            let reason = format!("products of type `{other}` are not sold by themselves");
            return notes.rejected(id.as_str(), "type", reason);
        }
    }
    whole(product, node.get("sku").string(), pen.doubts, notes)
}

fn brand(product: &Node) -> Option<String> {
    let attribute = product.get("attributes").items().iter().find(|attribute| {
        attribute
            .get("name")
            .text()
            .is_some_and(|name| ["marca", "brand"].contains(&name.to_lowercase().as_str()))
    });
    let taxonomy = || product.get("brands").first().get("name").text();
    attribute
        .and_then(|attribute| attribute.get("options").first().text())
        .or_else(taxonomy)
        .and_then(text::title)
}

fn chosen(variation: &Node, name: &str) -> Choice {
    let attributes = variation.get("attributes").items().iter();
    let same =
        attributes.into_iter().find(|a| a.get("name").text().and_then(text::title).as_deref() == Some(name));
    let value =
        same.and_then(|attribute| attribute.get("option").text()).and_then(text::title).unwrap_or_default();
    Choice { name: name.to_owned(), value }
}

fn read_variant(node: &Node, parent: &Node, shop: &Shop, pen: &mut Pen<'_>) -> Variant {
    let mut variant = Variant::new(node.get("id").text().unwrap_or_default());
    variant.sku = node.get("sku").string();
    variant.gtin = pen.gtin(node.get("global_unique_id").text(), "global_unique_id");
    let prices = Prices::new(
        pen.price(node.get("price"), "price"),
        pen.price(node.get("regular_price"), "regular_price"),
    );
    (variant.price, variant.compare_at_price) = (prices.now, prices.before);
    variant.availability = stock(node, parent, prices.now.is_none());
    variant.weight_g = pen.measure(node.get("weight"), shop.weight, "weight");
    let mut side = |name: &str| pen.measure(node.at(&format!("dimensions.{name}")), shop.length, name);
    variant.dimensions_mm = measure::sides(side("length"), side("width"), side("height"));
    variant
}

fn stock(node: &Node, parent: &Node, priceless: bool) -> Availability {
    if priceless && node.get("purchasable").is_false() {
        return availability::stated(Stock::OnRequest);
    }
    // A variation may be counted with its parent, which is said by a text in a field of yes and no.
    let counted = if node.get("manage_stock").text() == Some("parent") { parent } else { node };
    if counted.get("manage_stock").is_true() {
        return availability::of(&Said {
            quantity: counted.get("stock_quantity").whole(),
            oversold: counted.get("backorders").text().is_some_and(|word| word != "no"),
            ..Said::default()
        });
    }
    availability::stated(match node.get("stock_status").text() {
        Some("instock") => Stock::InStock,
        Some("outofstock") => Stock::OutOfStock,
        Some("onbackorder") => Stock::Backorder,
        _ => Stock::Unknown,
    })
}
