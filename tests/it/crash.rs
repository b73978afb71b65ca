//! The server is killed between each pair of steps of a message's walk, and started again on the same data: every
//! message is answered once, in order, none is lost, and none is sent twice.

use std::{fs, time::Duration};

use balcao_emulators::whatsapp::{self, Faults, NewNumber, Options, StatusTimes};
use balcao_tests::process::{Installation, Server};
use serde_json::Value;

const NUMBER: &str = "309900000000001";

/// A shop on an installation, its number on an emulated WhatsApp that delivers webhooks again until they are taken.
struct Scene {
    place: Installation,
    phone: whatsapp::Running,
    admin: String,
    http: reqwest::Client,
}

impl Scene {
    async fn set() -> Self {
        let faults = Faults {
            statuses: StatusTimes {
                sent_ms: Some(5),
                delivered_ms: Some(10),
                read_ms: None,
                reversed: false,
            },
            ..Faults::default()
        };
        let retries = vec![Duration::from_millis(200); 600];
        let options = Options { retries, faults, ..Options::default() };
        let phone = whatsapp::serve_locally(options).await.expect("the emulator starts");
        let url = phone.url();
        let place = Installation::new(&[
            ("BALCAO_WHATSAPP_BASE_URL", url.as_str()),
            ("BALCAO_ENGINE_LEASE", "2s"),
            ("BALCAO_ENGINE_SWEEP", "100ms"),
            ("BALCAO_ENGINE_UNKNOWN_GRACE", "3s"),
        ]);
        place.json(&["tenant", "create", "padaria", "--name", "Padaria", "--language", "pt"]);
        place.json(&["tenant", "set", "padaria", "quiet_ms=100", "quiet_cap_ms=300"]);
        let file = |name: &str| {
            let path = place.folder.path().join(name);
            fs::write(&path, name).expect("a writable temporary folder");
            path.display().to_string()
        };
        let connected = place.json(&[
            "tenant",
            "connect-whatsapp",
            "padaria",
            "--phone-number-id",
            NUMBER,
            "--app-secret-file",
            &file("app-secret"),
            "--verify-token-file",
            &file("verify-token"),
            "--access-token-file",
            &file("access-token"),
        ]);
        let key = place.json(&["key", "issue", "--tenant", "padaria", "--name", "test", "--scope", "admin"]);
        let scene = Self {
            admin: key["secret"].as_str().expect("a secret is shown").to_owned(),
            http: reqwest::Client::new(),
            place,
            phone,
        };
        let mut server = scene.place.serve(None);
        server.ready().await;
        let path = connected["webhook_path"].as_str().expect("a path is shown");
        let number = NewNumber {
            phone_number_id: NUMBER.into(),
            waba_id: "209900000000001".into(),
            display_phone_number: "551140009001".into(),
            access_token: "access-token".into(),
            app_secret: "app-secret".into(),
            verify_token: "verify-token".into(),
            webhook_url: format!("{}{path}", scene.place.url()),
            allowed: None,
        };
        scene.phone.client().register(&number).await.expect("the handshake succeeds");
        server.interrupt().await;
        scene
    }

    async fn serve(&self) -> Server {
        let mut server = self.place.serve(None);
        server.ready().await;
        server
    }

    /// Writes as a customer, whether or not anybody is there to take the webhook now.
    async fn write(&self, from: &str, text: &str) {
        let body =
            serde_json::json!({ "phone_number_id": NUMBER, "from": from, "text": text, "no_wait": true });
        self.phone.client().inbound(&body).await.expect("the emulator takes it");
    }

    /// What came to the customer's phone once it has been silent for a while.
    async fn received(&self, point: &str, from: &str, at_least: usize) -> Vec<String> {
        let client = self.phone.client();
        let came = client.wait_for_messages(NUMBER, from, at_least, Duration::from_secs(40)).await;
        assert!(
            came.expect("the emulator answers").len() >= at_least,
            "{point}: the customer was left without an answer"
        );
        // Longer than the grace of an unknown send: a second copy would be here by now.
        tokio::time::sleep(Duration::from_secs(4)).await;
        let messages = client.messages(NUMBER, from).await.expect("the emulator answers");
        messages.iter().map(|message| message.to_string()).collect()
    }

