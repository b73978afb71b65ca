//! A person takes over, answers, and gives the conversation back; the agent never speaks meanwhile.

use std::time::Duration;

use balcao_tests::counter::{Counter, read};
use serde_json::{Value, json};

#[tokio::test]
async fn the_agent_is_silent_while_a_person_has_the_conversation() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    counter.say(shop, "visitor-1", "oi").await;
    let handoff = "/v1/conversations/visitor-1/handoff";
    let (status, now) = counter.post(handoff, &shop.admin, &json!({ "reason": "quer negociar" })).await;
    assert_eq!(status, 200, "{now}");
    assert!(now["handed_off_at"].is_string());
    assert_eq!(now["handoff_reason"], "quer negociar");

    let messages = "/v1/conversations/visitor-1/messages";
    let (status, said) = counter.post(messages, &shop.chat, &json!({ "text": "alguém aí?" })).await;
    assert_eq!(status, 202, "{said}");
    assert_eq!((said["reply"].clone(), said["path"].as_str()), (Value::Null, Some("silent")), "{said}");
    assert_eq!(said["reason"], "handed_off");

    let person = json!({ "text": "Oi, aqui é a Marina." });
    let human = "/v1/conversations/visitor-1/human-messages";
    let send =
        || read(counter.ask("POST", human, &shop.admin).header("idempotency-key", "h-1").json(&person));
    assert_eq!(send().await.0, 202);
    assert_eq!(send().await.0, 202, "a repeat is accepted");
    let (_, history) = counter.get(messages, &shop.chat).await;
    let authors: Vec<&str> =
        history["items"].as_array().unwrap().iter().filter_map(|line| line["author"].as_str()).collect();
    assert_eq!(authors, ["customer", "agent", "customer", "human"], "and sent once: {history}");

    let (status, now) = read(counter.ask("DELETE", handoff, &shop.admin)).await;
    assert_eq!((status, now["handed_off_at"].clone()), (200, Value::Null));
    let said = counter.say(shop, "visitor-1", "qual o prazo para troca?").await;
    assert!(said["reply"].as_str().unwrap().contains("30 dias"), "{said}");
    counter.close().await;
}

#[tokio::test]
async fn a_persons_words_reach_the_customer_on_whatsapp() {
    let counter = Counter::open().await;
    let (shop, phone) = (&counter.aurora, "5511900000001");
    let whatsapp = counter.whatsapp.client();
    whatsapp.write(shop.phone_number_id, phone, "oi").await.expect("delivered");
    let patience = Duration::from_secs(10);
    assert_eq!(whatsapp.wait_for_messages(shop.phone_number_id, phone, 1, patience).await.unwrap().len(), 1);
    let (_, list) = counter.get("/v1/conversations", &shop.admin).await;
    let id = list["items"][0]["conversation_id"].as_str().unwrap();
    let (status, sent) = counter
        .post(
            &format!("/v1/conversations/{id}/human-messages"),
            &shop.admin,
            &json!({ "text": "Sou a Marina." }),
        )
        .await;
    assert_eq!(status, 202, "{sent}");
    let messages = whatsapp.wait_for_messages(shop.phone_number_id, phone, 2, patience).await.unwrap();
    assert!(messages[1].to_string().contains("Sou a Marina."), "{messages:?}");
    counter.close().await;
}

/// The first page of events that is not empty.
async fn first(counter: &Counter, path: &str) -> Value {
    for _ in 0..200 {
        let (_, page) = counter.get(path, &counter.aurora.admin).await;
        if page["items"].as_array().is_some_and(|items| !items.is_empty()) {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no event came");
}

#[tokio::test]
async fn hand_offs_are_told_in_the_events_in_their_order() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    counter.say(shop, "visitor-1", "oi").await;
    let handoff = "/v1/conversations/visitor-1/handoff";
    counter.post(handoff, &shop.admin, &json!({})).await;
    read(counter.ask("DELETE", handoff, &shop.admin)).await;

    // An event is shown once no older transaction of the whole server can still bring an earlier one.
    let one = first(&counter, "/v1/events?limit=1").await;
    assert_eq!(one["items"][0]["kind"], "conversation.handed_off", "{one}");
    let cursor = one["next_cursor"].as_str().unwrap();
    let rest = first(&counter, &format!("/v1/events?cursor={cursor}")).await;
    let kinds: Vec<&str> =
        rest["items"].as_array().unwrap().iter().filter_map(|event| event["kind"].as_str()).collect();
    assert_eq!(kinds, ["conversation.given_back"]);
    let (_, others) = counter.get("/v1/events", &counter.harbour.admin).await;
    assert_eq!(others["items"], json!([]), "another shop hears nothing");

    // The same, as a stream: it begins where the cursor says.
    let mut stream = counter
        .ask("GET", &format!("/v1/events?cursor={cursor}"), &shop.admin)
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    let mut heard = String::new();
    while !heard.contains("\n\n") {
        let piece =
            tokio::time::timeout(Duration::from_secs(10), stream.chunk()).await.expect("an event in time");
        heard.push_str(&String::from_utf8_lossy(&piece.unwrap().expect("the stream goes on")));
    }
    assert!(heard.contains("event: conversation.given_back"), "{heard}");
    assert!(heard.contains("id: "), "{heard}");
    drop(stream);
    counter.close().await;
}
