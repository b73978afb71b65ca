//! Catalogues that are followed: read when due, not again where nothing changed, and kept while their source is away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use balcao_store::sales::{
    feeds::{self, NewFeed},
    products,
};
use balcao_tests::counter::Counter;
use parking_lot::Mutex;
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::walk::scene::{until, value};

/// A source that serves a spreadsheet, fails on request, and counts who asks.
#[derive(Default)]
struct Source {
    table: Mutex<String>,
    status: AtomicU16,
    asked: AtomicUsize,
    unchanged: AtomicUsize,
}

async fn serve(State(source): State<Arc<Source>>, headers: HeaderMap) -> Response {
    source.asked.fetch_add(1, Ordering::Relaxed);
    if headers.get("x-token").is_none_or(|token| token != "segredo") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let status = source.status.load(Ordering::Relaxed);
    if status != 0 {
        let status = StatusCode::from_u16(status).expect("a status");
        return (status, [("retry-after", "120")], "away").into_response();
    }
    let table = source.table.lock().clone();
    let etag = format!("\"{}\"", table.len());
    if headers.get("if-none-match").is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        source.unchanged.fetch_add(1, Ordering::Relaxed);
        return StatusCode::NOT_MODIFIED.into_response();
    }
    ([("etag", etag)], table).into_response()
}

struct Followed {
    counter: Counter,
    source: Arc<Source>,
}

const TABLE: &str = "Código;Produto;Preço;Estoque\n1;Camiseta azul;59,90;3\n2;Boné preto;39,90;1\n";

impl Followed {
    async fn open() -> Self {
        let source = Arc::new(Source::default());
        *source.table.lock() = TABLE.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/feed.csv", listener.local_addr().expect("an address"));
        let app = Router::new().route("/feed.csv", get(serve)).with_state(source.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let counter = Counter::open().await;
        let mut tx = counter.store.tenant_tx(&counter.aurora.ctx).await.expect("a transaction");
        let new = NewFeed {
            source: "planilha".into(),
            url,
            currency: "BRL".into(),
            complete: true,
            every: Duration::from_secs(3_600),
            headers: Some(SecretString::from(r#"{"x-token": "segredo"}"#)),
        };
        feeds::follow(&mut tx, &new).await.expect("it is followed");
        tx.commit().await.expect("a commit");
        Self { counter, source }
    }

    async fn read_again(&self) {
        let asked = self.source.asked.load(Ordering::Relaxed);
        let mut admin = self.counter.db.admin().await;
        admin.execute("update catalogue_feed set due_at = now()").await.expect("it is due");
        admin.close().await;
        until(
            &self.counter,
            "select count(*) from catalogue_feed where due_at > now() + interval '20 seconds'
            and due_at < now() + interval '14 minutes' or due_at > now() + interval '50 minutes'",
            "1",
        )
        .await;
        assert!(self.source.asked.load(Ordering::Relaxed) > asked, "it was asked");
    }

    async fn shelf(&self) -> String {
        let sql = "select string_agg(p.title || ' ' || v.price_minor, ', ' order by p.title)
                   from product p join variant v using (tenant_id, product_id) where p.listed";
        value(&self.counter, sql).await
    }
}

#[tokio::test]
async fn what_changes_at_the_source_changes_here_and_what_does_not_is_not_sent_again() {
    let followed = Followed::open().await;
    until(&followed.counter, "select products::text from catalogue_feed", "2").await;
    assert_eq!(followed.shelf().await, "Boné preto 3990, Camiseta azul 5990");
    followed.read_again().await;
    assert_eq!(followed.source.unchanged.load(Ordering::Relaxed), 1, "the same is not sent again");

    *followed.source.table.lock() = "Código;Produto;Preço;Estoque\n1;Camiseta azul;69,90;3\n".to_owned();
    followed.read_again().await;
    assert_eq!(followed.shelf().await, "Camiseta azul 6990", "what it no longer names has left the shelf");
    followed.counter.close().await;
}

#[tokio::test]
async fn while_the_source_is_away_or_says_nothing_the_shelf_stays_and_its_age_is_known() {
    let followed = Followed::open().await;
    until(&followed.counter, "select products::text from catalogue_feed", "2").await;
    let age = value(&followed.counter, "select last_ok_at::text from catalogue_feed").await;
    followed.source.status.store(503, Ordering::Relaxed);
    followed.read_again().await;
    assert!(value(&followed.counter, "select last_error from catalogue_feed").await.contains("503"));
    assert_eq!(
        value(
            &followed.counter,
            "select (due_at > now() + interval '100 seconds')::text from catalogue_feed"
        )
        .await,
        "true",
        "not before the source wants it"
    );
    followed.source.status.store(0, Ordering::Relaxed);
    *followed.source.table.lock() = "Código;Produto;Preço;Estoque\n".to_owned();
    followed.read_again().await;
    assert_eq!(value(&followed.counter, "select failures::text from catalogue_feed").await, "2");
    let why = value(&followed.counter, "select last_error from catalogue_feed").await;
    assert!(!why.contains("503") && !why.contains("left alone"), "it was read, and not believed: {why}");
    assert_eq!(followed.shelf().await, "Boné preto 3990, Camiseta azul 5990");
    assert_eq!(value(&followed.counter, "select last_ok_at::text from catalogue_feed").await, age);
    let mut tx = followed.counter.store.tenant_tx(&followed.counter.aurora.ctx).await.expect("a transaction");
    let found = products::search(&mut tx, "boné", 5).await.expect("a search");
    tx.commit().await.expect("a commit");
    assert_eq!(found.offers.len(), 1, "and it sells");
    followed.counter.close().await;
}
