use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::{Admission, CommissionTerms, Fact, FactKind, Lifecycle, Payment, Refusal, State, admit};
use crate::money::Money;

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("a fixture is JSON")
}

fn scenarios() -> Vec<Value> {
    let file = read(include_str!("../../../tests/fixtures/payments/scenarios.json"));
    file["scenarios"].as_array().expect("a list of scenarios").clone()
}

/// 12 %, divided 700 : 300 : 200, as the scenarios say.
fn terms() -> CommissionTerms {
    let beneficiaries = [("platform", 700), ("agent", 300), ("affiliate", 200)]
        .map(|(name, weight)| (name.to_owned(), weight));
    CommissionTerms { bps: 1_200, fixed_minor: 0, beneficiaries: beneficiaries.into() }
}

fn fact(event: &Value) -> Fact {
    let minor = event["amount_minor"].as_i64().unwrap_or_default();
    let kind = match event["kind"].as_str().expect("a kind") {
        "lifecycle" => FactKind::Lifecycle {
            to: serde_json::from_value(event["to"].clone()).expect("a lifecycle"),
            new_attempt: false,
        },
        "receipt" => FactKind::Receipt { minor, fee_minor: event["fee_minor"].as_i64().unwrap_or_default() },
        "refund_settled" => FactKind::RefundSettled { minor, of_excess: event["of"] == "overpayment" },
        "refund_failed" => FactKind::RefundFailed,
        "refund_reversed" => FactKind::RefundReversed { minor },
        "dispute_opened" => FactKind::DisputeOpened { minor },
        "dispute_won" => FactKind::DisputeWon { minor },
        "dispute_lost" => FactKind::DisputeLost { minor },
        other => panic!("an unknown kind `{other}`"),
    };
    Fact { key: event["id"].as_str().expect("an id").to_owned(), kind }
}

/// A payment with the memory that the store keeps for it.
struct Story {
    payment: Payment,
    known: BTreeMap<String, Fact>,
    journal: Vec<(String, BTreeMap<String, i64>)>,
    balances: BTreeMap<String, i64>,
}

impl Story {
    fn new(expected_minor: i64) -> Self {
        let payment = Payment::expecting(Money::brl(expected_minor), terms());
        Self { payment, known: BTreeMap::new(), journal: vec![], balances: BTreeMap::new() }
    }

    fn hear(&mut self, fact: &Fact) -> &'static str {
        match admit(self.known.get(&fact.key), fact) {
            Admission::New => {}
            Admission::Duplicate => return "duplicate_ack",
            Admission::Conflict => return "conflict",
        }
        let change = self.payment.apply(fact).expect("the stories are legal");
        for entry in &change.entries {
            assert!(entry.balances(), "{entry:?}");
            let lines = entry.lines.iter().map(|line| (line.account.to_string(), line.minor)).collect();
            for line in &entry.lines {
                *self.balances.entry(line.account.to_string()).or_default() += line.minor;
            }
            self.journal.push((entry.reference.clone(), lines));
        }
        self.known.insert(fact.key.clone(), fact.clone());
        self.payment = change.payment;
        if change.moved { "applied" } else { "stored_no_transition" }
    }

    fn balances(&self) -> BTreeMap<String, i64> {
        self.balances.iter().filter(|(_, minor)| **minor != 0).map(|(a, m)| (a.clone(), *m)).collect()
    }
}

fn map(lines: &Value, name: &str) -> BTreeMap<String, i64> {
    match lines {
        Value::Object(fields) => {
            fields.iter().map(|(account, minor)| (account.clone(), minor.as_i64().unwrap())).collect()
        }
        Value::Array(lines) => lines
            .iter()
            .map(|line| (line["account"].as_str().unwrap().into(), line["amount_minor"].as_i64().unwrap()))
            .collect(),
        _ => panic!("{name} has no lines"),
    }
}

#[test]
fn every_story_ends_in_the_states_journal_and_balances_it_should() {
    let scenarios = scenarios();
    assert_eq!(scenarios.len(), 17);
    for scenario in &scenarios {
        let name = scenario["name"].as_str().unwrap();
        let mut story = Story::new(scenario["expected_minor"].as_i64().unwrap());
        for step in scenario["steps"].as_array().unwrap() {
            let result = story.hear(&fact(&step["event"]));
            assert_eq!(result, step["result"], "{name}: {step}");
            assert_eq!(story.payment.state().as_str(), step["state_after"], "{name}: {step}");
        }
        let last = &scenario["final"];
        let payment = &story.payment;
        assert_eq!(payment.captured().minor(), last["captured_minor"], "{name}");
        assert_eq!(payment.refunded().minor(), last["refunded_minor"], "{name}");
        assert_eq!(payment.disputed_open().minor(), last["disputed_open_minor"], "{name}");
        assert_eq!(payment.lost().minor(), last["lost_minor"], "{name}");
        let flags: Vec<_> = [("late", payment.is_late()), ("overpaid", payment.is_overpaid())]
            .into_iter()
            .filter_map(|(flag, raised)| raised.then_some(flag))
            .collect();
        assert_eq!(Value::from(flags), last["flags"], "{name}");
        assert_eq!(story.balances(), map(&last["balances"], name), "{name}");
        let journal: Vec<_> = scenario["journal"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (entry["ref"].as_str().unwrap().to_owned(), map(&entry["lines"], name)))
            .collect();
        assert_eq!(story.journal, journal, "{name}");
    }
}

