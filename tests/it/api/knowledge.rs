//! Documents and search over HTTP.

use balcao_tests::counter::{Counter, read};
use serde_json::{Value, json};

#[tokio::test]
async fn a_document_put_in_is_found_changed_and_gone_when_taken_out() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    let text = "# Garantia\n\n## Prazo da garantia\n\nTodo liquidificador tem garantia de dois anos.\n";
    let document = json!({ "uri": "garantia.md", "text": text });
    let (status, stored) = counter.post("/v1/documents", &shop.ingest, &document).await;
    assert_eq!(status, 201, "{stored}");
    assert_eq!(
        (stored["title"].as_str(), stored["embedded"].as_u64()),
        (Some("Garantia"), Some(1)),
        "{stored}"
    );

    let (status, again) = counter.post("/v1/documents", &shop.ingest, &document).await;
    assert_eq!((status, again["embedded"].as_u64()), (200, Some(0)), "{again}");
    assert_eq!(again["document_id"], stored["document_id"]);

    let ask = json!({ "query": "garantia do liquidificador", "limit": 3 });
    let (status, found) = counter.post("/v1/search", &shop.chat, &ask).await;
    assert_eq!(status, 200, "{found}");
    let best = &found["hits"][0];
    assert_eq!(best["source"], "garantia.md", "{found}");
    assert!(best["text"].as_str().unwrap().contains("dois anos"));
    assert!(best["score"].as_f64().is_some_and(|score| score > 0.0));
    let (_, others) = counter.post("/v1/search", &counter.harbour.chat, &ask).await;
    assert!(!others.to_string().contains("dois anos"), "another shop finds nothing of it: {others}");

    let path = format!("/v1/documents/{}", stored["document_id"].as_str().unwrap());
    assert_eq!(read(counter.ask("DELETE", &path, &shop.ingest)).await.0, 204);
    assert_eq!(counter.get(&path, &shop.ingest).await.0, 404);
    let (_, found) = counter.post("/v1/search", &shop.chat, &ask).await;
    assert!(!found.to_string().contains("dois anos"), "{found}");
    counter.close().await;
}

#[tokio::test]
async fn a_file_is_taken_from_a_form_and_what_cannot_be_read_says_why() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    let boundary = "a-boundary-of-this-test";
    let upload = |name: &str, media: &str, bytes: &[u8]| {
        let mut body = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             content-type: {media}\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(bytes);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let form = format!("multipart/form-data; boundary={boundary}");
        read(counter.ask("POST", "/v1/documents", &shop.ingest).header("content-type", form).body(body))
    };
    let (status, stored) =
        upload("frete.md", "application/octet-stream", b"# Frete\n\nEntregamos em Campinas.\n").await;
    assert_eq!((status, stored["uri"].as_str()), (201, Some("frete.md")), "{stored}");
    let (status, body) = upload("foto.jpg", "image/jpeg", b"\xff\xd8\xff").await;
    assert_eq!((status, body["code"].as_str()), (415, Some("unsupported_media_type")), "{body}");
    let (status, body) = upload("vazio.md", "text/markdown", b"   \n").await;
    assert_eq!((status, body["code"].as_str()), (422, Some("invalid")), "{body}");
    assert!(body["detail"].as_str().is_some_and(|why| !why.is_empty()));

    let (_, list) = counter.get("/v1/documents?limit=1", &shop.ingest).await;
    let cursor = list["next_cursor"].as_str().expect("there are two");
    let (_, rest) = counter.get(&format!("/v1/documents?limit=1&cursor={cursor}"), &shop.ingest).await;
    assert_eq!((rest["items"][0]["uri"].as_str(), &rest["next_cursor"]), (Some("frete.md"), &Value::Null));
    counter.close().await;
}

#[tokio::test]
async fn a_write_repeated_with_its_key_is_done_once() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    let put = |text: &str| {
        let body = json!({ "uri": "a.md", "text": text });
        read(counter.ask("POST", "/v1/documents", &shop.ingest).header("idempotency-key", "d-1").json(&body))
    };
    let first = put("# A\n\nUm texto.").await;
    assert_eq!(first.0, 201);
    assert_eq!(put("# A\n\nUm texto.").await, first, "201 again, word for word");
    assert_eq!(put("# A\n\nOutro texto.").await.0, 422);
    counter.close().await;
}
