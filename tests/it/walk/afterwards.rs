//! What a customer still wants of an order: cancelled, sent elsewhere, changed, brought back. Nothing is done before a yes,
//! and whether it may be done is decided by where the order stands at that moment.

use balcao_domain::{OrderId, ReturnId};
use balcao_store::sales::books;
use balcao_tests::counter::Counter;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    buying,
    scene::{Customer, value, word},
};

const BUY: &[&str] = &["boné", "quero", "1", "fechar", "1", "sim"];
const BUY_DELIVERED: &[&str] =
    &["boné", "quero", "1", "fechar", "2", "Rua Harmonia 50, Vila Madalena, São Paulo", "sim"];

async fn bought<'a>(counter: &'a Counter, phone: &str, said: &[&str]) -> Customer<'a> {
    let customer = buying::greeted(counter, phone).await;
    buying::talk(&customer, said).await;
    customer
}

/// Says one thing; gives the answer.
async fn says(customer: &Customer<'_>, text: &str) -> String {
    buying::talk(customer, &[text]).await.pop().expect("an answer")
}

async fn admin(counter: &Counter, path: &str, body: Value) -> (u16, Value) {
    counter.post(&format!("/v1/admin/{path}"), &counter.aurora.admin, &body).await
}

async fn order_id(counter: &Counter) -> String {
    let id = value(counter, "select order_id::text from sales_order").await;
    OrderId::from_uuid(Uuid::parse_str(&id).expect("an id")).to_string()
}

async fn pay(counter: &Counter) {
    let sql = "select payment_id::text from payment";
    let id = Uuid::parse_str(&value(counter, sql).await).expect("an id");
    let mut tx = counter.store.tenant_tx(&counter.aurora.ctx).await.expect("a transaction");
    let fact = balcao_domain::payment::Fact {
        key: "pix:E1".into(),
        kind: balcao_domain::payment::FactKind::Receipt { minor: expected(counter).await, fee_minor: 0 },
    };
    let id = balcao_domain::PaymentId::from_uuid(id);
    balcao_store::sales::payments::apply(&mut tx, id, &fact, &json!({})).await.expect("it is booked");
    tx.commit().await.expect("a commit");
}

async fn expected(counter: &Counter) -> i64 {
    value(counter, "select expected_minor::text from payment").await.parse().expect("a number")
}

async fn status(counter: &Counter) -> String {
    value(counter, "select status from sales_order").await
}

async fn close(counter: Counter) {
    let mut tx = counter.store.tenant_tx(&counter.aurora.ctx).await.expect("a transaction");
    let breaches = books::verify(&mut tx).await.expect("a look at the books");
    tx.commit().await.expect("a commit");
    assert!(breaches.is_empty(), "{breaches:?}");
    counter.close().await;
}

#[tokio::test]
async fn an_order_is_cancelled_after_a_yes_and_not_before() {
    let counter = buying::open(buying::settings()).await;
    let customer = bought(&counter, "5511900007001", BUY).await;
    let asked = says(&customer, "quero cancelar meu pedido").await;
    assert!(asked.contains("Cancelar o pedido") && asked.contains("R$ 39,90"), "{asked}");
    assert_eq!(status(&counter).await, "awaiting_payment");
    let left = says(&customer, "não").await;
    assert!(left.contains("fica como está"), "{left}");
    assert_eq!(status(&counter).await, "awaiting_payment");
    says(&customer, "cancela o pedido por favor").await;
    let done = says(&customer, "sim").await;
    assert!(done.contains("cancelado"), "{done}");
    assert_eq!(status(&counter).await, "canceled");
    assert_eq!(value(&counter, "select reserved::text from variant where title = ''").await, "0");
    close(counter).await;
}

#[tokio::test]
async fn a_yes_to_an_older_question_asks_again() {
    let counter = buying::open(buying::settings()).await;
    let customer = bought(&counter, "5511900007002", BUY).await;
    says(&customer, "quero cancelar meu pedido").await;
    // A word in between: a bare yes is no longer an answer to that question.
    says(&customer, "qual o prazo para troca?").await;
    says(&customer, "sim").await;
    assert_eq!(status(&counter).await, "awaiting_payment");
    close(counter).await;
}

#[tokio::test]
async fn a_paid_order_that_is_called_off_is_not_sent_and_a_person_gives_its_money_back() {
    let counter = buying::open(buying::settings()).await;
    let customer = bought(&counter, "5511900007003", BUY).await;
    pay(&counter).await;
    assert_eq!(value(&counter, "select on_hand::text from variant where title = ''").await, "0");
    let asked = says(&customer, "quero cancelar o pedido").await;
    assert!(asked.contains("o valor pago é devolvido"), "{asked}");
    let done = says(&customer, "sim").await;
    assert!(done.contains("Uma pessoa da loja faz a devolução"), "{done}");
    assert_eq!(
        value(&counter, "select on_hand::text from variant where title = ''").await,
        "1",
        "on the shelf again"
    );
    let (refused, body) =
        admin(&counter, &format!("orders/{}/ship", order_id(&counter).await), json!({})).await;
    assert_eq!(refused, 409, "{body}");
    close(counter).await;
}

