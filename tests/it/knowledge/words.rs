//! The lexical ranker: BM25 in SQL, through its index.

use balcao_store::knowledge;

use super::world::World;

/// Row security keeps the planner from using an index for `@@`; the search function is there so that it does not.
#[tokio::test]
async fn a_rare_word_in_a_large_shop_is_looked_up_in_the_index() {
    let world = World::new().await;
    // 4,000 passages of common words, and one that is like no other; no vectors.
    let passages: Vec<_> = (0..4_000)
        .map(|n| knowledge::NewPassage {
            headings: vec![],
            text: if n == 1_234 {
                "o único ornitorrinco".into()
            } else {
                format!("produto comum número {}", n % 50)
            },
            language: "pt".into(),
            content_hash: format!("{n}").into_bytes(),
            token_count: 5,
            embedding: None,
        })
        .collect();
    let document = knowledge::NewDocument {
        collection: "default".into(),
        uri: "large.txt".into(),
        title: "Large".into(),
        language: "pt".into(),
        media_type: "text/plain".into(),
        content_hash: vec![],
        bytes: 0,
    };
    let mut tx = world.store.tenant_tx(&world.aurora).await.expect("a transaction");
    let id = knowledge::documents::upsert(&mut tx, &document).await.expect("the document");
    knowledge::passages::replace(&mut tx, id, "Large", "m", &passages).await.expect("its passages");
    tx.commit().await.expect("a commit");

    let mut admin = world.db.admin().await;
    admin.execute("vacuum analyze passage").await.expect("statistics");
    admin.close().await;
    // As the server's role, in one transaction, whose own statistics say what was scanned.
    let mut runtime = world.db.runtime().await;
    runtime.execute("begin").await.expect("a transaction");
    let tenant = world.aurora.tenant_id.as_uuid();
    runtime.execute(&format!("set local app.tenant_id = '{tenant}'")).await.expect("a tenant");
    let found = runtime
        .value("select count(*) from search_passages_by_words('onde vive o ornitorrinco?', null, 10)")
        .await
        .expect("a result");
    assert_eq!(found.as_deref(), Some("1"));
    let scans = runtime
        .rows(
            "select pg_stat_get_xact_numscans('passage_words_search'::regclass) > 0,
                    pg_stat_get_xact_numscans('passage'::regclass)",
        )
        .await
        .expect("statistics");
    assert_eq!(scans, [[Some("t".to_owned()), Some("0".to_owned())]], "index used, table not scanned");
}

#[tokio::test]
async fn how_often_a_word_stands_in_a_passage_is_read_off_its_rank() {
    let world = World::new().await;
    let mut admin = world.db.admin().await;
    let wrong = admin
        .rows(
            "select n, found from generate_series(1, 60) n,
                    lexeme_frequency(to_tsvector('simple', repeat('frete prazo ', n)), 'prazo'::tsquery) found
             where found is distinct from least(n, 32)",
        )
        .await
        .expect("a comparison");
    admin.close().await;
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn a_rare_word_ranks_above_common_ones_and_a_repeated_one_above_a_single_one() {
    let world = World::new().await;
    for n in 0..8 {
        world.put(&world.aurora, &format!("{n}.md"), &format!("Prazo da entrega número {n} da loja.")).await;
    }
    world.put(&world.aurora, "garantia.md", "Garantia da loja, sem número.").await;
    world.put(&world.aurora, "bordado.md", "Bordado da loja, sem número.").await;
    let first = async |question: &str| {
        let mut tx = world.store.tenant_tx(&world.aurora).await.expect("a transaction");
        let found = knowledge::search::lexical(&mut tx, question, None, 1).await.expect("a ranking");
        let passage = knowledge::search::fetch(&mut tx, &[found[0].0]).await.expect("its text");
        tx.commit().await.expect("a commit");
        passage[0].uri.clone()
    };
    assert_eq!(first("prazo garantia").await, "garantia.md");
    assert_eq!(first("garantia bordado bordado").await, "bordado.md");
    assert_eq!(first("bordado garantia garantia").await, "garantia.md");
}
