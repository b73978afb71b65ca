//! The made-up shop of `tests/fixtures/marketplaces`, seen through every source: each says the same products.

use std::{collections::BTreeMap, fs, path::PathBuf};

use balcao_domain::{Language, money::Currency};
use serde_json::{Value, json};

use crate::{File, Options, Reading, Source};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/marketplaces")
}

pub(crate) fn options() -> Options {
    let now = "2026-01-15T12:00:00Z".parse().expect("a time");
    Options::new(Currency::BRL, Language::Portuguese, now)
}

fn expected() -> Value {
    let text = fs::read_to_string(folder().join("expected.json")).expect("the fixture is there");
    serde_json::from_str(&text).expect("it is JSON")
}

pub(crate) fn files(source: Source) -> Vec<File> {
    let expected = expected();
    let names =
        expected["per_source"][source.id()]["files"].as_array().expect("each source has files").clone();
    names.iter().map(|name| File::at(&folder().join(name.as_str().expect("a name")))).collect()
}

fn reading(source: Source) -> Reading {
    Reading::of(source, &files(source), &options()).expect("the fixture is read")
}

/// What the source is expected to say, by key: the products with what the source cannot know put out.
fn expected_of(source: Source) -> BTreeMap<String, Value> {
    let all = expected();
    let own = &all["per_source"][source.id()];
    let listed = |list: &Value, key: &str| list.as_array().is_some_and(|keys| keys.contains(&json!(key)));
    let mut products = BTreeMap::new();
    for product in all["products"].as_array().expect("products") {
        let key = product["key"].as_str().expect("a key");
        let only = own["only_products"].is_null() || listed(&own["only_products"], key);
        if only && !listed(&own["absent_products"], key) {
            products.insert(key.to_owned(), product.clone());
        }
    }
    for product in products.values_mut() {
        for path in own["null_fields"].as_array().into_iter().flatten() {
            let path = path.as_str().expect("a path");
            match path.strip_prefix("variants[].") {
                Some(path) => variants(product).for_each(|variant| put(variant, path, Value::Null)),
                None => put(product, path, if path == "media" { json!([]) } else { Value::Null }),
            }
        }
        if own["category_leaf_only"] == json!(true) {
            let leaf = product["category_path"].as_array().and_then(|path| path.last()).cloned();
            product["category_path"] = json!([leaf]);
        }
    }
    for change in own["product_overrides"].as_array().into_iter().flatten() {
        let product =
            products.get_mut(change["key"].as_str().expect("a key")).expect("an override's product");
        put(product, change["path"].as_str().expect("a path"), change["value"].clone());
    }
    for change in own["variant_overrides"].as_array().into_iter().flatten() {
        let variant =
            products.values_mut().flat_map(variants).find(|variant| variant["sku"] == change["sku"]);
        put(
            variant.expect("an override's variant"),
            change["path"].as_str().expect("a path"),
            change["value"].clone(),
        );
    }
    products
}

fn variants(product: &mut Value) -> impl Iterator<Item = &mut Value> {
    product["variants"].as_array_mut().expect("variants").iter_mut()
}

fn put(at: &mut Value, path: &str, value: Value) {
    let place = path.split('.').fold(at, |at, name| &mut at[name]);
    *place = value;
}

/// A reading in the fixture's form, which leaves out what sources name differently.
fn canonical(reading: &Reading) -> BTreeMap<String, Value> {
    let products = reading.products.iter().map(|product| {
        let mut value = serde_json::to_value(product).expect("a product is JSON");
        let fields = value.as_object_mut().expect("an object");
        ["external_id", "attributes", "url", "updated_at"].iter().for_each(|name| drop(fields.remove(*name)));
        variants(&mut value)
            .for_each(|variant| drop(variant.as_object_mut().expect("an object").remove("external_id")));
        (product.key.clone(), value)
    });
    products.collect()
}

macro_rules! every_source_says_the_same {
    ($($name:ident: $source:ident;)*) => {$(
        #[test]
        fn $name() {
            let (expected, read) = (expected_of(Source::$source), canonical(&reading(Source::$source)));
            for (key, product) in &expected {
                similar_asserts(key, product, read.get(key));
            }
            assert_eq!(read.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        }
    )*};
}

/// Fails with the fields that differ, since whole products are long.
fn similar_asserts(key: &str, expected: &Value, read: Option<&Value>) {
    let read = read.unwrap_or_else(|| panic!("{key} was not read"));
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&read[field], value, "{key}, {field}");
    }
    assert_eq!(read, expected, "{key} has fields that are not expected");
}

