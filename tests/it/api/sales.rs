//! A shop's own programs take catalogues in, look at orders, and follow the money.

use balcao_domain::tenant::Settings;
use balcao_tests::counter::{Counter, Setup, read};
use serde_json::{Value, json};

use crate::walk::buying;

const TABLE: &str = "Código;Produto;Preço;Estoque;Cor\n\
    CAN-AZ;Caneca esmaltada;R$ 49,90;5;Azul\nCAN-VD;Caneca esmaltada;R$ 49,90;0;Verde\nVEL;Vela;dez;3;\n";

async fn open() -> Counter {
    let settings = Settings { delivery: Vec::new(), ..buying::settings() };
    Counter::with(Setup { shops: Some(settings), ..Setup::default() }).await
}

async fn take_in(counter: &Counter, path: &str, key: &str, body: &str) -> (u16, Value) {
    read(counter.ask("POST", path, key).body(body.to_owned())).await
}

#[tokio::test]
async fn a_catalogue_is_taken_in_and_found() {
    let counter = open().await;
    let shop = &counter.aurora;
    let (status, report) = take_in(&counter, "/v1/catalog/planilha?complete=true", &shop.ingest, TABLE).await;
    assert_eq!(status, 200, "{report}");
    assert_eq!(
        (&report["added"], &report["variants"], &report["warnings"]),
        (&json!(2), &json!(3), &json!(1))
    );
    assert_eq!(report["doubts"][0]["field"], "price");
    let (_, again) = take_in(&counter, "/v1/catalog/planilha?complete=true", &shop.ingest, TABLE).await;
    assert_eq!((&again["unchanged"], &again["variants"]), (&json!(2), &json!(0)));

    let (status, found) = counter.get("/v1/products?query=caneca%20azul", &shop.chat).await;
    assert_eq!(status, 200, "{found}");
    let azul = found["offers"].as_array().unwrap().iter().find(|offer| offer["variant"] == "Azul").unwrap();
    assert_eq!((&azul["price_minor"], &azul["available"]), (&json!(4_990), &json!(5)));
    // Another shop's key finds nothing of it.
    let (_, other) = counter.get("/v1/products?query=caneca", &counter.harbour.chat).await;
    assert_eq!(other["offers"], json!([]));
    counter.close().await;
}

#[tokio::test]
async fn a_catalogue_that_is_none_is_refused_with_what_is_wrong() {
    let counter = open().await;
    let key = &counter.aurora.ingest;
    for (path, body, status, words) in [
        ("/v1/catalog/magazine", TABLE, 404, "source"),
        ("/v1/catalog/planilha?currency=reais", TABLE, 422, "reais"),
        ("/v1/catalog/planilha", "", 422, "no line with headings"),
        ("/v1/catalog/planilha", "a;b\n1;2\n", 422, "Produto"),
        ("/v1/catalog/shopify_rest", "{\"products\": [", 422, "JSON"),
        ("/v1/catalog/google", "<rss><item>", 422, "whole"),
    ] {
        let (got, problem) = take_in(&counter, path, key, body).await;
        assert_eq!(got, status, "{path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{path}: {problem}");
    }
    assert_eq!(take_in(&counter, "/v1/catalog/planilha", &counter.aurora.chat, TABLE).await.0, 403);
    let (got, _) = counter.get("/v1/products?query=&limit=5", &counter.aurora.chat).await;
    assert_eq!(got, 422);
    counter.close().await;
}

#[tokio::test]
async fn the_money_of_a_conversation_leads_back_to_what_was_said() {
    let counter = open().await;
    let shop = &counter.aurora;
    take_in(&counter, "/v1/catalog/planilha", &shop.ingest, TABLE).await;
    for said in ["tem caneca azul?", "quero", "2", "fechar"] {
        counter.say(shop, "ana", said).await;
    }
    let said = counter.say(shop, "ana", "sim").await;
    assert!(said["reply"].as_str().unwrap().contains("R$ 99,80"), "{said}");

    let (_, orders) = counter.get("/v1/admin/orders?status=awaiting_payment", &shop.admin).await;
    let order = &orders["items"][0];
    assert_eq!((&order["total_minor"], &order["lines"][0]["quantity"]), (&json!(9_980), &json!(2)));
    let (_, whole) =
        counter.get(&format!("/v1/admin/orders/{}", order["code"].as_str().unwrap()), &shop.admin).await;
    assert_eq!(whole["charges"][0]["expected_minor"], 9_980);

    let conversation = order["conversation_id"].as_str().unwrap();
    let path = format!("/v1/admin/conversations/{conversation}/money");
    let (status, money) = counter.get(&path, &shop.admin).await;
    assert_eq!(status, 200, "{money}");
    let trail = &money["orders"][0];
    assert_eq!(trail["order"]["order_id"], order["order_id"]);
    assert_eq!(trail["order"]["lines"][0]["title"], "Caneca esmaltada — Azul");
    assert_eq!(trail["confirmed"]["messages"][0]["text"], "sim");
    assert_eq!(trail["payments"][0]["expected_minor"], 9_980);
    assert_eq!(counter.get(&path, &counter.harbour.admin).await.1["orders"], json!([]));

    // Called off, the stock is free and the books hold.
    let id = order["order_id"].as_str().unwrap();
    let cancel = format!("/v1/admin/orders/{id}/cancel");
    let (status, canceled) = counter.post(&cancel, &shop.admin, &json!({})).await;
    assert_eq!((status, &canceled["status"]), (200, &json!("canceled")));
    let (_, found) = counter.get("/v1/products?query=caneca", &shop.chat).await;
    assert!(found["offers"].as_array().unwrap().iter().any(|offer| offer["available"] == 5), "{found}");
    let (_, ledger) = counter.get("/v1/admin/ledger", &shop.admin).await;
    assert_eq!(ledger["breaches"], json!([]));
    counter.close().await;
}
