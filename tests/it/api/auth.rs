//! Who may call, how often, and what they see: never another shop's.

use balcao_server::ServerSettings;
use balcao_tests::counter::{Counter, Setup, read};
use serde_json::{Value, json};

/// Every route, with the scope it needs. A new one that is missing here fails the last assertion of the test.
const ROUTES: &[(&str, &str, &str)] = &[
    ("POST", "/v1/conversations/x/messages", "chat"),
    ("GET", "/v1/conversations/x/messages", "chat"),
    ("GET", "/v1/conversations", "chat"),
    ("GET", "/v1/conversations/x", "chat"),
    ("POST", "/v1/conversations/x/handoff", "admin"),
    ("DELETE", "/v1/conversations/x/handoff", "admin"),
    ("POST", "/v1/conversations/x/human-messages", "admin"),
    ("POST", "/v1/search", "chat"),
    ("POST", "/v1/documents", "ingest"),
    ("GET", "/v1/documents", "ingest"),
    ("GET", "/v1/documents/x", "ingest"),
    ("DELETE", "/v1/documents/x", "ingest"),
    ("GET", "/v1/turns/x", "admin"),
    ("GET", "/v1/events", "admin"),
    ("GET", "/v1/admin/breakers", "admin"),
    ("POST", "/v1/admin/breakers/x", "admin"),
    ("GET", "/v1/admin/dead-letters", "admin"),
    ("GET", "/v1/admin/dead-letters/x", "admin"),
    ("POST", "/v1/admin/dead-letters/x/replay", "admin"),
    ("POST", "/v1/admin/dead-letters/x/resolve", "admin"),
    ("GET", "/v1/admin/customers?who=x", "admin"),
    ("GET", "/v1/admin/customers/x/export", "admin"),
    ("DELETE", "/v1/admin/customers/x", "admin"),
    ("GET", "/v1/products?query=x", "chat"),
    ("POST", "/v1/catalog/planilha", "ingest"),
    ("GET", "/v1/admin/orders", "admin"),
    ("GET", "/v1/admin/orders/x", "admin"),
    ("POST", "/v1/admin/orders/x/cancel", "admin"),
    ("POST", "/v1/admin/orders/x/refund", "admin"),
    ("POST", "/v1/admin/orders/x/ship", "admin"),
    ("POST", "/v1/admin/orders/x/deliver", "admin"),
    ("GET", "/v1/admin/returns", "admin"),
    ("POST", "/v1/admin/returns/x", "admin"),
    ("GET", "/v1/admin/ledger", "admin"),
    ("GET", "/v1/conversations/x/cart", "chat"),
    ("GET", "/v1/admin/payments", "admin"),
    ("GET", "/v1/admin/payments/x", "admin"),
    ("GET", "/v1/admin/commissions", "admin"),
    ("GET", "/v1/admin/reconciliations", "admin"),
    ("GET", "/v1/admin/conversations/x/money", "admin"),
    ("GET", "/v1/admin/keys", "admin"),
    ("POST", "/v1/admin/keys", "admin"),
    ("DELETE", "/v1/admin/keys/x", "admin"),
    ("GET", "/v1/models", "chat"),
    ("GET", "/v1/models/x", "chat"),
    ("POST", "/v1/chat/completions", "chat"),
];

#[tokio::test]
async fn every_route_asks_for_a_key_of_its_scope() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    for &(method, path, scope) in ROUTES {
        let nobody = counter.http.request(method.parse().unwrap(), format!("{}{path}", counter.url));
        assert_eq!(read(nobody).await.0, 401, "{method} {path} without a key");
        assert_eq!(
            read(counter.ask(method, path, "bk_wrong")).await.0,
            401,
            "{method} {path} with a wrong key"
        );
        for (key, held) in [(&shop.chat, "chat"), (&shop.ingest, "ingest"), (&shop.admin, "admin")] {
            let (status, body) = read(counter.ask(method, path, key)).await;
            let allowed = held == scope || held == "admin";
            assert_eq!(
                status != 403,
                allowed,
                "{method} {path} with a key of scope `{held}`: {status} {body}"
            );
            assert_ne!(status, 401, "{method} {path}");
        }
    }
    let (_, description) = counter.get("/openapi.json", "").await;
    let documented: usize = description["paths"]
        .as_object()
        .expect("paths")
        .values()
        .map(|item| item.as_object().unwrap().len())
        .sum();
    assert_eq!(documented, ROUTES.len(), "a route is missing in this test");
    counter.close().await;
}

