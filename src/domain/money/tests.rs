use proptest::prelude::*;
use serde_json::Value;

use super::{
    Currency, Locale, Money, MoneyError, ParseMoneyError, installments, percentage,
    split::{largest_remainder, reversed},
};
use crate::Language;

fn vectors() -> Value {
    let text = include_str!("../../../tests/fixtures/payments/money-vectors.json");
    serde_json::from_str(text).expect("the vectors are JSON")
}

fn cases<'a>(vectors: &'a Value, name: &str) -> &'a Vec<Value> {
    let cases = vectors[name].as_array().expect(name);
    assert!(!cases.is_empty());
    cases
}

fn numbers(value: &Value) -> Vec<i64> {
    value.as_array().expect("a list").iter().map(|n| n.as_i64().expect("an integer")).collect()
}

fn locale(case: &Value) -> Locale {
    if case["locale"] == "pt-BR" { Locale::PtBr } else { Locale::En }
}

#[test]
fn amounts_are_read_in_the_locale_of_their_source() {
    for case in cases(&vectors(), "parse_money") {
        let read = Money::parse(case["input"].as_str().unwrap(), Currency::BRL, locale(case));
        assert_eq!(read.map(|money| money.minor()), Ok(case["minor"].as_i64().unwrap()), "{case}");
    }
}

#[test]
fn what_is_not_exactly_one_amount_is_refused() {
    for case in cases(&vectors(), "parse_money_reject") {
        let read = Money::parse(case["input"].as_str().unwrap(), Currency::BRL, locale(case));
        assert!(read.is_err(), "{case}: {read:?}");
    }
    let huge = Money::parse("99999999999999999999", Currency::BRL, Locale::En);
    assert_eq!(huge, Err(ParseMoneyError::TooLarge("99999999999999999999".into())));
}

#[test]
fn amounts_are_written_as_customers_and_as_systems_read_them() {
    let vectors = vectors();
    for case in cases(&vectors, "format_pt_br") {
        let money = Money::brl(case["minor"].as_i64().unwrap());
        assert_eq!(money.readable(Language::Portuguese), case["text"].as_str().unwrap());
    }
    for case in cases(&vectors, "format_pix_valor") {
        let money = Money::brl(case["minor"].as_i64().unwrap());
        assert_eq!(money.decimal(), case["text"].as_str().unwrap());
    }
    assert_eq!(Money::new(123_456_789, Currency::GBP).readable(Language::English), "£1,234,567.89");
}

#[test]
fn totals_are_split_by_the_largest_remainder() {
    for case in cases(&vectors(), "largest_remainder") {
        let split = largest_remainder(case["total"].as_i64().unwrap(), &numbers(&case["weights"]));
        assert_eq!(split, numbers(&case["result"]), "{case}");
    }
}

#[test]
fn a_commission_is_rounded_half_up_once() {
    for case in cases(&vectors(), "commission_half_up") {
        let base = Money::brl(case["base"].as_i64().unwrap());
        let commission = percentage::of(base, case["bps"].as_i64().unwrap()).unwrap();
        assert_eq!(commission.minor(), case["result"].as_i64().unwrap(), "{case}");
    }
}

#[test]
fn a_commission_is_taken_back_with_the_refunds_to_the_last_centavo() {
    let vectors = vectors();
    let story = &vectors["commission_reversal_cumulative_floor"];
    let components = numbers(&story["components"]);
    for step in cases(story, "steps") {
        let taken =
            reversed(&components, step["refunded_total"].as_i64().unwrap(), story["base"].as_i64().unwrap());
        assert_eq!(taken, numbers(&step["reversed_total"]), "{step}");
    }
}

#[test]
fn installments_without_interest_sum_to_the_price() {
    for case in cases(&vectors(), "parcelas_sem_juros") {
        let count = u32::try_from(case["n"].as_u64().unwrap()).unwrap();
        let parts = installments::without_interest(Money::brl(case["total"].as_i64().unwrap()), count);
        let minors: Vec<i64> = parts.iter().map(Money::minor).collect();
        assert_eq!(minors, numbers(&case["parcelas"]), "{case}");
    }
}

#[test]
fn installments_with_interest_follow_the_tabela_price() {
    for case in cases(&vectors(), "parcelas_com_juros_tabela_price") {
        let count = u32::try_from(case["n"].as_u64().unwrap()).unwrap();
        let rate: u32 = case["monthly_rate"].as_str().unwrap().strip_prefix("0.").unwrap().parse().unwrap();
        let price = Money::brl(case["principal"].as_i64().unwrap());
        let part = installments::with_interest(price, rate * 100, count).unwrap();
        assert_eq!(part.minor(), case["parcela"].as_i64().unwrap(), "{case}");
        assert_eq!(part.minor() * i64::from(count), case["total"].as_i64().unwrap(), "{case}");
    }
}

#[test]
fn two_currencies_are_never_added() {
    let mixed = Money::brl(1).checked_add(Money::new(1, Currency::USD));
    assert_eq!(mixed, Err(MoneyError::CurrencyMismatch { left: Currency::BRL, right: Currency::USD }));
    assert_eq!(Money::brl(i64::MAX).checked_add(Money::brl(1)), Err(MoneyError::TooLarge));
}

proptest! {
    #[test]
    fn parts_sum_to_the_whole(total in any::<i64>(), weights in prop::collection::vec(0_i64..1_000_000, 1..12)) {
        prop_assume!(weights.iter().any(|weight| *weight > 0) && total != i64::MIN);
        let parts = largest_remainder(total, &weights);
        prop_assert_eq!(parts.iter().map(|part| i128::from(*part)).sum::<i128>(), i128::from(total));
    }

    #[test]
    fn what_is_taken_back_grows_with_the_refund_and_never_passes_the_component(
        components in prop::collection::vec(0_i64..10_000_000, 1..5), base in 1_i64..100_000_000,
        first in 0_i64..100_000_000, more in 0_i64..100_000_000,
    ) {
        let before = reversed(&components, first, base);
        let after = reversed(&components, first.saturating_add(more), base);
        for ((before, after), component) in before.iter().zip(&after).zip(&components) {
            prop_assert!(0 <= *before && before <= after && after <= component);
        }
    }

    #[test]
    fn an_amount_is_read_back_from_what_it_was_written_as(minor in -1_000_000_000_000_i64..1_000_000_000_000) {
        let money = Money::brl(minor);
        prop_assert_eq!(Money::parse(&money.decimal(), Currency::BRL, Locale::En), Ok(money));
        if minor >= 0 {
            let words = money.readable(Language::Portuguese);
            prop_assert_eq!(Money::parse(&words, Currency::BRL, Locale::PtBr), Ok(money));
        }
    }

    #[test]
    fn no_text_makes_reading_panic(text in "\\PC{0,24}") {
        let _ = Money::parse(&text, Currency::BRL, Locale::PtBr);
        let _ = Money::parse(&text, Currency::BRL, Locale::En);
    }
}