#[test]
fn the_table_of_transitions_is_the_agreed_one() {
    let table = read(include_str!("../../../tests/fixtures/payments/state-machine.json"));
    for from in State::ALL {
        let legal: Vec<&str> = table["legal_transitions"][from.as_str()]
            .as_array()
            .unwrap()
            .iter()
            .map(|state| state.as_str().unwrap())
            .collect();
        for to in State::ALL {
            assert_eq!(from.may_become(to), from == to || legal.contains(&to.as_str()), "{from} to {to}");
        }
    }
    for pair in table["illegal_examples"].as_array().unwrap() {
        let state = |place: usize| State::parse(pair[place].as_str().unwrap()).unwrap();
        assert!(!state(0).may_become(state(1)), "{pair}");
    }
}

#[test]
fn the_same_key_with_another_amount_is_a_conflict() {
    let receipt = |minor| Fact { key: "pix:A".into(), kind: FactKind::Receipt { minor, fee_minor: 0 } };
    assert_eq!(admit(Some(&receipt(100)), &receipt(100)), Admission::Duplicate);
    assert_eq!(admit(Some(&receipt(100)), &receipt(99)), Admission::Conflict);
}

#[test]
fn no_more_goes_back_than_came_in() {
    let paid = Payment::expecting(Money::brl(1_000), terms())
        .apply(&Fact { key: "r".into(), kind: FactKind::Receipt { minor: 1_000, fee_minor: 0 } })
        .unwrap()
        .payment;
    let refund = Fact { key: "f".into(), kind: FactKind::RefundSettled { minor: 1_001, of_excess: false } };
    assert_eq!(
        paid.apply(&refund),
        Err(Refusal::ExceedsFacts { what: "a refund", minor: 1_001, available: 1_000 })
    );
}

#[test]
fn a_failed_charge_lives_again_only_by_a_new_attempt_of_ours() {
    let report =
        |key: &str, to, new_attempt| Fact { key: key.into(), kind: FactKind::Lifecycle { to, new_attempt } };
    let failed = Payment::expecting(Money::brl(100), terms())
        .apply(&report("1", Lifecycle::Failed, false))
        .unwrap()
        .payment;
    let late_news = failed.apply(&report("2", Lifecycle::Pending, false)).unwrap();
    assert_eq!((late_news.moved, late_news.payment.state()), (false, State::Failed));
    let again = failed.apply(&report("3", Lifecycle::Pending, true)).unwrap();
    assert_eq!(again.payment.state(), State::Pending);
}

fn any_fact() -> impl Strategy<Value = FactKind> {
    let minor = 1_i64..2_000;
    prop_oneof![
        prop::sample::select(vec![
            Lifecycle::Pending,
            Lifecycle::Failed,
            Lifecycle::Expired,
            Lifecycle::Canceled
        ])
        .prop_map(|to| FactKind::Lifecycle { to, new_attempt: false }),
        (minor.clone(), 0_i64..20).prop_map(|(minor, fee_minor)| FactKind::Receipt { minor, fee_minor }),
        (minor.clone(), any::<bool>())
            .prop_map(|(minor, of_excess)| FactKind::RefundSettled { minor, of_excess }),
        minor.clone().prop_map(|minor| FactKind::RefundReversed { minor }),
        minor.clone().prop_map(|minor| FactKind::DisputeOpened { minor }),
        minor.clone().prop_map(|minor| FactKind::DisputeWon { minor }),
        minor.clone().prop_map(|minor| FactKind::DisputeLost { minor }),
        minor.prop_map(|minor| FactKind::DisputeReinstated { minor }),
    ]
}

proptest! {
    /// Whatever happens, books balance, and the money with the provider is what came in less what went out.
    #[test]
    fn captured_less_refunded_is_what_the_ledger_says(kinds in prop::collection::vec(any_fact(), 0..30)) {
        let mut payment = Payment::expecting(Money::brl(1_500), terms());
        let (mut cash, mut fees) = (0_i64, 0_i64);
        for (number, kind) in kinds.into_iter().enumerate() {
            let fact = Fact { key: format!("f{number}"), kind };
            let Ok(change) = payment.apply(&fact) else { continue };
            for entry in &change.entries {
                prop_assert!(entry.balances());
                for line in &entry.lines {
                    let account = line.account.to_string();
                    let held = ["psp_clearing", "disputes_hold"].contains(&account.as_str());
                    if held && entry.reference.ends_with(":fee") { fees += line.minor } else if held { cash += line.minor }
                }
            }
            prop_assert!(payment.state().may_become(change.payment.state()));
            payment = change.payment;
            let expected = payment.captured().minor() - payment.refunded().minor() - payment.lost().minor();
            prop_assert_eq!(cash, expected);
            prop_assert!(payment.refunded().minor() <= payment.captured().minor());
        }
        prop_assert!(fees <= 0);
    }

    /// Reports that come late or twice among the money change nothing.
    #[test]
    fn reports_in_any_order_lead_to_the_same_end(seed in any::<u64>(), which in 0_usize..17) {
        let scenario = &scenarios()[which];
        let facts: Vec<Fact> =
            scenario["steps"].as_array().unwrap().iter().map(|step| fact(&step["event"])).collect();
        let (reports, mut order): (Vec<Fact>, Vec<Fact>) =
            facts.into_iter().partition(|fact| matches!(fact.kind, FactKind::Lifecycle { .. }));
        let mut place = seed;
        for report in reports {
            place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            order.insert((place >> 33) as usize % (order.len() + 1), report);
        }
        let mut story = Story::new(scenario["expected_minor"].as_i64().unwrap());
        for fact in &order {
            story.hear(fact);
        }
        prop_assert_eq!(story.payment.state().as_str(), scenario["final"]["state"].as_str().unwrap());
        prop_assert_eq!(story.balances(), map(&scenario["final"]["balances"], "final"));
    }
}
