//! Bodies that are not as documented: each item fails alone, and nothing panics.

use balcao_domain::inbound::{Content, Inbound};
use chrono::TimeZone;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn received_at() -> DateTime<Utc> {
    Utc.timestamp_opt(1_793_977_200, 0).unwrap()
}

fn read(body: &str) -> Vec<WebhookItem> {
    parse(body.as_bytes(), received_at()).unwrap()
}

/// A body with these raw messages.
fn with_messages(messages: &[&str]) -> String {
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"messages","value":{{
        "metadata":{{"phone_number_id":"42"}},"messages":[{}]}}}}]}}]}}"#,
        messages.join(",")
    )
}

fn text(id: &str, body: &str) -> String {
    let body = json!(body);
    format!(
        r#"{{"id":"{id}","from":"5511900000001","timestamp":"1793973600","type":"text","text":{{"body":{body}}}}}"#
    )
}

fn message(item: &WebhookItem) -> &Inbound {
    match item {
        WebhookItem::Message { inbound, .. } => inbound,
        other => panic!("not a message: {other:?}"),
    }
}

fn only(message_json: &str) -> Inbound {
    let items = read(&with_messages(&[message_json]));
    assert_eq!(items.len(), 1);
    message(&items[0]).clone()
}

fn content(rest: serde_json::Value) -> Content {
    let mut message = json!({ "id": "m", "from": "5511900000001", "timestamp": "1793973600" });
    for (key, value) in rest.as_object().unwrap() {
        message[key] = value.clone();
    }
    only(&message.to_string()).content
}

#[test]
fn siblings_of_a_broken_item_are_read() {
    let deep = format!(r#"{{"id":"deep","x":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    let huge = r#"{"id":"huge","from":"5511900000001","type":"location","location":{"latitude":1e999}}"#;
    let nobody = r#"{"id":"nobody","type":"text","text":{"body":"x"}}"#;
    for broken in [deep.as_str(), huge, nobody, "null", "7", "\"x\"", "[]", "{}", "[[{}]]"] {
        let items = read(&with_messages(&[&text("a", "antes"), broken, &text("b", "depois")]));
        assert_eq!(items.len(), 3);
        assert_eq!(message(&items[0]).provider_message_id, "a");
        assert!(
            matches!(&items[1], WebhookItem::Unreadable { phone_number_id, .. } if phone_number_id == "42")
        );
        assert_eq!(message(&items[2]).provider_message_id, "b");
    }
}

#[test]
fn half_an_emoji_costs_itself_and_nothing_else() {
    let broken = r#"{"id":"b","from":"5511900000001","type":"text","text":{"body":"oi \ud83d tudo"}}"#;
    let items = read(&with_messages(&[&text("a", "antes"), broken]));
    assert_eq!(message(&items[0]).content, Content::Text { text: "antes".into() });
    assert_eq!(message(&items[1]).content, Content::Text { text: "oi \u{fffd} tudo".into() });
}

#[test]
fn what_a_database_refuses_never_gets_in() {
    let dirty = r#"{"id":"a\u0000b","from":"5511900000001","type":"text","text":{"body":"o\u0000i\u0007\n"},
        "referral":{"headline":"x\u0000","\u0000k":1}}"#;
    let clean = only(dirty);
    assert_eq!(clean.provider_message_id, "ab");
    assert_eq!(clean.content, Content::Text { text: "oi\n".into() });
    assert_eq!(clean.referral, Some(json!({ "headline": "x", "k": 1 })));
}

