//! Talking over the chat API: whole answers, streams, repeats, history.

use std::time::Duration;

use balcao_emulators::openai::{Act, Step};
use balcao_server::ServerSettings;
use balcao_tests::counter::{Counter, Setup, read};
use serde_json::{Value, json};

/// The events of a stream, in order.
async fn stream(request: reqwest::RequestBuilder) -> Vec<(String, Value)> {
    let answer = request.header("accept", "text/event-stream").send().await.expect("the server answers");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let text = answer.text().await.expect("a stream");
    let event = |block: &str| {
        let name = block.lines().find_map(|line| line.strip_prefix("event: "))?;
        let data = block.lines().find_map(|line| line.strip_prefix("data: "))?;
        Some((name.to_owned(), serde_json::from_str(data).expect("JSON")))
    };
    text.split("\n\n").filter_map(event).collect()
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn a_question_is_answered_from_the_shops_documents_by_the_rules() {
    let counter = Counter::open().await;
    let said = counter.say(&counter.aurora, "visitor-1", "qual o prazo para troca?").await;
    assert_eq!((said["path"].as_str(), said["reason"].as_str()), (Some("rules"), Some("no_model")), "{said}");
    assert!(said["reply"].as_str().unwrap().contains("30 dias"), "{said}");
    assert_eq!(said["sources"][0]["uri"], "politicas/trocas.md", "{said}");
    assert_eq!(said["external_id"], "visitor-1");

    let said = counter.say(&counter.harbour, "visitor-1", "how long do I have to return an item?").await;
    assert!(said["reply"].as_str().unwrap().contains("45 days"), "{said}");
    assert_eq!(said["sources"][0]["uri"], "policies/returns.md", "{said}");
    counter.close().await;
}

#[tokio::test]
async fn the_models_words_are_heard_as_it_writes_them() {
    let counter = Counter::with(Setup { model: true, ..Setup::default() }).await;
    let body = json!({ "text": "qual o prazo para troca?" });
    let path = "/v1/conversations/visitor-1/messages";
    let events = stream(counter.ask("POST", path, &counter.aurora.chat).json(&body)).await;

    let all = names(&events);
    assert_eq!((all.first(), all.last()), (Some(&"stage"), Some(&"reply")), "{all:?}");
    let tokens: Vec<&str> = events
        .iter()
        .filter(|(name, _)| name == "token")
        .filter_map(|(_, data)| data["text"].as_str())
        .collect();
    assert!(tokens.len() > 1, "the words came in pieces: {tokens:?}");
    let (_, reply) = events.last().unwrap();
    assert_eq!(reply["path"], "model", "{reply}");
    assert!(reply["reply"].as_str().unwrap().starts_with(tokens.concat().trim()), "{tokens:?} {reply}");
    assert!(all.contains(&"sources"), "{all:?}");

    let turn = format!("/v1/turns/{}", reply["turn_id"].as_str().unwrap());
    let (status, turn) = counter.get(&turn, &counter.aurora.admin).await;
    assert_eq!(status, 200);
    assert!(!turn["outcome"]["evidence"]["passages"].as_array().unwrap().is_empty(), "{turn}");
    assert!(turn["outcome"]["evidence"]["usage"]["output_tokens"].as_u64().unwrap() > 0, "{turn}");
    counter.close().await;
}

#[tokio::test]
async fn when_the_model_fails_the_same_turn_ends_on_the_rules() {
    let counter = Counter::with(Setup { model: true, ..Setup::default() }).await;
    let fails =
        Act::Status { status: 500, error_type: "server_error".into(), code: None, message: "no".into() };
    counter.model.as_ref().unwrap().control().set_script(vec![Step { act: fails, ..Step::default() }]);
    let said = counter.say(&counter.aurora, "visitor-1", "qual o prazo para troca?").await;
    assert_eq!(
        (said["path"].as_str(), said["reason"].as_str()),
        (Some("rules"), Some("model_failed")),
        "{said}"
    );
    assert!(said["reply"].as_str().unwrap().contains("30 dias"), "{said}");
    counter.close().await;
}

#[tokio::test]
async fn a_message_said_twice_is_answered_once() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    let path = "/v1/conversations/visitor-1/messages";
    let body = json!({ "text": "oi", "message_id": "m-1" });
    let (_, first) = counter.post(path, &shop.chat, &body).await;
    let (_, again) = counter.post(path, &shop.chat, &body).await;
    assert_eq!(first, again);

    let ask = |text: &str| {
        counter.ask("POST", path, &shop.chat).header("idempotency-key", "k-1").json(&json!({ "text": text }))
    };
    let (status, first) = read(ask("qual o prazo para troca?")).await;
    assert_eq!(status, 200, "{first}");
    let replayed = ask("qual o prazo para troca?").send().await.unwrap();
    assert_eq!(replayed.headers()["idempotency-replayed"], "true");
    assert_eq!(replayed.json::<Value>().await.unwrap(), first);
    let (status, body) = read(ask("outra coisa")).await;
    assert_eq!((status, body["code"].as_str()), (422, Some("idempotency_mismatch")));

    let (_, history) = counter.get(path, &shop.chat).await;
    assert_eq!(history["items"].as_array().unwrap().len(), 4, "two questions, two answers: {history}");
    counter.close().await;
}

