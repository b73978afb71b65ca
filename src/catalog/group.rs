//! From rows, one a variant, to products.
//!
//! Marketplaces and feeds say of every variant which group it belongs to. Rows of one group become one product: its
//! words are the first row's, its pictures are everyone's, its options are what its rows differ in.

use std::{
    collections::{BTreeMap, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use crate::{
    ReadError,
    model::{Attribute, Choice, Product, Status},
    notes::{Doubts, Taker},
};

/// A product as one row tells it.
#[derive(Debug)]
pub(crate) struct Row {
    /// With exactly one variant, and without options.
    pub(crate) product: Product,
    /// Which rows are one product.
    pub(crate) group: Group,
    /// What the variant may differ in from its sisters.
    pub(crate) options: Vec<Choice>,
}

/// Which product a row is part of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// The same for all rows of a product; `None` where the row is all of it.
    pub(crate) id: Option<String>,
    /// The shop's own code of it, where it has one.
    pub(crate) code: Option<String>,
    /// Its title, where it has one of its own.
    pub(crate) title: Option<String>,
    /// Nobody said that these rows are one product, they only look so: they are where something tells them apart.
    pub(crate) implied: bool,
}

impl Group {
    /// A group whose id is the shop's own code.
    pub(crate) fn coded(code: Option<String>) -> Self {
        Self { id: code.clone(), code, ..Self::default() }
    }
}

/// How many rows each group has, so that it can be handed out as soon as they are there.
///
/// Groups are counted by a hash: two that share one are handed out late, never wrongly.
#[derive(Debug, Default)]
pub(crate) struct Counts(HashMap<u64, u32>);

impl Counts {
    pub(crate) fn add(&mut self, group: &str) {
        *self.0.entry(hash(group)).or_default() += 1;
    }

    fn of(&self, group: &str) -> u32 {
        self.0.get(&hash(group)).copied().unwrap_or(u32::MAX)
    }
}

fn hash(group: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    group.hash(&mut hasher);
    hasher.finish()
}

/// Collects rows and hands out products.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    counts: Counts,
    /// By the number of the first row, so that what is left at the end leaves in order.
    waiting: BTreeMap<u64, Waiting>,
    by_group: HashMap<String, u64>,
    next: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    rows: Vec<Row>,
    refused: u32,
}

impl Gather {
    /// For rows that were counted before: groups leave as soon as they are whole.
    pub(crate) fn counted(counts: Counts) -> Self {
        Self { counts, ..Self::default() }
    }

    /// Takes a row.
    pub(crate) fn row(&mut self, row: Row, notes: &mut Taker<'_>) -> Result<(), ReadError> {
        let Some(group) = row.group.id.clone() else {
            return hand(vec![row], notes);
        };
        self.put(group, Some(row), notes)
    }

    /// A row of a group was left out: nobody has to wait for it.
    pub(crate) fn refused(&mut self, group: Option<&str>, notes: &mut Taker<'_>) -> Result<(), ReadError> {
        group.map_or(Ok(()), |group| self.put(group.to_owned(), None, notes))
    }

    fn put(&mut self, group: String, row: Option<Row>, notes: &mut Taker<'_>) -> Result<(), ReadError> {
        let expected = self.counts.of(&group);
        let number = *self.by_group.entry(group.clone()).or_insert_with(|| {
            self.next += 1;
            self.next
        });
        let waiting = self.waiting.entry(number).or_default();
        match row {
            Some(row) => waiting.rows.push(row),
            None => waiting.refused += 1,
        }
        if waiting.rows.len() as u64 + u64::from(waiting.refused) >= u64::from(expected) {
            self.by_group.remove(&group);
            if let Some(whole) = self.waiting.remove(&number) {
                return hand(whole.rows, notes);
            }
        }
        Ok(())
    }

    /// Hands out what is left, in the order of the source.
    pub(crate) fn finish(self, notes: &mut Taker<'_>) -> Result<(), ReadError> {
        self.waiting.into_values().try_for_each(|waiting| hand(waiting.rows, notes))
    }
}

fn hand(rows: Vec<Row>, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let mut doubts = Doubts::default();
    let products = merge(rows, &mut doubts);
    notes.warnings(doubts)?;
    products.into_iter().try_for_each(|product| notes.product(product))
}

