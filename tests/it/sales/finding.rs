//! Customers write by ear; products are found all the same.

use balcao_store::sales::products::{self, NewProduct};
use balcao_tests::database::a_tenant;

use super::shop::{Shop, product, variant};

fn named(id: &str, title: &str) -> NewProduct {
    product(id, title, 5_000, 3)
}

fn shelf() -> Vec<NewProduct> {
    let mut shirt = named("1", "Camiseta básica");
    shirt.variants = vec![variant("Preta / M", 5_000, 3), variant("Azul / P", 5_000, 3)];
    vec![
        shirt,
        named("2", "Calça jeans reta"),
        named("3", "Vestido de linho"),
        named("4", "Chinelo de couro"),
        named("5", "Tênis branco"),
        named("6", "Wren hand grinder"),
    ]
}

#[tokio::test]
async fn a_word_that_is_misspelt_finds_what_was_meant() {
    let shop = Shop::open().await;
    shop.put(&shelf()).await;
    for (written, title) in [
        ("tem camizeta?", "Camiseta básica"),
        ("calsa jeans", "Calça jeans reta"),
        ("quero um vestdo", "Vestido de linho"),
        ("xinelo", "Chinelo de couro"),
        ("tenes branco", "Tênis branco"),
        ("quanto custa a calssa", "Calça jeans reta"),
        ("how much is the grindr", "Wren hand grinder"),
    ] {
        let found = shop.find(written).await;
        assert_eq!(found.first().map(|offer| offer.title.as_str()), Some(title), "{written}");
    }
}

#[tokio::test]
async fn a_word_that_is_right_is_left_as_it_is() {
    let shop = Shop::open().await;
    shop.put(&shelf()).await;
    let mut tx = shop.store.tenant_tx(&shop.ctx).await.expect("a transaction");
    for question in ["tem camisetas pretas?", "e o prazo de entrega pra Manaus?", "vestidos", "?", ""] {
        let found = products::search(&mut tx, question, 10).await.expect("a search");
        assert_eq!(found.question, question);
    }
    let found = products::search(&mut tx, "tem camizeta azul?", 10).await.expect("a search");
    assert_eq!(found.question, "tem camiseta azul");
}

#[tokio::test]
async fn a_product_is_found_by_its_colours_sizes_and_codes() {
    let shop = Shop::open().await;
    let mut shirt = named("1", "Camiseta básica");
    shirt.variants = vec![variant("Terracota / M", 5_000, 3)];
    shirt.variants[0].sku = Some("CB-77".into());
    shop.put(&[shirt, named("2", "Boné")]).await;
    for question in ["algo terracota", "CB-77"] {
        assert_eq!(shop.find(question).await.len(), 1, "{question}");
    }
}

#[tokio::test]
async fn the_words_of_another_shop_mend_nothing() {
    let shop = Shop::open().await;
    shop.put(&shelf()).await;
    let other = Shop { ctx: a_tenant(&shop.store, "vizinha").await, ..shop };
    other.put(&[named("1", "Panela de ferro")]).await;
    assert!(other.find("camizeta").await.is_empty());
    assert_eq!(other.find("panella").await.len(), 1);
}