    /// The conversation of a customer as the shop sees it: who said what, oldest first.
    async fn history(&self, name_of: &str) -> Vec<(String, String)> {
        let get = async |path: String| -> Value {
            let asked =
                self.http.get(format!("{}{path}", self.place.url())).bearer_auth(&self.admin).send().await;
            asked.expect("the server answers").json().await.expect("the server answers in JSON")
        };
        let mut cursor = String::new();
        loop {
            let page = get(format!("/v1/conversations?limit=50{cursor}")).await;
            let list = page["items"].as_array().or(page["data"].as_array()).cloned().unwrap_or_default();
            for conversation in &list {
                let id = conversation["conversation_id"].as_str().expect("conversations have ids");
                let lines = get(format!("/v1/conversations/{id}/messages?limit=50")).await;
                let lines =
                    lines["items"].as_array().or(lines["data"].as_array()).cloned().unwrap_or_default();
                let said: Vec<(String, String)> =
                    lines.iter().map(|line| (text(line, "author"), text(line, "text"))).collect();
                if said.iter().any(|(author, words)| author == "customer" && words.contains(name_of)) {
                    return said;
                }
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Vec::new(),
            }
        }
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_any_two_steps_it_answers_every_message_once() {
    let scene = Scene::set().await;
    let points = [
        "before_inbox_commit",
        "after_inbox_commit",
        "after_claim",
        "after_decision",
        "after_turn_commit",
        "before_send",
        "after_send",
        "after_record",
    ];
    for (place, point) in points.into_iter().enumerate() {
        let customer = format!("551190000{place:04}");
        let mut doomed = scene.place.serve(Some(point));
        doomed.ready().await;
        scene.write(&customer, &format!("oi, primeira {place}")).await;
        let status = doomed.ended(Duration::from_secs(30)).await;
        assert!(status.is_some_and(|status| !status.success()), "{point}: was not reached: {}", doomed.log());
        // The customer goes on writing while nobody is there.
        scene.write(&customer, &format!("bom dia, segunda {place}")).await;

        let server = scene.serve().await;
        let received = scene.received(point, &customer, 1).await;
        let history = scene.history(&format!("primeira {place}")).await;
        let asked: Vec<&str> = history
            .iter()
            .filter(|(author, _)| author == "customer")
            .map(|(_, words)| words.as_str())
            .collect();
        let answered = history.iter().filter(|(author, _)| author == "agent").count();
        assert_eq!(asked.len(), 2, "{point}: each message is stored once: {history:?}");
        assert_eq!(received.len(), answered, "{point}: each answer arrives once: {history:?} {received:?}");
        assert!((1..=2).contains(&answered), "{point}: two messages make one turn or two: {history:?}");
        assert_ne!(
            history.last().map(|(author, _)| author.as_str()),
            Some("customer"),
            "{point}: {history:?}"
        );
        assert!(server.interrupt().await.success(), "{point}: the server stops in order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_leaves_nothing_that_blocks_the_next_start() {
    let place = Installation::new(&[]);
    for _ in 0..3 {
        let mut server = place.serve(None);
        server.ready().await;
        server.kill().await;
    }
    let mut server = place.serve(None);
    server.ready().await;
    // Commands work beside a running server.
    place.json(&["tenant", "create", "loja", "--name", "Loja"]);
    assert_eq!(place.json(&["tenant", "list"])[0]["slug"], "loja");
    assert!(server.interrupt().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_under_load_loses_nothing_that_was_acknowledged() {
    let scene = Scene::set().await;
    let server = scene.serve().await;
    let customers: Vec<String> = (0..40).map(|place| format!("551191111{place:04}")).collect();
    for customer in &customers {
        scene.write(customer, "oi").await;
    }
    assert!(server.interrupt().await.success(), "it stops in order under load");
    let server = scene.serve().await;
    for customer in &customers {
        let came = scene.phone.client().wait_for_messages(NUMBER, customer, 1, Duration::from_secs(40)).await;
        assert_eq!(came.expect("the emulator answers").len(), 1, "{customer} is answered, once");
    }
    server.interrupt().await;
}
