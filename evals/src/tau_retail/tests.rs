//! The tools on a small shop of our own, and the benchmark's training tasks where they are present.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Desk, read, run};

mod refusals;
mod writes;

const SMALL: &str = include_str!("../../../tests/fixtures/tau-retail-small.json");

fn desk() -> Desk {
    Desk::new(read::shop(serde_json::from_str(SMALL).unwrap()).unwrap())
}

fn state(desk: &Desk) -> Value {
    serde_json::to_value(desk.state().unwrap()).unwrap()
}

/// The state after calls that are all accepted.
fn after(calls: &[(&str, Value)]) -> Value {
    let mut desk = desk();
    for (tool, args) in calls {
        desk.call(tool, args).unwrap_or_else(|why| panic!("{tool}: {why}"));
    }
    state(&desk)
}

fn address(of: &str, id: &str) -> Value {
    json!({of: id, "address1": "9 New Road", "address2": "Flat 2", "city": "Belém", "state": "PA",
        "country": "Brazil", "zip": "66000"})
}

#[test]
fn a_shop_is_written_as_it_was_read() {
    assert_eq!(state(&desk()), serde_json::from_str::<Value>(SMALL).unwrap());
}

#[test]
fn an_amount_of_a_tenth_of_a_cent_is_not_rounded_but_an_error() {
    let bent = SMALL.replacen("10.15", "10.155", 1);
    assert!(read::shop(serde_json::from_str(&bent).unwrap()).is_err());
}

#[test]
fn an_unknown_key_is_an_error_since_a_dump_would_lose_it() {
    let more = SMALL.replacen("\"available\"", "\"weight\": 1, \"available\"", 1);
    assert!(serde_json::from_str::<super::source::Db>(&more).is_err());
}

#[test]
fn customers_are_found_without_capitals_and_accents() {
    let mut desk = desk();
    let name = json!({"first_name": "ANA", "last_name": "conceicao", "zip": "04101"});
    assert_eq!(desk.call("find_user_id_by_name_zip", &name), Ok("ana_1".into()));
    assert_eq!(desk.call("find_user_id_by_email", &json!({"email": "ana@EXAMPLE.com"})), Ok("ana_1".into()));
    let elsewhere = json!({"first_name": "Ana", "last_name": "Conceição", "zip": "4101"});
    assert!(desk.call("find_user_id_by_name_zip", &elsewhere).is_err());
}

#[test]
fn reading_tools_answer_in_the_sources_form_and_change_nothing() {
    let (mut desk, small) = (desk(), serde_json::from_str::<Value>(SMALL).unwrap());
    for (tool, args, answer) in [
        ("get_order_details", json!({"order_id": "#W1"}), &small["orders"]["#W1"]),
        ("get_user_details", json!({"user_id": "ana_1"}), &small["users"]["ana_1"]),
        ("get_product_details", json!({"product_id": "1000"}), &small["products"]["1000"]),
        ("get_item_details", json!({"item_id": "202"}), &small["products"]["2000"]["variants"]["202"]),
        ("list_all_product_types", json!({}), &r#"{"Lamp":"2000","Mug":"1000"}"#.into()),
        ("calculate", json!({"expression": "2 * (10.1 + 0.05)"}), &"20.3".into()),
        ("think", json!({"thought": "hm"}), &"".into()),
        ("transfer_to_human_agents", json!({"summary": "hard"}), &"Transfer successful".into()),
    ] {
        assert_eq!(&desk.call(tool, &args).unwrap(), answer, "{tool}");
    }
    assert_eq!(state(&desk), small);
}

#[test]
fn a_replay_goes_on_after_a_refusal_and_dumps_the_state_it_ends_in() {
    let dir = tempfile::tempdir().unwrap();
    let call =
        |name: &str, arguments: Value| json!({"action_id": name, "name": name, "arguments": arguments});
    let cancel = |reason: &str| call("cancel_pending_order", json!({"order_id": "#W1", "reason": reason}));
    let tasks = json!([
        {"id": "a", "evaluation_criteria": {"actions": [cancel("bored"), cancel("no longer needed")]}},
        {"id": "../b", "evaluation_criteria": {"actions": []}},
        {"id": "c", "evaluation_criteria": {"actions": [call("open_sesame", json!({}))]}},
    ]);
    std::fs::write(dir.path().join("db.json"), SMALL).unwrap();
    std::fs::write(dir.path().join("tasks.json"), tasks.to_string()).unwrap();
    let (dump, mut heard) = (dir.path().join("dump"), Vec::new());

    let report = run(dir.path(), Some(&dump), &mut |done, of| heard.push((done, of))).unwrap();

    assert_eq!((report.tasks, report.passed, report.unchanged), (3, 2, 2));
    assert_eq!((report.outcomes[0].executed, report.outcomes[0].refused.len()), (1, 1));
    assert_eq!(report.outcomes[0].refused[0].reason, "`bored` is no reason to cancel an order");
    assert_eq!(report.outcomes[2].problem.as_deref(), Some("`open_sesame`: unknown tool `open_sesame`"));
    assert_eq!(heard, [(1, 3), (2, 3), (3, 3)]);
    let dumped = |file: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(dump.join(file)).unwrap()).unwrap()
    };
    assert_eq!(dumped("a.json")["orders"]["#W1"]["cancel_reason"], "no longer needed");
    assert_eq!(dumped("___b.json"), serde_json::from_str::<Value>(SMALL).unwrap());
}

#[test]
fn the_training_tasks_replay_without_a_call_that_is_not_understood() {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/datasets/tau-retail");
    let dir = std::env::var_os("BALCAO_TAU_RETAIL").map_or(beside, PathBuf::from);
    if !dir.join("tasks.json").is_file() {
        println!("skipped: no data set at {}; set BALCAO_TAU_RETAIL", dir.display());
        return;
    }
    let report = run(&dir, None, &mut |_, _| {}).unwrap();
    for outcome in &report.outcomes {
        assert!(outcome.passed, "task {}: {:?}", outcome.id, outcome.problem);
        for refused in &outcome.refused {
            println!("task {}: {} refused: {}", outcome.id, refused.action_id, refused.reason);
        }
    }
    println!(
        "{} of {} tasks; whoever does nothing earns {} of all {}",
        report.passed, report.tasks, report.baseline.passed, report.baseline.tasks
    );
    assert!(report.tasks > 0);
}
