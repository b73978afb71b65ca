//! Against the reference engine, on the real model file.

use std::path::PathBuf;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Reference {
    texts: Vec<ReferenceText>,
    tokens: Vec<ReferenceTokens>,
}

#[derive(Deserialize)]
struct ReferenceText {
    kind: String,
    text: String,
    vector: Vec<f32>,
}

#[derive(Deserialize)]
struct ReferenceTokens {
    text: String,
    ids: Vec<u32>,
}

impl ReferenceText {
    fn kind(&self) -> Kind {
        if self.kind == "query" { Kind::Query } else { Kind::Passage }
    }
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("testdata/reference.json"))
        .expect("the reference file is part of the source")
}

/// The bytes of the model file. Where it was not fetched the test says so and passes, except on CI.
fn model_bytes() -> Option<Vec<u8>> {
    let assets = std::env::var_os("BALCAO_ASSETS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.balcao"), PathBuf::from);
    let path = assets.join("models/e5-small-enpt-q4.bin");
    match fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) if std::env::var_os("CI").is_some() => panic!("no embedding model at {path:?}: {error}"),
        Err(error) => {
            eprintln!("SKIPPED: no embedding model at {path:?}: {error}");
            None
        }
    }
}

fn model() -> Option<E5> {
    model_bytes().map(|bytes| E5::from_bytes(&bytes).expect("the model file is whole"))
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn tokens_are_those_of_the_reference_engine() {
    let Some(model) = model() else { return };
    for case in reference().tokens {
        assert_eq!(model.inner.tokenizer.tokens(&case.text), case.ids, "{:?}", case.text);
    }
}

#[test]
fn a_letter_and_its_accent_are_one_character_however_they_were_typed() {
    let Some(model) = model() else { return };
    assert_eq!(
        model.tokens(Kind::Query, "informac\u{327}a\u{303}o"),
        model.tokens(Kind::Query, "informação")
    );
}

#[test]
fn vectors_agree_with_the_reference_engine_on_old_and_new_processors() {
    let Some(bytes) = model_bytes() else { return };
    for small_products in [true, false] {
        let model = E5::build(&bytes, small_products).expect("the model file is whole");
        for case in reference().texts {
            let vector = model.embed_blocking(case.kind(), &case.text).expect("embeds");
            let cosine = cosine(&vector, &case.vector);
            assert!(cosine >= 0.999, "cosine {cosine} for {:?}", case.text);
            assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
}

#[test]
fn a_batch_gives_the_same_vectors_as_one_text_at_a_time() {
    let Some(model) = model() else { return };
    let texts: Vec<String> = reference().texts.into_iter().map(|case| case.text).collect();
    let batch = model.embed_batch_blocking(Kind::Passage, &texts, 2).expect("embeds");
    assert_eq!(batch.len(), texts.len());
    for (text, vector) in texts.iter().zip(&batch) {
        let alone = model.embed_blocking(Kind::Passage, text).expect("embeds");
        assert!(cosine(&alone, vector) > 0.99999, "{text:?}");
    }
    assert!(model.embed_batch_blocking::<&str>(Kind::Passage, &[], 2).expect("embeds").is_empty());
}

#[tokio::test]
async fn the_port_embeds_questions_near_the_passages_that_answer_them() {
    let Some(model) = model() else { return };
    assert_eq!(model.dimensions(), 384);
    assert!(model.model_id().starts_with("multilingual-e5-small-q4@"));
    let passages = [
        "Horário de funcionamento: segunda a sexta, das 9h às 18h.".to_owned(),
        "Returns are accepted within 30 days of delivery.".to_owned(),
        String::new(),
    ];
    let vectors = model.embed_passages(&passages).await.expect("embeds");
    let best = async |question: &str| {
        let question = model.embed_query(question).await.expect("embeds");
        let scores: Vec<f64> = vectors.iter().map(|v| cosine(v, &question)).collect();
        assert!(scores.iter().all(|score| score.is_finite()), "even the empty passage has a vector");
        if scores[0] > scores[1] { "hours" } else { "returns" }
    };
    assert_eq!(best("a que horas vocês fecham na sexta?").await, "hours");
    assert_eq!(best("can I send the teapot back?").await, "returns");
}

#[test]
fn a_missing_file_is_said_to_be_missing() {
    assert!(matches!(E5::load("no/such/model.bin"), Err(LoadError::Missing(_))));
}

#[test]
fn a_file_cut_short_anywhere_is_an_error_and_no_panic() {
    let noise: Vec<u8> = (0..4096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    assert!(matches!(E5::from_bytes(&noise), Err(LoadError::Damaged(_))));
    assert!(matches!(E5::from_bytes(b""), Err(LoadError::Damaged(_))));
    let Some(bytes) = model_bytes() else { return };
    let header_end = 800_000; // the vocabulary and the directory of tables lie before it
    let early = (0..header_end).step_by(9_973);
    let late = (header_end..bytes.len()).step_by(3_000_017);
    for length in early.chain(late).chain([bytes.len() - 1]) {
        assert!(matches!(E5::from_bytes(&bytes[..length]), Err(LoadError::Damaged(_))), "{length} bytes");
    }
}

#[test]
fn a_header_full_of_nonsense_is_an_error_and_no_panic() {
    let Some(mut bytes) = model_bytes() else { return };
    bytes.truncate(757_700);
    for position in (0..72).chain((72..757_000).step_by(1_511)).chain((745_000..757_609).step_by(97)) {
        let before = bytes[position];
        for value in [0x00, 0x7f, 0xff] {
            bytes[position] = value;
            // The tables are cut off, so whatever the change did, this is no whole model.
            assert!(E5::from_bytes(&bytes).is_err(), "byte {position} set to {value}");
        }
        bytes[position] = before;
    }
}
