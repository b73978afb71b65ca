use balcao_domain::money::Money;
use proptest::prelude::*;
use serde_json::Value;

use super::{BrCodeError, Kind, StaticCode, WriteError, checksum, read};

fn vectors() -> Vec<Value> {
    let text = include_str!("../../../tests/fixtures/payments/brcode-vectors.json");
    let file: Value = serde_json::from_str(text).expect("the vectors are JSON");
    file["vectors"].as_array().expect("a list").clone()
}

#[test]
fn the_checksum_is_the_standards() {
    assert_eq!(checksum("123456789"), 0x29B1);
}

#[test]
fn every_valid_code_is_understood() {
    let mut seen = 0;
    for vector in vectors().iter().filter(|vector| vector["valid"] == true) {
        seen += 1;
        let name = vector["name"].as_str().unwrap();
        let code = read(vector["code"].as_str().unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let fields = &vector["fields"];
        assert_eq!(code.merchant_name, fields["59"].as_str().unwrap(), "{name}");
        assert_eq!(code.merchant_city, fields["60"].as_str().unwrap(), "{name}");
        assert_eq!(code.amount.map(|amount| amount.decimal()).as_deref(), fields["54"].as_str(), "{name}");
        match &code.kind {
            Kind::Dynamic { url } => {
                assert_eq!(
                    (vector["kind"].as_str(), url.as_str()),
                    (Some("dynamic"), fields["26"]["25"].as_str().unwrap())
                );
                assert_eq!(code.txid, None, "{name}: behind the URL");
            }
            Kind::Static { key, info } => {
                let written = fields["26"]["01"].as_str().unwrap();
                assert!(key == written || key.replace('@', " ") == written.to_lowercase(), "{name}: {key}");
                assert_eq!(info.as_deref(), fields["26"]["02"].as_str(), "{name}");
                let txid = fields["62"]["05"].as_str().filter(|txid| *txid != "***");
                assert_eq!(code.txid.as_deref(), txid, "{name}");
            }
        }
    }
    assert_eq!(seen, 13);
}

#[test]
fn every_broken_code_is_refused_with_its_reason() {
    let mut seen = 0;
    for vector in vectors().iter().filter(|vector| vector["valid"] == false) {
        seen += 1;
        let name = vector["name"].as_str().unwrap();
        let error = read(vector["code"].as_str().unwrap()).expect_err(name);
        let class: &[BrCodeError] = match vector["error"].as_str().unwrap() {
            "crc_mismatch" => &[BrCodeError::CrcMismatch],
            "tlv_length" => &[BrCodeError::TlvLength],
            "tlv_length_or_crc" => &[BrCodeError::TlvLength, BrCodeError::CrcMismatch],
            "missing_crc" => &[BrCodeError::MissingCrc],
            "both_key_and_url" => &[BrCodeError::BothKeyAndUrl],
            "currency" => &[BrCodeError::Currency],
            "url_scheme" => &[BrCodeError::UrlScheme],
            "txid_length" => &[BrCodeError::TxidLength],
            other => panic!("an unknown class `{other}`"),
        };
        assert!(class.contains(&error), "{name}: {error:?}");
    }
    assert_eq!(seen, 11);
}

#[test]
fn composed_static_codes_are_written_byte_for_byte() {
    let mut seen = 0;
    for vector in vectors() {
        let composed =
            vector["source"] == "composed" && vector["kind"] == "static" && vector["valid"] == true;
        let code = vector["code"].as_str().unwrap();
        // What we never write: accents, and lower-case checksums.
        if !composed || !code.is_ascii() || vector["name"] == "static-lowercase-crc" {
            continue;
        }
        seen += 1;
        let understood = read(code).unwrap();
        let Kind::Static { key, info } = &understood.kind else { panic!("static") };
        let again = StaticCode {
            key,
            info: info.as_deref(),
            amount: understood.amount,
            merchant_name: &understood.merchant_name,
            merchant_city: &understood.merchant_city,
            txid: understood.txid.as_deref(),
        };
        assert_eq!(again.write().as_deref(), Ok(code), "{}", vector["name"]);
    }
    assert_eq!(seen, 5);
}

fn a_code() -> StaticCode<'static> {
    StaticCode {
        key: "loja@aurora.example",
        info: None,
        amount: Some(Money::brl(13_780)),
        merchant_name: "Loja Aurora Confecções e Acessórios Ltda",
        merchant_city: "São José do Rio Preto",
        txid: Some("PED1"),
    }
}

#[test]
fn names_are_folded_and_cut_to_their_limits() {
    let code = read(&a_code().write().unwrap()).unwrap();
    assert_eq!(code.merchant_name, "Loja Aurora Confeccoes e");
    assert_eq!(code.merchant_city, "Sao Jose do Rio");
}

#[test]
fn what_does_not_fit_is_an_error_and_never_cut() {
    let code = a_code();
    assert_eq!(StaticCode { txid: Some("with-hyphen"), ..code.clone() }.write(), Err(WriteError::Txid));
    assert_eq!(StaticCode { key: "", ..code.clone() }.write(), Err(WriteError::Key));
    assert_eq!(StaticCode { amount: Some(Money::brl(0)), ..code.clone() }.write(), Err(WriteError::Amount));
    let info = "palavras demais para o que sobra de noventa e nove caracteres depois da chave";
    assert_eq!(StaticCode { info: Some(info), ..code.clone() }.write(), Err(WriteError::Info));
    assert_eq!(StaticCode { merchant_name: "¡!", ..code }.write(), Err(WriteError::Name));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        minor in 1_i64..999_999_999_999, name in "[A-Za-zÀ-ÿ ]{1,40}", txid in "[A-Za-z0-9]{1,25}",
    ) {
        let code = StaticCode { amount: Some(Money::brl(minor)), merchant_name: &name, txid: Some(&txid), ..a_code() };
        let Ok(text) = code.write() else { return Ok(()) };
        let back = read(&text).unwrap();
        prop_assert_eq!(back.amount, Some(Money::brl(minor)));
        prop_assert_eq!(back.txid, Some(txid));
    }

    #[test]
    fn no_text_makes_reading_panic(text in "\\PC{0,120}", fields in "([0-9]{4}[a-z]{0,9}){0,9}6304[0-9A-F]{4}") {
        let _ = read(&text);
        let _ = read(&fields);
    }

    #[test]
    fn one_changed_digit_of_the_amount_is_noticed(digit in 0_u8..10) {
        let text = a_code().write().unwrap();
        let at = text.find("137.80").unwrap();
        let mut changed = text.clone().into_bytes();
        changed[at] = b'0' + digit;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert_eq!(read(&changed).is_ok(), changed == text);
    }
}
