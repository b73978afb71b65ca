//! What is one turn and what is none: bursts, repetitions, things that ask for nothing, people who take over, and
//! people who want silence.

use balcao_domain::tenant::Settings;
use balcao_emulators::whatsapp::{Faults, Options, StatusTimes};
use balcao_tests::counter::{Counter, Setup, read};
use futures::future::join_all;
use serde_json::{Value, json};

use super::scene::{Customer, settled, until, value, word};

/// Waits that a slow machine keeps within, too.
fn patient() -> Setup {
    let shops = Settings { quiet_ms: 1_500, quiet_cap_ms: 6_000, ..Settings::default() };
    Setup { shops: Some(shops), ..Setup::default() }
}

fn said<'a>(history: &'a [(String, String)], who: &str) -> Vec<&'a str> {
    history.iter().filter(|(author, _)| author == who).map(|(_, text)| text.as_str()).collect()
}

#[tokio::test]
async fn three_messages_in_a_row_are_one_turn_and_one_reply() {
    let counter = Counter::with(patient()).await;
    let camila = Customer::new(&counter, &counter.aurora, "5511900004001");
    let burst = ["oi", "comprei uma blusa", "qual o prazo para troca?"];
    for text in burst {
        camila.writes(text).await;
    }
    let heard = camila.hears_last(1).await;
    assert!(heard.contains("30 dias"), "{heard}");
    camila.settles().await;
    let turns = camila.turns().await;
    assert_eq!(turns.len(), 1, "{turns:?}");
    assert_eq!((turns[0]["first_seq"].as_i64(), turns[0]["last_seq"].as_i64()), (Some(1), Some(3)));
    assert_eq!(said(&camila.history().await, "customer"), burst);
    camila.writes("obrigada!").await;
    camila.hears_last(2).await;
    counter.close().await;
}

#[tokio::test]
async fn one_webhook_five_times_at_once_is_one_message_and_one_reply() {
    let counter = Counter::open().await;
    let camila = Customer::new(&counter, &counter.aurora, "5511900004002");
    let body = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "209900000000001", "changes": [{
        "field": "messages", "value": {
            "messaging_product": "whatsapp",
            "metadata": { "display_phone_number": "551140009001", "phone_number_id": counter.aurora.phone_number_id },
            "contacts": [{ "profile": { "name": "Camila" }, "wa_id": camila.phone }],
            "messages": [{ "from": camila.phone, "id": "wamid.five-times", "timestamp": "1793973600", "type": "text",
                           "text": { "body": "qual o prazo para troca?" } }] } }] }] })
    .to_string();
    for _ in 0..2 {
        let statuses = join_all((0..5).map(|_| counter.deliver(&counter.aurora, body.clone()))).await;
        assert_eq!(statuses, [200; 5], "each is acknowledged");
        settled(&counter).await;
    }
    // The window is judged by the customer's clock, which in this webhook is a fixed moment.
    assert_eq!(value(&counter, "select count(*) from inbox").await, "1");
    assert_eq!(value(&counter, "select count(*) from turn").await, "1");
    assert_eq!(value(&counter, "select count(*) from outbox").await, "1");

    // The same through the emulator, in time: five deliveries, one reply on the phone.
    let renata = Customer::new(&counter, &counter.aurora, "5511900004003");
    let answer = renata.sends(json!({ "text": "qual o prazo para troca?", "times": 5 })).await;
    assert_eq!(answer["webhook"]["statuses"], json!([200, 200, 200, 200, 200]));
    renata.hears_last(1).await;
    settled(&counter).await;
    assert_eq!(renata.hears(1).await.len(), 1);
    assert_eq!(said(&renata.history().await, "customer").len(), 1);
    counter.close().await;
}

#[tokio::test]
async fn webhooks_and_statuses_that_come_in_another_order_lose_nothing() {
    let statuses =
        StatusTimes { sent_ms: Some(5), delivered_ms: Some(10), read_ms: Some(20), reversed: true };
    let whatsapp = Options { faults: Faults { statuses, ..Faults::default() }, ..Options::default() };
    let counter = Counter::with(Setup { whatsapp, ..patient() }).await;
    let camila = Customer::new(&counter, &counter.aurora, "5511900004004");
    for text in ["oi", "tudo bem?", "qual o prazo para troca?"] {
        camila.sends(json!({ "text": text, "hold": true })).await;
    }
    let flushed = counter.whatsapp.client().post("flush", &json!({ "order": "reversed" })).await;
    assert_eq!(flushed.expect("it delivers")["statuses"], json!([200, 200, 200]));
    let heard = camila.hears_last(1).await;
    assert!(heard.contains("30 dias"), "{heard}");
    let history = camila.history().await;
    let mut texts = said(&history, "customer");
    texts.sort_unstable();
    assert_eq!(texts, ["oi", "qual o prazo para troca?", "tudo bem?"], "all three are kept");
    // `read` came first, `delivered` and `sent` after it: it stays read.
    until(&counter, "select string_agg(state, ',') from outbox", "read").await;
    until(&counter, "select count(*) from jsonb_object_keys((select reports from outbox))", "3").await;
    assert_eq!(value(&counter, "select state from outbox").await, "read");
    counter.close().await;
}

