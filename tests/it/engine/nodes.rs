//! Several nodes on one database, nodes that freeze, nodes that stop.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use balcao_actors::{System, SystemConfig};
use balcao_domain::tenant::Settings;
use balcao_store::inbox;
use futures::future::join_all;

use super::scene::{Scene, ScriptedAgent, accept, until};

/// Freezes a whole node: its agent blocks the only thread of the node's runtime, with timers, renewals and all.
#[derive(Default)]
struct Freezer {
    frozen: AtomicBool,
    thawed: Mutex<bool>,
    thaw: Condvar,
}

impl Freezer {
    fn freeze(&self) {
        self.frozen.store(true, SeqCst);
        let mut thawed = self.thawed.lock().expect("nobody panicked");
        while !*thawed {
            thawed = self.thaw.wait(thawed).expect("nobody panicked");
        }
    }

    fn thaw(&self) {
        *self.thawed.lock().expect("nobody panicked") = true;
        self.thaw.notify_all();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_froze_past_its_lease_commits_nothing() {
    let scene = Scene::prompt().await;
    let camila = scene.customer(1).await;
    let lease = Duration::from_millis(800);

    // Node A has a runtime of one thread, and an agent that stops it.
    let freezer = Arc::new(Freezer::default());
    let agent = ScriptedAgent::with({
        let freezer = freezer.clone();
        move |_| freezer.freeze()
    });
    let config = SystemConfig { lease, agent: agent.clone(), ..scene.config("node-a").await };
    let (url, message) = (scene.db.runtime_url().to_owned(), camila.says("quanto custa o frete?"));
    let (end, mut ended) = tokio::sync::oneshot::channel::<()>();
    let node_a = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let options = balcao_store::ConnectOptions {
                url,
                max_connections: 4,
                keyring: balcao_tests::database::keyring(),
            };
            let store = balcao_store::Store::connect(&options).await.expect("the database is there");
            let system = System::start(SystemConfig { store, ..config }).await.expect("the tree starts");
            accept(&system, message).await;
            // Thawed, it has all the time it needs to try and fail.
            let _ = (&mut ended).await;
            system.shutdown(Duration::from_secs(2)).await;
        });
    });
    until("node A freezes within its turn", || freezer.frozen.load(SeqCst)).await;

    let config = SystemConfig { lease, ..scene.config("node-b").await };
    let node_b = System::start(config).await.expect("the tree starts");
    scene.until("select count(*) from turn", "1").await;
    scene.until_quiet().await;
    let epoch = scene.value("select epoch from conversation_cursor").await;
    freezer.thaw();
    // Node B goes on as if nothing had happened, and so does its customer.
    accept(&node_b, camila.says("e o prazo?")).await;
    scene.until_quiet().await;
    tokio::time::sleep(Duration::from_millis(500)).await;

    assert_eq!(agent.seen.lock().len(), 1, "node A thought about it, once");
    assert_eq!(scene.agent.texts_of(camila.conversation_id), ["quanto custa o frete?", "e o prazo?"]);
    assert_eq!(scene.phone.texts(), ["re: quanto custa o frete?", "re: e o prazo?"]);
    assert_eq!(scene.value("select count(*) from turn").await, "2");
    assert_eq!(epoch, "2", "the second node took a new epoch");
    let _ = end.send(());
    node_b.shutdown(Duration::from_secs(5)).await;
    tokio::task::spawn_blocking(move || node_a.join()).await.expect("it ends").expect("it did not panic");
}

