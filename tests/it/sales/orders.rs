//! Orders are placed whole or not at all, once for each intent, and never on stock that is not there.

use balcao_domain::order::Status;
use balcao_store::sales::orders::{self, Placed, Refused, Why};
use futures::future::join_all;

use super::shop::{Shop, order, product};

#[tokio::test]
async fn the_same_confirmation_however_often_is_one_order() {
    let shop = Shop::open().await;
    shop.put(&[product("1", "Caneca", 3500, 100)]).await;
    let mug = shop.offer("Caneca").await.variant_id;
    let new = order("conversa-1/resumo-3", &[(mug, 2, 3500)]);
    let all = join_all((0..24).map(|_| shop.place(&new))).await;
    let now: Vec<_> = all.iter().filter(|placed| matches!(placed, Placed::Now(_))).collect();
    assert_eq!(now.len(), 1);
    let Placed::Now(id) = *now[0] else { unreachable!() };
    assert!(
        all.iter().all(|placed| matches!(placed, Placed::Now(known) | Placed::Before(known) if *known == id))
    );
    assert_eq!(shop.available("Caneca").await, 98);
    let order = shop.order(id).await;
    assert_eq!((order.status, order.total_minor, order.lines.len()), (Status::AwaitingPayment, 7000, 1));
    shop.is_sound().await;
}

#[tokio::test]
async fn sixty_four_customers_get_the_last_five_pieces_and_never_a_sixth() {
    let shop = Shop::open().await;
    for round in 0..8 {
        let title = format!("Vestido{round}");
        shop.put(&[product(&title, &title, 19_900, 5)]).await;
        let dress = shop.offer(&title).await.variant_id;
        let orders: Vec<_> = (0..64).map(|n| order(&format!("{round}/{n}"), &[(dress, 1, 19_900)])).collect();
        let all = join_all(orders.iter().map(|new| shop.place(new))).await;
        let sold = all.iter().filter(|placed| matches!(placed, Placed::Now(_))).count();
        assert_eq!(sold, 5);
        let refused = Placed::Refused(vec![Refused { variant_id: dress, why: Why::Stock { left: 0 } }]);
        assert!(all.iter().all(|placed| matches!(placed, Placed::Now(_)) || *placed == refused));
    }
    shop.is_sound().await;
}

#[tokio::test]
async fn orders_over_the_same_things_in_any_order_wait_for_each_other_without_a_deadlock() {
    let shop = Shop::open().await;
    shop.put(&[product("1", "Alfa", 100, 1000), product("2", "Beta", 200, 1000)]).await;
    let (a, b) = (shop.offer("Alfa").await.variant_id, shop.offer("Beta").await.variant_id);
    let orders: Vec<_> = (0..80)
        .map(|n| {
            let wanted = if n % 2 == 0 { [(a, 1, 100), (b, 1, 200)] } else { [(b, 1, 200), (a, 1, 100)] };
            order(&n.to_string(), &wanted)
        })
        .collect();
    let all = join_all(orders.iter().map(|new| shop.place(new))).await;
    assert!(all.iter().all(|placed| matches!(placed, Placed::Now(_))));
    // Sources count and orders end meanwhile.
    let counts = join_all((0..10).map(|_| async {
        shop.put(&[product("2", "Beta", 200, 1000), product("1", "Alfa", 100, 1000)]).await
    }));
    let ends = shop.time_passes();
    tokio::join!(counts, ends);
    assert_eq!((shop.available("Alfa").await, shop.available("Beta").await), (1000, 1000));
    shop.is_sound().await;
}