#[tokio::test]
async fn an_address_is_changed_until_the_order_is_on_its_way() {
    let counter = buying::open(buying::settings()).await;
    let customer = bought(&counter, "5511900007004", BUY_DELIVERED).await;
    let asked = says(&customer, "preciso mudar o endereço").await;
    assert!(asked.contains("Qual é o novo endereço"), "{asked}");
    let asked = says(&customer, "Avenida Paulista 1000, apto 12, São Paulo").await;
    assert!(asked.contains("Avenida Paulista 1000"), "{asked}");
    let address = "select delivery ->> 'address' from sales_order";
    assert!(value(&counter, address).await.contains("Harmonia"), "not before the yes");
    says(&customer, "sim").await;
    assert!(value(&counter, address).await.contains("Paulista 1000"));

    pay(&counter).await;
    let (shipped, body) =
        admin(&counter, &format!("orders/{}/ship", order_id(&counter).await), json!({ "tracking": "BR123" }))
            .await;
    assert_eq!(shipped, 200, "{body}");
    customer.settles().await;
    let told = customer.history().await;
    assert!(
        told.iter().any(|(_, text)| text.contains("saiu para entrega") && text.contains("BR123")),
        "{told:?}"
    );
    let refused = says(&customer, "quero trocar o endereço de entrega").await;
    assert!(refused.contains("a caminho"), "{refused}");
    close(counter).await;
}

#[tokio::test]
async fn items_are_changed_by_opening_the_order_again() {
    let counter = buying::open(buying::settings()).await;
    let customer = bought(&counter, "5511900007005", BUY).await;
    let asked = says(&customer, "quero alterar meu pedido").await;
    assert!(asked.contains("de volta no seu carrinho"), "{asked}");
    let cart = says(&customer, "sim").await;
    assert!(cart.contains("Boné preto") && cart.contains("R$ 39,90"), "{cart}");
    assert_eq!(status(&counter).await, "canceled");
    let path = format!("/v1/conversations/{}/cart", customer.conversation().await);
    let (_, api) = counter.get(&path, &counter.aurora.admin).await;
    assert_eq!(api["items"][0]["quantity"], 1, "{api}");
    let placed = buying::talk(&customer, &["fechar", "1", "sim"]).await;
    assert!(placed.iter().any(|text| text.contains("anotado")), "{placed:?}");
    assert_eq!(
        value(&counter, "select count(*) from sales_order where status = 'awaiting_payment'").await,
        "1"
    );
    close(counter).await;
}

#[tokio::test]
async fn what_was_delivered_comes_back_when_the_shop_agrees_and_is_counted() {
    let counter = buying::open(buying::settings()).await;
    let customer = bought(&counter, "5511900007006", BUY).await;
    pay(&counter).await;
    let refused = says(&customer, "quero devolver meu pedido").await;
    assert!(refused.contains("não dá para devolver") && refused.contains("pago"), "{refused}");
    let id = order_id(&counter).await;
    assert_eq!(admin(&counter, &format!("orders/{id}/deliver"), json!({})).await.0, 200);
    assert_eq!(admin(&counter, &format!("orders/{id}/deliver"), json!({})).await.0, 409, "once");
    let asked = says(&customer, "quero devolver meu pedido, ficou apertado").await;
    assert!(asked.contains("Pedir a devolução") && asked.contains("apertado"), "{asked}");
    let done = says(&customer, "sim").await;
    assert!(done.contains("devolução") && done.contains("registrado"), "{done}");

    let (_, list) = counter.get("/v1/admin/returns", &counter.aurora.admin).await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    let ret: ReturnId = word(&list["items"][0]["return_id"]).parse().expect("an id");
    let variant = value(&counter, "select variant_id::text from order_line").await;
    let too_many = json!({ "step": "receive", "goods": [{ "variant_id": variant, "quantity": 2 }] });
    assert_eq!(admin(&counter, &format!("returns/{ret}"), too_many).await.0, 422);
    assert_eq!(admin(&counter, &format!("returns/{ret}"), json!({ "step": "approve" })).await.0, 200);
    assert_eq!(admin(&counter, &format!("returns/{ret}"), json!({ "step": "approve" })).await.0, 409);
    let (status, body) =
        admin(&counter, &format!("returns/{ret}"), json!({ "step": "receive", "refund_minor": 3990 })).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["refunding_minor"], Value::Null, "the shop's own key: a person gives it back");
    assert_eq!(value(&counter, "select on_hand::text from variant where title = ''").await, "1");
    assert!(
        value(&counter, "select attention from sales_order").await.contains("give the money back by hand")
    );
    customer.settles().await;
    let told = customer.history().await;
    for said in ["foi aprovada", "Recebemos de volta"] {
        assert!(told.iter().any(|(_, text)| text.contains(said)), "{said}: {told:?}");
    }
    close(counter).await;
}

#[tokio::test]
async fn an_order_of_somebody_else_is_not_even_known() {
    let counter = buying::open(buying::settings()).await;
    bought(&counter, "5511900007007", BUY).await;
    let code = value(&counter, "select code from sales_order").await;
    let stranger = buying::greeted(&counter, "5511900007008").await;
    buying::talk(&stranger, &["camiseta", "1", "1", "fechar", "1", "sim"]).await;
    let answer = says(&stranger, &format!("cancelar o pedido {code}")).await;
    assert!(answer.contains("Não achei o pedido"), "{answer}");
    assert_eq!(value(&counter, "select count(*) from sales_order where status = 'canceled'").await, "0");
    close(counter).await;
}
