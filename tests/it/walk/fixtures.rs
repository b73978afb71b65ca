//! Every recorded webhook body, and what it changes in the shops' books. A file without a line here fails the test;
//! so does a repetition, in whatever order, that changes anything.

use std::{collections::BTreeMap, fs};

use balcao_domain::OutboxId;
use balcao_emulators::whatsapp::{Faults, Options, faults::SendFaults};
use balcao_store::{outbox, turns::NewOutgoing};
use balcao_tests::{
    counter::{Counter, Setup},
    database::repository,
};

use super::scene::{Customer, settled, until, value};

/// What is counted, and how.
const BOOKS: [(&str, &str); 17] = [
    ("message", "select count(*) from inbox"),
    ("answer", "select count(*) from turn where path <> 'silent'"),
    ("silence", "select count(*) from turn where path = 'silent'"),
    ("reply", "select count(*) from outbox where author = 'agent'"),
    ("human", "select count(*) from outbox where author = 'human'"),
    ("handed_off", "select count(*) from conversation where handed_off_at is not null"),
    ("customer", "select count(*) from conversation where merged_into is null"),
    ("id", "select count(*) from customer_identity where kind <> 'change'"),
    ("retired", "select count(*) from customer_identity where retired_at is not null"),
    ("mark", "select count(*) from message_mark"),
    ("cleared", "select count(*) from message_mark where kind = 'reaction' and value is null"),
    ("parked", "select count(*) from parked_status"),
    // Not those of sends: none arrives here.
    ("dead_letter", "select count(*) from dead_letter where kind <> 'send'"),
    ("news", "select count(*) from event where kind like 'channel.%'"),
    ("paused", "select count(*) from channel where paused_reason is not null"),
    ("no_marketing", "select count(*) from customer where marketing_opted_out_at is not null"),
    ("poison", "select count(*) from turn where path = 'apology'"),
];

/// File, HTTP status, what it adds to the books. In this order: what somebody says later in the file's own time comes
/// later, and what changes how people are answered or known (a person in the app, new numbers, a pause) comes last.
const TABLE: &[(&str, u16, &str)] = &[
    ("text", 200, "message+1 answer+1 reply+1 customer+1 id+2"),
    ("duplicate_of_text", 200, ""),
    ("text_bsuid_only", 200, "message+1 answer+1 reply+1 customer+1 id+1"),
    ("text_business_button_product", 200, "message+1 answer+1 reply+1 customer+1 id+2"),
    ("text_forwarded", 200, "message+1 answer+1 reply+1"),
    ("text_legacy_no_bsuid", 200, "message+1 answer+1 reply+1"),
    ("text_no_ninth_digit", 200, "message+1 answer+1 reply+1 customer+1 id+2"),
    ("text_prompt_injection", 200, "message+1 answer+1 reply+1"),
    ("text_referral_ctwa", 200, "message+1 answer+1 reply+1"),
    ("text_reply_context", 200, "message+1 answer+1 reply+1"),
    ("text_wire_escaped", 200, "message+1 answer+1 reply+1"),
    ("audio_voice", 200, "message+1 answer+1 reply+1"),
    ("contacts_request_contact_info", 200, "message+1 answer+1 reply+1 id+1"),
    ("contacts_shared", 200, "message+1 answer+1 reply+1 customer+1 id+2"),
    ("document_comprovante_pix", 200, "message+1 answer+1 reply+1"),
    ("image_caption", 200, "message+1 answer+1 reply+1"),
    ("location", 200, "message+1 answer+1 reply+1"),
    ("sticker", 200, "message+1 silence+1"),
    ("video", 200, "message+1 answer+1 reply+1"),
    ("button_template_quick_reply", 200, "message+1 answer+1 reply+1"),
    ("interactive_button_reply", 200, "message+1 answer+1 reply+1"),
    ("interactive_list_reply", 200, "message+1 answer+1 reply+1"),
    ("interactive_nfm_reply", 200, "message+1 answer+1 reply+1"),
    ("order", 200, "message+1 answer+1 reply+1"),
    ("reaction", 200, "message+1 silence+1 mark+1"),
    ("reaction_removed", 200, "message+1 silence+1 cleared+1"),
    ("edit_message", 200, "message+1 silence+1 mark+1"),
    ("group_message", 200, ""),
    ("request_welcome", 200, "message+1 answer+1 reply+1"),
    ("revoke_message", 200, "message+1 silence+1 mark+1"),
    ("unknown_message_type", 200, "message+1 answer+1 reply+1"),
    ("unsupported", 200, "message+1 answer+1 reply+1"),
    ("unsupported_131060_unavailable", 200, "message+1 answer+1 reply+1"),
    ("batch_duplicate_inside", 200, "message+1 answer+1 reply+1"),
    ("batch_mixed", 200, "message+4 answer+2 reply+2 parked+1 news+1"),
    ("batch_two_senders_contacts_reordered", 200, "message+2 answer+2 reply+2"),
    ("status_bsuid_only", 200, "parked+1"),
    ("status_delivered", 200, "parked+1"),
    ("status_failed_131026", 200, "parked+1"),
    ("status_failed_131047", 200, "parked+1"),
    ("status_failed_131049", 200, "parked+1"),
    ("status_failed_131053_audio_mime", 200, "parked+1"),
    ("status_failed_after_delivered", 200, "parked+2"),
    ("status_free_entry_point", 200, "parked+1"),
    ("status_played", 200, "parked+1"),
    ("status_read", 200, "parked+1"),
    ("status_read_before_delivered", 200, "parked+3"),
    ("status_sent", 200, "parked+1"),
    ("status_unknown_wamid", 200, "parked+1"),
    ("malformed_bsuid_in_from", 200, "message+1 answer+1 reply+1"),
    ("malformed_empty_entry", 200, ""),
    ("malformed_missing_messages", 200, ""),
    ("malformed_missing_metadata", 200, "dead_letter+1"),
    ("malformed_timestamp_millis", 200, "message+1 answer+1 reply+1"),
    ("malformed_timestamp_number", 200, "message+1 answer+1 reply+1"),
    ("malformed_truncated", 400, ""),
    ("malformed_wrong_object", 200, ""),
    ("account_capability", 200, "news+1"),
    ("account_phone_quality", 200, "news+1"),
    ("account_template_paused", 200, "news+1"),
    ("account_template_rejected", 200, "news+1"),
    ("unknown_phone_number_id", 200, ""),
    ("unknown_webhook_field", 200, ""),
    ("user_preferences_stop", 200, "no_marketing+1"),
    ("value_errors_130429", 200, "news+1"),
    ("smb_message_echo", 200, "human+1 handed_off+1"),
    ("account_disabled", 200, "news+1 paused+1"),
    ("system_user_changed_number", 200, "id+1 retired+1"),
    ("system_user_changed_user_id", 200, "id+1 retired+1"),
    ("user_id_update", 200, ""),
];

