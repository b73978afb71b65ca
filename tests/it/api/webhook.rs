//! Where Meta delivers: signatures, duplicates, batches, strangers, and what is told of the account.

use std::time::Duration;

use balcao_store::{channels, conversations, customers, dead_letters, events};
use balcao_tests::counter::{Counter, Shop, sign};
use serde_json::Value;

const TEXT: &str = include_str!("../../fixtures/whatsapp/text.json");

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../fixtures/whatsapp/", $name, ".json"))
    };
}

/// The texts customers sent to a shop, by conversation.
async fn received(counter: &Counter, shop: &Shop) -> Vec<Vec<String>> {
    let mut tx = counter.store.tenant_tx(&shop.ctx).await.unwrap();
    let mut all = Vec::new();
    for one in conversations::list(&mut tx, None, 100).await.unwrap().items {
        let lines = conversations::history(&mut tx, one.conversation_id, None, 100).await.unwrap().items;
        let said: Vec<String> =
            lines.into_iter().filter(|line| line.author == "customer").map(|line| line.text).collect();
        if !said.is_empty() {
            all.push(said);
        }
    }
    tx.commit().await.unwrap();
    all.sort();
    all
}

async fn letters(counter: &Counter, shop: &Shop) -> Vec<dead_letters::DeadLetter> {
    let mut tx = counter.store.tenant_tx(&shop.ctx).await.unwrap();
    let letters = dead_letters::list(&mut tx, true, None, 100).await.unwrap().items;
    tx.commit().await.unwrap();
    letters
}

/// What the shop was told, once it was told `count` things. (An event is shown once no older transaction of the whole
/// server can still bring an earlier one.)
async fn told(counter: &Counter, shop: &Shop, count: usize) -> Vec<String> {
    let mut kinds = Vec::new();
    for _ in 0..200 {
        let mut tx = counter.store.tenant_tx(&shop.ctx).await.unwrap();
        kinds = events::list(&mut tx, None, 100)
            .await
            .unwrap()
            .items
            .into_iter()
            .map(|event| event.kind)
            .collect();
        tx.commit().await.unwrap();
        if kinds.len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    kinds
}

async fn paused(counter: &Counter, shop: &Shop) -> Option<String> {
    let mut tx = counter.store.tenant_tx(&shop.ctx).await.unwrap();
    let account = channels::get(&mut tx, shop.channel_id).await.unwrap();
    tx.commit().await.unwrap();
    account.paused_reason
}

#[tokio::test]
async fn only_the_apps_secret_opens_the_webhook_and_no_answer_tells_a_digest() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    let good = sign(TEXT.as_bytes());
    let flipped = TEXT.replacen("whatsapp", "whatsbpp", 1);
    let other = good.replace(|c: char| c.is_ascii_digit(), "0");
    let cases = [
        ("no header", None, TEXT),
        ("one byte changed", Some(good.clone()), flipped.as_str()),
        ("another digest", Some(other), TEXT),
        ("no prefix", Some(good.trim_start_matches("sha256=").to_owned()), TEXT),
        ("too short", Some(good[..good.len() - 2].to_owned()), TEXT),
        ("too long", Some(format!("{good}00")), TEXT),
        ("not hexadecimal", Some(format!("sha256={}", "z".repeat(64))), TEXT),
        ("empty", Some(String::new()), TEXT),
    ];
    for (what, signature, body) in cases {
        let mut request = counter.http.post(counter.webhook(shop)).body(body.to_owned());
        if let Some(signature) = signature {
            request = request.header("x-hub-signature-256", signature);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401, "{what}");
        let said = answer.text().await.unwrap();
        assert!(!said.contains(&good[7..]) && !said.contains(&sign(body.as_bytes())[7..]), "{what}: {said}");
    }
    assert!(received(&counter, shop).await.is_empty());
    assert_eq!(counter.deliver(shop, TEXT).await, 200);
    assert_eq!(received(&counter, shop).await.len(), 1);
    counter.close().await;
}

