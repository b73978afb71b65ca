//! A shop's own systems are told what happens: signed, again until they take it, and never of what did not happen.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use balcao_channels::webhooks::secret;
use balcao_domain::EndpointId;
use balcao_payments::webhook::{self, Secrets};
use balcao_store::{events, webhooks};
use balcao_tests::counter::Counter;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::scene::{until, value};

/// What a shop's system hears, and what it answers.
#[derive(Clone, Default)]
struct Erp {
    heard: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Erp {
    /// Answers these, one after the other, then 200.
    async fn open(answers: &[u16]) -> (Self, String) {
        let erp = Self::default();
        erp.answers.lock().expect("nobody panicked").extend(answers.iter().rev());
        let app = Router::new().route("/hook", post(hear)).with_state(erp.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        (erp, url)
    }

    fn heard(&self) -> Vec<(HeaderMap, Bytes)> {
        self.heard.lock().expect("nobody panicked").clone()
    }
}

async fn hear(State(erp): State<Erp>, headers: HeaderMap, body: Bytes) -> StatusCode {
    erp.heard.lock().expect("nobody panicked").push((headers, body));
    let answer = erp.answers.lock().expect("nobody panicked").pop().unwrap_or(200);
    StatusCode::from_u16(answer).expect("a status")
}

async fn connect(counter: &Counter, url: &str, kinds: &[&str], secret: &SecretString) -> EndpointId {
    let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    let mut tx = counter.store.tenant_tx(&counter.aurora.ctx).await.expect("a transaction");
    let id = webhooks::add(&mut tx, url, &kinds, secret).await.expect("an endpoint");
    tx.commit().await.expect("a commit");
    id
}

async fn happens(counter: &Counter, kind: &str) {
    let mut tx = counter.store.tenant_tx(&counter.aurora.ctx).await.expect("a transaction");
    events::push(&mut tx, kind, None, &json!({ "code": "K7Q2-M9XD" })).await.expect("an event");
    tx.commit().await.expect("a commit");
}

/// Whether a receiver that knows this key believes a call, by the recipe that providers' calls are checked with.
fn believes(key: &SecretString, (headers, body): &(HeaderMap, Bytes)) -> bool {
    let provider = webhook::provider("standard-webhooks").expect("it is known");
    let mut call = webhook::Request::new("ten_x", "", body);
    for (name, value) in headers {
        call = call.with_header(name.as_str(), value.to_str().expect("text"));
    }
    let secrets = Secrets::none().with_key(key.expose_secret());
    provider.verify(&call, &secrets, chrono::Utc::now().timestamp()).is_ok()
}

#[tokio::test]
async fn what_happens_is_told_signed_and_once() {
    let counter = Counter::open().await;
    let (erp, url) = Erp::open(&[]).await;
    let key = secret([1; 32]);
    connect(&counter, &url, &["order.created"], &key).await;
    happens(&counter, "order.created").await;
    happens(&counter, "turn.failed").await;
    until(&counter, "select count(*) from webhook_delivery where state = 'delivered'", "1").await;
    assert_eq!(
        value(&counter, "select count(*) from webhook_delivery").await,
        "1",
        "only what was asked for"
    );
    let heard = erp.heard();
    assert_eq!(heard.len(), 1);
    assert!(believes(&key, &heard[0]));
    assert!(!believes(&secret([2; 32]), &heard[0]));
    let body: Value = serde_json::from_slice(&heard[0].1).expect("JSON");
    assert_eq!((&body["type"], &body["data"]["code"]), (&json!("order.created"), &json!("K7Q2-M9XD")));
    assert!(heard[0].0["webhook-id"].to_str().expect("text").starts_with("evt_"));
    counter.close().await;
}

#[tokio::test]
async fn what_was_rolled_back_is_not_told_and_another_shop_hears_nothing() {
    let counter = Counter::open().await;
    let (erp, url) = Erp::open(&[]).await;
    connect(&counter, &url, &[], &secret([1; 32])).await;
    let mut tx = counter.store.tenant_tx(&counter.aurora.ctx).await.expect("a transaction");
    events::push(&mut tx, "order.created", None, &json!({})).await.expect("an event");
    drop(tx);
    let mut tx = counter.store.tenant_tx(&counter.harbour.ctx).await.expect("a transaction");
    events::push(&mut tx, "order.created", None, &json!({})).await.expect("an event");
    tx.commit().await.expect("a commit");
    happens(&counter, "payment.moved").await;
    until(&counter, "select count(*) from webhook_delivery where state = 'delivered'", "1").await;
    let heard = erp.heard();
    assert_eq!(heard.len(), 1);
    assert!(String::from_utf8_lossy(&heard[0].1).contains("payment.moved"));
    counter.close().await;
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_with_the_same_id() {
    let counter = Counter::open().await;
    let (erp, url) = Erp::open(&[500, 302]).await;
    connect(&counter, &url, &[], &secret([1; 32])).await;
    happens(&counter, "order.created").await;
    for tried in ["1", "2"] {
        until(&counter, "select attempts::text from webhook_delivery", tried).await;
        let hurry = "update webhook_delivery set due_at = clock_timestamp() returning state";
        assert_eq!(value(&counter, hurry).await, "waiting");
    }
    until(&counter, "select state from webhook_delivery", "delivered").await;
    let heard = erp.heard();
    let ids: Vec<_> = heard.iter().map(|(headers, _)| headers["webhook-id"].clone()).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| *id == ids[0]));
    let mut tx = counter.store.tenant_tx(&counter.aurora.ctx).await.expect("a transaction");
    let attempts = webhooks::attempts(&mut tx, 10).await.expect("attempts");
    tx.commit().await.expect("a commit");
    let answers: Vec<_> = attempts.iter().rev().map(|attempt| attempt.status).collect();
    assert_eq!(answers, [Some(500), Some(302), Some(200)]);
    counter.close().await;
}

#[tokio::test]
async fn who_is_gone_is_told_no_more() {
    let counter = Counter::open().await;
    let (erp, url) = Erp::open(&[410]).await;
    let id = connect(&counter, &url, &[], &secret([1; 32])).await;
    happens(&counter, "order.created").await;
    until(&counter, "select disabled from webhook_endpoint", "it answered 410 Gone").await;
    happens(&counter, "order.created").await;
    assert_eq!(value(&counter, "select count(*) from webhook_delivery").await, "1");
    assert_eq!(erp.heard().len(), 1);

    // A new key begins anew; for a day the old one signs beside it.
    let (old, new) = (secret([1; 32]), secret([2; 32]));
    let mut tx = counter.store.tenant_tx(&counter.aurora.ctx).await.expect("a transaction");
    webhooks::rotate(&mut tx, id, &new).await.expect("a new key");
    tx.commit().await.expect("a commit");
    happens(&counter, "order.created").await;
    until(&counter, "select count(*) from webhook_delivery where state = 'delivered'", "1").await;
    let heard = erp.heard();
    assert!(believes(&old, &heard[1]) && believes(&new, &heard[1]));
    counter.close().await;
}

#[tokio::test]
async fn what_is_never_taken_waits_for_a_person_who_may_send_it_again() {
    let counter = Counter::open().await;
    let (_, url) = Erp::open(&[503]).await;
    connect(&counter, &url, &[], &secret([1; 32])).await;
    happens(&counter, "order.created").await;
    until(&counter, "select attempts::text from webhook_delivery", "1").await;
    let last = "update webhook_delivery set attempts = 9, due_at = clock_timestamp(),
                  endpoint_id = endpoint_id returning state";
    let broken = "update webhook_endpoint set url = 'http://127.0.0.1:9/hook' returning 'x'";
    assert_eq!(value(&counter, broken).await, "x");
    assert_eq!(value(&counter, last).await, "waiting");
    until(&counter, "select state from webhook_delivery", "dead").await;
    let letter = "select reason from dead_letter where kind = 'webhook'";
    assert!(value(&counter, letter).await.contains("order.created"));
    // Who cannot be told is not told that they cannot be told.
    assert_eq!(value(&counter, "select count(*) from webhook_delivery").await, "1");

    let mended = format!("update webhook_endpoint set url = '{url}' returning 'x'");
    value(&counter, &mended).await;
    let (_, letters) = counter.get("/v1/admin/dead-letters", &counter.aurora.admin).await;
    let id = letters["items"][0]["dead_letter_id"].as_str().expect("an id");
    let (status, _) =
        counter.post(&format!("/v1/admin/dead-letters/{id}/replay"), &counter.aurora.admin, &json!({})).await;
    assert_eq!(status, 202);
    until(&counter, "select state from webhook_delivery", "delivered").await;
    counter.close().await;
}