#[tokio::test]
async fn two_nodes_share_the_work_and_answer_everything_once() {
    const PEOPLE: usize = 10;
    const MESSAGES: usize = 8;
    let scene = Scene::prompt().await;
    let a = System::start(scene.config("node-a").await).await.expect("the tree starts");
    let b = System::start(scene.config("node-b").await).await.expect("the tree starts");
    let people = join_all((0..PEOPLE).map(|n| scene.customer(n))).await;
    join_all(people.iter().map(async |person| {
        for n in 0..MESSAGES {
            // Every webhook comes to both nodes, as redeliveries do.
            let text = format!("m{n}");
            let node = [&a, &b][n % 2];
            accept(node, person.says(&text)).await;
            accept([&a, &b][(n + 1) % 2], person.says(&text)).await;
        }
    }))
    .await;
    scene.until_quiet().await;
    assert_eq!(scene.agent.overlaps.load(SeqCst), 0);
    let expected: Vec<String> = (0..MESSAGES).map(|n| format!("m{n}")).collect();
    for person in &people {
        assert_eq!(scene.agent.texts_of(person.conversation_id), expected);
        let told = scene.phone.texts_to(&person.phone).join("|").replace("re: ", "");
        assert_eq!(told, expected.join("|"));
    }
    a.shutdown(Duration::from_secs(5)).await;
    b.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_message_nobody_rang_for_is_found_by_the_sweep() {
    let scene = Scene::prompt().await;
    let camila = scene.customer(1).await;
    inbox::append(&scene.store, &[camila.says("tem alguém aí?")]).await.expect("it is stored");
    let system = scene.node().await;
    until("the answer", || !scene.phone.texts().is_empty()).await;
    assert_eq!(scene.phone.texts(), ["re: tem alguém aí?"]);
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn stopping_under_load_loses_nothing_and_doubles_nothing() {
    const PEOPLE: usize = 15;
    let scene = Scene::prompt().await;
    let people = join_all((0..PEOPLE).map(|n| scene.customer(n))).await;
    let mut accepted = vec![Vec::new(); PEOPLE];
    for round in 0..3 {
        let system =
            System::start(scene.config(&format!("node-{round}")).await).await.expect("the tree starts");
        let stopping = tokio::spawn({
            let system = system.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(250)).await;
                system.shutdown(Duration::from_secs(4)).await;
            }
        });
        let load = people.iter().zip(&mut accepted).map(async |(person, accepted)| {
            for n in 0.. {
                let text = if n % 3 == 0 { format!("wait {}", 5 + n % 40) } else { format!("r{round} m{n}") };
                let mut message = person.says(&text);
                message.message.provider_message_id = format!("{}-{round}-{n}", person.phone);
                match system.accept(vec![message]).await {
                    Ok(rows) => {
                        assert!(rows.iter().all(Result::is_ok));
                        accepted.push(text);
                    }
                    // It closes: the channel would deliver this one again.
                    Err(_) => return,
                }
                tokio::time::sleep(Duration::from_millis(7)).await;
            }
        });
        join_all(load).await;
        stopping.await.expect("it stops");
        assert_eq!(system.open_conversations(), 0, "everybody has left");
        let held = "select count(*) from conversation_cursor where lease_until > clock_timestamp()";
        assert_eq!(scene.value(held).await, "0", "every lease was given back");
    }
    let system = System::start(scene.config("node-last").await).await.expect("the tree starts");
    scene.until_quiet().await;
    for (person, accepted) in people.iter().zip(&accepted) {
        assert!(!accepted.is_empty());
        let told = scene.phone.texts_to(&person.phone).join("|").replace("re: ", "");
        assert_eq!(told, accepted.join("|"));
    }
    system.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_turn_that_outlives_the_shutdown_is_taken_again_by_the_next_node() {
    let scene =
        Scene::with(Settings { quiet_ms: 0, turn_budget_ms: 60_000, ..Settings::default() }, Arc::default())
            .await;
    let camila = scene.customer(1).await;
    let system = scene.node().await;
    accept(&system, camila.says("wait 30000")).await;
    until("the agent is at work", || !scene.agent.seen.lock().is_empty()).await;
    system.shutdown(Duration::from_secs(2)).await;
    assert_eq!(scene.value("select count(*) from turn").await, "0");
    assert_eq!(scene.value("select count(*) from conversation_cursor where owner is not null").await, "0");

    let quick = SystemConfig { agent: ScriptedAgent::with(|_| ()), ..scene.config("node-b").await };
    let patient = System::start(quick).await.expect("the tree starts");
    scene.until("select count(*) from conversation_cursor where owner = 'node-b'", "1").await;
    patient.shutdown(Duration::from_secs(2)).await;
}

#[tokio::test]
async fn the_clockwork_lets_old_messages_go_and_counts_them() {
    let scene = Scene::prompt().await;
    let camila = scene.customer(1).await;
    let system = scene.node().await;
    accept(&system, camila.says("faz tempo")).await;
    scene.until_quiet().await;
    let mut admin = scene.db.admin().await;
    admin.execute("update inbox set received_at = received_at - interval '400 days'").await.unwrap();
    scene.until("select count(*) from inbox", "0").await;
    accept(&system, camila.says("hoje")).await;
    scene.until_quiet().await;
    assert_eq!(scene.value("select count(*) from inbox").await, "1", "what is young stays");
    system.shutdown(Duration::from_secs(5)).await;
}
