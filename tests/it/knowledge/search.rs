//! What a question finds, whose it is, and what it costs to ask again.

use std::sync::atomic::Ordering;

use balcao_retrieval::{
    MediaType, NewDocument, SearchRequest, Searcher,
    fusion::{Weight, lexical_weight},
    query::Query,
};
use balcao_store::{StoreError, knowledge};

use super::world::stocked;

#[tokio::test]
async fn a_question_without_accents_finds_the_passage_and_its_source() {
    let world = stocked().await;
    let found = world.ask(&world.aurora, "qual o prazo pra devolucao?").await;
    let best = &found.hits[0];
    assert_eq!((best.source.as_str(), best.title.as_str()), ("trocas.md", "Trocas e devoluções"));
    assert_eq!(best.headings, ["Prazo para devolução"]);
    assert!(best.text.contains("7 dias corridos"), "{}", best.text);
    assert!(best.lexical_score.is_some() && best.vector_score.is_some());
    assert!(!found.degraded);

    let other = world.ask(&world.aurora, "posso por agua sanitaria na roupa").await;
    assert_eq!(other.hits[0].source, "cuidados.md", "meaning alone leads there");
}

#[tokio::test]
async fn an_english_question_finds_a_portuguese_passage() {
    let world = stocked().await;
    let found = world.ask(&world.aurora, "how long does shipping take?").await;
    assert_eq!(found.hits[0].source, "entrega.md");
}

#[tokio::test]
async fn a_question_in_another_language_than_the_passages_is_ranked_by_its_meaning() {
    let world = stocked().await;
    let scores = async |question: &str, weight: Weight| {
        let query = Query::read(question, &[]);
        let ranking = world.searcher.rank(&world.aurora, &query, None, weight).await.expect("a ranking");
        ranking.candidates.iter().map(|found| (found.passage_id, found.score)).collect::<Vec<_>>()
    };
    // "frete" is a word the passages have, so that both sides find something.
    for (question, foreign) in [("how much is the frete for this order?", true), ("quanto é o frete?", false)]
    {
        let follows = scores(question, Weight::Following).await;
        let (own, other) = (lexical_weight(8, false), lexical_weight(8, true));
        let (expected, not) = if foreign { (other, own) } else { (own, other) };
        assert_eq!(follows, scores(question, Weight::Fixed(expected)).await, "{question}");
        assert_ne!(follows, scores(question, Weight::Fixed(not)).await, "{question}");
    }
}

#[tokio::test]
async fn a_follow_up_is_understood_from_what_was_said_before() {
    let world = stocked().await;
    let mut request = SearchRequest::new("e se for de tamanho?", 3);
    request.previous = vec!["oi".into(), "quero trocar uma camiseta".into()];
    let found = world.searcher.search(&world.aurora, &request).await.expect("a result");
    assert!(found.query.contains("quero trocar uma camiseta"), "{}", found.query);
    assert_eq!(found.hits[0].headings, ["Troca de tamanho"]);
}

#[tokio::test]
async fn confidence_is_higher_for_what_is_known_than_for_what_is_not() {
    let world = stocked().await;
    let known = world.ask(&world.aurora, "o frete é grátis a partir de quanto?").await.confidence;
    let unknown = world.ask(&world.aurora, "quem ganhou a copa do mundo de 1994?").await.confidence;
    assert!(known > 0.5 && unknown < 0.5, "known {known}, unknown {unknown}");
}

#[tokio::test]
async fn a_shop_never_finds_another_shops_passages() {
    let world = stocked().await;
    let secret = "# Internal\n\nThe alarm code of the warehouse is zebra-7741.\n";
    world.put(&world.harbour, "internal.md", secret).await;
    for question in ["alarm code of the warehouse", "zebra-7741", "internal"] {
        let own = world.ask(&world.harbour, question).await;
        assert!(own.hits[0].text.contains("zebra-7741"));
        let foreign = world.ask(&world.aurora, question).await;
        assert!(foreign.hits.iter().all(|hit| !hit.text.contains("zebra")), "{question}");
    }
    // The same content again is embedded for the other shop: vectors are not shared across the wall.
    world.embedded();
    assert_eq!(world.put(&world.aurora, "internal.md", secret).await.embedded, 1);
    // Ids lead nowhere either.
    let mut tx = world.store.tenant_tx(&world.harbour).await.expect("a transaction");
    let page = knowledge::documents::list(&mut tx, None, None, 10).await.expect("a page");
    let id = page.items[0].document_id;
    tx.commit().await.expect("a commit");
    let mut tx = world.store.tenant_tx(&world.aurora).await.expect("a transaction");
    assert!(matches!(knowledge::documents::get(&mut tx, id).await, Err(StoreError::NotFound)));
    assert!(matches!(knowledge::documents::delete(&mut tx, id).await, Err(StoreError::NotFound)));
    assert_eq!(knowledge::search::neighbours(&mut tx, id, 0, 10).await.expect("a query"), []);
}

