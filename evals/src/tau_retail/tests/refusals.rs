//! What is refused, why, and that nothing changed.

use balcao_domain::{
    commerce::{Refusal, Status},
    money::{Currency, Money},
};
use serde_json::{Value, json};

use super::{address, desk};
use crate::tau_retail::{Desk, Refused};

/// Calls a tool that must refuse, and checks that the desk is as it was.
fn refused_at(desk: &mut Desk, tool: &str, args: &Value) -> Refused {
    let before = desk.clone();
    let refused = desk.call(tool, args).expect_err("the tool accepted");
    assert!(*desk == before, "{tool} changed the shop and refused");
    refused
}

fn refused(tool: &str, args: &Value) -> Refused {
    refused_at(&mut desk(), tool, args)
}

fn swap(order: &str, old: &[&str], new: &[&str], method: &str) -> Value {
    json!({"order_id": order, "item_ids": old, "new_item_ids": new, "payment_method_id": method})
}

fn wrong(actual: Status, needed: Status) -> Refused {
    Refusal::WrongStatus { actual, needed }.into()
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

const MODIFY: &str = "modify_pending_order_items";
const EXCHANGE: &str = "exchange_delivered_order_items";
const RETURN: &str = "return_delivered_order_items";
const PAYMENT: &str = "modify_pending_order_payment";
const CANCEL: &str = "cancel_pending_order";

#[test]
fn orders_in_the_wrong_status_are_left_alone() {
    let cancel = |id: &str| json!({"order_id": id, "reason": "no longer needed"});
    assert_eq!(refused(CANCEL, &cancel("#W3")), wrong(Status::Delivered, Status::Pending));
    assert_eq!(refused(CANCEL, &cancel("#W4")), wrong(Status::Processed, Status::Pending));
    let args = swap("#W4", &["201"], &["202"], "paypal_1");
    assert_eq!(refused(MODIFY, &args), wrong(Status::Processed, Status::Pending));
    assert_eq!(refused(EXCHANGE, &args), wrong(Status::Processed, Status::Delivered));
    let args = json!({"order_id": "#W1", "item_ids": ["101"], "payment_method_id": "credit_card_1"});
    assert_eq!(refused(RETURN, &args), wrong(Status::Pending, Status::Delivered));
    let args = json!({"order_id": "#W4", "payment_method_id": "paypal_1"});
    assert_eq!(refused(PAYMENT, &args), wrong(Status::Processed, Status::Pending));
    let args = address("order_id", "#W3");
    assert_eq!(refused("modify_pending_order_address", &args), wrong(Status::Delivered, Status::Pending));
}

#[test]
fn a_second_exchange_or_return_is_refused() {
    let mut desk = desk();
    let args = swap("#W3", &["101"], &["102"], "credit_card_1");
    desk.call(EXCHANGE, &args).unwrap();
    assert_eq!(refused_at(&mut desk, EXCHANGE, &args), Refusal::AlreadyRequested.into());
    let args = json!({"order_id": "#W3", "item_ids": ["103"], "payment_method_id": "credit_card_1"});
    assert_eq!(refused_at(&mut desk, RETURN, &args), Refusal::AlreadyRequested.into());
}

#[test]
fn after_items_were_modified_neither_items_nor_payment_change_nor_is_it_cancelled() {
    let mut desk = desk();
    desk.call(MODIFY, &swap("#W1", &["101"], &["102"], "paypal_1")).unwrap();
    let again = swap("#W1", &["102"], &["101"], "paypal_1");
    assert_eq!(refused_at(&mut desk, MODIFY, &again), Refusal::AlreadyModified.into());
    let cancel = json!({"order_id": "#W1", "reason": "no longer needed"});
    assert_eq!(refused_at(&mut desk, CANCEL, &cancel), Refusal::AlreadyModified.into());
    let pay = json!({"order_id": "#W1", "payment_method_id": "gift_card_9"});
    assert_eq!(refused_at(&mut desk, PAYMENT, &pay), Refusal::NotOnePayment.into());
}

#[test]
fn items_must_be_in_the_order_and_new_ones_available_variants_of_the_same_product() {
    for (tool, order) in [(MODIFY, "#W1"), (EXCHANGE, "#W3")] {
        for (old, new, why) in [
            (&["202"][..], &["201"][..], Refusal::ItemNotInOrder("202".into())),
            (&["101", "101"], &["102", "105"], Refusal::ItemNotInOrder("101".into())),
            (&["101"], &["102", "105"], Refusal::UnequalCounts { old: 1, new: 2 }),
            (&["101"], &["104"], Refusal::Unavailable("104".into())),
            (&["101"], &["202"], Refusal::DifferentProduct("202".into())),
            (&["101"], &["999"], Refusal::ItemNotFound("999".into())),
        ] {
            assert_eq!(refused(tool, &swap(order, old, new, "credit_card_1")), why.into(), "{tool}");
        }
    }
    let same = swap("#W1", &["101"], &["101"], "credit_card_1");
    assert_eq!(refused(MODIFY, &same), Refusal::SameItem("101".into()).into());
    let args = json!({"order_id": "#W3", "item_ids": ["201"], "payment_method_id": "credit_card_1"});
    assert_eq!(refused(RETURN, &args), Refusal::ItemNotInOrder("201".into()).into());
}

#[test]
fn payment_methods_must_be_the_customers_and_fit_the_operation() {
    let not_found = || Refused::from(Refusal::MethodNotFound("paypal_2".into()));
    assert_eq!(refused(MODIFY, &swap("#W1", &["101"], &["102"], "paypal_2")), not_found());
    assert_eq!(refused(EXCHANGE, &swap("#W3", &["101"], &["102"], "paypal_2")), not_found());
    assert_eq!(refused(PAYMENT, &json!({"order_id": "#W1", "payment_method_id": "paypal_2"})), not_found());
    let to = |method: &str| json!({"order_id": "#W3", "item_ids": ["101"], "payment_method_id": method});
    assert_eq!(refused(RETURN, &to("paypal_2")), not_found());
    assert_eq!(refused(RETURN, &to("paypal_1")), Refusal::NotOriginalMethod("paypal_1".into()).into());
    let same = json!({"order_id": "#W1", "payment_method_id": "credit_card_1"});
    assert_eq!(refused(PAYMENT, &same), Refusal::SameMethod("credit_card_1".into()).into());
}

#[test]
fn a_gift_card_must_cover_what_is_due() {
    let insufficient =
        |needed| Refused::from(Refusal::InsufficientGiftCard { balance: usd(200), needed: usd(needed) });
    assert_eq!(refused(MODIFY, &swap("#W1", &["101"], &["103"], "gift_card_1")), insufficient(230));
    assert_eq!(refused(EXCHANGE, &swap("#W3", &["101"], &["103"], "gift_card_1")), insufficient(230));
    assert_eq!(
        refused(PAYMENT, &json!({"order_id": "#W1", "payment_method_id": "gift_card_1"})),
        insufficient(7010)
    );
}

#[test]
fn unknown_orders_customers_reasons_and_tools_are_refused() {
    let args = json!({"order_id": "W1", "reason": "no longer needed"});
    assert_eq!(refused(CANCEL, &args), Refusal::OrderNotFound("W1".into()).into());
    let args = json!({"order_id": "#W1", "reason": "too dear"});
    assert_eq!(refused(CANCEL, &args), Refusal::UnknownReason("too dear".into()).into());
    let args = address("user_id", "nobody");
    assert_eq!(refused("modify_user_address", &args), Refusal::CustomerNotFound("nobody".into()).into());
    assert_eq!(refused("drop_tables", &json!({})), Refused::UnknownTool("drop_tables".into()));
}

#[test]
fn arguments_that_are_missing_too_many_or_of_another_type_are_refused() {
    for args in [
        json!({}),
        json!(null),
        json!({"order_id": "#W1", "reason": 1}),
        json!({"order_id": "#W1", "reason": "no longer needed", "force": true}),
    ] {
        assert!(matches!(refused(CANCEL, &args), Refused::Arguments(_)), "{args}");
    }
    let mut more = address("order_id", "#W1");
    more["force"] = json!(true);
    assert!(matches!(refused("modify_pending_order_address", &more), Refused::Arguments(_)));
}
