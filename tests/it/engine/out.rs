//! What the shop says, on its way out.

use std::time::Duration;

use balcao_actors::{System, SystemConfig};
use balcao_channels::SendError;
use balcao_domain::{
    delivery::State,
    tenant::{Settings, Template},
};
use balcao_store::{channels, dead_letters, outbox, outbox::StatusReport};
use chrono::Utc;

use super::scene::{Scene, accept};

fn unknown() -> SendError {
    SendError::Unknown("the connection broke after the request was sent".into())
}

#[tokio::test]
async fn a_send_of_unknown_outcome_is_settled_by_its_status_and_not_sent_again() {
    let scene = Scene::prompt().await;
    let config = SystemConfig { unknown_grace: Duration::from_secs(4), ..scene.config("node-a").await };
    let system = System::start(config).await.expect("the tree starts");
    let camila = scene.customer(1).await;
    scene.phone.answers.lock().push(unknown());
    accept(&system, camila.says("oi")).await;
    scene
        .until("select count(*) from outbox where state = 'sending' and unknown_since is not null", "1")
        .await;

    let mut tx = scene.store.tenant_tx(&scene.ctx).await.expect("the database is there");
    let report = StatusReport {
        provider_message_id: "wamid.late".into(),
        outbox_id: Some(scene.phone.tag(0).parse().expect("the tag is our id")),
        state: State::Delivered,
        at: Utc::now(),
        error_code: None,
        error_detail: None,
        raw: serde_json::json!({}),
    };
    outbox::report(&mut tx, scene.channel_id, &report).await.expect("it is applied");
    tx.commit().await.expect("it is kept");

    // A second message shows that the conversation goes on, after the first.
    accept(&system, camila.says("tudo bem?")).await;
    scene.until_quiet().await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(scene.phone.texts(), ["re: oi", "re: tudo bem?"]);
    assert_eq!(scene.value("select string_agg(state, ',' order by seq) from outbox").await, "delivered,sent");
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn without_a_status_there_is_one_resend_and_then_a_dead_letter() {
    let scene = Scene::prompt().await;
    let system = scene.node().await;
    let camila = scene.customer(1).await;
    scene.phone.answers.lock().push(unknown());
    accept(&system, camila.says("oi")).await;
    scene.until_quiet().await;
    assert_eq!(scene.phone.texts(), ["re: oi", "re: oi"], "one resend is allowed");
    assert_eq!(scene.phone.tag(0), scene.phone.tag(1), "with the same tag");

    scene.phone.answers.lock().extend([unknown(), unknown()]);
    accept(&system, camila.says("e agora?")).await;
    scene.until_quiet().await;
    assert_eq!(scene.value("select state from outbox order by seq desc limit 1").await, "dead");
    assert_eq!(scene.phone.texts_to(&camila.phone).len(), 4, "no third attempt");
    let mut tx = scene.store.tenant_tx(&scene.ctx).await.expect("the database is there");
    let letters = dead_letters::list(&mut tx, false, None, 10).await.expect("they can be listed").items;
    assert_eq!(letters.iter().map(|l| l.kind.as_str()).collect::<Vec<_>>(), ["send"]);
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_may_be_retried_is_retried_and_keeps_its_place() {
    let scene = Scene::prompt().await;
    let system = scene.node().await;
    let camila = scene.customer(1).await;
    let busy = SendError::Retry { code: Some(130_429), detail: "slow down".into(), after: None };
    scene.phone.answers.lock().push(busy);
    accept(&system, camila.says("um")).await;
    scene.until("select count(*) from outbox where error_code = 130429", "1").await;
    accept(&system, camila.says("dois")).await;
    scene.until_quiet().await;
    assert_eq!(scene.phone.texts(), ["re: um", "re: dois"]);
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_can_never_be_sent_is_set_aside_and_the_next_message_goes() {
    let scene = Scene::prompt().await;
    let system = scene.node().await;
    let camila = scene.customer(1).await;
    scene.phone.answers.lock().push(SendError::Never { code: Some(131_026), detail: "undeliverable".into() });
    for text in ["um", "dois"] {
        accept(&system, camila.says(text)).await;
        scene.until_quiet().await;
    }
    assert_eq!(scene.phone.texts(), ["re: dois"]);
    assert_eq!(scene.value("select string_agg(state, ',' order by seq) from outbox").await, "dead,sent");
    assert_eq!(scene.value("select count(*) from dead_letter where kind = 'send'").await, "1");
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_account_in_trouble_stops_says_so_and_goes_on_when_a_person_resumes_it() {
    let scene = Scene::prompt().await;
    let system = scene.node().await;
    let camila = scene.customer(1).await;
    scene
        .phone
        .answers
        .lock()
        .push(SendError::AccountBlocked { code: Some(190), detail: "token expired".into() });
    accept(&system, camila.says("oi")).await;
    scene.until("select count(*) from channel where paused_reason = 'token expired'", "1").await;
    scene.until("select count(*) from event where kind = 'channel.alert'", "1").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(scene.phone.texts().is_empty(), "a paused account sends nothing");

    let mut tx = scene.store.tenant_tx(&scene.ctx).await.expect("the database is there");
    channels::set_paused(&mut tx, scene.channel_id, None).await.expect("it is resumed");
    tx.commit().await.expect("it is kept");
    system.tenant_changed(scene.ctx.tenant_id);
    scene.until_quiet().await;
    assert_eq!(scene.phone.texts(), ["re: oi"]);
    system.shutdown(Duration::from_secs(5)).await;
}

/// Answers a message whose customer wrote longer than a day ago.
async fn answer_outside_the_window(settings: Settings) -> Scene {
    let scene = Scene::with(settings, Default::default()).await;
    let camila = scene.customer(1).await;
    // A person of the shop writes; the customer's last message is old.
    let system = scene.node().await;
    accept(&system, camila.says("oi")).await;
    scene.until_quiet().await;
    let mut admin = scene.db.admin().await;
    admin
        .execute("update conversation_cursor set last_inbound_at = clock_timestamp() - interval '25 hours'")
        .await
        .expect("time can be turned back");
    let mut tx = scene.store.tenant_tx(&scene.ctx).await.expect("the database is there");
    let outgoing = balcao_store::turns::NewOutgoing {
        outbox_id: balcao_domain::OutboxId::generate(),
        kind: "text".into(),
        text: "o seu pedido chegou".into(),
        body: serde_json::json!({ "type": "text" }),
    };
    outbox::push_human(&mut tx, camila.conversation_id, &outgoing, None).await.expect("it is queued");
    tx.commit().await.expect("it is kept");
    system.ring_outbox(scene.ctx.tenant_id, scene.channel_id);
    scene.until_quiet().await;
    system.shutdown(Duration::from_secs(5)).await;
    scene
}

#[tokio::test]
async fn outside_the_window_only_the_shops_template_goes() {
    let template = Template { name: "voltar_a_falar".into(), language: "pt_BR".into() };
    let settings = Settings { quiet_ms: 0, reopen_template: Some(template), ..Settings::default() };
    let scene = answer_outside_the_window(settings).await;
    assert_eq!(scene.phone.texts(), ["re: oi", "[voltar_a_falar]"]);
}

#[tokio::test]
async fn outside_the_window_without_a_template_the_message_is_set_aside() {
    let scene = answer_outside_the_window(Settings { quiet_ms: 0, ..Settings::default() }).await;
    assert_eq!(scene.phone.texts(), ["re: oi"]);
    assert_eq!(scene.value("select state from outbox order by seq desc limit 1").await, "dead");
}
