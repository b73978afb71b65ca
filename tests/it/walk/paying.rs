//! From the bank's report to the customer's phone: signed calls are stored, applied once and in whatever order they come,
//! and what cannot be applied waits for a person with all that is needed.

use balcao_payments::{brcode, webhook::Secrets};
use balcao_store::sales::{books, reports};
use balcao_tests::counter::{Counter, read};
use serde_json::{Value, json};

use super::{
    buying,
    scene::{Customer, until, value, words},
};

const SECRET: &str = "um-segredo-so-do-banco";

/// A shop, a customer who has ordered for R$ 39,90, the txid of their PIX code, and the address the bank reports to.
struct Ordered {
    counter: Counter,
    phone: String,
    txid: String,
    address: String,
}

impl Ordered {
    async fn open(phone: &str) -> Self {
        let counter = buying::open(buying::settings()).await;
        let (txid, address) = {
            let customer = buying::greeted(&counter, phone).await;
            let heard = buying::talk(&customer, &["boné", "quero", "1", "fechar", "1", "sim"]).await;
            let code = heard.last().expect("a code");
            let txid = brcode::read(code).expect("a PIX code").txid.expect("a txid");
            (txid, connect(&counter, "efi-bcb-pix").await)
        };
        Self { counter, phone: phone.into(), txid, address }
    }

    fn customer(&self) -> Customer<'_> {
        Customer::new(&self.counter, &self.counter.aurora, &self.phone)
    }

    /// The bank reports a receipt; gives the status.
    async fn receipt(&self, end_to_end: &str, amount: &str) -> u16 {
        self.report(&json!({ "pix": [{ "endToEndId": end_to_end, "txid": self.txid, "valor": amount,
            "horario": "2026-11-27T10:00:00.000Z" }] }))
            .await
    }

    async fn report(&self, body: &Value) -> u16 {
        let url = format!("{}?hmac={SECRET}", self.address);
        read(self.counter.http.post(url).json(body)).await.0
    }

    async fn settles(&self) {
        until(&self.counter, "select count(*) from payment_event where state = 'waiting'", "0").await;
    }

    async fn order(&self) -> String {
        value(&self.counter, "select status from sales_order").await
    }
}

async fn connect(counter: &Counter, provider: &str) -> String {
    let mut tx = counter.store.tenant_tx(&counter.aurora.ctx).await.expect("a transaction");
    let secrets = Secrets::none().with_key(SECRET).to_json();
    let account = reports::connect(&mut tx, provider, &secrets, false).await.expect("an account");
    tx.commit().await.expect("a commit");
    format!("{}/webhooks/payments/{}", counter.url, account.account_id)
}

async fn breaches(counter: &Counter) -> usize {
    let mut tx = counter.store.tenant_tx(&counter.aurora.ctx).await.expect("a transaction");
    let breaches = books::verify(&mut tx).await.expect("a look at the books");
    tx.commit().await.expect("a commit");
    breaches.len()
}

#[tokio::test]
async fn a_receipt_pays_the_order_once_and_the_customer_hears_of_it() {
    let ordered = Ordered::open("5511900008001").await;
    let before = ordered.customer().hears(1).await.len();
    for _ in 0..3 {
        assert_eq!(ordered.receipt("E000000000000000000000000001", "39.90").await, 200);
    }
    ordered.settles().await;
    until(&ordered.counter, "select status from sales_order", "paid").await;
    assert_eq!(value(&ordered.counter, "select count(*) from payment_event").await, "1");
    assert_eq!(value(&ordered.counter, "select count(*) from payment_fact").await, "1");
    assert_eq!(
        value(&ordered.counter, "select on_hand || ' ' || reserved from variant where title = ''").await,
        "0 0",
        "what was held is sold"
    );
    let customer = ordered.customer();
    let heard = customer.hears(before + 1).await;
    customer.settles().await;
    assert_eq!(heard.len(), before + 1, "told once");
    assert!(words(&heard[before]).contains("Recebemos o pagamento"), "{}", words(&heard[before]));
    assert_eq!(breaches(&ordered.counter).await, 0);
    ordered.counter.close().await;
}

#[tokio::test]
async fn the_address_with_the_suffix_of_api_pix_is_the_same_address() {
    let mut ordered = Ordered::open("5511900008002").await;
    ordered.address += "/pix";
    assert_eq!(ordered.receipt("E000000000000000000000000002", "39.90").await, 200);
    ordered.settles().await;
    assert_eq!(ordered.order().await, "paid");
    ordered.counter.close().await;
}

