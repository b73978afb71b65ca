//! Two server processes on one database; one is frozen in the middle of a turn until its lease is gone, and thawed
//! with the model's answer in its hands.

use std::{fs, time::Duration};

use balcao_emulators::{
    openai::{Act, OpenAiEmulator, Step},
    whatsapp::{self, Client, NewNumber, Options},
};
use balcao_tests::{
    counter::{Counter, Setup},
    database::{KEY, TestDb},
    process::Installation,
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::scene::{Customer, PATIENCE, settled, value, word};

const NUMBER: &str = "309900000000001";
const PHONE: &str = "5511900006001";

async fn hears(client: &Client, at_least: usize) -> Vec<String> {
    let heard =
        client.wait_for_messages(NUMBER, PHONE, at_least, PATIENCE).await.expect("the emulator answers");
    assert!(heard.len() >= at_least, "{at_least} replies are missing: {heard:?}");
    heard.iter().map(|message: &Value| word(&message["text"])).collect()
}

async fn until(db: &TestDb, sql: &str, expected: &str) {
    let mut admin = db.admin().await;
    let began = Instant::now();
    loop {
        let value = admin.value(sql).await.expect("the query is right").unwrap_or_default();
        if value == expected {
            return admin.close().await;
        }
        assert!(began.elapsed() < PATIENCE, "`{sql}` is still `{value}`, not `{expected}`");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a process has noticed, on renewing a lease or on a commit, that it had lost one.
async fn knew(place: &Installation) -> bool {
    let asked = reqwest::get(format!("{}/metrics", place.url())).await.expect("the server answers");
    let metrics = asked.text().await.expect("the server answers in words");
    let lost = metrics.lines().filter(|line| {
        line.starts_with("balcao_leases_lost_total") || line.starts_with("balcao_fenced_total")
    });
    lost.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() > 0.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_process_commits_nothing_when_it_thaws_and_the_other_answers_everything_once() {
    let db = TestDb::new().await;
    let phone = whatsapp::serve_locally(Options::default()).await.expect("the emulator starts");
    let model = OpenAiEmulator::start_local().await.expect("the emulator starts");
    let (whatsapp_url, model_url) = (phone.url(), model.base_url());
    let common = [
        ("DATABASE_URL", db.admin_url()),
        // The key also makes the password of the server's role, which all databases of the test's Postgres share.
        ("BALCAO_SECURITY_ENCRYPTION_KEY", KEY),
        ("BALCAO_DATABASE_MAX_CONNECTIONS", "5"),
        ("BALCAO_WHATSAPP_BASE_URL", whatsapp_url.as_str()),
        ("BALCAO_ENGINE_LEASE", "2s"),
        ("BALCAO_ENGINE_SWEEP", "100ms"),
        ("BALCAO_ENGINE_UNKNOWN_GRACE", "30s"),
    ];
    // Only the first asks a model: whose answer it is can be seen.
    let with_model = [
        ("BALCAO_ENGINE_NODE", "frozen"),
        ("OPENAI_BASE_URL", model_url.as_str()),
        ("BALCAO_LLM_MODEL", "emulated-model"),
        ("BALCAO_LLM_TIMEOUT", "60s"),
        ("BALCAO_LLM_FIRST_TOKEN_TIMEOUT", "60s"),
    ];
    let first = Installation::new(&[&common[..], &with_model].concat());
    let second = Installation::new(&[&common[..], &[("BALCAO_ENGINE_NODE", "awake")]].concat());

    first.json(&["tenant", "create", "padaria", "--name", "Padaria", "--language", "pt"]);
    first.json(&["tenant", "set", "padaria", "quiet_ms=0", "turn_budget_ms=60000"]);
    let file = |name: &str| {
        let path = first.folder.path().join(name);
        fs::write(&path, name).expect("a writable temporary folder");
        path.display().to_string()
    };
    let (app_secret, verify_token, token) = (file("app-secret"), file("verify-token"), file("access-token"));
    let connected = first.json(&[
        "tenant",
        "connect-whatsapp",
        "padaria",
        "--phone-number-id",
        NUMBER,
        "--app-secret-file",
        &app_secret,
        "--verify-token-file",
        &verify_token,
        "--access-token-file",
        &token,
    ]);
    let path = word(&connected["webhook_path"]);
    let client = phone.client();
    let deliver_to = async |url: String| {
        let number = NewNumber {
            phone_number_id: NUMBER.into(),
            waba_id: "209900000000001".into(),
            display_phone_number: "551140009001".into(),
            access_token: "access-token".into(),
            app_secret: "app-secret".into(),
            verify_token: "verify-token".into(),
            webhook_url: format!("{url}{path}"),
            allowed: None,
        };
        client.register(&number).await.expect("the handshake succeeds");
    };

    let mut frozen = first.serve(None);
    frozen.ready().await;
    deliver_to(first.url()).await;
    let answer = serde_json::json!({ "reply": "Resposta de quem estava congelado.", "sources": [], "next": "continue" });
    model.push(Step { first_token_ms: 1_500, ..Step::from(Act::Json { value: answer }) });
    client.write(NUMBER, PHONE, "vocês fazem bolo de casamento?").await.expect("it is taken");
    let began = Instant::now();
    while model.requests().is_empty() {
        assert!(began.elapsed() < PATIENCE, "the first process never asked its model: {}", frozen.log());
        sleep(Duration::from_millis(10)).await;
    }
    frozen.signal("STOP");

    let mut awake = second.serve(None);
    awake.ready().await;
    deliver_to(second.url()).await;
    hears(&client, 1).await;
    until(&db, "select count(*) from turn", "1").await;
    frozen.signal("CONT");
    // The thawed process has its model's answer, and a lease that is another's.
    client.write(NUMBER, PHONE, "obrigado").await.expect("it is taken");
    hears(&client, 2).await;
    // Both work on: a message to each.
    deliver_to(first.url()).await;
    model.control().set_responder(|_| {
        Some(Step::from(Act::Status {
            status: 503,
            error_type: String::new(),
            code: None,
            message: String::new(),
        }))
    });
    client.write(NUMBER, PHONE, "bom dia").await.expect("it is taken");
    let heard = hears(&client, 3).await;
    until(&db, "select count(*) from outbox where state in ('queued', 'sending')", "0").await;

    assert!(heard.iter().all(|text| !text.contains("congelado")), "the stale answer was not sent: {heard:?}");
    assert!(knew(&first).await, "the thawed process noticed that the conversation is another's");
    let mut admin = db.admin().await;
    let mut value = async |sql: &str| admin.value(sql).await.expect("the query is right").unwrap_or_default();
    assert_eq!(
        value("select string_agg(first_seq || '-' || last_seq, ' ' order by first_seq) from turn").await,
        "1-1 2-2 3-3"
    );
    assert_eq!(value("select count(*) from turn where path = 'model'").await, "0");
    assert_eq!(value("select count(*) from outbox").await, "3");
    assert_eq!(value("select count(*) from dead_letter").await, "0");
    assert_eq!(value("select count(*) from event where kind = 'turn.failed'").await, "0");
    assert!(
        value("select epoch from conversation_cursor").await.parse::<i64>().is_ok_and(|epoch| epoch >= 2)
    );
    admin.close().await;
    let again = client.messages(NUMBER, PHONE).await.expect("the emulator answers");
    assert_eq!(again.len(), 3, "and nothing came twice: {again:?}");
    assert!(frozen.interrupt().await.success(), "the thawed process stops in order");
    assert!(awake.interrupt().await.success());
}

#[tokio::test]
async fn a_commit_that_comes_after_another_node_took_over_writes_nothing() {
    let counter = Counter::with(Setup { model: true, ..Setup::default() }).await;
    let model = counter.model.as_ref().expect("it was asked for");
    model.push(Step { first_token_ms: 1_000, ..Step::from(Act::Echo) });
    let camila = Customer::new(&counter, &counter.aurora, "5511900006002");
    camila.writes("posso trocar o produto em até quantos dias?").await;
    let began = Instant::now();
    while model.requests().is_empty() {
        assert!(began.elapsed() < PATIENCE, "the model was never asked");
        sleep(Duration::from_millis(10)).await;
    }
    // The other node, in the midst of taking the conversation over: the commit has to wait for it.
    let mut other = counter.db.admin().await;
    other.execute("begin").await.expect("a plain statement");
    let take_over = "update conversation_cursor set epoch = epoch + 1, owner = 'another',
                     lease_until = clock_timestamp() + interval '1500 milliseconds'";
    other.execute(take_over).await.expect("the row is there");
    let waiting = "select count(*) from pg_stat_activity where datname = current_database()
                   and wait_event_type = 'Lock' and query like '%turn_commit%'";
    until(&counter.db, waiting, "1").await;
    other.execute("commit").await.expect("a plain statement");
    other.close().await;

    let heard = camila.hears_last(1).await;
    assert!(heard.contains("30 dias"), "{heard}");
    settled(&counter).await;
    assert_eq!(model.requests().len(), 2, "the first answer was thrown away, and the model asked again");
    assert_eq!(value(&counter, "select count(*) from turn").await, "1");
    assert_eq!(value(&counter, "select count(*) from outbox").await, "1");
    assert_eq!(
        value(&counter, "select epoch from conversation_cursor").await,
        "3",
        "ours, the other's, ours"
    );
    counter.close().await;
}
