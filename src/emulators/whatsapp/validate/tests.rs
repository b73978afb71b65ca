use super::*;
use serde_json::json;

fn to_camila(rest: Value) -> Value {
    let mut body = json!({ "messaging_product": "whatsapp", "to": "+5511900000001" });
    for (key, value) in rest.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn code(rest: Value) -> Result<String, i64> {
    message(&to_camila(rest)).map(|m| m.text).map_err(|e| e.code)
}

fn buttons(buttons: &[(&str, &str)]) -> Value {
    let buttons: Vec<Value> = buttons
        .iter()
        .map(|(id, title)| json!({ "type": "reply", "reply": { "id": id, "title": title } }))
        .collect();
    json!({ "type": "interactive", "interactive": {
        "type": "button", "body": { "text": "?" }, "action": { "buttons": buttons } } })
}

fn rows(rows: Vec<Value>) -> Value {
    json!({ "type": "interactive", "interactive": { "type": "list", "body": { "text": "?" },
        "action": { "button": "Ver", "sections": [{ "rows": rows }] } } })
}

#[test]
fn texts_are_taken_up_to_their_limit() {
    let text = |body: Value| code(json!({ "type": "text", "text": { "body": body } }));
    assert_eq!(text(json!("oi")), Ok("oi".into()));
    assert!(text(json!("é".repeat(4_096))).is_ok());
    assert_eq!(text(json!("é".repeat(4_097))), Err(100));
    assert_eq!(text(json!("")), Err(131008));
    assert_eq!(text(json!(" \n")), Err(131008));
    assert_eq!(text(json!(7)), Err(100));
    assert_eq!(code(json!({ "type": "text", "text": "oi" })), Err(100));
    assert_eq!(code(json!({ "type": "text" })), Err(131008));
    assert_eq!(code(json!({ "type": "text", "text": { "body": "a", "bold": true } })), Err(100));
    assert_eq!(code(json!({ "type": "text", "text": { "body": "a", "preview_url": "yes" } })), Err(100));
}

#[test]
fn what_is_not_a_parameter_is_refused() {
    let text = json!({ "type": "text", "text": { "body": "oi" } });
    let with = |key: &str, value: Value| {
        let mut body = text.clone();
        body[key] = value;
        code(body)
    };
    assert_eq!(with("recipient_type", json!("person")), Err(100));
    assert_eq!(with("colour", json!("red")), Err(100));
    assert_eq!(with("image", json!({ "id": "1" })), Err(100));
    assert_eq!(with("type", json!("hologram")), Err(100));
    assert_eq!(with("biz_opaque_callback_data", json!("t".repeat(513))), Err(100));
    assert!(with("biz_opaque_callback_data", json!("t".repeat(512))).is_ok());
    assert_eq!(with("context", json!({})), Err(131008));
    assert_eq!(message(&json!({ "to": "+5511900000001" })).unwrap_err().code, 100);
    assert_eq!(message(&json!([])).unwrap_err().code, 100);
}

#[test]
fn recipients_are_told_apart() {
    let recipient = |to: Value| {
        let mut body = json!({ "messaging_product": "whatsapp", "type": "text", "text": { "body": "oi" } });
        for (key, value) in to.as_object().unwrap() {
            body[key] = value.clone();
        }
        message(&body).map(|m| m.recipient).map_err(|e| e.code)
    };
    let digits = |r: Recipient| match r {
        Recipient::Phone { digits, .. } => digits,
        other => panic!("{other:?}"),
    };
    assert_eq!(digits(recipient(json!({ "to": "+55 (11) 90000-0001" })).unwrap()), "5511900000001");
    assert_eq!(recipient(json!({ "recipient": "BR.4" })), Ok(Recipient::UserId("BR.4".into())));
    assert_eq!(recipient(json!({ "to": "BR.4" })), Ok(Recipient::Lost("BR.4".into())));
    assert_eq!(
        digits(recipient(json!({ "to": "5511900000001", "recipient": "BR.4" })).unwrap()),
        "5511900000001"
    );
    assert_eq!(recipient(json!({ "recipient": "+5511900000001" })), Err(131009));
    assert_eq!(recipient(json!({ "to": "camila" })), Err(131009));
    assert_eq!(recipient(json!({})), Err(131008));
}

#[test]
fn one_label_too_long_refuses_the_message() {
    assert!(code(buttons(&[("a", "Sim"), ("b", "Não")])).is_ok());
    assert!(code(buttons(&[("a", &"é".repeat(20))])).is_ok());
    assert_eq!(code(buttons(&[("a", &"é".repeat(21))])), Err(100));
    assert_eq!(code(buttons(&[(&"i".repeat(257), "Sim")])), Err(100));
    assert_eq!(code(buttons(&[("a", "Sim"), ("b", "Sim")])), Err(131009));
    assert_eq!(code(buttons(&[("a", "Sim"), ("a", "Não")])), Err(131009));
    assert_eq!(code(buttons(&[])), Err(131009));
    assert_eq!(code(buttons(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")])), Err(131009));
}

#[test]
fn lists_have_ten_rows_in_all() {
    let many = |n: usize| rows((0..n).map(|i| json!({ "id": i.to_string(), "title": "t" })).collect());
    assert!(code(many(10)).is_ok());
    assert_eq!(code(many(11)), Err(131009));
    assert_eq!(code(many(0)), Err(131009));
    assert_eq!(code(rows(vec![json!({ "id": "a", "title": "é".repeat(25) })])), Err(100));
    assert_eq!(code(rows(vec![json!({ "id": "a", "title": "t", "description": "é".repeat(73) })])), Err(100));
    assert_eq!(code(rows(vec![json!({ "id": "i".repeat(201), "title": "t" })])), Err(100));
    let twice = json!({ "id": "a", "title": "t" });
    assert_eq!(code(rows(vec![twice.clone(), twice])), Err(131009));
}

#[test]
fn template_values_are_one_line() {
    let template = |text: &str| {
        code(json!({ "type": "template", "template": { "name": "oi", "language": { "code": "pt_BR" },
            "components": [{ "type": "body", "parameters": [{ "type": "text", "text": text }] }] } }))
    };
    assert_eq!(template("Camila"), Ok("[template oi] Camila".into()));
    assert_eq!(template("a\nb"), Err(132018));
    assert_eq!(template("a     b"), Err(132018));
    assert_eq!(template(""), Err(131008));
}

#[test]
fn a_read_receipt_may_show_typing() {
    let body = |rest: Value| {
        let mut body = json!({ "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.1" });
        for (key, value) in rest.as_object().unwrap() {
            body[key] = value.clone();
        }
        read(&body).map_err(|e| e.code)
    };
    assert_eq!(body(json!({})), Ok(("wamid.1".into(), false)));
    assert_eq!(body(json!({ "typing_indicator": { "type": "text" } })), Ok(("wamid.1".into(), true)));
    assert_eq!(body(json!({ "typing_indicator": { "type": "dots" } })), Err(100));
    assert_eq!(body(json!({ "status": "seen" })), Err(100));
    assert_eq!(body(json!({ "message_id": "" })), Err(131008));
}