#[tokio::test]
async fn two_callers_with_one_idempotency_key_hear_the_same_answer() {
    let counter = Counter::open().await;
    let path = "/v1/conversations/visitor-1/messages";
    let ask = || {
        let request = counter.ask("POST", path, &counter.aurora.chat).header("idempotency-key", "k-1");
        read(request.json(&json!({ "text": "qual o prazo para troca?" })))
    };
    let (one, other) = tokio::join!(ask(), ask());
    assert_eq!((one.0, other.0), (200, 200), "{one:?} {other:?}");
    assert_eq!(one.1["turn_id"], other.1["turn_id"]);
    counter.close().await;
}

#[tokio::test]
async fn a_tapped_option_is_acted_on_by_its_id() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    let menu = counter.say(shop, "visitor-1", "menu").await;
    let options = menu["options"].as_array().unwrap();
    assert!(!options.is_empty(), "{menu}");
    let path = "/v1/conversations/visitor-1/messages";
    for option in options {
        let body = json!({ "text": option["title"], "choice": option["id"] });
        let (status, said) = counter.post(path, &shop.chat, &body).await;
        assert!((200..300).contains(&status), "{said}");
        assert_eq!(said["path"], "rules", "{option}: {said}");
    }
    counter.close().await;
}

#[tokio::test]
async fn history_is_read_page_by_page_without_gaps_or_repeats() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    for i in 1..=4 {
        counter.say(shop, "visitor-1", &format!("oi {i}")).await;
    }
    let base = "/v1/conversations/visitor-1/messages";
    let (mut lines, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..10 {
        let next = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let (status, page) = counter.get(&format!("{base}?limit=3{next}"), &shop.chat).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        // A page reads downwards; the next one comes before it.
        lines.splice(0..0, items.iter().cloned());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    let customer: Vec<&str> = lines
        .iter()
        .filter(|line| line["author"] == "customer")
        .filter_map(|line| line["text"].as_str())
        .collect();
    assert_eq!(customer, ["oi 1", "oi 2", "oi 3", "oi 4"]);
    assert_eq!(lines.len(), 8);
    counter.close().await;
}

#[tokio::test]
async fn conversations_are_listed_page_by_page() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    for i in 1..=5 {
        counter.say(shop, &format!("visitor-{i}"), "oi").await;
    }
    let mut seen = Vec::new();
    let mut path = "/v1/conversations?limit=2".to_owned();
    for _ in 0..5 {
        let (_, page) = counter.get(&path, &shop.chat).await;
        let ids = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["external_id"].as_str().unwrap().to_owned());
        seen.extend(ids);
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/conversations?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["visitor-5", "visitor-4", "visitor-3", "visitor-2", "visitor-1"]);
    counter.close().await;
}

#[tokio::test]
async fn a_caller_who_waits_too_long_is_told_where_the_answer_will_be() {
    let settings = ServerSettings { answer_timeout: Duration::from_millis(300), ..ServerSettings::default() };
    let counter = Counter::with(Setup { settings, model: true, ..Setup::default() }).await;
    let shop = &counter.aurora;
    // The model takes longer than the caller waits, and less than the shop lets it.
    let slow = Step { first_token_ms: 1_200, ..Step::default() };
    counter.model.as_ref().unwrap().control().set_script(vec![slow]);

    let path = "/v1/conversations/visitor-1/messages";
    let (status, body) = counter.post(path, &shop.chat, &json!({ "text": "qual o prazo para troca?" })).await;
    assert_eq!((status, body["code"].as_str()), (504, Some("answer_late")), "{body}");
    for _ in 0..100 {
        let (_, history) = counter.get(path, &shop.chat).await;
        if history["items"].as_array().unwrap().iter().any(|line| line["author"] == "agent") {
            return counter.close().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the answer never came into the history");
}
