//! What the product feeds of Google and Meta have in common: the names of most fields, and the currency after the amount.

use chrono::{DateTime, Utc};

use super::{Pen, label, named};
use crate::{
    File, Options, ReadError,
    feed::{self, Fields},
    group::{Counts, Gather, Group, Row},
    model::{Availability, Choice, Product, Status, Stock, Variant},
    notes::Taker,
    rules::{
        amount::Prices,
        availability::{self, Preorder, Said},
        measure, text, time,
    },
};

/// What customers may choose by.
const OPTIONS: &[&str] = &["color", "size", "material", "pattern"];

/// Where the two differ.
pub(super) struct Dialect {
    /// The field that says how many there are, where there is one.
    pub(super) quantity: Option<&'static str>,
}

/// Reads feeds twice: once to count what each group has, once to hand it out.
pub(super) fn read(
    files: &[File],
    options: &Options,
    dialect: &Dialect,
    notes: &mut Taker<'_>,
) -> Result<(), ReadError> {
    let mut counts = Counts::default();
    for file in files {
        feed::rows(file, &mut |row| {
            if let Ok(fields) = row
                && let Some(group) = fields.get("item_group_id")
            {
                counts.add(group);
            }
            Ok(())
        })?;
    }
    let mut gather = Gather::counted(counts);
    for file in files {
        feed::rows(file, &mut |row| match row {
            Ok(fields) => read_row(&fields, options, dialect, &mut gather, notes),
            Err(reason) => notes.rejected(file.name(), "row", reason),
        })?;
    }
    gather.finish(notes)
}

fn read_row(
    fields: &Fields,
    options: &Options,
    dialect: &Dialect,
    gather: &mut Gather,
    notes: &mut Taker<'_>,
) -> Result<(), ReadError> {
    let group = fields.get("item_group_id");
    let title = fields.get("title").and_then(text::title);
    let Some((id, title)) = named(fields.get("id"), title, &fields.place, notes)? else {
        return gather.refused(group, notes);
    };
    let mut pen = Pen::new(&id, options.currency);
    let mut product = Product::new(&id, title);
    product.description_text = fields.get("description").and_then(text::either);
    product.brand = fields.get("brand").and_then(text::title);
    product.category_path = fields.get("product_type").and_then(|path| text::path(path, '>'));
    product.condition = pen.condition(fields.get("condition"), "condition");
    let more = fields.all("additional_image_link").flat_map(addresses);
    product.media = pen.pictures(fields.get("image_link").into_iter().chain(more).map(Some));
    product.url = fields.get("link").map(str::to_owned);
    let mut variant = Variant::new(&id);
    variant.sku = Some(id.clone());
    variant.gtin = pen.gtin(fields.get("gtin"), "gtin");
    let full = pen.price_with_currency(fields.get("price"), "price");
    let on_sale = fields.get("sale_price_effective_date").is_none_or(|window| within(window, options.now));
    let lower = pen.price_with_currency(fields.get("sale_price").filter(|_| on_sale), "sale_price");
    let prices = Prices::reduced(full, lower);
    (variant.price, variant.compare_at_price) = (prices.now, prices.before);
    variant.availability = stock(fields, dialect, &mut product.status, &mut pen);
    variant.weight_g = pen.measured(fields.get("shipping_weight"), "shipping_weight", |t| {
        measure::with_unit(t, measure::weight_unit)
    });
    let mut side =
        |name: &str| pen.measured(fields.get(name), name, |t| measure::with_unit(t, measure::length_unit));
    variant.dimensions_mm =
        measure::sides(side("shipping_length"), side("shipping_width"), side("shipping_height"));
    product.variants.push(variant);
    let chosen = OPTIONS.iter().filter_map(|code| {
        Some(Choice { name: label(code, options.language), value: fields.get(code).and_then(text::title)? })
    });
    let row = Row { product, group: Group::coded(group.map(str::to_owned)), options: chosen.collect() };
    notes.warnings(pen.doubts)?;
    gather.row(row, notes)
}

fn stock(fields: &Fields, dialect: &Dialect, status: &mut Status, pen: &mut Pen<'_>) -> Availability {
    let word = fields.get("availability").unwrap_or_default().to_lowercase().replace([' ', '-'], "_");
    let counted = dialect.quantity.and_then(|name| fields.get(name)).and_then(|text| text.parse().ok());
    let said = match word.as_str() {
        "in_stock" | "instock" | "available_for_order" => {
            Said { untracked: counted.is_none(), ..Said::default() }
        }
        "preorder" | "pre_order" => {
            let on = fields.get("availability_date").and_then(time::day);
            Said { preorder: Some(Preorder { on, days: None }), ..Said::default() }
        }
        "backorder" => Said { oversold: true, ..Said::default() },
        "out_of_stock" => return gone(dialect),
        "discontinued" => {
            *status = Status::Archived;
            return gone(dialect);
        }
        _ => {
            pen.doubt("availability", format!("`{word}` is nothing that is known; it is not offered"));
            return availability::stated(Stock::Unknown);
        }
    };
    availability::of(&Said { quantity: counted, ..said })
}

/// There is none; and where nobody counts, nobody counted none.
fn gone(dialect: &Dialect) -> Availability {
    Availability { quantity: dialect.quantity.map(|_| 0), ..availability::stated(Stock::OutOfStock) }
}

/// One field may list several addresses, and addresses may have commas.
fn addresses(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let end = rest
            .match_indices(',')
            .find(|(at, _)| rest[at + 1..].trim_start().starts_with("http"))
            .map(|(at, _)| at);
        let (one, more) = end.map_or((rest, ""), |end| (&rest[..end], &rest[end + 1..]));
        rest = more;
        (!one.trim().is_empty()).then(|| one.trim())
    })
}

/// Whether a window of time, `start/end`, is open. One that cannot be read is: the lower price is the promise.
fn within(window: &str, now: DateTime<Utc>) -> bool {
    match window.split_once('/').map(|(start, end)| (time::at(start), time::at(end))) {
        Some((Some(start), Some(end))) => (start..=end).contains(&now),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parted_where_the_next_one_begins() {
        let list = "https://a.example/1,2.jpg, https://a.example/3.jpg,http://b.example/4.jpg";
        assert_eq!(
            addresses(list).collect::<Vec<_>>(),
            ["https://a.example/1,2.jpg", "https://a.example/3.jpg", "http://b.example/4.jpg"]
        );
    }

    #[test]
    fn a_sale_holds_while_its_window_is_open() {
        let window = "2026-01-01T00:00-0300/2026-01-31T23:59-0300";
        let at = |text| time::at(text).expect("a time");
        assert!(within(window, at("2026-01-15T00:00:00Z")));
        assert!(!within(window, at("2026-02-01T03:00:00Z")));
        assert!(within("sempre", at("2026-02-01T03:00:00Z")));
    }
}
