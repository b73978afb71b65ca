//! Products come from their source again and again.

use balcao_store::sales::products::Taken;

use super::shop::{Shop, order, product, variant};

#[tokio::test]
async fn the_same_products_again_change_nothing_and_new_prices_are_today_s() {
    let shop = Shop::open().await;
    let shirt = product("1", "Camiseta básica", 5990, 10);
    let mug = product("2", "Caneca de cerâmica", 3500, 4);
    let taken = Taken { added: 2, variants: 2, ..Taken::default() };
    assert_eq!(shop.put(&[shirt.clone(), mug.clone()]).await, taken);
    let before = shop.offer("Caneca de cerâmica").await;
    assert_eq!(shop.put(&[shirt.clone(), mug.clone()]).await, Taken { unchanged: 2, ..Taken::default() });
    assert_eq!(shop.offer("Caneca de cerâmica").await, before);

    let dearer = product("2", "Caneca de cerâmica", 3700, 9);
    let taken = shop.put(&[dearer]).await;
    assert_eq!((taken.unchanged, taken.variants), (1, 1), "a price is the variant's");
    let after = shop.offer("Caneca de cerâmica").await;
    assert_eq!(
        (after.variant_id, after.price_minor, after.available),
        (before.variant_id, Some(3700), Some(9))
    );
    let renamed = product("2", "Caneca de porcelana", 3700, 9);
    assert_eq!(shop.put(&[renamed]).await.changed, 1);
    assert_eq!(shop.offer("Caneca de porcelana").await.variant_id, before.variant_id);
    shop.is_sound().await;
}

#[tokio::test]
async fn a_variant_that_is_gone_from_the_source_is_not_sold_and_its_orders_stay() {
    let shop = Shop::open().await;
    let mut shirt = product("1", "Camiseta", 5990, 3);
    shirt.variants = vec![variant("M", 5990, 3), variant("G", 5990, 3)];
    shop.put(&[shirt.clone()]).await;
    let large = shop.find("camiseta").await.into_iter().find(|offer| offer.variant == "G").expect("G");
    let id = shop.placed(&order("a", &[(large.variant_id, 1, 5990)])).await;
    shirt.variants.pop();
    shop.put(&[shirt]).await;
    let offers = shop.find("camiseta").await;
    let can: Vec<_> = offers.iter().map(|offer| (offer.variant.as_str(), offer.can_be_had(1))).collect();
    assert_eq!(can, [("M", true), ("G", false)]);
    assert_eq!(shop.order(id).await.lines[0].title, "Camiseta — G");
    shop.is_sound().await;
}

#[tokio::test]
async fn a_source_that_counts_less_than_is_promised_is_believed_down_to_the_promises() {
    let shop = Shop::open().await;
    shop.put(&[product("1", "Boné", 3990, 5)]).await;
    let hat = shop.offer("Boné").await;
    shop.placed(&order("a", &[(hat.variant_id, 4, 3990)])).await;
    let taken = shop.put(&[product("1", "Boné", 3990, 2)]).await;
    assert_eq!(taken.short, 1);
    assert_eq!(shop.available("Boné").await, 0);
    shop.is_sound().await;
}

#[tokio::test]
async fn products_are_found_without_accents_and_what_is_sold_out_comes_last() {
    let shop = Shop::open().await;
    let mut mug = product("1", "Caneca de cerâmica preta", 3500, 0);
    mug.attributes.insert("cor".into(), "preta".into());
    shop.put(&[mug, product("2", "Caneca térmica", 9900, 2), product("3", "Boné", 3990, 5)]).await;
    let titles: Vec<_> =
        shop.find("vcs tem canecas de ceramica?").await.into_iter().map(|o| o.title).collect();
    assert_eq!(titles, ["Caneca térmica", "Caneca de cerâmica preta"]);
    assert!(shop.find("geladeira").await.is_empty());
    assert!(shop.find("'); drop table product; --").await.is_empty());
    assert!(shop.find("").await.is_empty());
}
