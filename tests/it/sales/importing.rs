//! Whole catalogues are taken in, and taken in again.

use std::path::Path;

use balcao_catalog::{
    File, Options, Source,
    import::{Import, Report},
};
use balcao_domain::{Language, money::Currency};
use balcao_store::sales::products::{Promise, Taken};

use super::shop::{Shop, order};

/// The made-up shop's files of a source.
fn import(source: Source, names: &[&str]) -> Import {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/marketplaces");
    let now = "2026-01-15T12:00:00Z".parse().expect("a time");
    Import {
        source,
        files: names.iter().map(|name| File::at(&folder.join(name))).collect(),
        options: Options::new(Currency::BRL, Language::Portuguese, now),
        complete: true,
    }
}

fn table(rows: &[&str]) -> Import {
    let text = format!("Código;Produto;Preço;Estoque\n{}\n", rows.join("\n"));
    Import { files: vec![File::of("produtos.csv", text.into_bytes())], ..import(Source::Planilha, &[]) }
}

async fn run(shop: &Shop, import: Import) -> Report {
    import.run(&shop.store, &shop.ctx, &|_| {}).await.expect("an import")
}

#[tokio::test]
async fn a_catalogue_that_is_imported_again_changes_nothing() {
    let shop = Shop::open().await;
    let first = run(&shop, import(Source::Planilha, &["planilha/produtos.csv"])).await;
    assert_eq!((first.products, first.taken.added, first.taken.variants, first.rejected), (8, 8, 11, 0));
    assert_eq!(first.doubts.len(), 1, "the number that a spreadsheet mangled");
    let again = run(&shop, import(Source::Planilha, &["planilha/produtos.csv"])).await;
    assert_eq!(again.taken, Taken { unchanged: 8, ..Taken::default() });
    assert_eq!(again.withdrawn, 0);
    shop.is_sound().await;
}

#[tokio::test]
async fn what_was_imported_is_found_at_its_price_and_can_be_ordered() {
    let shop = Shop::open().await;
    run(&shop, import(Source::ShopifyRest, &["shopify/products-rest.json"])).await;
    let mug = shop.offer("Caneca de Cerâmica Artesanal 300 ml").await;
    assert_eq!((mug.price_minor, mug.available), (Some(4990), Some(25)));
    shop.placed(&order("a", &[(mug.variant_id, 2, 4990)])).await;
    let shirts = shop.find("camiseta capivara").await;
    let of = |title: &str| shirts.iter().find(|offer| offer.variant == title).expect("a variant");
    assert_eq!(of("Verde / M").price_minor, Some(9490));
    assert!(!of("Azul / M").can_be_had(1));
    // Sold though there is none, and a customer is told.
    let book = shop.offer("Livro Cozinha da Mantiqueira (pré-venda)").await;
    assert_eq!((book.promise, book.available), (Some(Promise::Backorder), None));
    assert!(book.can_be_had(1));
    shop.is_sound().await;
}

#[tokio::test]
async fn a_day_on_which_something_will_be_sent_is_kept() {
    let shop = Shop::open().await;
    run(&shop, import(Source::Google, &["google/feed.xml"])).await;
    let book = shop.offer("Livro Cozinha da Mantiqueira (pré-venda)").await;
    assert_eq!(book.promise, Some(Promise::Preorder));
    assert_eq!(book.available_on.map(|day| day.to_string()).as_deref(), Some("2026-03-15"));
}

#[tokio::test]
async fn what_a_complete_import_does_not_name_leaves_the_shelf_and_comes_back() {
    let shop = Shop::open().await;
    let both = ["A1;Caneca;R$ 10,00;5", "B1;Vela;R$ 20,00;5"];
    run(&shop, table(&both)).await;
    run(&shop, import(Source::Google, &["google/feed.xml"])).await;
    let report = run(&shop, table(&both[..1])).await;
    assert_eq!(report.withdrawn, 1, "of this source only");
    assert!(shop.find("vela").await.iter().all(|offer| offer.title != "Vela"));
    assert_eq!(run(&shop, table(&both)).await.taken.changed, 1);
    assert_eq!(shop.offer("Vela").await.price_minor, Some(2000));
}

#[tokio::test]
async fn what_a_shop_has_paused_is_not_found() {
    let shop = Shop::open().await;
    run(&shop, import(Source::Nuvemshop, &["nuvemshop/products.json"])).await;
    assert!(shop.find("copo de boteco").await.iter().all(|offer| !offer.title.contains("Copo")));
}

#[tokio::test]
async fn an_id_that_comes_twice_is_taken_once_and_said() {
    let shop = Shop::open().await;
    let report = run(&shop, table(&["A1;Caneca;R$ 10,00;5", "A1;Caneca azul;R$ 11,00;5"])).await;
    assert_eq!((report.products, report.rejected), (1, 1));
    assert!(report.rejections[0].reason.contains("same id"), "{report:?}");
    assert_eq!(shop.offer("Caneca").await.price_minor, Some(1000));
}

#[tokio::test]
async fn two_imports_at_once_do_not_get_into_each_other_s_way() {
    let shop = Shop::open().await;
    let rows: Vec<String> = (0..600).map(|n| format!("C{n};Produto {n};R$ 10,00;5")).collect();
    let backwards: Vec<&str> = rows.iter().rev().map(String::as_str).collect();
    let forwards: Vec<&str> = rows.iter().map(String::as_str).collect();
    let (one, other) = tokio::join!(run(&shop, table(&forwards)), run(&shop, table(&backwards)));
    assert_eq!(one.taken.added + other.taken.added, 600);
    assert_eq!(one.rejected + other.rejected, 0);
    shop.is_sound().await;
}
