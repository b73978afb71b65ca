//! When a turn begins, what it takes, and what becomes of one that fails.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use balcao_actors::{System, SystemConfig, TurnEvent};
use balcao_domain::{inbound::Content, tenant::Settings};
use balcao_store::{conversations, dead_letters};
use chrono::TimeDelta;
use futures::future::join_all;

use super::scene::{Scene, accept, until};

#[tokio::test]
async fn three_messages_in_a_row_are_one_turn_and_one_answer() {
    let settings = Settings { quiet_ms: 700, quiet_cap_ms: 10_000, ..Settings::default() };
    let scene = Scene::with(settings, Default::default()).await;
    let system = scene.node().await;
    let camila = scene.customer(1).await;
    for text in ["oi", "tudo bem?", "vocês abrem hoje?"] {
        accept(&system, camila.says(text)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until("the answer", || !scene.phone.texts().is_empty()).await;
    scene.until_quiet().await;
    assert_eq!(scene.phone.texts(), ["re: oi|tudo bem?|vocês abrem hoje?"]);
    assert_eq!(scene.agent.seen.lock().len(), 1);
    assert!(scene.phone.indications.load(SeqCst) >= 1, "the customer saw that someone is typing");
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn every_conversation_keeps_its_order_whatever_the_others_do() {
    const PEOPLE: usize = 12;
    const MESSAGES: usize = 15;
    let scene = Scene::prompt().await;
    let system = scene.node().await;
    let people = join_all((0..PEOPLE).map(|n| scene.customer(n))).await;
    join_all(people.iter().map(async |person| {
        for n in 0..MESSAGES {
            let text = if n % 5 == 0 { format!("wait {}", n % 7) } else { format!("m{n}") };
            let mut message = person.says(&text);
            message.message.provider_message_id = format!("{}-{n}", person.phone);
            accept(&system, message).await;
        }
    }))
    .await;
    scene.until_quiet().await;
    assert_eq!(scene.agent.overlaps.load(SeqCst), 0, "two turns of one conversation at the same time");
    for person in &people {
        let expected: Vec<String> = (0..MESSAGES)
            .map(|n| if n % 5 == 0 { format!("wait {}", n % 7) } else { format!("m{n}") })
            .collect();
        assert_eq!(scene.agent.texts_of(person.conversation_id), expected);
        let told = scene.phone.texts_to(&person.phone).join("|").replace("re: ", "");
        assert_eq!(told, expected.join("|"), "the replies arrived in another order");
    }
    // No gap and no overlap between the turns that are on record.
    let broken = scene
        .value(
            "select count(*) from (select first_seq, lag(last_seq, 1, 0::bigint) over
               (partition by conversation_id order by first_seq) as before from turn) t where first_seq <> before + 1",
        )
        .await;
    assert_eq!(broken, "0");
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_redelivered_message_is_answered_once() {
    let scene = Scene::prompt().await;
    let system = scene.node().await;
    let camila = scene.customer(1).await;
    for round in 0..3 {
        let copies = (0..5).map(|_| accept(&system, camila.says(&format!("m{round}"))));
        let seqs = join_all(copies).await;
        assert_eq!(seqs, [round + 1; 5]);
    }
    scene.until_quiet().await;
    assert_eq!(scene.agent.texts_of(camila.conversation_id), ["m0", "m1", "m2"]);
    assert_eq!(scene.value("select count(*) from inbox").await, "3");
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_turn_that_panics_three_times_ends_in_an_apology_and_the_conversation_goes_on() {
    let scene = Scene::prompt().await;
    let system = scene.node().await;
    let (camila, davi) = (scene.customer(1).await, scene.customer(2).await);
    accept(&system, camila.says("boom")).await;
    accept(&system, davi.says("oi")).await;
    scene.until("select count(*) from turn where path = 'apology' and reason = 'poisoned'", "1").await;
    accept(&system, camila.says("e agora?")).await;
    scene.until_quiet().await;

    let told = scene.phone.texts_to(&camila.phone);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("Desculpe"), "{told:?}");
    assert_eq!(told[1], "re: e agora?");
    assert_eq!(scene.phone.texts_to(&davi.phone), ["re: oi"], "others notice nothing");
    let tries = scene.agent.texts_of(camila.conversation_id);
    assert_eq!(tries, ["boom", "boom", "boom", "e agora?"]);

    let mut tx = scene.store.tenant_tx(&scene.ctx).await.expect("the database is there");
    let letters = dead_letters::list(&mut tx, false, None, 10).await.expect("they can be listed").items;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].kind, "turn");
    assert_eq!(letters[0].conversation_id, Some(camila.conversation_id));
    assert_eq!(letters[0].evidence["first_seq"], 1);
    assert_eq!(letters[0].evidence["failures"], 3);
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_asks_for_nothing_or_is_stale_is_acknowledged_in_silence() {
    let scene = Scene::prompt().await;
    let system = scene.node().await;
    let camila = scene.customer(1).await;
    let reaction = Content::Reaction { message_id: "wamid.x".into(), emoji: Some("👍".into()) };
    accept(&system, camila.sends("r", reaction)).await;
    scene.until("select count(*) from turn where reason = 'nothing_asked'", "1").await;
    let mut old = camila.says("ainda tem?");
    old.message.sent_at -= TimeDelta::days(2);
    accept(&system, old).await;
    scene.until("select count(*) from turn where reason = 'stale'", "1").await;
    assert!(scene.agent.seen.lock().is_empty() && scene.phone.texts().is_empty());
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn the_agent_is_mute_while_a_person_has_the_conversation() {
    let scene = Scene::prompt().await;
    let system = scene.node().await;
    let camila = scene.customer(1).await;
    accept(&system, camila.says("person")).await;
    scene.until_quiet().await;
    accept(&system, camila.says("alguém aí?")).await;
    scene.until("select count(*) from turn where reason = 'handed_off'", "1").await;
    assert_eq!(scene.phone.texts(), ["re: person"]);
    let mut tx = scene.store.tenant_tx(&scene.ctx).await.expect("the database is there");
    conversations::give_back(&mut tx, camila.conversation_id).await.expect("it is given back");
    tx.commit().await.expect("it is kept");
    accept(&system, camila.says("oi de novo")).await;
    scene.until_quiet().await;
    assert_eq!(scene.phone.texts(), ["re: person", "re: oi de novo"]);
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_person_who_takes_over_during_a_turn_is_not_spoken_over() {
    let scene = Scene::prompt().await;
    let system = scene.node().await;
    let camila = scene.customer(1).await;
    accept(&system, camila.says("wait 600")).await;
    until("the agent is at work", || !scene.agent.seen.lock().is_empty()).await;
    let mut tx = scene.store.tenant_tx(&scene.ctx).await.expect("the database is there");
    conversations::hand_off(&mut tx, camila.conversation_id, "I take this one")
        .await
        .expect("it is handed off");
    tx.commit().await.expect("it is kept");
    scene.until("select count(*) from turn where reason = 'handed_off'", "1").await;
    scene.until_quiet().await;
    assert!(scene.phone.texts().is_empty());
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn who_said_stop_is_answered_again_only_after_saying_start() {
    let scene = Scene::prompt().await;
    let system = scene.node().await;
    let camila = scene.customer(1).await;
    for text in ["stop", "oi?", "start", "oi!"] {
        accept(&system, camila.says(text)).await;
        scene.until_quiet().await;
    }
    assert_eq!(scene.phone.texts(), ["re: stop", "re: start", "re: oi!"]);
    assert_eq!(
        scene.value("select count(*) from turn where path = 'silent' and reason = 'opted_out'").await,
        "1"
    );
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn the_agent_is_given_what_was_said_before_and_not_what_is_asked_now() {
    let scene = Scene::prompt().await;
    let system = scene.node().await;
    let camila = scene.customer(1).await;
    for text in ["oi", "tem chá?"] {
        accept(&system, camila.says(text)).await;
        scene.until_quiet().await;
    }
    let seen = scene.agent.seen.lock().clone();
    assert_eq!(seen[0].history, [""; 0]);
    assert_eq!(seen[1].history, ["oi", "re: oi"]);
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn whoever_watches_hears_the_turn_begin_and_end() {
    let scene = Scene::prompt().await;
    let system = scene.node().await;
    let camila = scene.customer(1).await;
    let mut events = system.watch(camila.conversation_id);
    let seq = accept(&system, camila.says("oi")).await;
    let first = events.recv().await.expect("an event");
    assert!(matches!(first, TurnEvent::Progress { .. }), "{first:?}");
    let last = events.recv().await.expect("an event");
    let TurnEvent::Committed { first_seq, last_seq, outcome, .. } = last else { panic!("{last:?}") };
    assert_eq!((first_seq, last_seq), (seq, seq));
    assert_eq!(outcome.reply.as_ref().map(|r| r.text.as_str()), Some("re: oi"));
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_idle_conversation_leaves_and_comes_back_when_its_customer_does() {
    let scene = Scene::prompt().await;
    let config = SystemConfig { idle: Duration::from_millis(200), ..scene.config("node-a").await };
    let system = System::start(config).await.expect("the tree starts");
    let camila = scene.customer(1).await;
    for text in ["oi", "e aí?", "tchau"] {
        accept(&system, camila.says(text)).await;
        until("the conversation opens", || system.open_conversations() == 1).await;
        scene.until_quiet().await;
        until("the conversation leaves", || system.open_conversations() == 0).await;
    }
    assert_eq!(scene.phone.texts(), ["re: oi", "re: e aí?", "re: tchau"]);
    system.shutdown(Duration::from_secs(5)).await;
}
