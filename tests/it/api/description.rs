//! What the server says of itself: its description, its health, its pages.

use balcao_tests::counter::{Counter, Setup};
use serde_json::Value;

#[tokio::test]
async fn the_description_is_served_and_names_this_server() {
    let counter = Counter::open().await;
    let (status, document) = counter.get("/openapi.json", "").await;
    assert_eq!(status, 200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["servers"][0]["url"], counter.url);
    assert_eq!(document["components"]["securitySchemes"]["key"]["scheme"], "bearer");
    counter.close().await;
}

#[tokio::test]
async fn health_and_metrics_answer_under_all_their_names() {
    let counter = Counter::with(Setup { model: true, ..Setup::default() }).await;
    for path in ["/health/live", "/livez", "/health/ready", "/readyz", "/healthz"] {
        let answer = counter.http.get(format!("{}{path}", counter.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    counter.say(&counter.aurora, "visitor-1", "qual o prazo para troca?").await;
    let metrics = counter.http.get(format!("{}/metrics", counter.url)).send().await.unwrap();
    assert!(metrics.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let text = metrics.text().await.unwrap();
    for name in ["balcao_http_requests_total", "balcao_breaker_state", "balcao_open_conversations"] {
        assert!(text.contains(name), "{name} is missing in:\n{text}");
    }
    assert!(!text.contains("visitor-1"), "no ids of people in metrics");
    counter.close().await;
}

#[tokio::test]
async fn a_server_without_its_database_lives_and_is_not_ready() {
    let counter = Counter::open().await;
    counter.store.close().await;
    let status = async |path: &str| {
        counter.http.get(format!("{}{path}", counter.url)).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status("/health/live").await, 200);
    assert_eq!(status("/health/ready").await, 503);
    let (code, body) = counter.get("/v1/conversations", &counter.aurora.chat).await;
    assert_eq!((code, body["code"].as_str()), (503, Some("unavailable")), "{body}");
    let text = include_str!("../../fixtures/whatsapp/text.json");
    assert_eq!(counter.deliver(&counter.aurora, text).await, 503, "Meta shall come back");
    counter.close().await;
}

#[tokio::test]
async fn the_pages_are_served_with_a_policy_and_keys_only_in_the_demo() {
    let counter = Counter::with(Setup { demo: true, ..Setup::default() }).await;
    for path in ["/", "/docs"] {
        let page = counter.http.get(format!("{}{path}", counter.url)).send().await.unwrap();
        assert_eq!(page.status(), 200);
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
        let html = page.text().await.unwrap();
        for asset in html.split('"').filter(|part| part.starts_with("/assets/")) {
            let file = counter.http.get(format!("{}{asset}", counter.url)).send().await.unwrap();
            assert_eq!(file.status(), 200, "{asset}");
        }
        assert!(!html.contains("bk_") || html.contains("bk_…"), "no key in a page");
    }
    let session = || counter.http.get(format!("{}/demo/session", counter.url));
    let shops: Value = session().send().await.unwrap().json().await.unwrap();
    assert_eq!(shops["shops"][0]["key"], counter.aurora.chat.as_str());
    let foreign = session().header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(foreign.status(), 404, "another site's page gets no keys");
    counter.close().await;

    let counter = Counter::open().await;
    let shops: Value =
        counter.http.get(format!("{}/demo/session", counter.url)).send().await.unwrap().json().await.unwrap();
    assert_eq!(shops["shops"], serde_json::json!([]), "outside the demo there are no keys to have");
    counter.close().await;
}
