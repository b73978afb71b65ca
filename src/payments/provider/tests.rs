//! What every provider's API has in common, and what the answers in `tests/fixtures/payments` say. The calls themselves
//! are made, over HTTP and against the emulator, in `tests/it/walk/charging.rs`.

use std::{path::Path, time::Duration};

use balcao_domain::{money::Money, payment::FactKind};
use chrono::{TimeZone, Utc};
use proptest::prelude::*;
use serde_json::Value;

use super::{Access, Body, Client, Failure, Names, NewCharge, NewRefund, PROVIDERS, Window, provider};
use crate::webhook::{self, Event};

const REFERENCE: &str = "01890a5d77e87c3cb0ce3f5a8f2b1d04";

fn access() -> Access {
    let text = |text: &str| Some(text.to_owned());
    Access {
        base_url: text("https://psp.example"),
        client_id: text("client"),
        client_secret: Some("secret".into()),
        token: Some("token".into()),
        pix_key: text("7d9f0335-8dcc-4054-9bf9-0dbd61d36906"),
        customer: text("cus_1"),
        payer_email: text("cliente@exemplo.example"),
        payer_name: text("Cliente"),
        payer_document: text("00000000191"),
        ..Access::default()
    }
}

fn charge() -> NewCharge<'static> {
    NewCharge {
        reference: REFERENCE,
        amount: Money::brl(13_780),
        expires_in: Duration::from_secs(1_800),
        now: Utc.timestamp_opt(1_768_482_000, 0).unwrap(),
        title: "Pedido K7Q2-M9XD",
    }
}

/// The answer of a fixture, and the events it is read into.
fn answered(fixture: &str) -> Vec<Event> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/payments").join(fixture);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let case: Value = serde_json::from_str(&text).unwrap();
    let name = fixture.split_once('/').unwrap().0;
    provider(name).unwrap().found(case["response"].to_string().as_bytes()).unwrap()
}

#[test]
fn a_charge_carries_our_reference_and_the_exact_amount() {
    for provider in PROVIDERS {
        let Some(call) = provider.create(&access(), &charge()) else {
            assert_eq!(provider.name(), "nuvemshop");
            continue;
        };
        let said = match &call.body {
            Body::Json(body) => body.clone(),
            Body::Form(fields) => format!("{fields:?}"),
            Body::Empty => String::new(),
        };
        let all = format!("{} {said}", call.path);
        assert!(all.contains(REFERENCE), "{}: {all}", provider.name());
        assert!(all.contains("137.80") || all.contains("13780"), "{}: {all}", provider.name());
    }
}

#[test]
fn a_call_that_is_repeated_is_known_by_its_key_or_looked_for_first() {
    for provider in PROVIDERS {
        let Some(call) = provider.create(&access(), &charge()) else { continue };
        let keyed =
            call.headers.iter().any(|(name, value)| name.contains("idempotency") && value == REFERENCE)
                || (call.method == http::Method::PUT && call.path.contains(REFERENCE));
        let looked_for = provider.created_before(&access(), REFERENCE);
        assert!(keyed || looked_for.is_some_and(|call| call.path.contains(REFERENCE)), "{}", provider.name());
    }
}

#[test]
fn names_cannot_leave_their_place_in_a_path() {
    for hostile in ["../../v2/pix?x=1#é", "..", ".", "%2e%2e"] {
        stays(hostile);
    }
}

fn stays(hostile: &str) {
    let names = Names { reference: Some(hostile.into()), provider_id: Some(hostile.into()) };
    let refund =
        NewRefund { reference: hostile, names: &names, end_to_end_id: Some(hostile), amount: Money::brl(1) };
    for provider in PROVIDERS {
        let calls = [provider.look_up(&access(), &names), provider.refund(&access(), &refund)];
        for call in calls.into_iter().flatten() {
            let written = format!("https://psp.example{}", call.path);
            let parsed = url::Url::parse(&written).unwrap();
            // The parser takes steps up where there are any.
            assert_eq!(parsed.as_str(), written, "{}", provider.name());
        }
    }
}

#[test]
fn what_an_account_lacks_is_named_before_anything_is_called() {
    let empty = Access::default();
    for provider in PROVIDERS {
        let Err(Failure::Impossible(why)) = Client::new(provider, empty.clone()) else {
            panic!("{} needs nothing", provider.name())
        };
        for field in provider.needs() {
            assert!(why.contains(field), "{}: {why}", provider.name());
        }
        assert!(Client::new(provider, access()).is_ok(), "{}", provider.name());
    }
}

