//! The protocol over real HTTP: a shop with a webhook on one side, a customer's phone on the other.

use std::time::Duration;

use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;

const NUMBER: &str = "309900000000001";
const CAMILA: &str = "5511900000001";

/// A webhook that answers the handshake and hands on what it receives; the first so many deliveries are refused.
struct Shop {
    url: String,
    webhooks: mpsc::UnboundedReceiver<(HeaderMap, Vec<u8>)>,
}

async fn shop(refuse_first: usize) -> Shop {
    let (tx, webhooks) = mpsc::unbounded_channel();
    let refusals = Arc::new(std::sync::atomic::AtomicUsize::new(refuse_first));
    let post = move |headers: HeaderMap, body: axum::body::Bytes| {
        let refusals = refusals.clone();
        let tx = tx.clone();
        async move {
            use std::sync::atomic::Ordering::SeqCst;
            if refusals.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok() {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            let _ = tx.send((headers, body.to_vec()));
            StatusCode::OK
        }
    };
    let handshake = |Query(query): Query<std::collections::HashMap<String, String>>| async move {
        assert_eq!(query["hub.mode"], "subscribe");
        let right = query["hub.verify_token"] == "verify";
        if right { Ok(query["hub.challenge"].clone()) } else { Err(StatusCode::FORBIDDEN) }
    };
    let app = Router::new().route("/hook", get(handshake).post(post));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Shop { url, webhooks }
}

impl Shop {
    async fn next(&mut self) -> Value {
        let (_, body) = self.next_raw().await;
        serde_json::from_slice(&body).unwrap()
    }

    async fn next_raw(&mut self) -> (HeaderMap, Vec<u8>) {
        tokio::time::timeout(Duration::from_secs(10), self.webhooks.recv()).await.unwrap().unwrap()
    }
}

fn new_number(webhook_url: &str) -> NewNumber {
    NewNumber {
        phone_number_id: NUMBER.into(),
        waba_id: "209900000000001".into(),
        display_phone_number: "551140009001".into(),
        access_token: "token".into(),
        app_secret: "segredo".into(),
        verify_token: "verify".into(),
        webhook_url: webhook_url.into(),
        allowed: None,
    }
}

/// No statuses unless a test asks for them.
fn quiet() -> Faults {
    let statuses = faults::StatusTimes { sent_ms: None, delivered_ms: None, read_ms: None, reversed: false };
    Faults { statuses, ..Faults::default() }
}

async fn start(faults: Faults) -> (Running, Client, Shop) {
    let shop = shop(0).await;
    let options = Options { retries: vec![Duration::from_millis(10); 5], faults, ..Options::default() };
    let running = serve_locally(options).await.unwrap();
    let client = running.client();
    let registered = client.register(&new_number(&shop.url)).await.unwrap();
    assert_eq!(registered["handshake"]["ok"], true, "{registered}");
    (running, client, shop)
}

async fn call(running: &Running, token: &str, body: &Value) -> reqwest::Result<(u16, Value)> {
    let url = format!("{}/v26.0/{NUMBER}/messages", running.url());
    let http = reqwest::Client::builder().no_proxy().retry(reqwest::retry::never()).build()?;
    let answer = http.post(url).bearer_auth(token).json(body).send().await?;
    let status = answer.status().as_u16();
    Ok((status, answer.json().await.unwrap_or(Value::Null)))
}

fn text(to: &str, text: &str) -> Value {
    json!({ "messaging_product": "whatsapp", "to": to, "type": "text", "text": { "body": text },
            "biz_opaque_callback_data": "tag-1" })
}

async fn send(running: &Running, body: &Value) -> (u16, Value) {
    call(running, "token", body).await.unwrap()
}

fn status(webhook: &Value) -> &Value {
    &webhook["entry"][0]["changes"][0]["value"]["statuses"][0]
}

fn message(webhook: &Value) -> &Value {
    &webhook["entry"][0]["changes"][0]["value"]["messages"][0]
}

#[tokio::test]
async fn a_customer_writes_and_the_webhook_is_signed_and_escaped() {
    let (_running, client, mut shop) = start(quiet()).await;
    let body =
        json!({ "phone_number_id": NUMBER, "from": CAMILA, "name": "Camila", "text": "Olá, não chegou 😡" });
    let answer = client.inbound(&body).await.unwrap();
    assert_eq!(answer["webhook"]["status"], 200);
    let (headers, bytes) = shop.next_raw().await;
    assert_eq!(headers["x-hub-signature-256"], wire::sign("segredo", &bytes));
    assert!(bytes.is_ascii() && !bytes.contains(&b'\n'));
    let webhook: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(message(&webhook)["text"]["body"], "Olá, não chegou 😡");
    assert_eq!(message(&webhook)["id"], answer["message_id"]);
    let value = &webhook["entry"][0]["changes"][0]["value"];
    assert_eq!(value["metadata"]["phone_number_id"], NUMBER);
    assert_eq!(value["contacts"][0]["wa_id"], CAMILA);
}

#[tokio::test]
async fn an_answer_inside_the_window_arrives_and_its_statuses_carry_the_tag() {
    let times =
        faults::StatusTimes { sent_ms: Some(0), delivered_ms: Some(30), read_ms: Some(60), reversed: false };
    let (running, client, mut shop) = start(Faults { statuses: times, ..Faults::default() }).await;
    client.write(NUMBER, CAMILA, "oi").await.unwrap();
    shop.next().await;
    let (code, answer) = send(&running, &text("+5511900000001", "Oi, Camila!")).await;
    assert_eq!(code, 200, "{answer}");
    assert_eq!(answer["contacts"][0], json!({ "input": "+5511900000001", "wa_id": CAMILA }));
    for name in ["sent", "delivered", "read"] {
        let webhook = shop.next().await;
        assert_eq!(status(&webhook)["status"], name);
        assert_eq!(status(&webhook)["id"], answer["messages"][0]["id"]);
        assert_eq!(status(&webhook)["biz_opaque_callback_data"], "tag-1");
    }
    let arrived = client.messages(NUMBER, CAMILA).await.unwrap();
    assert_eq!((arrived.len(), &arrived[0]["text"]), (1, &json!("Oi, Camila!")));
}

#[tokio::test]
async fn outside_the_window_a_green_200_is_followed_by_131047() {
    let (running, client, mut shop) = start(Faults::default()).await;
    let (code, _) = send(&running, &text("+5511900000001", "promoção!")).await;
    assert_eq!(code, 200);
    let webhook = shop.next().await;
    assert_eq!(status(&webhook)["status"], "failed");
    assert_eq!(status(&webhook)["errors"][0]["code"], 131047);
    assert!(client.messages(NUMBER, CAMILA).await.unwrap().is_empty());

    // The clock of the network can run ahead, and the refusal can come at once.
    client.write(NUMBER, CAMILA, "oi").await.unwrap();
    let limits =
        faults::Limits { window_clock_offset_s: 86_400, window_at_once: true, ..faults::Limits::default() };
    client.faults(&Faults { limits, ..quiet() }).await.unwrap();
    let (code, answer) = send(&running, &text("+5511900000001", "tarde demais")).await;
    assert_eq!((code, &answer["error"]["code"]), (400, &json!(131047)));
}

#[tokio::test]
async fn only_approved_templates_with_the_right_values_go_outside_the_window() {
    let (running, client, _shop) = start(quiet()).await;
    let template = json!({ "phone_number_id": NUMBER, "name": "volte", "language": "pt_BR", "variables": 1 });
    client.post("templates", &template).await.unwrap();
    let body = |name: &str, values: &[&str]| {
        let values: Vec<Value> = values.iter().map(|v| json!({ "type": "text", "text": v })).collect();
        json!({ "messaging_product": "whatsapp", "to": "+5511900000001", "type": "template", "template": {
            "name": name, "language": { "code": "pt_BR" },
            "components": [{ "type": "body", "parameters": values }] } })
    };
    assert_eq!(send(&running, &body("volte", &["Camila"])).await.0, 200);
    assert_eq!(client.messages(NUMBER, CAMILA).await.unwrap().len(), 1);
    assert_eq!(send(&running, &body("volte", &[])).await.1["error"]["code"], 132000);
    assert_eq!(send(&running, &body("vai", &["x"])).await.1["error"]["code"], 132001);
    let paused =
        json!({ "phone_number_id": NUMBER, "name": "volte", "language": "pt_BR", "status": "PAUSED" });
    client.post("templates", &paused).await.unwrap();
    assert_eq!(send(&running, &body("volte", &["x"])).await.1["error"]["code"], 132015);
}

#[tokio::test]
async fn the_wrong_token_the_wrong_number_and_the_wrong_recipient_are_refused() {
    let (running, client, shop) = start(quiet()).await;
    let hello = text("+5511900000001", "oi");
    for token in ["", "toke", "token2"] {
        let (code, answer) = call(&running, token, &hello).await.unwrap();
        assert_eq!((code, &answer["error"]["code"]), (401, &json!(190)), "{token}");
    }
    assert_eq!(send(&running, &text("+551140009001", "eu?")).await.1["error"]["code"], 131021);
    assert_eq!(send(&running, &json!("not an object")).await.1["error"]["code"], 100);
    let number = NewNumber { allowed: Some(vec!["5521900000003".into()]), ..new_number(&shop.url) };
    client.register(&number).await.unwrap();
    assert_eq!(send(&running, &hello).await.1["error"]["code"], 131030);
    assert!(client.messages(NUMBER, CAMILA).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_user_id_goes_into_recipient_and_is_lost_in_to() {
    let (running, client, mut shop) = start(quiet()).await;
    let body = json!({ "phone_number_id": NUMBER, "user_id": "BR.4", "name": "Dudu", "username": "dudu", "text": "e aí" });
    client.inbound(&body).await.unwrap();
    let webhook = shop.next().await;
    assert_eq!(message(&webhook)["from_user_id"], "BR.4");
    assert!(message(&webhook).get("from").is_none());

    let mut right = text("x", "oi, Dudu");
    right.as_object_mut().unwrap().remove("to");
    right["recipient"] = json!("BR.4");
    let (_, answer) = send(&running, &right).await;
    assert_eq!(answer["contacts"][0], json!({ "input": "BR.4", "user_id": "BR.4" }));
    assert_eq!(client.messages(NUMBER, "BR.4").await.unwrap().len(), 1);

    let (code, answer) = send(&running, &text("BR.4", "nunca chega")).await;
    assert_eq!(code, 200);
    assert!(answer["messages"][0]["id"].is_string());
    assert_eq!(client.messages(NUMBER, "BR.4").await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_ninth_digit_leads_to_the_same_person_under_the_registered_number() {
    let (running, client, _shop) = start(quiet()).await;
    client.write(NUMBER, "554190000002", "boa tarde").await.unwrap();
    let (_, answer) = send(&running, &text("+5541990000002", "Oi, João")).await;
    assert_eq!(answer["contacts"][0], json!({ "input": "+5541990000002", "wa_id": "554190000002" }));
    assert_eq!(client.messages(NUMBER, "554190000002").await.unwrap().len(), 1);
    assert_eq!(client.messages(NUMBER, "5541990000002").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_burst_to_one_person_is_refused_at_last_and_others_are_served() {
    let limits = faults::Limits { pair_burst: 3, ..faults::Limits::default() };
    let (running, client, _shop) = start(Faults { limits, ..quiet() }).await;
    client.write(NUMBER, CAMILA, "oi").await.unwrap();
    client.write(NUMBER, "5521900000003", "oi").await.unwrap();
    for _ in 0..3 {
        assert_eq!(send(&running, &text("+5511900000001", "oi")).await.0, 200);
    }
    assert_eq!(send(&running, &text("+5511900000001", "oi")).await.1["error"]["code"], 131056);
    assert_eq!(send(&running, &text("+5521900000003", "oi")).await.0, 200);
}

#[tokio::test]
async fn asked_for_failures_come_in_the_form_asked_for() {
    let (running, client, _shop) = start(quiet()).await;
    client.write(NUMBER, CAMILA, "oi").await.unwrap();
    let hello = text("+5511900000001", "oi");
    let fail = |fail_next: Value| json!({ "send": { "fail_next": fail_next }, "statuses": quiet().statuses });
    client.post("faults", &fail(json!({ "count": 2, "code": 130429 }))).await.unwrap();
    for _ in 0..2 {
        let (code, answer) = send(&running, &hello).await;
        assert_eq!((code, &answer["error"]["code"]), (429, &json!(130429)));
    }
    assert_eq!(send(&running, &hello).await.0, 200);
    client.post("faults", &fail(json!({ "count": 1, "http_status": 503 }))).await.unwrap();
    assert_eq!(send(&running, &hello).await, (503, Value::Null));
    assert_eq!(client.messages(NUMBER, CAMILA).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_cut_connection_hides_whether_the_message_was_taken() {
    let (running, client, _shop) = start(quiet()).await;
    client.write(NUMBER, CAMILA, "oi").await.unwrap();
    let hello = text("+5511900000001", "oi");
    let mut faults = quiet();
    faults.send.drop_request = 1;
    client.faults(&faults).await.unwrap();
    assert!(call(&running, "token", &hello).await.is_err());
    assert_eq!(client.messages(NUMBER, CAMILA).await.unwrap().len(), 0);
    faults.send = faults::SendFaults { drop_response: 1, ..Default::default() };
    client.faults(&faults).await.unwrap();
    assert!(call(&running, "token", &hello).await.is_err());
    assert_eq!(client.messages(NUMBER, CAMILA).await.unwrap().len(), 1);
    assert_eq!(send(&running, &hello).await.0, 200);
    let statuses: Vec<u64> =
        client.calls().await.unwrap().iter().map(|c| c["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [0, 0, 200]);
}

#[tokio::test]
async fn a_refused_webhook_comes_again_until_it_is_taken() {
    let mut refusing = shop(2).await;
    let (_running, client, _shop) = start(quiet()).await;
    client.register(&new_number(&refusing.url)).await.unwrap();
    let id = client.write(NUMBER, CAMILA, "oi").await.unwrap();
    assert_eq!(message(&refusing.next().await)["id"], json!(id));
    let statuses: Vec<Value> =
        client.webhooks().await.unwrap().iter().map(|attempt| attempt["status"].clone()).collect();
    assert_eq!(statuses[..2], [json!(503), json!(503)]);
}

#[tokio::test]
async fn webhooks_come_twice_reversed_and_together_on_request() {
    let (_running, client, mut shop) = start(quiet()).await;
    let twice = json!({ "phone_number_id": NUMBER, "from": CAMILA, "text": "oi", "times": 2 });
    client.inbound(&twice).await.unwrap();
    assert_eq!(shop.next_raw().await.1, shop.next_raw().await.1);

    for text in ["um", "dois", "três"] {
        let held = json!({ "phone_number_id": NUMBER, "from": CAMILA, "text": text, "hold": true });
        client.inbound(&held).await.unwrap();
    }
    client.post("flush", &json!({ "order": "reversed" })).await.unwrap();
    for text in ["três", "dois", "um"] {
        assert_eq!(message(&shop.next().await)["text"]["body"], text);
    }
    let batch = json!({ "phone_number_id": NUMBER, "messages": [
        { "from": CAMILA, "text": "a" }, { "from": "5521900000003", "text": "b" } ] });
    client.inbound(&batch).await.unwrap();
    let value = shop.next().await["entry"][0]["changes"][0]["value"].take();
    assert_eq!(value["messages"].as_array().unwrap().len(), 2);
    assert_eq!(value["contacts"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_sent_status_can_overtake_the_answer_to_the_send() {
    let times = faults::StatusTimes { sent_ms: Some(0), delivered_ms: None, read_ms: None, reversed: false };
    let mut faults = Faults { statuses: times, ..Faults::default() };
    faults.send.status_before_response = true;
    let (running, client, mut shop) = start(faults).await;
    client.write(NUMBER, CAMILA, "oi").await.unwrap();
    shop.next().await;
    let (code, answer) = send(&running, &text("+5511900000001", "oi")).await;
    assert_eq!(code, 200);
    // It is here already: no waiting.
    let (_, bytes) = shop.webhooks.try_recv().unwrap();
    let webhook: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(status(&webhook)["id"], answer["messages"][0]["id"]);
}

#[tokio::test]
async fn reading_a_message_ticks_all_before_it_and_shows_typing() {
    let (running, client, _shop) = start(quiet()).await;
    client.write(NUMBER, CAMILA, "um").await.unwrap();
    let second = client.write(NUMBER, CAMILA, "dois").await.unwrap();
    let read = json!({ "messaging_product": "whatsapp", "status": "read", "message_id": second,
                       "typing_indicator": { "type": "text" } });
    assert_eq!(send(&running, &read).await, (200, json!({ "success": true })));
    let messages = client.inbound_messages(NUMBER).await.unwrap();
    assert!(messages.iter().all(|m| m["read"] == true));
    assert!(messages[1]["typing_at"].is_string() && messages[0]["typing_at"].is_null());
    let unknown = json!({ "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x" });
    assert_eq!(send(&running, &unknown).await.1["error"]["code"], 131009);
}

#[tokio::test]
async fn media_needs_the_token_twice() {
    let (running, _client, _shop) = start(quiet()).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v26.0/509900000000010", running.url());
    assert_eq!(http.get(&url).send().await.unwrap().status(), 401);
    let found: Value = http.get(&url).bearer_auth("token").send().await.unwrap().json().await.unwrap();
    let link = found["url"].as_str().unwrap();
    assert_eq!(http.get(link).send().await.unwrap().status(), 401);
    let bytes = http.get(link).bearer_auth("token").send().await.unwrap().bytes().await.unwrap();
    assert!(bytes.starts_with(b"GIF89a"));
}

#[tokio::test]
async fn a_wrong_verify_token_is_reported_and_no_secret_is_shown() {
    let (running, client, shop) = start(quiet()).await;
    let wrong = NewNumber { verify_token: "outro".into(), ..new_number(&shop.url) };
    let registered = client.register(&wrong).await.unwrap();
    assert_eq!(registered["handshake"], json!({ "ok": false, "detail": "HTTP 403" }));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let shown =
        http.get(format!("{}/_control/numbers", running.url())).send().await.unwrap().text().await.unwrap();
    assert!(shown.contains(NUMBER) && !shown.contains("segredo") && !shown.contains("token\""), "{shown}");
    let page = http.get(running.url()).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("A customer's phone"));
}

#[tokio::test]
async fn it_stops_when_told_and_forgets_when_told() {
    let (running, client, _shop) = start(quiet()).await;
    client.write(NUMBER, CAMILA, "oi").await.unwrap();
    client.reset().await.unwrap();
    assert!(client.inbound_messages(NUMBER).await.unwrap().is_empty());
    client.write(NUMBER, CAMILA, "a number stays").await.unwrap();
    running.stop().await;
    assert!(client.calls().await.is_err());
}