#[tokio::test]
async fn the_handshake_gives_the_challenge_to_the_right_token_only() {
    let counter = Counter::open().await;
    let ask = async |query: &str| {
        let url = format!("{}?{query}", counter.webhook(&counter.aurora));
        let answer = counter.http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let right = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=verify-aurora";
    assert_eq!(ask(right).await, (200, "1158201444".to_owned()), "plain, without quotes");
    for wrong in [
        "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=verify-harbour",
        "hub.mode=subscribe&hub.challenge=1158201444",
        "hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=verify-aurora",
        "",
    ] {
        let (status, body) = ask(wrong).await;
        assert_eq!(status, 403, "{wrong}");
        assert!(!body.contains("1158201444") && !body.contains("verify-"), "{body}");
    }
    let nobody = format!("{}/webhooks/whatsapp/chn_00000000000000000000000000000000", counter.url);
    assert_eq!(counter.http.get(format!("{nobody}?{right}")).send().await.unwrap().status(), 404);
    counter.close().await;
}

#[tokio::test]
async fn a_redelivered_message_is_acknowledged_and_stored_once() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    for body in [TEXT, fixture!("duplicate_of_text"), TEXT, fixture!("batch_duplicate_inside")] {
        assert_eq!(counter.deliver(shop, body).await, 200);
    }
    let mut texts: Vec<String> = received(&counter, shop).await.concat();
    let before = texts.len();
    texts.dedup();
    assert_eq!(texts.len(), before, "{texts:?}");
    assert_eq!(before, 2, "one of each: {texts:?}");
    counter.close().await;
}

#[tokio::test]
async fn one_body_serves_two_shops_of_one_app_and_keeps_them_apart() {
    let counter = Counter::open().await;
    assert_eq!(counter.deliver(&counter.aurora, fixture!("batch_mixed")).await, 200);
    let (aurora, harbour) =
        (received(&counter, &counter.aurora).await, received(&counter, &counter.harbour).await);
    assert_eq!(aurora.concat().len(), 3, "{aurora:?}");
    assert_eq!(harbour.concat().len(), 1, "{harbour:?}");
    assert_eq!(
        told(&counter, &counter.harbour, 1).await.iter().filter(|kind| *kind == "channel.template").count(),
        1
    );
    assert!(!told(&counter, &counter.aurora, 0).await.contains(&"channel.template".to_owned()));
    counter.close().await;
}

#[tokio::test]
async fn names_are_matched_by_id_when_contacts_come_in_another_order() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    assert_eq!(counter.deliver(shop, fixture!("batch_two_senders_contacts_reordered")).await, 200);
    let body: Value = serde_json::from_str(fixture!("batch_two_senders_contacts_reordered")).unwrap();
    let value = &body["entry"][0]["changes"][0]["value"];
    let mut tx = counter.store.tenant_tx(&shop.ctx).await.unwrap();
    let all = conversations::list(&mut tx, None, 10).await.unwrap().items;
    assert_eq!(all.len(), 2);
    for one in all {
        let person = customers::get(&mut tx, one.customer_id).await.unwrap();
        let contacts = value["contacts"].as_array().unwrap();
        let contact = contacts.iter().find(|c| c["wa_id"].as_str() == person.phone.as_deref()).unwrap();
        assert_eq!(contact["profile"]["name"].as_str(), person.name.as_deref());
    }
    tx.commit().await.unwrap();
    counter.close().await;
}

#[tokio::test]
async fn a_body_for_a_number_of_nobody_touches_nobody() {
    let counter = Counter::open().await;
    let (aurora, harbour) = (&counter.aurora, &counter.harbour);
    assert_eq!(counter.deliver(aurora, fixture!("unknown_phone_number_id")).await, 200);
    assert!(received(&counter, aurora).await.is_empty());
    assert!(received(&counter, harbour).await.is_empty());
    assert!(letters(&counter, aurora).await.is_empty());
    counter.close().await;
}