#[test]
fn an_answer_of_api_pix_says_what_its_webhook_says() {
    let asked = answered("efi-bcb-pix/api-get-cob-concluida.json");
    let [paid] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(paid.fact(0).unwrap().kind, FactKind::Receipt { minor: 13_780, fee_minor: 0 });
    assert_eq!(paid.fact_key.as_deref(), Some("pix:E99999999202601151300a1b2c3d4e5f"));
    assert_eq!(paid.reference.txid.as_deref(), Some("PED2026000123CASAJABUTICABA01"));
}

#[test]
fn an_answer_of_mercado_pago_carries_the_money_the_fee_and_our_name() {
    let asked = answered("mercadopago/api-get-payment-approved.json");
    let [paid] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(paid.fact(0).unwrap().kind, FactKind::Receipt { minor: 13_780, fee_minor: 136 });
    assert_eq!(paid.fact_key.as_deref(), Some("pix:E99999999202601151300a1b2c3d4e5f"));
    assert_eq!(paid.reference.order.as_deref(), Some("PED-2026-000123"));
}

#[test]
fn a_page_of_receipts_says_whether_there_are_more() {
    let api_pix = provider("efi-bcb-pix").unwrap();
    let page = |at: u32, of: u32| {
        format!(
            r#"{{"parametros":{{"paginacao":{{"paginaAtual":{at},"itensPorPagina":1000,"quantidadeDePaginas":{of},"quantidadeTotalDeItens":1}}}},
                "pix":[{{"endToEndId":"E1","txid":"t","valor":"0.01","horario":"2026-01-15T13:00:04Z"}}]}}"#
        )
    };
    assert_eq!(api_pix.page(page(0, 2).as_bytes()).map(|(events, more)| (events.len(), more)), Ok((1, true)));
    assert_eq!(
        api_pix.page(page(1, 2).as_bytes()).map(|(events, more)| (events.len(), more)),
        Ok((1, false))
    );
    assert_eq!(api_pix.page(page(0, 0).as_bytes()).map(|(_, more)| more), Ok(false));
    let window = Window { from: charge().now, to: charge().now };
    let call = api_pix.received(&access(), &window, 3).unwrap();
    assert!(
        call.path.contains("inicio=2026-01-15T13%3A00%3A00Z") && call.path.contains("paginaAtual=3"),
        "{call:?}"
    );
}

#[test]
fn a_lost_dispute_of_mercado_pago_had_been_opened() {
    let answer = r#"{"id": 7, "status": "charged_back", "transaction_amount": 10.5, "transaction_amount_refunded": 0}"#;
    let events = provider("mercadopago").unwrap().found(answer.as_bytes()).unwrap();
    let facts: Vec<FactKind> =
        events.iter().filter_map(|event| event.fact(0)).map(|fact| fact.kind).collect();
    assert_eq!(
        facts,
        [
            FactKind::Receipt { minor: 1_050, fee_minor: 0 },
            FactKind::DisputeOpened { minor: 1_050 },
            FactKind::DisputeLost { minor: 1_050 },
        ]
    );
}

#[test]
fn asaas_tells_of_a_part_that_went_back_in_its_list_only() {
    let answer = r#"{"id": "pay_1", "status": "RECEIVED", "value": 39.9, "netValue": 38.91,
        "refunds": [{"status": "DONE", "value": 10}, {"status": "PENDING", "value": 5}]}"#;
    let events = provider("asaas").unwrap().found(answer.as_bytes()).unwrap();
    let kinds: Vec<FactKind> =
        events.iter().filter_map(|event| event.fact(0)).map(|fact| fact.kind).collect();
    assert_eq!(
        kinds,
        [
            FactKind::Receipt { minor: 3_990, fee_minor: 99 },
            FactKind::RefundSettled { minor: 1_000, of_excess: false },
        ]
    );
}

#[test]
fn every_provider_that_is_called_also_reports() {
    for provider in PROVIDERS {
        assert!(webhook::provider(provider.name()).is_some(), "{}", provider.name());
    }
}

proptest! {
    #[test]
    fn no_answer_makes_a_reader_panic(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for provider in PROVIDERS {
            for answer in [text.as_bytes(), &bytes] {
                let _ = provider.created(answer);
                let _ = provider.found(answer);
                let _ = provider.page(answer);
            }
        }
    }

    #[test]
    fn amounts_are_written_as_they_are(minor in 1_i64..1_000_000_000_000) {
        let written = super::number(Money::brl(minor)).unwrap().to_string();
        prop_assert_eq!(written, super::decimal(Money::brl(minor)));
    }
}