#[tokio::test]
async fn a_search_may_be_limited_to_a_collection() {
    let world = stocked().await;
    let new = NewDocument {
        collection: "manuais".into(),
        uri: "cafeteira.txt".into(),
        title: Some("Cafeteira".into()),
        bytes: b"O prazo de garantia da cafeteira e de 12 meses.".to_vec(),
        media_type: Some(MediaType::PlainText),
    };
    world.ingestor.ingest_document(&world.aurora, new, &|_| {}).await.expect("a report");
    let mut request = SearchRequest::new("qual o prazo?", 10);
    request.collection = Some("manuais".into());
    let found = world.searcher.search(&world.aurora, &request).await.expect("a result");
    let sources: Vec<_> = found.hits.iter().map(|hit| hit.source.as_str()).collect();
    assert_eq!(sources, ["cafeteira.txt"]);
    request.collection = Some("nenhuma".into());
    let found = world.searcher.search(&world.aurora, &request).await.expect("a result");
    assert!(found.hits.is_empty() && found.confidence == 0.0);
}

#[tokio::test]
async fn a_model_that_hangs_does_not_keep_the_customer_waiting() {
    let world = stocked().await;
    world.embedder.hangs.store(true, Ordering::SeqCst);
    let found = world.ask(&world.aurora, "prazo de entrega no interior").await;
    assert!(found.degraded && found.hits[0].source == "entrega.md");
    world.embedder.hangs.store(false, Ordering::SeqCst);
    assert!(!world.ask(&world.aurora, "prazo de entrega no interior").await.degraded, "asked anew");
}

#[tokio::test]
async fn the_same_question_again_asks_neither_model_nor_index() {
    let world = stocked().await;
    let first = world.ask(&world.aurora, "tem frete grátis?").await;
    let again = world.ask(&world.aurora, "tem frete grátis?").await;
    assert_eq!(first, again);
    assert_eq!(world.embedder.queries.load(Ordering::SeqCst), 1);
    // A change makes the result stale, not the question's vector.
    world.put(&world.aurora, "frete.md", "# Frete\n\nTem frete grátis para todo o Brasil.\n").await;
    let fresh = world.ask(&world.aurora, "tem frete grátis?").await;
    assert_eq!(fresh.hits[0].source, "frete.md");
    assert_eq!(world.embedder.queries.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn hostile_questions_find_nothing_or_something_but_never_fail() {
    let world = stocked().await;
    let huge = "prazo ".repeat(200_000);
    let many: String = (0..5_000).map(|n| format!("palavra{n} ")).collect();
    for question in [
        "",
        "   ",
        "?!.,;:()[]{}",
        "!!! & | <-> :*",
        "'; drop table passage; --",
        "prazo & !entrega | (frete",
        "prazo:*A <-> 'entrega\\",
        "\u{0}prazo\u{0}",
        "\\'\\\\'",
        "👍👍🏽",
        "\u{202e}ozarp\u{202c}",
        "%s %d {0} ${x}",
        "http://loja.com.br/a?b=c&d=e#f fulano@loja.com.br 10.0.0.1 /etc/passwd",
        &huge,
        &many,
    ] {
        let found = world.ask(&world.aurora, question).await;
        assert!((0.0..=1.0).contains(&found.confidence));
    }
    assert!(world.ask(&world.aurora, "?!").await.hits.is_empty());
    assert!(!world.ask(&world.aurora, "\u{0}prazo\u{0} & | de entrega").await.hits.is_empty());
    let mut request = SearchRequest::new("prazo", usize::MAX);
    request.collection = Some("'; --\u{0}".into());
    let found = world.searcher.search(&world.aurora, &request).await.expect("no error");
    assert!(found.hits.is_empty());
}

#[tokio::test]
async fn search_without_a_tenant_is_an_error_and_not_an_empty_answer() {
    let world = stocked().await;
    let mut runtime = world.db.runtime().await;
    let search = "select count(*) from search_passages_by_words('prazo', null, 10)";
    assert!(runtime.value(search).await.is_err());
    // After a transaction of a tenant the setting is there, and empty.
    runtime.execute("begin").await.expect("a transaction");
    let tenant = world.aurora.tenant_id.as_uuid();
    runtime.execute(&format!("set local app.tenant_id = '{tenant}'")).await.expect("a tenant");
    assert_ne!(runtime.value(search).await.expect("a count").as_deref(), Some("0"));
    runtime.execute("commit").await.expect("a commit");
    assert!(runtime.value(search).await.is_err());
}