#[tokio::test]
async fn what_changed_since_it_was_shown_voids_the_order_and_nothing_is_written() {
    let shop = Shop::open().await;
    shop.put(&[
        product("1", "Caneca", 3500, 10),
        product("2", "Prato", 2000, 1),
        product("3", "Copo", 900, 9),
    ])
    .await;
    let id = async |title: &str| shop.offer(title).await.variant_id;
    let (mug, plate, glass) = (id("Caneca").await, id("Prato").await, id("Copo").await);
    shop.put(&[product("1", "Caneca", 3900, 10)]).await;
    let mut gone = product("3", "Copo", 900, 9);
    gone.variants[0].sellable = false;
    shop.put(&[gone]).await;

    let Placed::Refused(mut refused) =
        shop.place(&order("a", &[(mug, 1, 3500), (plate, 2, 2000), (glass, 1, 900)])).await
    else {
        panic!("placed")
    };
    refused.sort_by_key(|refused| [mug, plate, glass].iter().position(|id| *id == refused.variant_id));
    let why: Vec<_> = refused.iter().map(|refused| refused.why).collect();
    assert_eq!(why, [Why::Price { now_minor: 3900 }, Why::Stock { left: 1 }, Why::Gone]);
    assert_eq!((shop.available("Caneca").await, shop.available("Prato").await), (10, 1));
    // The same variant twice in an order counts together.
    let twice = shop.place(&order("b", &[(plate, 1, 2000), (plate, 1, 2000)])).await;
    assert_eq!(twice, Placed::Refused(vec![Refused { variant_id: plate, why: Why::Stock { left: 1 } }]));
    shop.is_sound().await;
}

#[tokio::test]
async fn an_order_of_nothing_or_of_less_than_nothing_is_refused() {
    let shop = Shop::open().await;
    shop.put(&[product("1", "Caneca", 3500, 10)]).await;
    let mug = shop.offer("Caneca").await.variant_id;
    let discount = orders::NewOrder { discount_minor: 9999, ..order("d", &[(mug, 1, 3500)]) };
    let huge = order("e", &[(mug, i64::MAX, 3500)]);
    for new in
        [order("a", &[]), order("b", &[(mug, 0, 3500)]), order("c", &[(mug, -1, 3500)]), discount, huge]
    {
        let mut tx = shop.store.tenant_tx(&shop.ctx).await.expect("a transaction");
        assert!(orders::place(&mut tx, &new).await.is_err(), "{}", new.intent);
    }
    assert_eq!(shop.available("Caneca").await, 10);
}

#[tokio::test]
async fn an_order_nobody_pays_or_that_is_called_off_gives_its_stock_back_once() {
    let shop = Shop::open().await;
    shop.put(&[product("1", "Caneca", 3500, 10)]).await;
    let mug = shop.offer("Caneca").await.variant_id;
    let expired = shop.placed(&order("a", &[(mug, 3, 3500)])).await;
    shop.time_passes().await;
    assert_eq!(shop.order(expired).await.status, Status::Expired);
    assert_eq!(shop.available("Caneca").await, 10);

    let canceled = shop.placed(&order("b", &[(mug, 4, 3500)])).await;
    for _ in 0..2 {
        let mut tx = shop.store.tenant_tx(&shop.ctx).await.expect("a transaction");
        assert_eq!(orders::cancel(&mut tx, canceled).await.expect("an end"), Status::Canceled);
        assert_eq!(orders::cancel(&mut tx, expired).await.expect("an end"), Status::Expired);
        tx.commit().await.expect("a commit");
    }
    assert_eq!(shop.available("Caneca").await, 10);
    shop.is_sound().await;
}

#[tokio::test]
async fn another_shop_sees_neither_the_products_nor_the_orders() {
    let shop = Shop::open().await;
    shop.put(&[product("1", "Caneca", 3500, 10)]).await;
    let mug = shop.offer("Caneca").await.variant_id;
    let id = shop.placed(&order("a", &[(mug, 1, 3500)])).await;
    let other = balcao_tests::database::a_tenant(&shop.store, "harbour").await;
    let mut tx = shop.store.tenant_tx(&other).await.expect("a transaction");
    assert!(
        balcao_store::sales::products::search(&mut tx, "caneca", 5)
            .await
            .expect("a search")
            .offers
            .is_empty()
    );
    assert!(matches!(orders::get(&mut tx, id).await, Err(balcao_store::StoreError::NotFound)));
    let theirs = orders::place(&mut tx, &order("a", &[(mug, 1, 3500)])).await.expect("a refusal");
    assert_eq!(theirs, Placed::Refused(vec![Refused { variant_id: mug, why: Why::Gone }]));
}