/// The products that rows of one group are: one, unless nothing tells the rows of an implied group apart.
fn merge(rows: Vec<Row>, doubts: &mut Doubts) -> Vec<Product> {
    let names = option_names(&rows);
    let told_apart = all_differ(rows.iter().map(|row| values(row, &names)).collect());
    if rows.len() > 1 && !told_apart && rows.iter().all(|row| row.group.implied) {
        return rows.into_iter().flat_map(|row| merge(vec![row], doubts)).collect();
    }
    let status = common_status(&rows);
    let code = rows.iter().find_map(|row| row.group.code.clone());
    let family = rows.iter().find_map(|row| row.group.title.clone());
    let title = family.or_else(|| common_title(&rows));
    let key = code.or_else(|| common_sku(&rows));
    if rows.len() > 1
        && !told_apart
        && let Some(first) = rows.first()
    {
        doubts.add(
            &first.product.external_id,
            "options",
            "two of its variants do not differ in any option; customers are shown their codes",
        );
    }
    // Rows that only look alike are known by the first of them: titles are changed more often than codes.
    let group = rows.first().filter(|row| !row.group.implied).and_then(|row| row.group.id.clone());
    let mut merged: Option<Product> = None;
    for row in rows {
        let values: Vec<Choice> =
            names.iter().map(|name| Choice { name: name.clone(), value: value(&row, name) }).collect();
        let rest = row.options.into_iter().filter(|choice| !names.contains(&choice.name));
        let attributes: Vec<Attribute> =
            rest.map(|choice| Attribute { label: choice.name, value: choice.value }).collect();
        let mut product = row.product;
        for variant in &mut product.variants {
            variant.option_values.clone_from(&values);
        }
        product.attributes.extend(attributes);
        match &mut merged {
            None => merged = Some(product),
            Some(merged) => join(merged, product),
        }
    }
    let Some(mut product) = merged else { return Vec::new() };
    product.option_names = names;
    product.status = status;
    if let Some(title) = title {
        product.title = title;
    }
    if let Some(id) = group {
        product.external_id = id;
    }
    product.key = key.unwrap_or_else(|| product.external_id.clone());
    vec![product]
}

/// What two tellings of one product say together.
fn join(product: &mut Product, other: Product) {
    product.description_text = product.description_text.take().or(other.description_text);
    product.brand = product.brand.take().or(other.brand);
    product.category_path = product.category_path.take().or(other.category_path);
    product.condition = product.condition.or(other.condition);
    product.url = product.url.take().or(other.url);
    product.updated_at = product.updated_at.max(other.updated_at);
    for picture in other.media {
        if !product.media.contains(&picture) {
            product.media.push(picture);
        }
    }
    for attribute in other.attributes {
        if !product.attributes.contains(&attribute) {
            product.attributes.push(attribute);
        }
    }
    product.variants.extend(other.variants);
}

/// The names of options that rows differ in, in the order they are first said.
fn option_names(rows: &[Row]) -> Vec<String> {
    let mut names: Vec<&str> = Vec::new();
    for choice in rows.iter().flat_map(|row| &row.options) {
        if !names.contains(&choice.name.as_str()) {
            names.push(&choice.name);
        }
    }
    let differs = |name: &&str| rows.iter().any(|row| value(row, name) != value(&rows[0], name));
    names.into_iter().filter(differs).map(str::to_owned).collect()
}

fn value(row: &Row, name: &str) -> String {
    row.options
        .iter()
        .find(|choice| choice.name == name)
        .map(|choice| choice.value.clone())
        .unwrap_or_default()
}

fn values(row: &Row, names: &[String]) -> Vec<String> {
    names.iter().map(|name| value(row, name)).collect()
}

fn all_differ(mut values: Vec<Vec<String>>) -> bool {
    values.sort_unstable();
    values.windows(2).all(|pair| pair[0] != pair[1])
}

/// Active where any is; else what all say; else off for now.
fn common_status(rows: &[Row]) -> Status {
    let mut statuses = rows.iter().map(|row| row.product.status);
    if rows.iter().any(|row| row.product.status == Status::Active) {
        return Status::Active;
    }
    let first = statuses.next().unwrap_or(Status::Blocked);
    if statuses.all(|status| status == first) { first } else { Status::Paused }
}

fn common_title(rows: &[Row]) -> Option<String> {
    let (first, others) = rows.split_first()?;
    let first = first.product.title.as_str();
    let mut end = others.iter().fold(first.len(), |end, row| common(&first[..end], &row.product.title).len());
    let rest_goes_on = others
        .iter()
        .map(|row| row.product.title.as_str())
        .chain([first])
        .any(|title| title[end..].chars().next().is_some_and(char::is_alphanumeric));
    if rest_goes_on {
        // Never half a word: of "Caneca azul" and "Caneca amarela" it is "Caneca".
        end = first[..end].rfind(|c: char| !c.is_alphanumeric()).unwrap_or(0);
    }
    let title = first[..end].trim_matches([' ', '-', '–', '/', ',']);
    (!title.is_empty()).then(|| title.to_owned())
}

/// What the codes of variants have in common; of a single one all of it.
pub(crate) fn common_code<'a>(mut skus: impl Iterator<Item = &'a str>) -> Option<String> {
    let first = skus.next()?;
    let code = skus.fold(first, |prefix, sku| common(prefix, sku)).trim_end_matches('-');
    (!code.is_empty()).then(|| code.to_owned())
}

