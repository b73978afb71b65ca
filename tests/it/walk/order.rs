//! Many customers at once on a bad day of the network: every message belongs to one turn, every reply arrives once,
//! and each conversation keeps its order.

use std::{collections::HashMap, time::Duration};

use balcao_emulators::whatsapp::faults::{SendFaults, WebhookFaults};
use balcao_emulators::whatsapp::{Faults, Options, StatusTimes};
use balcao_tests::counter::{Counter, Setup};
use futures::future::join_all;
use serde_json::json;

use super::scene::{settled, until, value, word};

const PEOPLE: usize = 20;
const MESSAGES: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_bad_day_of_the_network_everything_is_answered_once_and_in_order() {
    let faults = Faults {
        send: SendFaults { latency_ms: 5, drop_rate: 0.12, fail_rate: 0.04, ..SendFaults::default() },
        webhooks: WebhookFaults {
            duplicate: 0.3,
            reorder: 0.2,
            drop: 0.1,
            delay_ms: 5,
            ..WebhookFaults::default()
        },
        statuses: StatusTimes {
            sent_ms: Some(10),
            delivered_ms: Some(60),
            read_ms: Some(120),
            reversed: false,
        },
        seed: Some(7),
        ..Faults::default()
    };
    let retries = vec![Duration::from_millis(150); 400];
    let whatsapp = Options { retries, faults, ..Options::default() };
    // Longer than any status is under way: what is sent again before that would be our fault.
    let setup = Setup { whatsapp, unknown_grace: Some(Duration::from_secs(45)), ..Setup::default() };
    let counter = Counter::with(setup).await;
    let (client, number) = (counter.whatsapp.client(), counter.aurora.phone_number_id);
    let texts = ["oi", "bom dia", "tudo bem?", "obrigado", "quero falar do menu"];
    join_all((0..PEOPLE).map(|person| {
        let client = client.clone();
        async move {
            for n in 0..MESSAGES {
                let message = json!({
                    "phone_number_id": number, "from": format!("551190005{person:04}"), "no_wait": true,
                    "id": format!("wamid.{person:02}.{n:02}"), "text": texts[(person + n) % texts.len()],
                });
                client.inbound(&message).await.expect("the emulator takes it");
                tokio::time::sleep(Duration::from_millis(20 + 37 * ((person + 3 * n) % 5) as u64)).await;
            }
        }
    }))
    .await;
    until(&counter, "select count(*) from inbox", &(PEOPLE * MESSAGES).to_string()).await;
    settled(&counter).await;

    // Every message lies in exactly one turn.
    let uncovered = "select count(*) from inbox i where 1 <> (select count(*) from turn t
        where t.tenant_id = i.tenant_id and t.conversation_id = i.conversation_id and i.seq between t.first_seq and t.last_seq)";
    assert_eq!(value(&counter, uncovered).await, "0");
    assert_eq!(value(&counter, "select count(*) from conversation").await, PEOPLE.to_string());
    assert_eq!(value(&counter, "select count(*) from outbox where state in ('failed', 'dead')").await, "0");
    let unanswered = "select count(*) from turn t where path <> 'silent' and not exists
        (select from outbox o where o.tenant_id = t.tenant_id and o.turn_id = t.turn_id)";
    assert_eq!(value(&counter, unanswered).await, "0", "every turn that speaks says something");

    // Every reply is on its phone once, in the order it was written.
    let calls = client.calls().await.expect("the emulator answers");
    let cut = calls.iter().filter(|call| call["status"] == 0).count();
    assert!(cut > 0, "the network was as bad as it was meant to be");
    let mut by_phone: HashMap<String, Vec<String>> = HashMap::new();
    for person in 0..PEOPLE {
        let phone = format!("551190005{person:04}");
        let heard = client.messages(number, &phone).await.expect("the emulator answers");
        by_phone.insert(phone, heard.iter().map(|message| word(&message["tag"])).collect());
    }
    let mut lines = 0;
    for (phone, heard) in &by_phone {
        let sql = format!(
            "select string_agg('out_' || replace(o.outbox_id::text, '-', ''), ',' order by o.seq)
             from outbox o join conversation v using (tenant_id, conversation_id)
             join customer c using (tenant_id, customer_id) where c.phone = '{phone}'"
        );
        assert_eq!(heard.join(","), value(&counter, &sql).await, "{phone}");
        lines += heard.len();
    }
    assert!(lines >= PEOPLE, "{lines}");
    // A lost answer was settled by the status, not by sending again.
    assert_eq!(value(&counter, "select count(*) from outbox where resends > 0").await, "0");
    until(&counter, "select count(*) from outbox where state <> 'read'", "0").await;
    counter.close().await;
}