every_source_says_the_same! {
    mercado_livre: MercadoLivre;
    mercado_livre_legacy: MercadoLivreLegacy;
    shopify_rest: ShopifyRest;
    shopify_graphql: ShopifyGraphql;
    woocommerce: Woocommerce;
    vtex: Vtex;
    nuvemshop: Nuvemshop;
    amazon: Amazon;
    shopee: Shopee;
    magalu: Magalu;
    google: Google;
    meta: Meta;
    schema_org: SchemaOrg;
    planilha: Planilha;
}

#[test]
fn nothing_of_the_fixtures_is_rejected() {
    for source in Source::ALL {
        assert_eq!(reading(*source).rejected, [], "{source}");
    }
}

#[test]
fn what_is_in_doubt_is_said_and_nothing_else() {
    let warned = |source: Source| -> Vec<String> {
        reading(source).warnings.into_iter().map(|note| format!("{}: {}", note.field, note.reason)).collect()
    };
    for source in Source::ALL {
        let expected: &[&str] = match source {
            Source::MercadoLivre => &["code: answered 404: Item with id MLB4100009999 not found; skipped"],
            Source::Shopee => &["gtin_code: `00` has not 8 to 14 digits; left out"],
            Source::Planilha => &[
                "EAN: `7,89123E+12` was rounded by a spreadsheet; format the column as text and export again; left out",
            ],
            _ => &[],
        };
        assert_eq!(warned(*source), expected, "{source}");
    }
}

#[test]
fn the_body_of_a_webhook_is_a_product_too() {
    let body = |name: &str| {
        let text = fs::read_to_string(folder().join(name)).expect("the fixture is there");
        let webhook: Value = serde_json::from_str(&text).expect("it is JSON");
        webhook["request"]["body_raw"].as_str().expect("a body").to_owned()
    };
    for (source, name) in [
        (Source::ShopifyRest, "shopify/webhook-products-update.json"),
        (Source::Woocommerce, "woocommerce/webhook-product-updated.json"),
    ] {
        let file = File::of("webhook", body(name).into_bytes());
        let reading = Reading::of(source, &[file], &options()).expect("a body");
        let keys: Vec<&str> = reading.products.iter().map(|product| product.key.as_str()).collect();
        assert_eq!(keys, ["CJ-CAN-300"], "{name}");
    }
}

#[test]
fn the_same_product_twice_is_the_same_reading() {
    for source in Source::ALL {
        let (once, again) = (reading(*source), reading(*source));
        assert_eq!(once.products, again.products, "{source}");
    }
}

#[test]
fn one_bad_product_does_not_stop_a_page() {
    let page = r#"[
        {"id": 1, "title": "Boa", "status": "active", "variants": [{"id": 1, "price": "10.00"}]},
        {"id": 2, "status": "active", "variants": [{"id": 2, "price": "10.00"}]},
        {"id": 3, "title": "Sem variantes", "status": "active"},
        {"title": "Sem id"}, 7, null, "x",
        {"id": 4, "title": "Preço ilegível", "status": "enfeitiçado", "variants": [{"id": 4, "price": "dez"}]}
    ]"#;
    let reading = Reading::of(Source::ShopifyRest, &[File::of("page.json", page.as_bytes())], &options());
    let reading = reading.expect("a page");
    let titles: Vec<&str> = reading.products.iter().map(|product| product.title.as_str()).collect();
    assert_eq!(titles, ["Boa", "Preço ilegível"]);
    let rejected: Vec<(&str, &str)> =
        reading.rejected.iter().map(|note| (note.item.as_str(), note.field.as_str())).collect();
    assert_eq!(rejected[..3], [("2", "title"), ("3", "variants"), ("page.json, item 4", "id")]);
    let doubts: Vec<&str> = reading.warnings.iter().map(|note| note.field.as_str()).collect();
    assert_eq!(doubts, ["status", "price"]);
    assert!(!reading.products[1].variants[0].is_sellable(reading.products[1].status));
}