#[tokio::test]
async fn what_asks_for_nothing_is_kept_and_not_answered() {
    let counter = Counter::open().await;
    let camila = Customer::new(&counter, &counter.aurora, "5511900004005");
    let first = camila.writes("oi").await;
    camila.hears_last(1).await;
    let reply = word(&camila.hears(1).await[0]["id"]);
    let quiet = [
        json!({ "type": "reaction", "reaction": { "message_id": reply, "emoji": "👍" } }),
        json!({ "type": "reaction", "reaction": { "message_id": reply } }),
        json!({ "type": "sticker", "sticker": { "id": "509900000000014", "mime_type": "image/webp", "sha256": "x" } }),
        json!({ "type": "edit", "edit": { "original_message_id": first,
                 "message": { "type": "text", "text": { "body": "olá" }, "context": { "id": first } } } }),
        json!({ "type": "revoke", "revoke": { "original_message_id": first } }),
    ];
    for message in &quiet {
        let answer = camila.sends(json!({ "message": message })).await;
        assert_eq!(answer["webhook"]["status"], 200, "{message}");
    }
    settled(&counter).await;
    let spoken = "select count(*) from turn where path <> 'silent'";
    assert_eq!(value(&counter, spoken).await, "1", "only the greeting was answered");
    assert_eq!(value(&counter, "select count(*) from inbox").await, "6", "everything is kept");
    let marks = "select string_agg(kind || ':' || coalesce(value, '-'), ' ' order by kind) from message_mark";
    assert_eq!(value(&counter, marks).await, "edit:olá reaction:- revoke:-");
    // The conversation goes on after them.
    camila.writes("qual o prazo para troca?").await;
    let heard = camila.hears_last(2).await;
    assert!(heard.contains("30 dias"), "{heard}");
    counter.close().await;
}

#[tokio::test]
async fn sound_pictures_and_files_are_answered_civilly_in_the_shops_language() {
    let counter = Counter::open().await;
    let media = |kind: &str, mime: &str| json!({ "message": { "type": kind, kind: { "id": "509900000000010", "mime_type": mime, "sha256": "x" } } });
    let cases = [
        ("audio", "audio/ogg; codecs=opus", "áudio", "audio"),
        ("image", "image/jpeg", "imagem", "image"),
        ("document", "application/pdf", "arquivo", "file"),
    ];
    for (place, (kind, mime, portuguese, english)) in cases.into_iter().enumerate() {
        for (shop, expected) in [(&counter.aurora, portuguese), (&counter.harbour, english)] {
            let customer = Customer::new(&counter, shop, &format!("551190000410{place}"));
            customer.sends(media(kind, mime)).await;
            let heard = customer.hears_last(1).await.to_lowercase();
            let near = expected == "audio" && heard.contains("voice")
                || expected == "image" && heard.contains("picture");
            assert!(heard.contains(expected) || near, "{kind}: {heard}");
            assert_eq!(customer.last_path().await.0, "rules");
        }
    }
    counter.close().await;
}

#[tokio::test]
async fn a_person_in_the_phones_app_silences_the_agent_until_it_is_given_back() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    let camila = Customer::new(&counter, shop, "5511900004006");
    camila.writes("oi").await;
    camila.hears_last(1).await;
    let echo = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "209900000000001", "changes": [{
        "field": "smb_message_echoes", "value": {
            "messaging_product": "whatsapp",
            "metadata": { "display_phone_number": "551140009001", "phone_number_id": shop.phone_number_id },
            "message_echoes": [{ "from": "551140009001", "to": camila.phone, "id": "wamid.paula", "type": "text",
                                 "timestamp": chrono::Utc::now().timestamp().to_string(),
                                 "text": { "body": "Oi Camila, aqui é a Paula!" } }] } }] }] })
    .to_string();
    for _ in 0..3 {
        assert_eq!(counter.deliver(shop, echo.clone()).await, 200);
    }
    for text in ["oi Paula", "qual o prazo para troca?"] {
        camila.writes(text).await;
        settled(&counter).await;
    }
    assert_eq!(camila.last_path().await, ("silent".to_owned(), "handed_off".to_owned()));
    assert_eq!(camila.hears(1).await.len(), 1, "the agent does not speak over Paula");
    let history = camila.history().await;
    assert_eq!(said(&history, "human"), ["Oi Camila, aqui é a Paula!"], "what Paula said is kept, once");

    let handoff = format!("/v1/conversations/{}/handoff", camila.conversation().await);
    let (status, now) = read(counter.ask("DELETE", &handoff, &shop.admin)).await;
    assert_eq!((status, &now["handed_off_at"]), (200, &Value::Null), "{now}");
    // What Paula said long ago, delivered once more, is no reason to fall silent again.
    assert_eq!(counter.deliver(shop, echo).await, 200);
    camila.writes("qual o prazo para troca?").await;
    let heard = camila.hears_last(2).await;
    assert!(heard.contains("30 dias"), "{heard}");
    counter.close().await;
}

#[tokio::test]
async fn who_wants_no_messages_gets_none_until_they_want_them_again() {
    let counter = Counter::open().await;
    let camila = Customer::new(&counter, &counter.aurora, "5511900004007");
    camila.writes("PARAR").await;
    camila.hears_last(1).await;
    settled(&counter).await;
    assert_eq!(value(&counter, "select count(*) from customer where opted_out_at is not null").await, "1");
    for text in ["oi", "qual o prazo para troca?"] {
        camila.writes(text).await;
        settled(&counter).await;
        assert_eq!(camila.last_path().await, ("silent".to_owned(), "opted_out".to_owned()), "{text}");
    }
    assert_eq!(camila.hears(1).await.len(), 1, "silence");
    camila.writes("voltar").await;
    camila.hears_last(2).await;
    settled(&counter).await;
    assert_eq!(value(&counter, "select count(*) from customer where opted_out_at is not null").await, "0");
    camila.writes("qual o prazo para troca?").await;
    let heard = camila.hears_last(3).await;
    assert!(heard.contains("30 dias"), "{heard}");
    counter.close().await;
}
