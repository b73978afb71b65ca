//! Nothing that a source may send makes an adapter panic, and no price is made up.

use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample,
};

use crate::{
    File, Reading, Source,
    fixture_tests::{files, options},
};

/// Any JSON, with names that adapters look for among the others.
fn any_json() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "id",
        "title",
        "name",
        "price",
        "variants",
        "variations",
        "items",
        "sku",
        "status",
        "attributes",
        "images",
        "offers",
        "results",
        "response",
        "item_list",
        "productId",
        "productName",
        "@graph",
        "@type",
        "data",
        "products",
        "edges",
        "node",
        "group",
        "stock",
        "currency_id",
        "code",
        "body",
        "options",
        "weight",
        "dimension",
        "type",
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("JSON has none", |n| n.is_finite()).prop_map(|n| n.to_string()),
        "\\PC{0,12}".prop_map(|text| serde_json::to_string(&text).expect("text")),
        sample::select(NAMES).prop_map(|name| format!("\"{name}\"")),
        sample::select(
            &["\"Product\"", "\"ProductGroup\"", "\"active\"", "\"simple\"", "\"variable\"", "\"-1.999,00\""]
                [..]
        )
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 96, 8, |inner| {
        let name = prop_oneof![sample::select(NAMES).prop_map(str::to_owned), "\\PC{0,6}"];
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            btree_map(name, inner, 0..8).prop_map(|fields| {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("{}:{value}", serde_json::to_string(name).expect("text")))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

fn read_by_all(bytes: &[u8]) {
    for source in Source::ALL {
        if let Ok(reading) = Reading::of(*source, &[File::of("model-1.json", bytes)], &options()) {
            check(&reading);
        }
    }
}

/// What a piece of a file is replaced by.
const INSTEAD: &[&[u8]] = &[
    b"",
    b"null",
    b"{}",
    b"[]",
    b"\"\"",
    b"-1",
    b"1e999",
    b"\xff\xfe",
    b"<",
    b"\"",
    b"R$ 0,001",
    b"99999999999999999999.99",
];

/// What holds of every product, whatever it was read from.
fn check(reading: &Reading) {
    for product in &reading.products {
        assert!(!product.title.is_empty() && !product.variants.is_empty(), "{product:?}");
        for variant in &product.variants {
            assert!(variant.price.is_none_or(|price| price.minor() > 0), "{variant:?}");
            let higher = |before: balcao_domain::money::Money| {
                variant.price.is_some_and(|now| before.minor() > now.minor())
            };
            assert!(variant.compare_at_price.is_none_or(higher), "{variant:?}");
            assert_eq!(variant.option_values.len(), product.option_names.len(), "{product:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_json_makes_an_adapter_panic(json in any_json()) {
        read_by_all(json.as_bytes());
    }

    #[test]
    fn no_bytes_make_an_adapter_panic(bytes in vec(any::<u8>(), 0..400)) {
        read_by_all(&bytes);
    }

    /// A real answer with a piece of it replaced: where a reader goes wrong that noise never reaches.
    #[test]
    fn no_damage_to_a_real_file_makes_an_adapter_panic(
        source in sample::select(Source::ALL),
        place in any::<sample::Index>(),
        length in 0_usize..40,
        instead in sample::select(INSTEAD),
    ) {
        let damaged: Vec<File> = files(source)
            .iter()
            .map(|file| {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut file.open().expect("the fixture is there"), &mut bytes).expect("bytes");
                let from = place.index(bytes.len());
                let to = bytes.len().min(from + length);
                bytes.splice(from..to, instead.iter().copied());
                File::of(file.name(), bytes)
            })
            .collect();
        if let Ok(reading) = Reading::of(source, &damaged, &options()) {
            check(&reading);
        }
    }
}
