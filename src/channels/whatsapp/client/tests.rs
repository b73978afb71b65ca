//! Against the emulator over real HTTP, and against sockets that misbehave.

use balcao_emulators::whatsapp::{self as emulator, Faults, NewNumber, faults::StatusTimes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::whatsapp::template::{Variables, template};

const NUMBER: &str = "309900000000001";
const TOKEN: &str = "EAAtoken";

fn channel_at(base_url: &str, token: &str) -> WhatsappChannel {
    let http = HttpClient::new(Duration::from_secs(2), Duration::from_millis(1_500)).unwrap();
    let settings = WhatsappSettings {
        base_url: base_url.into(),
        api_version: API_VERSION.into(),
        phone_number_id: NUMBER.into(),
        access_token: token.into(),
    };
    WhatsappChannel::new(settings, http)
}

/// An emulator with our number and a customer who just wrote.
async fn start() -> (emulator::Running, emulator::Client, WhatsappChannel) {
    let statuses = StatusTimes { sent_ms: None, delivered_ms: None, read_ms: None, reversed: false };
    let faults = Faults { statuses, ..Faults::default() };
    let options = emulator::Options { faults, retries: vec![], ..emulator::Options::default() };
    let running = emulator::serve_locally(options).await.unwrap();
    let client = running.client();
    let number = NewNumber {
        phone_number_id: NUMBER.into(),
        waba_id: "209900000000001".into(),
        display_phone_number: "551140009001".into(),
        access_token: TOKEN.into(),
        app_secret: "s".into(),
        verify_token: "v".into(),
        // Nobody listens: these tests are about sending.
        webhook_url: "http://127.0.0.1:9/".into(),
        allowed: None,
    };
    client.register(&number).await.unwrap();
    client.write(NUMBER, "554190000002", "oi").await.unwrap();
    let channel = channel_at(&running.url(), TOKEN);
    (running, client, channel)
}

fn joao() -> Target {
    Target { phone: Some("5541990000002".into()), user_id: None }
}

fn words(text: &str) -> Outgoing {
    render::render(&Reply::text(text), Language::Portuguese).remove(0)
}

#[tokio::test]
async fn a_message_arrives_with_its_tag_and_the_receipt_names_the_real_id() {
    let (_running, client, channel) = start().await;
    let receipt = channel.send(&joao(), &words("**Oi**, João"), "out_1").await.unwrap();
    let arrived = client.messages(NUMBER, "554190000002").await.unwrap();
    assert_eq!(arrived[0]["id"], receipt.provider_message_id);
    assert_eq!(arrived[0]["text"], "*Oi*, João");
    assert_eq!(arrived[0]["tag"], "out_1");
    assert_eq!(arrived[0]["to"], "+5541990000002");
    // Written to with the ninth digit, known without.
    assert_eq!(receipt.resolved_phone.as_deref(), Some("554190000002"));
    assert_eq!(receipt.resolved_user_id, None);
}

#[tokio::test]
async fn a_person_without_a_phone_is_reached_by_the_recipient_field() {
    let (_running, client, channel) = start().await;
    let body = serde_json::json!({ "phone_number_id": NUMBER, "user_id": "BR.4", "text": "oi" });
    client.inbound(&body).await.unwrap();
    // Also when the id was put into the phone's place.
    for target in [
        Target { phone: None, user_id: Some("BR.4".into()) },
        Target { phone: Some("BR.4".into()), user_id: None },
    ] {
        let receipt = channel.send(&target, &words("oi"), "t").await.unwrap();
        assert_eq!(receipt.resolved_user_id.as_deref(), Some("BR.4"));
    }
    assert_eq!(client.messages(NUMBER, "BR.4").await.unwrap().len(), 2);
    let nobody = channel.send(&Target::default(), &words("oi"), "t").await;
    assert!(matches!(nobody, Err(SendError::Never { code: None, .. })));
}

#[tokio::test]
async fn templates_and_indications_are_accepted() {
    let (_running, client, channel) = start().await;
    let known = serde_json::json!({ "phone_number_id": NUMBER, "name": "volte", "language": "pt_BR", "variables": 1 });
    client.post("templates", &known).await.unwrap();
    let stranger = Target { phone: Some("5521900000003".into()), user_id: None };
    let message = template("volte", "pt_BR", &Variables::Positional(vec!["Renata,\n  tudo\tbem?".into()]));
    channel.send(&stranger, &message, "t").await.unwrap();
    let arrived = client.messages(NUMBER, "5521900000003").await.unwrap();
    assert_eq!(arrived[0]["text"], "[template volte] Renata, tudo bem?");

    let id = client.inbound_messages(NUMBER).await.unwrap()[0]["id"].as_str().unwrap().to_owned();
    channel.indicate(&id, Indication::Read).await.unwrap();
    let seen = client.inbound_messages(NUMBER).await.unwrap();
    assert!(seen[0]["read"] == true && seen[0]["typing_at"].is_null());
    channel.indicate(&id, Indication::Typing).await.unwrap();
    assert!(client.inbound_messages(NUMBER).await.unwrap()[0]["typing_at"].is_string());
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let (running, client, channel) = start().await;
    let outcome = |fail: serde_json::Value| {
        let (client, channel) = (client.clone(), channel.clone());
        async move {
            client.post("faults", &serde_json::json!({ "send": { "fail_next": fail } })).await.unwrap();
            channel.send(&joao(), &words("oi"), "t").await.unwrap_err()
        }
    };
    use serde_json::json;
    let limited = outcome(json!({ "count": 1, "code": 130429 })).await;
    assert!(matches!(&limited, SendError::Retry { code: Some(130429), .. }), "{limited:?}");
    let pair = outcome(json!({ "count": 1, "code": 131056 })).await;
    assert!(matches!(&pair, SendError::PairLimited { code: Some(131056), .. }), "{pair:?}");
    let closed = outcome(json!({ "count": 1, "code": 131047 })).await;
    assert!(
        matches!(&closed, SendError::WindowClosed { detail, .. } if detail.contains("(trace ")),
        "{closed:?}"
    );
    let bare = outcome(json!({ "count": 1, "http_status": 503 })).await;
    assert!(matches!(&bare, SendError::Unknown(_)), "{bare:?}");

    let wrong = channel_at(&running.url(), "EAAother").send(&joao(), &words("oi"), "t").await.unwrap_err();
    assert!(matches!(&wrong, SendError::AccountBlocked { code: Some(190), .. }), "{wrong:?}");
    assert!(!format!("{wrong} {wrong:?} {channel:?}").contains("EAA"), "a token is shown");
}

#[tokio::test]
async fn a_cut_connection_is_an_unknown_outcome_whether_or_not_the_message_went_out() {
    let (_running, client, channel) = start().await;
    for (fault, arrived) in [("drop_request", 0), ("drop_response", 1)] {
        client.post("faults", &serde_json::json!({ "send": { fault: 1 } })).await.unwrap();
        let error = channel.send(&joao(), &words("oi"), "t").await.unwrap_err();
        assert!(matches!(&error, SendError::Unknown(_)), "{error:?}");
        assert_eq!(client.messages(NUMBER, "554190000002").await.unwrap().len(), arrived, "{fault}");
    }
}

#[tokio::test]
async fn no_connection_is_a_safe_retry_and_no_answer_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let refused = channel_at(&format!("http://{address}"), TOKEN).send(&joao(), &words("oi"), "t").await;
    assert!(matches!(refused, Err(SendError::Retry { code: None, .. })), "{refused:?}");
    let unresolved = channel_at("http://balcao.invalid", TOKEN).send(&joao(), &words("oi"), "t").await;
    assert!(matches!(unresolved, Err(SendError::Retry { code: None, .. })), "{unresolved:?}");

    // Listens, and never answers: the time is up after the request has gone out.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let late = channel_at(&url, TOKEN).send(&joao(), &words("oi"), "t").await;
    assert!(matches!(late, Err(SendError::Unknown(_))), "{late:?}");
}

