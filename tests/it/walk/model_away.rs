//! The model fails in every way it can: the customer is answered all the same, in the same turn.

use std::time::Duration;

use balcao_domain::{breaker, tenant::Settings};
use balcao_emulators::openai::{Act, Faults};
use balcao_tests::counter::{Counter, Setup};
use serde_json::Value;
use tokio::time::Instant;

use super::scene::{Customer, PATIENCE, word};

const KEY: &str = "llm:emulated-model";
const QUESTION: &str = "posso trocar o produto em até quantos dias?";

fn broken_server() -> Act {
    Act::Status { status: 500, error_type: "server_error".into(), code: None, message: "out of order".into() }
}

fn befall(counter: &Counter, failure: Option<Act>) {
    let model = counter.model.as_ref().expect("it was asked for");
    model.control().set_faults(Faults { failure, ..Faults::default() });
}

async fn breaker(counter: &Counter) -> Value {
    let (status, all) = counter.get("/v1/admin/breakers", &counter.aurora.admin).await;
    assert_eq!(status, 200, "{all}");
    let items = all["items"].as_array().expect("a list").iter();
    items.clone().find(|one| one["key"] == KEY).cloned().unwrap_or_else(|| panic!("no {KEY} in {all}"))
}

#[tokio::test]
async fn whatever_the_model_does_the_rules_answer_in_the_same_turn() {
    // Never opens: what is looked at here is each failure on its own.
    let never =
        breaker::Config { consecutive_failures: u32::MAX, min_calls: u32::MAX, ..breaker::Config::llm() };
    let shops = Settings { quiet_ms: 30, turn_budget_ms: 2_500, ..Settings::default() };
    let setup = Setup { model: true, breaker: Some(never), shops: Some(shops), ..Setup::default() };
    let counter = Counter::with(setup).await;
    let cases = [
        (broken_server(), "model_failed"),
        (Act::Hang, "timed_out"),
        (Act::HangAfter { after_tokens: 3 }, "timed_out"),
        (Act::BrokenSchema, "schema_broken"),
        (Act::Reset { after_tokens: 3 }, "model_failed"),
        (Act::TruncatedJson, "model_failed"),
    ];
    for (place, (failure, reason)) in cases.into_iter().enumerate() {
        let what = format!("{failure:?}");
        befall(&counter, Some(failure));
        let customer = Customer::new(&counter, &counter.aurora, &format!("551190000200{place}"));
        customer.writes(QUESTION).await;
        let heard = customer.hears_last(1).await;
        assert!(heard.contains("30 dias"), "{what}: {heard}");
        let turns = customer.turns().await;
        assert_eq!(turns.len(), 1, "{what}: it is one turn that changes its path: {turns:?}");
        let outcome = &turns[0]["outcome"];
        assert_eq!(
            (word(&outcome["path"]), word(&outcome["reason"])),
            ("rules".into(), reason.into()),
            "{what}"
        );
        let errors = outcome["evidence"]["errors"].as_array().cloned().unwrap_or_default();
        assert!(!errors.is_empty(), "{what}: the turn says what went wrong: {outcome}");
    }
    counter.close().await;
}

#[tokio::test]
async fn the_breaker_opens_answers_go_on_and_a_healed_model_answers_again() {
    // Open for a second or two: long enough to be met, short enough to be waited for.
    let quick = breaker::Config { backoff_base: Duration::from_secs(2), ..breaker::Config::llm() };
    let shops = Settings { quiet_ms: 0, ..Settings::default() };
    let setup = Setup { model: true, breaker: Some(quick), shops: Some(shops), ..Setup::default() };
    let counter = Counter::with(setup).await;
    let model = counter.model.as_ref().expect("it was asked for");
    let mut next = 0;
    // Every question comes from somebody new: nobody is held up by anybody's pace.
    let mut ask = async || {
        next += 1;
        let customer = Customer::new(&counter, &counter.aurora, &format!("55119000{:05}", 3_000 + next));
        customer.writes(QUESTION).await;
        let heard = customer.hears_last(1).await;
        assert!(heard.contains("30 dias"), "{heard}");
        customer.last_path().await
    };
    assert_eq!(ask().await.0, "model");
    assert_eq!(breaker(&counter).await["state"], "closed");

    befall(&counter, Some(broken_server()));
    let began = Instant::now();
    let mut reasons = Vec::new();
    while !reasons.iter().any(|reason| reason == "breaker_open") {
        assert!(began.elapsed() < PATIENCE, "the breaker never refused: {reasons:?}");
        let (path, reason) = ask().await;
        assert_eq!(path, "rules");
        reasons.push(reason);
    }
    assert!(reasons.iter().filter(|reason| *reason == "model_failed").count() >= 5, "{reasons:?}");
    let open = breaker(&counter).await;
    assert!(open["generation"].as_u64().is_some_and(|n| n > 0), "{open}");
    assert!(open["rejected"].as_u64().is_some_and(|n| n > 0), "{open}");
    assert!(!word(&open["reason"]).is_empty(), "it says why: {open}");
    let (ready, _) = counter.get("/health/ready", &counter.aurora.admin).await;
    assert_eq!(ready, 200, "a model that is away makes no server unready");

    befall(&counter, None);
    let asked = model.requests().len();
    let began = Instant::now();
    loop {
        let (path, reason) = ask().await;
        let state = word(&breaker(&counter).await["state"]);
        if path == "model" && state == "closed" {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "still {path} ({reason}), {state}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(model.requests().len() >= asked + 3, "three trials succeeded before it closed");
    counter.close().await;
}