#[tokio::test]
async fn who_does_not_know_the_secret_changes_nothing() {
    let ordered = Ordered::open("5511900008003").await;
    let body = json!({ "pix": [{ "endToEndId": "E9", "txid": ordered.txid, "valor": "39.90" }] });
    let http = &ordered.counter.http;
    for url in [ordered.address.clone(), format!("{}?hmac=guessed", ordered.address)] {
        assert_eq!(read(http.post(url).json(&body)).await.0, 401);
    }
    let stranger = ordered.address.replace("pac_", "pac_0");
    assert_eq!(read(http.post(format!("{stranger}?hmac={SECRET}")).json(&body)).await.0, 404);
    let huge = "x".repeat(2 * 1024 * 1024);
    let url = format!("{}?hmac={SECRET}", ordered.address);
    assert_eq!(read(http.post(&url).body(huge)).await.0, 413);
    assert_eq!(value(&ordered.counter, "select count(*) from payment_event").await, "0");
    assert_eq!(ordered.order().await, "awaiting_payment");
    ordered.counter.close().await;
}

#[tokio::test]
async fn a_refund_that_overtakes_its_receipt_waits_for_it() {
    let ordered = Ordered::open("5511900008004").await;
    let receipt = "E000000000000000000000000004";
    let refund = json!({ "pix": [{ "endToEndId": receipt, "txid": ordered.txid, "valor": "39.90",
        "devolucoes": [{ "id": "d1", "valor": "39.90", "status": "DEVOLVIDO" }] }] });
    // The refund's call is kept without its receipt, as if the receipt's had been lost.
    assert_eq!(ordered.report(&refund).await, 200);
    ordered.settles().await;
    assert_eq!(ordered.order().await, "refunded");
    assert_eq!(
        value(&ordered.counter, "select captured_minor || ' ' || refunded_minor from payment").await,
        "3990 3990"
    );
    assert_eq!(breaches(&ordered.counter).await, 0);
    ordered.counter.close().await;
}

#[tokio::test]
async fn too_little_does_not_pay_and_the_rest_does() {
    let ordered = Ordered::open("5511900008005").await;
    ordered.receipt("E000000000000000000000000051", "20.00").await;
    ordered.settles().await;
    assert_eq!(ordered.order().await, "awaiting_payment");
    ordered.receipt("E000000000000000000000000052", "19.90").await;
    ordered.settles().await;
    assert_eq!(ordered.order().await, "paid");
    assert_eq!(breaches(&ordered.counter).await, 0);
    ordered.counter.close().await;
}

#[tokio::test]
async fn the_same_movement_with_another_amount_is_for_a_person() {
    let ordered = Ordered::open("5511900008006").await;
    ordered.receipt("E000000000000000000000000006", "20.00").await;
    ordered.settles().await;
    // Another account reports it otherwise: the key of the movement is the bank's.
    let other = connect(&ordered.counter, "standard-webhooks").await;
    assert_ne!(other, ordered.address);
    let sql = "insert into payment_event (tenant_id, payment_event_id, account_id, dedupe_key, event, body)
               select tenant_id, new_id(), account_id, 'again', jsonb_set(event, '{amount,amount_minor}', '1'), body
               from payment_event";
    let mut admin = ordered.counter.db.admin().await;
    admin.execute(sql).await.expect("a second report");
    admin.close().await;
    until(&ordered.counter, "select count(*) from dead_letter where kind = 'payment'", "1").await;
    assert_eq!(value(&ordered.counter, "select captured_minor::text from payment").await, "2000");
    ordered.counter.close().await;
}

#[tokio::test]
async fn a_genuine_call_that_cannot_be_read_is_kept_for_a_person_and_can_be_tried_again() {
    let ordered = Ordered::open("5511900008007").await;
    let url = format!("{}?hmac={SECRET}", ordered.address);
    for _ in 0..2 {
        let status = read(ordered.counter.http.post(&url).body("{\"pix\": [{\"valor\"")).await.0;
        assert_eq!(status, 200, "sending it again would not help");
    }
    until(&ordered.counter, "select count(*) from dead_letter where kind = 'payment'", "1").await;
    let letter = value(&ordered.counter, "select dead_letter_id::text from dead_letter").await;
    let id = balcao_domain::DeadLetterId::from_uuid(letter.parse().expect("an id"));
    let path = format!("/v1/admin/dead-letters/{id}/replay");
    let (status, body) = ordered.counter.post(&path, &ordered.counter.aurora.admin, &json!({})).await;
    assert!((200..300).contains(&status), "{status} {body}");
    until(&ordered.counter, "select count(*) from dead_letter where kind = 'payment'", "2").await;
    ordered.counter.close().await;
}
