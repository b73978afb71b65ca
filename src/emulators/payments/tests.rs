//! The emulator by itself: what the providers' own rules say, whoever calls.

use serde_json::{Value, json};

use super::{Faults, Options, Running, dialects, serve_locally};

async fn start() -> (Running, reqwest::Client) {
    (serve_locally(Options::default()).await.unwrap(), reqwest::Client::new())
}

async fn put(http: &reqwest::Client, url: String, body: Value) -> (u16, Value) {
    let answer = http.put(url).header("authorization", "Bearer x").json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn cob(amount: &str) -> Value {
    json!({ "calendario": { "expiracao": 3600 }, "valor": { "original": amount }, "chave": "k" })
}

#[tokio::test]
async fn the_same_charge_twice_is_one_and_another_amount_is_refused() {
    let (emulator, http) = start().await;
    let url = format!("{}/v2/cob/01890a5d77e87c3cb0ce3f5a8f2b1d04", emulator.base_url("efi-bcb-pix"));
    let (first, made) = put(&http, url.clone(), cob("39.90")).await;
    let (second, again) = put(&http, url.clone(), cob("39.90")).await;
    assert_eq!((first, second), (201, 200));
    assert_eq!(made["pixCopiaECola"], again["pixCopiaECola"]);
    assert_eq!(put(&http, url, cob("39.91")).await.0, 422);
    emulator.stop().await;
}

#[tokio::test]
async fn a_caller_without_credentials_and_a_path_that_is_not_played_are_refused() {
    let (emulator, http) = start().await;
    for (path, status) in [("/efi-bcb-pix/v2/cob/x", 401), ("/nobody/v2/cob/x", 404), ("/", 404)] {
        let answer = http.get(format!("{}{path}", emulator.url())).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
    let url = format!("{}/v9/nothing", emulator.base_url("stripe"));
    assert_eq!(put(&http, url, json!({})).await.0, 404);
    emulator.stop().await;
}

#[tokio::test]
async fn nobody_gets_back_more_than_was_paid() {
    let (emulator, http) = start().await;
    let base = emulator.base_url("standard-webhooks");
    let new = json!({ "amount": 500, "currency": "BRL", "expires_in": 60 });
    assert_eq!(put(&http, format!("{base}/charges/r1"), new).await.0, 201);
    let refund = |id: &str, amount: i64| {
        put(&http, format!("{base}/charges/r1/refunds/{id}"), json!({ "amount": amount }))
    };
    assert_eq!(refund("a", 100).await.0, 422, "nothing was received");
    let pay = json!({ "charge": "r1" });
    let paid = http.post(format!("{}/_control/pay", emulator.url())).json(&pay).send().await.unwrap();
    assert_eq!(paid.status().as_u16(), 200);
    assert_eq!(refund("a", 300).await.0, 201);
    assert_eq!(refund("a", 300).await.0, 201, "the same id is the same refund");
    assert_eq!(refund("b", 201).await.0, 422);
    assert_eq!(refund("b", 200).await.0, 201);
    emulator.stop().await;
}

#[tokio::test]
async fn a_call_may_be_carried_out_and_its_answer_lost() {
    let (emulator, http) = start().await;
    let faults = json!(Faults { lose_answer: 1.0, ..Faults::default() });
    put(&http, format!("{}/_control/faults", emulator.url()), faults).await;
    let url = format!("{}/charges/r1", emulator.base_url("standard-webhooks"));
    let (status, _) = put(&http, url, json!({ "amount": 500, "expires_in": 60 })).await;
    assert_eq!(status, 502);
    let known: Value =
        http.get(format!("{}/_control/charges", emulator.url())).send().await.unwrap().json().await.unwrap();
    assert_eq!(known[0]["reference"], "r1");
    emulator.stop().await;
}

#[test]
fn providers_are_listed_by_the_names_their_paths_have() {
    for name in dialects::names() {
        assert!(dialects::dialect(name).is_some(), "{name}");
    }
}