/// Answers one request with these bytes; hands over what was asked.
async fn answering(bytes: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 8_192];
        let read = stream.read(&mut asked).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&asked[..read]).into_owned()
    });
    (url, asked)
}

#[tokio::test]
async fn a_200_that_cannot_be_read_is_an_unknown_outcome() {
    for bytes in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"messages\":",
        "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"messages\":7",
    ] {
        let (url, _asked) = answering(bytes).await;
        let outcome = channel_at(&url, TOKEN).send(&joao(), &words("oi"), "t").await;
        assert!(matches!(outcome, Err(SendError::Unknown(_))), "{bytes:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_user_agent_is_sent() {
    let (elsewhere, visited) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let answer: &'static str =
        format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n")
            .leak();
    let (url, asked) = answering(answer).await;
    let outcome = channel_at(&url, TOKEN).send(&joao(), &words("oi"), "t").await;
    assert!(matches!(outcome, Err(SendError::AccountBlocked { code: None, .. })), "{outcome:?}");
    let asked = asked.await.unwrap().to_ascii_lowercase();
    assert!(asked.contains("user-agent: balcao/"), "{asked}");
    assert!(asked.starts_with(&format!("post /{API_VERSION}/{NUMBER}/messages")), "{asked}");
    assert!(!visited.is_finished(), "the token travelled along");
}

#[test]
fn errors_in_odd_forms_are_understood() {
    let outcome = |status: u16, body: &str| {
        refusal(StatusCode::from_u16(status).unwrap(), Some(Duration::from_secs(9)), body.as_bytes())
    };
    // `error_data` as a plain string, the code as a string.
    let odd = outcome(400, r#"{"error":{"code":"131009","error_data":"bad value","message":"m"}}"#);
    assert_eq!(odd, SendError::Never { code: Some(131009), detail: "bad value".into() });
    let limited = outcome(429, r#"{"error":{"code":130429,"message":"m"}}"#);
    assert_eq!(
        limited,
        SendError::Retry { code: Some(130429), detail: "m".into(), after: Some(Duration::from_secs(9)) }
    );
    for body in ["", "<html>", "[]", r#"{"error":[]}"#, r#"{"error":{"code":null}}"#] {
        assert!(matches!(outcome(502, body), SendError::Unknown(_)), "{body}");
    }
}

#[test]
fn what_is_not_ours_to_send_is_refused_before_it_is_sent() {
    let too_long = addressed(&joao(), &words("oi"), &"t".repeat(513));
    assert!(matches!(too_long, Err(SendError::Never { .. })));
    let not_an_object = Outgoing { kind: "text".into(), text: String::new(), body: Value::Null };
    assert!(matches!(addressed(&joao(), &not_an_object, "t"), Err(SendError::Never { .. })));
    let both = Target { phone: Some("5511900000001".into()), user_id: Some("BR.1".into()) };
    let body = addressed(&both, &words("oi"), "t").unwrap();
    assert_eq!((body.get("to"), body.get("recipient")), (Some(&json!("+5511900000001")), None));
}