#[tokio::test]
async fn the_secret_of_one_app_says_nothing_about_a_number_of_another() {
    let counter = Counter::open().await;
    let stranger = counter.another_app("another-secret").await;
    let body = TEXT.replace(counter.aurora.phone_number_id, stranger.phone_number_id);
    // Signed well, by the wrong app: the number in it belongs to a shop that never trusted this secret.
    assert_eq!(counter.deliver(&counter.aurora, body.clone()).await, 200);
    assert!(received(&counter, &stranger).await.is_empty());
    assert!(received(&counter, &counter.aurora).await.is_empty());
    // And at the stranger's own address that signature opens nothing.
    assert_eq!(counter.deliver(&stranger, body).await, 401);
    counter.close().await;
}

#[tokio::test]
async fn what_names_no_number_is_set_aside_once_and_never_guessed() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    for _ in 0..3 {
        assert_eq!(counter.deliver(shop, fixture!("malformed_missing_metadata")).await, 200);
    }
    let letters = letters(&counter, shop).await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].kind, "webhook");
    assert!(received(&counter, shop).await.is_empty());
    counter.close().await;
}

#[tokio::test]
async fn broken_and_foreign_bodies_crash_nothing() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    for body in [
        fixture!("malformed_missing_messages"),
        fixture!("malformed_empty_entry"),
        fixture!("malformed_wrong_object"),
        fixture!("unknown_webhook_field"),
        fixture!("group_message"),
        fixture!("status_unknown_wamid"),
    ] {
        assert_eq!(counter.deliver(shop, body).await, 200, "{body}");
    }
    for body in [fixture!("malformed_truncated").as_bytes(), b"", b"[]", b"\xff\xfe\x00", b"null"] {
        assert_eq!(counter.deliver(shop, body).await, 400, "{:?}", String::from_utf8_lossy(body));
    }
    assert!(received(&counter, shop).await.is_empty());
    assert_eq!(counter.deliver(shop, TEXT).await, 200, "and the next one is served");
    counter.close().await;
}

#[tokio::test]
async fn three_megabytes_are_taken_and_five_are_not() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    let padded = |bytes: usize| format!("{}{}", TEXT, " ".repeat(bytes));
    assert_eq!(counter.deliver(shop, padded(3 * 1024 * 1024)).await, 200);
    assert_eq!(received(&counter, shop).await.len(), 1);
    assert_eq!(counter.deliver(shop, padded(5 * 1024 * 1024)).await, 413);
    counter.close().await;
}

#[tokio::test]
async fn an_echo_of_a_person_silences_the_agent() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    for _ in 0..2 {
        assert_eq!(counter.deliver(shop, fixture!("smb_message_echo")).await, 200);
    }
    let mut tx = counter.store.tenant_tx(&shop.ctx).await.unwrap();
    let all = conversations::list(&mut tx, None, 10).await.unwrap().items;
    assert_eq!(all.len(), 1);
    assert!(all[0].handed_off_at.is_some());
    let lines = conversations::history(&mut tx, all[0].conversation_id, None, 10).await.unwrap().items;
    let authors: Vec<&str> = lines.iter().map(|line| line.author.as_str()).collect();
    assert_eq!(authors, ["human"], "kept once");
    tx.commit().await.unwrap();
    counter.close().await;
}

#[tokio::test]
async fn news_of_the_account_are_told_once_and_a_disabled_account_stops_sending() {
    let counter = Counter::open().await;
    let (aurora, harbour) = (&counter.aurora, &counter.harbour);
    for _ in 0..3 {
        assert_eq!(counter.deliver(aurora, fixture!("account_disabled")).await, 200);
    }
    assert_eq!(told(&counter, harbour, 1).await, ["channel.alert"]);
    assert!(paused(&counter, harbour).await.is_some());
    assert!(paused(&counter, aurora).await.is_none(), "the other shop goes on");
    assert!(told(&counter, aurora, 0).await.is_empty());
    counter.close().await;
}