#[tokio::test]
async fn another_shops_things_are_not_there() {
    let counter = Counter::open().await;
    let (aurora, harbour) = (&counter.aurora, &counter.harbour);
    let said = counter.say(aurora, "visitor-1", "oi").await;
    let (conversation, turn) = (said["conversation_id"].as_str().unwrap(), said["turn_id"].as_str().unwrap());
    let (_, documents) = counter.get("/v1/documents", &aurora.ingest).await;
    let document = documents["items"][0]["document_id"].as_str().unwrap();
    let (_, keys) = counter.get("/v1/admin/keys", &aurora.admin).await;
    let key = keys["items"][0]["key_id"].as_str().unwrap();

    for (method, path) in [
        ("GET", format!("/v1/conversations/{conversation}")),
        ("GET", format!("/v1/conversations/{conversation}/messages")),
        ("POST", format!("/v1/conversations/{conversation}/messages")),
        ("GET", "/v1/conversations/visitor-1".into()),
        ("GET", "/v1/conversations/visitor-1/messages".into()),
        ("POST", format!("/v1/conversations/{conversation}/handoff")),
        ("DELETE", format!("/v1/conversations/{conversation}/handoff")),
        ("POST", format!("/v1/conversations/{conversation}/human-messages")),
        ("GET", format!("/v1/turns/{turn}")),
        ("GET", format!("/v1/documents/{document}")),
        ("DELETE", format!("/v1/documents/{document}")),
        ("DELETE", format!("/v1/admin/keys/{key}")),
    ] {
        let mut request = counter.ask(method, &path, &harbour.admin);
        if method == "POST" {
            request = request.json(&json!({ "text": "oi" }));
        }
        let (status, body) = read(request).await;
        assert_eq!((status, body["code"].as_str()), (404, Some("not_found")), "{method} {path}: {body}");
    }
    let (_, all) = counter.get("/v1/conversations", &harbour.admin).await;
    assert_eq!(all["items"], json!([]));
    // The same id of two shops is two conversations.
    let other = counter.say(harbour, "visitor-1", "hello").await;
    assert_ne!(other["conversation_id"], said["conversation_id"]);
    let (status, _) = counter.get(&format!("/v1/documents/{document}"), &aurora.ingest).await;
    assert_eq!(status, 200, "nothing was deleted");
    counter.close().await;
}

#[tokio::test]
async fn a_chat_key_sees_the_conversations_of_the_api_and_no_customers_of_whatsapp() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    counter.say(shop, "visitor-1", "oi").await;
    counter.whatsapp.client().write(shop.phone_number_id, "5511900000001", "oi").await.expect("delivered");
    counter
        .whatsapp
        .client()
        .wait_for_messages(shop.phone_number_id, "5511900000001", 1, std::time::Duration::from_secs(10))
        .await
        .expect("the emulator answers");
    let channels = |body: &Value| {
        let mut all: Vec<String> = body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["channel"].as_str().unwrap().to_owned())
            .collect();
        all.sort();
        all
    };
    let (_, admin) = counter.get("/v1/conversations", &shop.admin).await;
    assert_eq!(channels(&admin), ["api", "whatsapp"]);
    let (_, chat) = counter.get("/v1/conversations", &shop.chat).await;
    assert_eq!(channels(&chat), ["api"]);
    let items = admin["items"].as_array().unwrap();
    let whatsapp =
        items.iter().find(|one| one["channel"] == "whatsapp").unwrap()["conversation_id"].as_str().unwrap();
    assert_eq!(counter.get(&format!("/v1/conversations/{whatsapp}"), &shop.chat).await.0, 404);
    assert_eq!(counter.get(&format!("/v1/conversations/{whatsapp}/messages"), &shop.chat).await.0, 404);
    assert_eq!(counter.get(&format!("/v1/conversations/{whatsapp}/messages"), &shop.admin).await.0, 200);
    counter.close().await;
}

#[tokio::test]
async fn a_key_is_shown_once_and_a_revoked_one_is_refused_at_once() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    let new = json!({ "name": "the shop's site", "scopes": ["chat"] });
    let (status, issued) = counter.post("/v1/admin/keys", &shop.admin, &new).await;
    assert_eq!(status, 201, "{issued}");
    let secret = issued["secret"].as_str().unwrap();
    assert_eq!(counter.get("/v1/models", secret).await.0, 200);

    let (_, keys) = counter.get("/v1/admin/keys", &shop.admin).await;
    assert!(!keys.to_string().contains(secret), "a list shows no secrets");

    let id = issued["key"]["key_id"].as_str().unwrap();
    assert_eq!(read(counter.ask("DELETE", &format!("/v1/admin/keys/{id}"), &shop.admin)).await.0, 204);
    assert_eq!(counter.get("/v1/models", secret).await.0, 401);
    counter.close().await;
}

#[tokio::test]
async fn a_key_that_calls_too_often_is_told_how_long_to_wait_and_others_are_served() {
    let settings = ServerSettings { requests_per_minute: 6, burst: 3, ..ServerSettings::default() };
    let counter = Counter::with(Setup { settings, ..Setup::default() }).await;
    let (shop, other) = (&counter.aurora, &counter.harbour);
    for _ in 0..3 {
        assert_eq!(counter.get("/v1/models", &shop.chat).await.0, 200);
    }
    let refused = counter.ask("GET", "/v1/conversations", &shop.chat).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_eq!(refused.headers()["ratelimit-remaining"], "0");
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    assert_eq!(counter.get("/v1/models", &other.chat).await.0, 200);
    counter.close().await;
}