fn common_sku(rows: &[Row]) -> Option<String> {
    common_code(
        rows.iter().flat_map(|row| &row.product.variants).filter_map(|variant| variant.sku.as_deref()),
    )
}

/// The text both begin with.
fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
    &a[..same]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Item, model::Variant};

    fn row(sku: &str, title: &str, group: Option<&str>, options: &[(&str, &str)]) -> Row {
        let mut product = Product::new(sku, title);
        product.variants.push(Variant { sku: Some(sku.to_owned()), ..Variant::new(sku) });
        let options =
            options.iter().map(|(name, value)| Choice { name: (*name).into(), value: (*value).into() });
        Row {
            product,
            group: Group { id: group.map(str::to_owned), ..Group::default() },
            options: options.collect(),
        }
    }

    fn gathered(counts: &[&str], rows: Vec<Row>) -> Vec<(String, String, usize)> {
        let mut products = Vec::new();
        let mut take = |item| {
            if let Item::Product(product) = item {
                products.push((product.key, product.title, product.variants.len()));
            }
            true
        };
        let mut notes = Taker::new(&mut take);
        let mut counted = Counts::default();
        counts.iter().for_each(|group| counted.add(group));
        let mut gather = Gather::counted(counted);
        rows.into_iter().for_each(|row| gather.row(row, &mut notes).expect("the taker goes on"));
        gather.finish(&mut notes).expect("the taker goes on");
        products
    }

    #[test]
    fn rows_of_a_group_are_one_product_wherever_they_stand() {
        let rows = vec![
            row("T-AZ", "Camiseta - Azul", Some("7"), &[("Cor", "Azul"), ("Tamanho", "P")]),
            row("V", "Vela", None, &[("Cor", "Roxa")]),
            row("T-VD", "Camiseta - Verde", Some("7"), &[("Cor", "Verde"), ("Tamanho", "P")]),
        ];
        let products = gathered(&["7", "7"], rows);
        assert_eq!(products, [("V".into(), "Vela".into(), 1), ("T".into(), "Camiseta".into(), 2)]);
    }

    #[test]
    fn options_are_what_differs_and_the_rest_is_said_of_all() {
        let rows = vec![
            row("A", "Camiseta P", Some("7"), &[("Cor", "Azul"), ("Tamanho", "P")]),
            row("B", "Camiseta M", Some("7"), &[("Cor", "Azul"), ("Tamanho", "M")]),
        ];
        let product = merge(rows, &mut Doubts::default()).remove(0);
        assert_eq!(product.option_names, ["Tamanho"]);
        assert_eq!(product.attributes, [Attribute { label: "Cor".into(), value: "Azul".into() }]);
        assert_eq!(product.variants[1].title(), "M");
        assert_eq!(product.key, "7", "codes without anything in common make no key");
    }

    #[test]
    fn a_title_in_common_ends_with_a_word() {
        let of = |titles: &[&str]| {
            let rows: Vec<Row> = titles.iter().map(|title| row("A", title, Some("7"), &[])).collect();
            common_title(&rows)
        };
        assert_eq!(of(&["Caneca azul", "Caneca amarela"]).as_deref(), Some("Caneca"));
        assert_eq!(of(&["Caneca", "Caneca grande"]).as_deref(), Some("Caneca"));
        assert_eq!(of(&["Caneca – P", "Caneca – M"]).as_deref(), Some("Caneca"));
        assert_eq!(of(&["Azul", "Verde"]), None);
    }

    #[test]
    fn rows_that_only_look_alike_are_one_product_where_something_tells_them_apart() {
        let alike = |options: [&str; 2]| {
            let rows = ["A", "B"].into_iter().zip(options).map(|(sku, colour)| {
                let mut row = row(sku, "Caneca", Some("Caneca"), &[("Cor", colour)]);
                row.group.implied = true;
                row
            });
            merge(rows.collect(), &mut Doubts::default()).len()
        };
        assert_eq!(alike(["Azul", "Verde"]), 1);
        assert_eq!(alike(["Azul", "Azul"]), 2);
    }

    #[test]
    fn a_refused_row_is_not_waited_for() {
        let mut products = 0;
        let mut take = |item| {
            products += usize::from(matches!(item, Item::Product(_)));
            true
        };
        let mut notes = Taker::new(&mut take);
        let mut counts = Counts::default();
        (0..2).for_each(|_| counts.add("7"));
        let mut gather = Gather::counted(counts);
        gather.refused(Some("7"), &mut notes).expect("the taker goes on");
        gather.row(row("A", "Caneca", Some("7"), &[]), &mut notes).expect("the taker goes on");
        assert_eq!(gather.waiting.len(), 0);
        assert_eq!(products, 1);
    }
}