/// The books now.
async fn books(counter: &Counter) -> BTreeMap<&'static str, i64> {
    let mut admin = counter.db.admin().await;
    let mut books = BTreeMap::new();
    for (name, sql) in BOOKS {
        let count = admin.value(sql).await.expect("the query is right").unwrap_or_default();
        books.insert(name, count.parse().expect("a count"));
    }
    admin.close().await;
    books
}

/// What was added, in the books' order.
fn added(before: &BTreeMap<&str, i64>, after: &BTreeMap<&str, i64>) -> String {
    let line = BOOKS.iter().filter_map(|(name, _)| match after[name] - before[name] {
        0 => None,
        difference => Some(format!("{name}{difference:+}")),
    });
    line.collect::<Vec<_>>().join(" ")
}

fn body(file: &str) -> Vec<u8> {
    let path = repository().join("tests/fixtures/whatsapp").join(format!("{file}.json"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Waits until every message has its turn. (A paused account's replies stay in the outbox.)
async fn answered(counter: &Counter) {
    until(counter, "select count(*) from conversation_cursor where head_seq > acked_seq", "0").await;
}

#[tokio::test]
async fn every_recorded_webhook_means_what_its_line_says_and_nothing_when_repeated() {
    let mut present: Vec<String> = fs::read_dir(repository().join("tests/fixtures/whatsapp"))
        .expect("the fixtures are part of the checkout")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".json").map(str::to_owned))
        .collect();
    present.sort();
    let mut listed: Vec<&str> = TABLE.iter().map(|(file, ..)| *file).collect();
    listed.sort_unstable();
    assert_eq!(listed, present, "every file has one line");

    // Whether a reply to these may still go out depends on the day of the test: here none does.
    let send = SendFaults { drop_request: u32::MAX, ..SendFaults::default() };
    let whatsapp = Options { faults: Faults { send, ..Faults::default() }, ..Options::default() };
    let counter = Counter::with(Setup { whatsapp, ..Setup::default() }).await;
    let mut wrong = String::new();
    let mut before = books(&counter).await;
    for (file, status, expected) in TABLE {
        let answer = counter.deliver(&counter.aurora, body(file)).await;
        answered(&counter).await;
        let after = books(&counter).await;
        let found = added(&before, &after);
        if (answer, found.as_str()) != (*status, *expected) {
            wrong += &format!("\n    (\"{file}\", {answer}, \"{found}\"), expected {status} {expected}");
        }
        before = after;
    }
    assert!(wrong.is_empty(), "these change something else:{wrong}");
    assert_eq!(before["poison"], 0);

    // All of it again, backwards, and then from the middle on.
    let backwards = TABLE.iter().rev();
    let rotated = TABLE.iter().skip(TABLE.len() / 2).chain(TABLE.iter().take(TABLE.len() / 2));
    for (file, status, _) in backwards.chain(rotated) {
        assert_eq!(counter.deliver(&counter.aurora, body(file)).await, *status, "{file}");
        let after = books(&counter).await;
        if after != before {
            wrong += &format!("\n    {file}, repeated: {}", added(&before, &after));
            before = after;
        }
    }
    answered(&counter).await;
    assert_eq!(added(&before, &books(&counter).await), "");
    assert!(wrong.is_empty(), "repetitions change nothing:{wrong}");
    counter.close().await;
}

/// A recorded status, what becomes of its message once all of them have come, and the error it names.
const DELIVERIES: [(&str, &str, &str); 10] = [
    ("status_sent", "read", ""),
    ("status_read_before_delivered", "read", ""),
    ("status_played", "played", ""),
    ("status_failed_131047", "failed", "131047"),
    ("status_failed_131026", "failed", "131026"),
    ("status_failed_131049", "failed", "131049"),
    ("status_failed_131053_audio_mime", "failed", "131053"),
    ("status_failed_after_delivered", "delivered", ""),
    ("status_bsuid_only", "delivered", ""),
    ("status_free_entry_point", "sent", ""),
];

/// The id of the message a recorded status speaks of.
fn message_of(file: &str) -> String {
    let body: serde_json::Value = serde_json::from_slice(&body(file)).expect("these are JSON");
    let status = &body["entry"][0]["changes"][0]["value"]["statuses"][0];
    status["id"].as_str().expect("a status names its message").to_owned()
}

#[tokio::test]
async fn recorded_statuses_move_the_messages_they_speak_of_whatever_comes_first() {
    let mut statuses: Vec<&str> =
        TABLE.iter().map(|(file, ..)| *file).filter(|file| file.starts_with("status_")).collect();
    for round in ["messages first", "statuses first", "statuses first, backwards"] {
        let counter = Counter::open().await;
        let shop = &counter.aurora;
        let camila = Customer::new(&counter, shop, "5511900000001");
        camila.writes("oi").await;
        camila.hears(1).await;
        settled(&counter).await;
        let conversation = camila.conversation().await.parse().expect("it is one of ours");
        let record = async || {
            let mut tx = counter.store.tenant_tx(&shop.ctx).await.expect("the database is there");
            for (file, ..) in DELIVERIES {
                let text = format!("about {file}");
                let said = NewOutgoing {
                    outbox_id: OutboxId::generate(),
                    kind: "text".into(),
                    body: serde_json::json!({}),
                    text,
                };
                outbox::push_human(&mut tx, conversation, &said, Some(&message_of(file)))
                    .await
                    .expect("it is kept");
            }
            tx.commit().await.expect("it is kept");
        };
        if round == "messages first" {
            record().await;
        }
        for file in &statuses {
            assert_eq!(counter.deliver(shop, body(file)).await, 200, "{file}");
        }
        if round != "messages first" {
            record().await;
        }
        for (file, state, code) in DELIVERIES {
            let sql = format!(
                "select state || ' ' || coalesce(error_code::text, '') from outbox where provider_message_id = '{}'",
                message_of(file)
            );
            let found = value(&counter, &sql).await;
            // What a failure said is kept, also where another device has the message.
            let found = found.split_once(' ').expect("two words");
            assert_eq!(found.0, state, "{round}: {file}");
            assert!(state != "failed" || found.1 == code, "{round}: {file} {found:?}");
        }
        assert_eq!(
            value(&counter, "select count(*) from inbox").await,
            "1",
            "{round}: no status is a message"
        );
        if round == "statuses first" {
            statuses.reverse();
        }
        counter.close().await;
    }
}

#[tokio::test]
async fn an_old_wish_that_is_delivered_again_does_not_undo_a_newer_one() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    let stop = String::from_utf8(body("user_preferences_stop")).expect("it is text");
    let resume = stop.replace("\"stop\"", "\"resume\"").replace("1793974140", "1793974200");
    let stop_again = stop.replace("1793974140", "1793974300");
    assert!(resume.contains("1793974200") && resume.contains("resume"), "{resume}");
    let stopped = "select count(*) from customer where marketing_opted_out_at is not null";
    for (what, wish, now) in [
        ("stop", &stop, "1"),
        ("resume", &resume, "0"),
        ("the old stop again", &stop, "0"),
        ("a new stop", &stop_again, "1"),
        ("the old resume again", &resume, "1"),
    ] {
        assert_eq!(counter.deliver(shop, wish.clone()).await, 200, "{what}");
        assert_eq!(value(&counter, stopped).await, now, "{what}");
    }
    counter.close().await;
}
