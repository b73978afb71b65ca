//! What each accepted write leaves behind.

use serde_json::{Value, json};

use super::{address, after, desk, state};

#[test]
fn a_cancelled_order_is_refunded_and_a_gift_card_at_once() {
    let state =
        after(&[("cancel_pending_order", json!({"order_id": "#W2", "reason": "ordered by mistake"}))]);
    let order = &state["orders"]["#W2"];
    assert_eq!(order["status"], "cancelled");
    assert_eq!(order["cancel_reason"], "ordered by mistake");
    assert_eq!(
        order["payment_history"],
        json!([
            {"transaction_type": "payment", "amount": 20.2, "payment_method_id": "gift_card_1"},
            {"transaction_type": "refund", "amount": 20.2, "payment_method_id": "gift_card_1"},
        ])
    );
    assert_eq!(state["users"]["ana_1"]["payment_methods"]["gift_card_1"]["balance"], json!(22.2));
}

#[test]
fn modified_items_take_their_own_new_price_and_options() {
    let state = after(&[(
        "modify_pending_order_items",
        json!({"order_id": "#W1", "item_ids": ["101", "201"], "new_item_ids": ["103", "202"],
            "payment_method_id": "paypal_1"}),
    )]);
    let order = &state["orders"]["#W1"];
    assert_eq!(order["status"], "pending (item modified)");
    let items = order["items"].as_array().unwrap();
    let brief = |item: &Value| json!([item["item_id"], item["price"], item["options"]["size"]]);
    assert_eq!(
        items.iter().map(brief).collect::<Vec<_>>(),
        [json!(["103", 12.4, "large"]), json!(["202", 45.5, "table"])]
    );
    assert_eq!(order["payment_history"][1]["transaction_type"], "refund");
    assert_eq!(order["payment_history"][1]["payment_method_id"], "paypal_1");
}

#[test]
fn the_difference_is_exact_in_the_shop_and_the_sources_float_in_its_form() {
    let mut desk = desk();
    let args = json!({"order_id": "#W2", "item_ids": ["101"], "new_item_ids": ["102"],
        "payment_method_id": "gift_card_1"});
    desk.call("modify_pending_order_items", &args).unwrap();
    assert_eq!(desk.shop().orders["#W2"].history[1].amount.minor(), 5);
    let state = state(&desk);
    let written = &state["orders"]["#W2"]["payment_history"][1];
    // 10.15 - 10.1 in binary.
    assert_eq!(written["amount"].to_string(), "0.05000000000000071");
    assert_eq!(written["transaction_type"], "payment");
    assert_eq!(state["users"]["ana_1"]["payment_methods"]["gift_card_1"]["balance"], json!(1.95));
}

#[test]
fn the_same_item_ordered_twice_can_become_two_others() {
    let state = after(&[(
        "modify_pending_order_items",
        json!({"order_id": "#W2", "item_ids": ["101", "101"], "new_item_ids": ["102", "105"],
            "payment_method_id": "credit_card_1"}),
    )]);
    let items = &state["orders"]["#W2"]["items"];
    assert_eq!((&items[0]["item_id"], &items[1]["item_id"]), (&json!("102"), &json!("105")));
}

#[test]
fn a_changed_payment_method_pays_and_refunds_in_this_order() {
    let state = after(&[(
        "modify_pending_order_payment",
        json!({"order_id": "#W2", "payment_method_id": "gift_card_9"}),
    )]);
    let order = &state["orders"]["#W2"];
    assert_eq!(order["status"], "pending");
    assert_eq!(
        order["payment_history"].as_array().unwrap()[1..],
        [
            json!({"transaction_type": "payment", "amount": 20.2, "payment_method_id": "gift_card_9"}),
            json!({"transaction_type": "refund", "amount": 20.2, "payment_method_id": "gift_card_1"}),
        ]
    );
    let methods = &state["users"]["ana_1"]["payment_methods"];
    assert_eq!(methods["gift_card_9"]["balance"], json!(479.8));
    assert_eq!(methods["gift_card_1"]["balance"], json!(22.2));
}

#[test]
fn addresses_change_where_they_were_asked_to() {
    let mut wanted = address("order_id", "#W1");
    let state = after(&[("modify_pending_order_address", wanted.clone())]);
    wanted.as_object_mut().unwrap().remove("order_id");
    assert_eq!(state["orders"]["#W1"]["address"], wanted);
    assert_ne!(state["users"]["ana_1"]["address"], wanted);

    let state = after(&[("modify_user_address", address("user_id", "ana_1"))]);
    assert_eq!(state["users"]["ana_1"]["address"], wanted);
    assert_ne!(state["orders"]["#W1"]["address"], wanted);
}

#[test]
fn the_address_of_an_order_with_modified_items_can_still_change() {
    let state = after(&[
        (
            "modify_pending_order_items",
            json!({"order_id": "#W1", "item_ids": ["101"], "new_item_ids": ["105"],
                "payment_method_id": "paypal_1"}),
        ),
        ("modify_pending_order_address", address("order_id", "#W1")),
    ]);
    assert_eq!(state["orders"]["#W1"]["address"]["city"], "Belém");
    assert_eq!(state["orders"]["#W1"]["status"], "pending (item modified)");
}

#[test]
fn a_return_is_noted_sorted_and_moves_no_money() {
    let state = after(&[(
        "return_delivered_order_items",
        json!({"order_id": "#W3", "item_ids": ["103", "101"], "payment_method_id": "gift_card_1"}),
    )]);
    let order = &state["orders"]["#W3"];
    assert_eq!(order["status"], "return requested");
    assert_eq!(order["return_items"], json!(["101", "103"]));
    assert_eq!(order["return_payment_method_id"], "gift_card_1");
    assert_eq!(order["payment_history"].as_array().unwrap().len(), 1);
    assert_eq!(state["users"]["ana_1"]["payment_methods"]["gift_card_1"]["balance"], json!(2.0));
}

#[test]
fn an_exchange_is_noted_sorted_with_its_difference_in_cents() {
    let state = after(&[(
        "exchange_delivered_order_items",
        json!({"order_id": "#W3", "item_ids": ["103", "101"], "new_item_ids": ["105", "102"],
            "payment_method_id": "credit_card_1"}),
    )]);
    let order = &state["orders"]["#W3"];
    assert_eq!(order["status"], "exchange requested");
    assert_eq!(order["exchange_items"], json!(["101", "103"]));
    assert_eq!(order["exchange_new_items"], json!(["102", "105"]));
    assert_eq!(order["exchange_payment_method_id"], "credit_card_1");
    // 7.05 - 12.40 + 10.15 - 10.10
    assert_eq!(order["exchange_price_difference"].to_string(), "-5.3");
    assert_eq!(order["items"][0]["item_id"], "103");
}