#[test]
fn prices_are_copied_digit_by_digit() {
    let line = |price: &str| {
        format!(r#"{{"product_retailer_id":"A","quantity":1,"item_price":{price},"currency":"BRL"}}"#)
    };
    let prices = ["79.90", "29", "0.1", "12345678901234567890.123456789", "\"7.99\"", "1e2", "null"];
    let lines: Vec<String> = prices.iter().map(|p| line(p)).collect();
    let order = format!(
        r#"{{"id":"o","from":"5511900000001","type":"order","order":{{"catalog_id":"9","product_items":[{}]}}}}"#,
        lines.join(",")
    );
    let Content::Cart { lines, .. } = only(&order).content else { panic!("not a cart") };
    let read: Vec<&str> = lines.iter().map(|l| l.claimed_price.as_str()).collect();
    assert_eq!(read, ["79.90", "29", "0.1", "12345678901234567890.123456789", "7.99", "1e2", "null"]);
}

#[test]
fn a_form_is_read_even_where_it_is_not_one() {
    let form = |answer: serde_json::Value| {
        let reply = json!({ "name": "flow", "response_json": answer });
        let inner = json!({ "type": "nfm_reply", "nfm_reply": reply });
        match content(json!({ "type": "interactive", "interactive": inner })) {
            Content::Form { token, fields, .. } => (token, fields),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(form(json!(r#"{"flow_token":"t","cep":"1"}"#)), (Some("t".into()), json!({ "cep": "1" })));
    assert_eq!(form(json!(r#"{"cep":"1"}"#)), (None, json!({ "cep": "1" })));
    assert_eq!(form(json!("[1,2]")), (None, json!([1, 2])));
    assert_eq!(form(json!("not json {")), (None, json!("not json {")));
    assert_eq!(form(json!(null)), (None, json!(null)));
}

#[test]
fn types_and_spellings_seen_elsewhere_are_understood() {
    let voice =
        content(json!({ "type": "voice", "voice": { "id": 5, "mime_type": "Audio/OGG; codecs=opus" } }));
    let Content::Media(media) = voice else { panic!("not media") };
    assert!(media.voice && media.media_id == "5" && media.mime_type.as_deref() == Some("audio/ogg"));

    let old = content(json!({ "type": "unknown", "errors": [{ "code": 501, "details": "x" }] }));
    assert_eq!(old, Content::Unsupported { inner: None, code: Some(501) });

    let place = content(json!({ "type": "location", "location": { "latitude": "-23.5", "longitude": -46 } }));
    assert!(matches!(place, Content::Location { latitude, .. } if latitude == -23.5));

    let removed = content(json!({ "type": "reaction", "reaction": { "message_id": "w", "emoji": "" } }));
    assert_eq!(removed, Content::Reaction { message_id: "w".into(), emoji: None });

    let unlabelled = content(json!({ "type": "button", "button": { "text": "Quero" } }));
    assert!(matches!(unlabelled, Content::Choice { id, .. } if id == "Quero"));

    let paid = content(json!({ "type": "interactive", "interactive": { "type": "payment_method" } }));
    assert!(matches!(paid, Content::Unknown { type_name, .. } if type_name == "interactive/payment_method"));
    let empty = content(json!({ "type": "interactive" }));
    assert!(matches!(empty, Content::Unknown { type_name, .. } if type_name == "interactive"));
    let blank = content(json!({ "type": "text", "text": { "body": " " } }));
    assert!(matches!(blank, Content::Unknown { type_name, .. } if type_name == "text"));
}

#[test]
fn a_message_without_an_id_is_named_after_its_bytes() {
    let nameless = r#"{"from":"5511900000001","type":"text","text":{"body":"oi"}}"#;
    let id = only(nameless).provider_message_id;
    assert!(id.starts_with("sha256:") && id == only(nameless).provider_message_id);
    assert_ne!(id, only(&nameless.replace("oi", "ei")).provider_message_id);
}

#[test]
fn the_number_is_never_guessed() {
    for metadata in ["", r#""metadata":null,"#, r#""metadata":{},"#, r#""metadata":{"phone_number_id":""},"#]
    {
        let body =
            with_messages(&[&text("a", "oi")]).replace(r#""metadata":{"phone_number_id":"42"},"#, metadata);
        let items = read(&body);
        assert!(matches!(items[..], [WebhookItem::Unroutable { .. }]), "{metadata}: {items:?}");
    }
}

#[test]
fn a_history_is_never_taken_for_live_messages() {
    let body = with_messages(&[&text("a", "oi")]).replace(r#""field":"messages""#, r#""field":"history""#);
    let items = read(&body);
    assert!(
        matches!(&items[..], [WebhookItem::Ignored { why: IgnoredWhy::UnusedField, detail }] if detail == "history")
    );
}

#[test]
fn account_news_say_what_to_do() {
    use super::super::payload::{AccountEffect, Severity};
    let event = |field: &str, value: serde_json::Value| {
        let body = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "7", "time": 1793973700,
            "changes": [{ "field": field, "value": value }] }] });
        match read(&body.to_string()).remove(0) {
            WebhookItem::Account(event) => event,
            other => panic!("{other:?}"),
        }
    };
    let back = event(
        "account_update",
        json!({ "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": "REINSTATE" } }),
    );
    assert_eq!(back.effect, AccountEffect::Resume);
    let gone =
        event("account_update", json!({ "event": "PARTNER_REMOVED", "waba_info": { "waba_id": "8" } }));
    assert_eq!((gone.severity, gone.waba_id.as_deref()), (Severity::Critical, Some("8")));
    // Meta's own sample carries the wrong field name.
    let quality = event("message_template_status_update", json!({ "new_quality_score": "RED" }));
    assert_eq!((quality.effect, quality.severity), (AccountEffect::Note, Severity::Warning));
    let approved = event(
        "message_template_status_update",
        json!({ "event": "APPROVED", "message_template_name": "oi", "message_template_language": "en-US" }),
    );
    let expected =
        AccountEffect::Template { name: "oi".into(), language: "en_US".into(), status: "APPROVED".into() };
    assert_eq!(approved.effect, expected);
    let blocked = event("messages", json!({ "errors": [{ "code": 131042, "title": "No payment method" }] }));
    assert!(matches!(blocked.effect, AccountEffect::Pause { .. }));
}

#[test]
fn what_is_not_a_webhook_is_an_error_or_nothing_to_do() {
    let parse = |bytes: &[u8]| parse(bytes, received_at());
    assert_eq!(parse(b"{\"a\":\"\xff\"}"), Err(BodyError::NotUtf8 { at: 6 }));
    assert!(matches!(parse(b""), Err(BodyError::NotJson { .. })));
    assert!(matches!(parse(b"{} {}"), Err(BodyError::NotJson { .. })));
    for not_an_object in ["[]", "null", "7", "\"whatsapp_business_account\""] {
        assert_eq!(parse(not_an_object.as_bytes()), Err(BodyError::NotAnObject), "{not_an_object}");
    }
    let odd =
        [r#"{"object":"whatsapp_business_account"}"#, r#"{"object":"whatsapp_business_account","entry":{}}"#];
    for body in odd {
        assert!(matches!(parse(body.as_bytes()).unwrap()[..], [WebhookItem::Ignored { .. }]), "{body}");
    }
}

#[test]
fn three_megabytes_of_anything_are_survived() {
    let size = 3 * 1024 * 1024;
    let bomb = format!("{}{}", "[".repeat(size / 2), "]".repeat(size / 2));
    assert_eq!(parse(bomb.as_bytes(), received_at()), Err(BodyError::NotAnObject));
    assert!(matches!(parse("[".repeat(size).as_bytes(), received_at()), Err(BodyError::NotJson { .. })));
    // Nested inside one message: only that message is lost.
    let deep = format!(r#"{{"id":"d","x":{bomb}}}"#);
    let items = read(&with_messages(&[&deep, &text("a", "oi")]));
    assert_eq!(message(&items[1]).provider_message_id, "a");
    // A very long text is kept up to a limit.
    let Content::Text { text: kept } = only(&text("l", &"ã".repeat(size / 2))).content else {
        panic!("no text")
    };
    assert_eq!(kept.chars().count(), 65_536);
    // More items than any webhook carries.
    let zeros = with_messages(&vec!["0"; 200_000].iter().map(|z| &**z).collect::<Vec<_>>());
    assert_eq!(parse(zeros.as_bytes(), received_at()), Err(BodyError::TooManyItems { limit: MAX_ITEMS }));
}

/// Any JSON, with the keys of webhooks in likely and unlikely places.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let key = prop::sample::select(vec![
        "object",
        "entry",
        "changes",
        "field",
        "value",
        "metadata",
        "phone_number_id",
        "contacts",
        "messages",
        "statuses",
        "errors",
        "id",
        "from",
        "type",
        "text",
        "body",
        "timestamp",
        "interactive",
        "order",
        "product_items",
        "item_price",
        "system",
        "reaction",
        "context",
        "profile",
        "name",
        "wa_id",
        "user_id",
        "message_echoes",
        "user_preferences",
        "user_id_update",
        "status",
        "pricing",
        "conversation",
        "code",
        "image",
        "location",
        "phones",
        "edit",
        "message",
        "group_id",
        "referral",
        "button",
        "nfm_reply",
        "response_json",
    ]);
    let word = prop::sample::select(vec![
        "whatsapp_business_account",
        "messages",
        "text",
        "image",
        "order",
        "interactive",
        "nfm_reply",
        "system",
        "user_changed_user_id",
        "BR.1",
        "5511900000001",
        "failed",
        "sent",
        "",
        "edit",
        "contacts",
        "button",
        "account_update",
        "message_template_status_update",
        "smb_message_echoes",
        "user_preferences",
    ]);
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        word.prop_map(|w| json!(w)),
        "\\PC{0,12}".prop_map(|s| json!(s)),
    ];
    leaf.prop_recursive(7, 120, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| json!(list)),
            prop::collection::btree_map(key.clone(), inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bytes_panic_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes, received_at());
    }

    #[test]
    fn no_change_panics_it_and_none_hides_its_sibling(change in any_json(), value in any_json(), field in "[a-z_]{0,12}|messages") {
        let good: serde_json::Value = serde_json::from_str(&with_messages(&[&text("good", "oi")])).unwrap();
        let good = &good["entry"][0]["changes"][0];
        let odd = json!({ "field": field, "value": value });
        let body = json!({ "object": "whatsapp_business_account",
            "entry": [change.clone(), { "id": "1", "changes": [change, odd, good] }] });
        let items = read(&body.to_string());
        let last = items.last().expect("the good message is there");
        prop_assert_eq!(&message(last).provider_message_id, "good");
    }

    #[test]
    fn a_message_with_one_field_replaced_never_hurts_its_siblings(
        file in prop::sample::select(vec![
            "text", "image_caption", "contacts_shared", "interactive_nfm_reply", "order", "reaction", "edit_message",
            "system_user_changed_user_id", "text_referral_ctwa", "location", "unsupported",
        ]),
        pick in any::<prop::sample::Index>(),
        with in any_json(),
    ) {
        let path = format!("{}/../../tests/fixtures/whatsapp/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let mut body: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let messages = &mut body["entry"][0]["changes"][0]["value"]["messages"];
        let mut broken = messages[0].clone();
        replace_one(&mut broken, &pick, with);
        let good: serde_json::Value = serde_json::from_str(&text("good", "oi")).unwrap();
        *messages = json!([good, broken, { "id": "last", "from": "5511900000001", "type": "text", "text": { "body": "x" } }]);
        let items = read(&body.to_string());
        prop_assert_eq!(items.len(), 3);
        prop_assert_eq!(&message(&items[0]).provider_message_id, "good");
        prop_assert_eq!(&message(&items[2]).provider_message_id, "last");
    }

    #[test]
    fn a_fixture_cut_or_changed_anywhere_never_panics_it(cut in 0usize..1_700, at in 0usize..1_700, byte in any::<u8>()) {
        let mut bytes = include_bytes!("../../../../tests/fixtures/whatsapp/order.json").to_vec();
        let length = bytes.len();
        bytes[at % length] = byte;
        let _ = parse(&bytes, received_at());
        let _ = parse(&bytes[..cut.min(length)], received_at());
    }
}

/// Replaces one value somewhere in the tree.
fn replace_one(tree: &mut serde_json::Value, pick: &prop::sample::Index, with: serde_json::Value) {
    let mut paths = Vec::new();
    collect_paths(tree, String::new(), &mut paths);
    let path = pick.get(&paths).clone();
    *tree.pointer_mut(&path).expect("the path was just collected") = with;
}

fn collect_paths(tree: &serde_json::Value, at: String, paths: &mut Vec<String>) {
    match tree {
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(key, inner)| collect_paths(inner, format!("{at}/{key}"), paths));
        }
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, inner)| collect_paths(inner, format!("{at}/{n}"), paths));
        }
        _ => {}
    }
    if !at.is_empty() {
        paths.push(at);
    }
}
