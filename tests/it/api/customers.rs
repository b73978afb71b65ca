//! What a shop owes its customers: their data, and its end; and that they are spoken to in their own language.

use std::time::Duration;

use balcao_tests::counter::{Counter, read};
use serde_json::{Value, json};

#[tokio::test]
async fn a_customer_gets_all_their_data_and_then_is_forgotten() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    counter.say(shop, "visitor-9", "qual o prazo para troca?").await;
    counter.say(shop, "visitor-8", "oi").await;
    let (status, found) = counter.get("/v1/admin/customers?who=visitor-9", &shop.admin).await;
    assert_eq!(status, 200, "{found}");
    let id = found["items"][0]["customer_id"].as_str().unwrap().to_owned();
    let export = format!("/v1/admin/customers/{id}/export");
    let (status, all) = counter.get(&export, &shop.admin).await;
    assert_eq!(status, 200, "{all}");
    let talk = &all["conversations"][0];
    assert!(talk["messages"].to_string().contains("qual o prazo para troca?"), "{all}");
    assert!(talk["replies"].to_string().contains("30 dias"), "{all}");

    let person = format!("/v1/admin/customers/{id}");
    // Another shop's owner neither sees nor erases them.
    assert_eq!(counter.get(&export, &counter.harbour.admin).await.0, 404);
    assert_eq!(read(counter.ask("DELETE", &person, &counter.harbour.admin)).await.0, 404);
    assert_eq!(read(counter.ask("DELETE", &person, &shop.admin)).await.0, 204);
    assert_eq!(read(counter.ask("DELETE", &person, &shop.admin)).await.0, 404);
    let (_, history) = counter.get("/v1/conversations/visitor-9/messages", &shop.chat).await;
    assert_eq!(history["code"], "not_found", "{history}");
    let (_, others) = counter.get("/v1/conversations/visitor-8/messages", &shop.chat).await;
    assert_eq!(others["items"].as_array().map(Vec::len), Some(2), "{others}");

    // The same id afterwards is somebody new, and is answered.
    let said = counter.say(shop, "visitor-9", "qual o prazo para troca?").await;
    assert!(said["reply"].as_str().unwrap().contains("30 dias"), "{said}");
    let (_, history) = counter.get("/v1/conversations/visitor-9/messages", &shop.chat).await;
    assert_eq!(history["items"].as_array().map(Vec::len), Some(2), "{history}");
    counter.close().await;
}

#[tokio::test]
async fn who_is_looked_for_must_be_said() {
    let counter = Counter::open().await;
    for (query, status) in [("", 400), ("?who=", 422), ("?who=nobody", 200)] {
        let (got, body) = counter.get(&format!("/v1/admin/customers{query}"), &counter.aurora.admin).await;
        assert_eq!(got, status, "{query}: {body}");
    }
    counter.close().await;
}

/// A Portuguese shop's customer who writes English stays in English, also when a message does not tell a language.
#[tokio::test]
async fn a_conversation_keeps_its_language_between_turns() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    let whatsapp = counter.whatsapp.client();
    let (number, phone) = (shop.phone_number_id, "5511900000042");
    let mut heard = 0;
    let mut texts = Vec::new();
    for words in ["Hello, good morning! How are you?", "menu"] {
        whatsapp.write(number, phone, words).await.expect("delivered");
        let messages = whatsapp.wait_for_messages(number, phone, heard + 1, Duration::from_secs(20)).await;
        let messages = messages.unwrap();
        assert!(messages.len() > heard, "no answer to `{words}`");
        texts.push(messages[heard]["body"].clone());
        heard = messages.len();
    }
    // "menu" is a word of both languages: the answer, and the words WhatsApp's list adds, are English.
    let menu = texts[1].to_string();
    assert!(!menu.contains("Posso") && !menu.contains("Ver op") && !menu.contains("Escolher"), "{menu}");
    let mut admin = counter.db.admin().await;
    let spoken = admin.rows("select distinct outcome #>> '{evidence,language}' from turn").await.unwrap();
    assert_eq!(spoken, [[Some("en".to_owned())]]);
    admin.close().await;
    counter.close().await;
}

/// Every refusal of the webhook has the shape of all errors, and none helps a forger.
#[tokio::test]
async fn a_refused_webhook_is_a_problem_too() {
    let counter = Counter::open().await;
    let path = format!("{}/webhooks/whatsapp/chn_unknown", counter.url);
    for (method, address, status, code) in [
        ("POST", path.clone(), 404, "unknown_channel"),
        ("PUT", path, 405, "method_not_allowed"),
        ("POST", counter.webhook(&counter.aurora), 401, "bad_signature"),
    ] {
        let answer = counter.http.request(method.parse().unwrap(), address).json(&json!({})).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {code}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let body: Value = answer.json().await.unwrap();
        assert_eq!((body["code"].as_str(), body["status"].as_u64()), (Some(code), Some(status.into())));
    }
    counter.close().await;
}
