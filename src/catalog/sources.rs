//! One file a source: from its names to ours. What all agree on is in `rules`.
//!
//! `merchant` is what the feeds of Google and Meta have in common.

mod amazon;
mod google;
mod magalu;
mod mercadolivre;
mod mercadolivre_legacy;
mod merchant;
mod meta;
mod nuvemshop;
mod planilha;
mod schemaorg;
mod shopee;
mod shopify_graphql;
mod shopify_rest;
mod vtex;
mod woocommerce;

use balcao_domain::{
    Language,
    money::{Currency, Money},
};

use crate::{
    File, Options, ReadError, Source,
    group::common_code,
    json::Node,
    model::{Condition, Product, Status},
    notes::{Doubts, Taker},
    rules::{
        amount::{self, Written},
        condition, gtin,
        measure::{self, Unit},
        media,
    },
};

pub(crate) fn read(
    source: Source,
    files: &[File],
    options: &Options,
    notes: &mut Taker<'_>,
) -> Result<(), ReadError> {
    match source {
        Source::MercadoLivre => mercadolivre::read(files, options, notes),
        Source::MercadoLivreLegacy => mercadolivre_legacy::read(files, options, notes),
        Source::ShopifyRest => shopify_rest::read(files, options, notes),
        Source::ShopifyGraphql => shopify_graphql::read(files, options, notes),
        Source::Woocommerce => woocommerce::read(files, options, notes),
        Source::Vtex => vtex::read(files, options, notes),
        Source::Nuvemshop => nuvemshop::read(files, options, notes),
        Source::Amazon => amazon::read(files, options, notes),
        Source::Shopee => shopee::read(files, options, notes),
        Source::Magalu => magalu::read(files, options, notes),
        Source::Google => google::read(files, options, notes),
        Source::Meta => meta::read(files, options, notes),
        Source::SchemaOrg => schemaorg::read(files, options, notes),
        Source::Planilha => planilha::read(files, options, notes),
    }
}

/// Reads the fields of one item, and keeps the doubts about them.
struct Pen<'a> {
    item: &'a str,
    written: Written,
    doubts: Doubts,
}

impl<'a> Pen<'a> {
    /// For an item whose amounts have a decimal point and this currency.
    fn new(item: &'a str, currency: Currency) -> Self {
        Self { item, written: Written::point(currency), doubts: Doubts::default() }
    }

    fn doubt(&mut self, field: &str, reason: impl Into<String>) {
        self.doubts.add(self.item, field, reason);
    }

    /// A price of an own currency, where the item names one.
    fn price_in(&mut self, currency: &Node, price: &Node, field: &str) -> Option<Money> {
        let written = currency.text().and_then(|code| code.parse().ok()).map_or(self.written, Written::point);
        written.read(price.text(), self.item, field, &mut self.doubts)
    }

    fn price(&mut self, price: &Node, field: &str) -> Option<Money> {
        self.written.read(price.text(), self.item, field, &mut self.doubts)
    }

    /// An amount with its currency after it.
    fn price_with_currency(&mut self, text: Option<&str>, field: &str) -> Option<Money> {
        amount::with_currency(text, self.written.currency, self.item, field, &mut self.doubts)
    }

    fn gtin(&mut self, text: Option<&str>, field: &str) -> Option<String> {
        gtin::read(text, self.item, field, &mut self.doubts)
    }

    fn condition(&mut self, text: Option<&str>, field: &str) -> Option<Condition> {
        condition::of(text, self.item, field, &mut self.doubts)
    }

    fn pictures<'b>(&mut self, addresses: impl IntoIterator<Item = Option<&'b str>>) -> Vec<String> {
        media::pictures(addresses, self.item, &mut self.doubts)
    }

    /// A number in a unit that the source never writes.
    fn measure(&mut self, number: &Node, unit: Unit, field: &str) -> Option<u32> {
        self.measured(number.text(), field, |text| measure::whole(text, unit))
    }

    fn measured(
        &mut self,
        text: Option<&str>,
        field: &str,
        how: impl FnOnce(&str) -> Option<u32>,
    ) -> Option<u32> {
        measure::read(text, self.item, field, &mut self.doubts, how)
    }

    /// A status by a table; one that is not in it is the safe side.
    fn status(&mut self, text: Option<&str>, field: &str, table: &[(&str, Status)]) -> Status {
        let word = text.unwrap_or_default();
        let known = table.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, status)| *status);
        known.unwrap_or_else(|| {
            self.doubt(field, format!("`{word}` is no status that is known; it is not offered"));
            Status::Blocked
        })
    }
}

/// Hands out a product that came in one piece, with the doubts about it.
fn whole(
    mut product: Product,
    code: Option<String>,
    doubts: Doubts,
    notes: &mut Taker<'_>,
) -> Result<(), ReadError> {
    notes.warnings(doubts)?;
    if product.variants.is_empty() {
        return notes.rejected(product.external_id, "variants", "it has none");
    }
    let skus = product.variants.iter().filter_map(|variant| variant.sku.as_deref());
    if let Some(key) = code.or_else(|| common_code(skus)) {
        product.key = key;
    }
    notes.product(product)
}

/// An item's id and title; without them it is rejected.
fn named(
    id: Option<&str>,
    title: Option<String>,
    place: &str,
    notes: &mut Taker<'_>,
) -> Result<Option<(String, String)>, ReadError> {
    match (id, title) {
        (Some(id), Some(title)) => Ok(Some((id.to_owned(), title))),
        (None, _) => notes.rejected(place, "id", "it has none").map(|()| None),
        (Some(id), None) => notes.rejected(id, "title", "it has none").map(|()| None),
    }
}

/// The answers in the files, each with where it stands: a list is as many answers as it has items.
fn answers(files: &[File]) -> Result<Vec<(String, Node)>, ReadError> {
    let mut answers = Vec::new();
    for file in files {
        match file.json()? {
            Node::List(items) => {
                let placed = items.into_iter().enumerate();
                answers.extend(placed.map(|(at, item)| (format!("{}, item {}", file.name(), at + 1), item)));
            }
            one => answers.push((file.name().to_owned(), one)),
        }
    }
    Ok(answers)
}

/// What an option is called, where the source knows it by a code.
fn label(code: &str, language: Language) -> String {
    let portuguese = language == Language::Portuguese;
    match (code, portuguese) {
        ("color", true) => "Cor".to_owned(),
        ("color", false) => "Color".to_owned(),
        ("size", true) => "Tamanho".to_owned(),
        ("size", false) => "Size".to_owned(),
        ("material", _) => "Material".to_owned(),
        ("pattern", true) => "Estampa".to_owned(),
        ("pattern", false) => "Pattern".to_owned(),
        ("flavor" | "flavor_name", true) => "Sabor".to_owned(),
        ("flavor" | "flavor_name", false) => "Flavor".to_owned(),
        ("scent" | "scent_name", true) => "Aroma".to_owned(),
        ("scent" | "scent_name", false) => "Scent".to_owned(),
        _ => {
            let mut letters = code.replace('_', " ");
            if let Some(first) = letters.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            letters
        }
    }
}