#[tokio::test]
async fn a_customer_who_wants_no_marketing_is_remembered_as_such() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    assert_eq!(counter.deliver(shop, fixture!("user_preferences_stop")).await, 200);
    let mut tx = counter.store.tenant_tx(&shop.ctx).await.unwrap();
    let all = conversations::list(&mut tx, None, 10).await.unwrap().items;
    let mut stopped = 0;
    for one in all {
        let person = customers::get(&mut tx, one.customer_id).await.unwrap();
        stopped += usize::from(person.marketing_opted_out_at.is_some());
        assert!(person.opted_out_at.is_none(), "service messages go on");
    }
    tx.commit().await.unwrap();
    assert_eq!(stopped, 1);
    counter.close().await;
}

#[tokio::test]
async fn a_person_is_one_customer_whatever_ids_a_message_carries() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    for body in [fixture!("text_legacy_no_bsuid"), TEXT, fixture!("text_wire_escaped")] {
        assert_eq!(counter.deliver(shop, body).await, 200);
    }
    assert_eq!(received(&counter, shop).await.len(), 1, "one conversation");
    for body in [fixture!("text_bsuid_only"), fixture!("malformed_bsuid_in_from")] {
        assert_eq!(counter.deliver(shop, body).await, 200);
    }
    assert_eq!(received(&counter, shop).await.len(), 2, "and one more");
    counter.close().await;
}

#[tokio::test]
async fn a_customer_on_whatsapp_is_answered_from_the_documents() {
    let counter = Counter::open().await;
    let whatsapp = counter.whatsapp.client();
    for (shop, question, answer) in [
        (&counter.aurora, "qual o prazo para troca?", "30 dias"),
        (&counter.harbour, "how long do I have to return an item?", "45 days"),
    ] {
        let phone = "5511900000001";
        whatsapp.write(shop.phone_number_id, phone, question).await.expect("delivered");
        let patience = Duration::from_secs(15);
        let messages = whatsapp.wait_for_messages(shop.phone_number_id, phone, 1, patience).await.unwrap();
        assert!(messages.first().is_some_and(|one| one.to_string().contains(answer)), "{messages:?}");
    }
    counter.close().await;
}

#[tokio::test]
async fn statuses_move_a_message_on_and_are_never_taken_for_customers() {
    let counter = Counter::open().await;
    let (shop, phone) = (&counter.aurora, "5511900000001");
    let whatsapp = counter.whatsapp.client();
    whatsapp.write(shop.phone_number_id, phone, "oi").await.expect("delivered");
    let mut states = Vec::new();
    for _ in 0..200 {
        let mut tx = counter.store.tenant_tx(&shop.ctx).await.unwrap();
        let all = conversations::list(&mut tx, None, 10).await.unwrap().items;
        let Some(one) = all.first() else { continue };
        let lines = conversations::history(&mut tx, one.conversation_id, None, 10).await.unwrap().items;
        tx.commit().await.unwrap();
        states =
            lines.into_iter().map(|line| (line.author, line.delivery.map(|state| state.as_str()))).collect();
        if states.iter().any(|(_, state)| matches!(state, Some("delivered" | "read"))) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(states.len(), 2, "a question and its answer: {states:?}");
    assert!(matches!(states[1].1, Some("delivered" | "read")), "{states:?}");
    // Out of order and for messages we never sent: acknowledged, and nobody wrote.
    for body in [fixture!("status_read_before_delivered"), fixture!("status_failed_after_delivered")] {
        assert_eq!(counter.deliver(shop, body).await, 200);
    }
    assert_eq!(received(&counter, shop).await.concat(), ["oi"]);
    counter.close().await;
}
