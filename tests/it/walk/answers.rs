//! From a question on the phone to the answer on the phone, in both languages, without a model and with one; and what
//! the shop's owner can read about it afterwards.

use balcao_tests::counter::{Counter, Setup};
use serde_json::Value;

use super::scene::{Customer, word};

/// Shop by shop: a question and what its document answers.
fn questions(counter: &Counter) -> [(Customer<'_>, &'static str, &'static str); 2] {
    [
        (
            Customer::new(counter, &counter.aurora, "5511900001001"),
            "posso trocar o produto em até quantos dias?",
            "30 dias",
        ),
        (
            Customer::new(counter, &counter.harbour, "5511900001002"),
            "how long do I have to return an item?",
            "45 days",
        ),
    ]
}

fn stages(evidence: &Value) -> Vec<String> {
    let stages = evidence["stages"].as_array().expect("a turn has stages");
    stages.iter().map(|stage| word(&stage["name"])).collect()
}

/// The passages a turn found, best first.
fn uris(evidence: &Value) -> Vec<String> {
    let found = evidence["passages"].as_array().expect("a turn has passages");
    assert!(found.iter().all(|one| one["score"].as_f64().is_some_and(|score| score > 0.0)), "{evidence}");
    found.iter().map(|one| word(&one["uri"])).collect()
}

#[tokio::test]
async fn without_a_model_the_rules_quote_the_document_and_name_it() {
    let counter = Counter::open().await;
    for (customer, question, answer) in questions(&counter) {
        customer.writes(question).await;
        let heard = customer.hears_last(1).await;
        assert!(heard.contains(answer), "{heard}");
        customer.settles().await;

        let turns = customer.turns().await;
        let [turn] = turns.as_slice() else { panic!("one question, one turn: {turns:?}") };
        assert_eq!((&turn["first_seq"], &turn["last_seq"]), (&1.into(), &1.into()));
        assert_eq!(turn["deliveries"].as_array().map(Vec::len), Some(1), "{turn}");
        let outcome = &turn["outcome"];
        assert_eq!((word(&outcome["path"]), word(&outcome["reason"])), ("rules".into(), "no_model".into()));
        let source = &outcome["reply"]["sources"][0];
        assert!(heard.contains(&word(&source["title"])), "the source is named: {heard} {source}");
        let evidence = &outcome["evidence"];
        assert_eq!(evidence["intent"], "extract");
        assert!(!uris(evidence).is_empty(), "{evidence}");
        assert!(evidence["confidence"].as_f64().is_some_and(|sure| sure >= 0.5), "{evidence}");
        assert!(word(&evidence["rule_pack"]).contains('@'), "the pack and its version: {evidence}");
        assert_eq!(evidence["model"], Value::Null, "no model was asked");
        for stage in ["gather", "retrieve", "rules"] {
            assert!(stages(evidence).iter().any(|name| name == stage), "{stage}: {evidence}");
        }
        assert_eq!(
            customer.history().await,
            [("customer".to_owned(), question.to_owned()), ("agent".to_owned(), heard)]
        );
    }
    counter.close().await;
}

#[tokio::test]
async fn with_a_model_it_answers_from_the_document_and_the_turn_tells_how() {
    let counter = Counter::with(Setup { model: true, ..Setup::default() }).await;
    let model = counter.model.as_ref().expect("it was asked for");
    for (customer, question, answer) in questions(&counter) {
        let asked_before = model.requests().len();
        customer.writes(question).await;
        let heard = customer.hears_last(1).await;
        assert!(heard.contains(answer), "{heard}");
        assert!(model.requests().len() > asked_before, "the model was asked");
        customer.settles().await;

        let turn = customer.turns().await.pop().expect("one turn");
        let outcome = &turn["outcome"];
        assert_eq!((word(&outcome["path"]), word(&outcome["reason"])), ("model".into(), "answered".into()));
        let evidence = &outcome["evidence"];
        let uri = if customer.shop.slug == "aurora" { "politicas/trocas.md" } else { "policies/returns.md" };
        assert_eq!(uris(evidence).first().map(String::as_str), Some(uri));
        assert!(word(&evidence["prompt"]).starts_with("answer@"), "{evidence}");
        assert_eq!(evidence["model"], "emulated-model");
        for tokens in ["input_tokens", "output_tokens"] {
            assert!(evidence["usage"][tokens].as_u64().is_some_and(|n| n > 0), "{tokens}: {evidence}");
        }
        for stage in ["gather", "retrieve", "model"] {
            assert!(stages(evidence).iter().any(|name| name == stage), "{stage}: {evidence}");
        }
        let (status, _) =
            counter.get(&format!("/v1/turns/{}", word(&turn["turn_id"])), &customer.shop.chat).await;
        assert_eq!(status, 403, "evidence is for admins");
        let other = if customer.shop.slug == "aurora" { &counter.harbour } else { &counter.aurora };
        let (status, _) = counter.get(&format!("/v1/turns/{}", word(&turn["turn_id"])), &other.admin).await;
        assert_eq!(status, 404, "and for those of this shop");
    }
    counter.close().await;
}
