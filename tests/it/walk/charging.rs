//! Charges at payment providers: made when the order is placed or as soon as the provider is there again, paid, looked up
//! where nothing was reported, given back. The providers are played by the emulator over real HTTP.

use balcao_emulators::payments::{self, Faults, Options};
use balcao_payments::{
    brcode,
    provider::{Access, PROVIDERS},
    webhook::Secrets,
};
use balcao_store::sales::{books, orders, payments as charges, refunds, reports};
use balcao_tests::counter::{Counter, read};
use serde_json::{Value, json};

use super::{
    buying,
    scene::{Customer, until, value, words},
};

const SECRET: &str = "whsec_c2VncmVkby1zby1kby1iYW5jby1wYXJhLXRlc3Rlcw==";

/// A shop whose money a provider collects, and the emulator that plays it.
struct Bank {
    counter: Counter,
    emulator: payments::Running,
    phone: String,
    provider: &'static str,
}

impl Bank {
    /// `reports`: the provider knows where to report to.
    async fn open(provider: &'static str, phone: &str, reports: bool) -> Self {
        let counter = buying::open(buying::settings()).await;
        let retries = vec![std::time::Duration::from_millis(200); 5];
        let options = Options { retries, ..Options::default() };
        let emulator = payments::serve_locally(options).await.expect("the emulator listens");
        let path = connect(&counter, provider, emulator.base_url(provider)).await;
        let bank = Self { counter, emulator, phone: phone.into(), provider };
        if reports {
            let hook = json!({ "url": format!("{}{path}", bank.counter.url), "secret": SECRET });
            bank.control("PUT", &format!("hooks/{provider}"), &hook).await;
        }
        bank
    }

    async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}/_control/{path}", self.emulator.url());
        let method = method.parse().expect("a method");
        let (status, answer) = read(self.counter.http.request(method, url).json(body)).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn faults(&self, faults: Faults) {
        self.control("PUT", "faults", &json!(faults)).await;
    }

    async fn at_the_provider(&self) -> Vec<Value> {
        let url = format!("{}/_control/charges", self.emulator.url());
        read(self.counter.http.get(url)).await.1.as_array().cloned().unwrap_or_default()
    }

    fn customer(&self) -> Customer<'_> {
        Customer::new(&self.counter, &self.counter.aurora, &self.phone)
    }

    /// The customer orders a cap for R$ 39,90; gives all that was heard.
    async fn orders(&self) -> Vec<String> {
        let customer = buying::greeted(&self.counter, &self.phone).await;
        buying::talk(&customer, &["boné", "quero", "1", "fechar", "1", "sim"]).await
    }

    async fn pays(&self, charge: &str, minor: Option<i64>) {
        self.control("POST", "pay", &json!({ "charge": charge, "minor": minor })).await;
    }

    async fn becomes(&self, status: &str) {
        until(&self.counter, "select status from sales_order", status).await;
    }

    async fn settles(&self) {
        until(&self.counter, "select count(*) from payment_event where state = 'waiting'", "0").await;
    }

    async fn sql(&self, statement: &str) {
        let mut admin = self.counter.db.admin().await;
        admin.execute(statement).await.expect("the statement runs");
        admin.close().await;
    }

    async fn breaches(&self) -> Vec<String> {
        let mut tx = self.counter.store.tenant_tx(&self.counter.aurora.ctx).await.expect("a transaction");
        let breaches = books::verify(&mut tx).await.expect("a look at the books");
        tx.commit().await.expect("a commit");
        breaches.iter().map(|breach| format!("{breach:?}")).collect()
    }

    /// Money back, as an operator asks for it.
    async fn give_back(&self, minor: Option<i64>) -> Result<(), refunds::RefundError> {
        let mut tx = self.counter.store.tenant_tx(&self.counter.aurora.ctx).await.expect("a transaction");
        let order = orders::list(&mut tx, None, 1).await.expect("orders").pop().expect("an order");
        let charge =
            charges::of_order(&mut tx, order.order_id).await.expect("charges").pop().expect("a charge");
        let asked = refunds::request(&mut tx, charge.payment_id, minor, "asked for by a person").await;
        tx.commit().await.expect("a commit");
        asked.map(drop)
    }

    async fn close(self) {
        let breaches = self.breaches().await;
        assert!(breaches.is_empty(), "{}: {breaches:?}", self.provider);
        self.emulator.stop().await;
        self.counter.close().await;
    }
}

/// Connects the provider; gives the path it reports to.
async fn connect(counter: &Counter, provider: &str, base_url: String) -> String {
    let access = Access {
        base_url: Some(base_url),
        client_id: Some("client".into()),
        client_secret: Some("secret".into()),
        token: Some("token".into()),
        pix_key: Some("7d9f0335-8dcc-4054-9bf9-0dbd61d36906".into()),
        customer: Some("cus_1".into()),
        payer_email: Some("cliente@loja-aurora.example".into()),
        payer_name: Some("Cliente".into()),
        payer_document: Some("00000000191".into()),
        ..Access::default()
    };
    let secrets = Secrets::none().with_key(SECRET).with_legacy_key(SECRET).with_access(access).to_json();
    let mut tx = counter.store.tenant_tx(&counter.aurora.ctx).await.expect("a transaction");
    let account = reports::connect(&mut tx, provider, &secrets, true).await.expect("an account");
    tx.commit().await.expect("a commit");
    format!("/webhooks/payments/{}", account.account_id)
}

/// An order, its payment and the money back, through one provider's own words.
async fn whole_way(provider: &'static str, phone: &str) {
    let bank = Bank::open(provider, phone, true).await;
    let heard = bank.orders().await;
    let code = heard.last().expect("a code");
    let read = brcode::read(code).unwrap_or_else(|why| panic!("{provider}: `{code}` is no code: {why}"));
    assert!(matches!(read.kind, brcode::Kind::Dynamic { .. }), "{provider}: a code of the provider's making");
    let charges = bank.at_the_provider().await;
    assert_eq!(charges.len(), 1, "{provider}");
    assert_eq!(charges[0]["minor"], 3_990, "{provider}");

    bank.pays(code, None).await;
    bank.becomes("paid").await;
    bank.settles().await;
    assert_eq!(value(&bank.counter, "select captured_minor::text from payment").await, "3990", "{provider}");

    bank.give_back(Some(1_000)).await.expect("a part can go back");
    until(&bank.counter, "select coalesce(max(state), '') from refund", "settled").await;
    bank.give_back(None).await.expect("and the rest");
    until(&bank.counter, "select count(*) from refund where state = 'settled'", "2").await;
    bank.becomes("refunded").await;
    bank.settles().await;
    assert_eq!(value(&bank.counter, "select refunded_minor::text from payment").await, "3990", "{provider}");
    assert_eq!(bank.at_the_provider().await[0]["refunds"].as_array().map(Vec::len), Some(2), "{provider}");
    let told = bank.customer().hears(1).await;
    assert!(
        told.iter().any(|message| words(message).contains("Devolvemos *R$ 10,00*")),
        "{provider}: {:?}",
        told.iter().map(words).collect::<Vec<_>>()
    );
    assert!(matches!(bank.give_back(None).await, Err(refunds::RefundError::TooMuch { left: 0 })));
    bank.close().await;
}

macro_rules! whole_ways {
    ($($test:ident: $provider:literal, $phone:literal;)*) => {$(
        #[tokio::test]
        async fn $test() {
            whole_way($provider, $phone).await;
        }
    )*};
}

whole_ways! {
    an_order_is_charged_paid_and_given_back_through_api_pix: "efi-bcb-pix", "5511900009001";
    an_order_is_charged_paid_and_given_back_through_mercado_pago: "mercadopago", "5511900009002";
    an_order_is_charged_paid_and_given_back_through_stripe: "stripe", "5511900009003";
    an_order_is_charged_paid_and_given_back_through_asaas: "asaas", "5511900009004";
    an_order_is_charged_paid_and_given_back_through_pagarme: "pagarme", "5511900009005";
    an_order_is_charged_paid_and_given_back_through_pagbank: "pagbank", "5511900009006";
    an_order_is_charged_paid_and_given_back_through_woovi: "woovi", "5511900009007";
    an_order_is_charged_paid_and_given_back_through_a_provider_of_ones_own: "standard-webhooks", "5511900009008";
}

#[test]
fn every_provider_that_makes_charges_is_played_by_the_emulator() {
    let played = payments::dialects::names();
    let called: Vec<&str> =
        PROVIDERS.iter().map(|provider| provider.name()).filter(|name| *name != "nuvemshop").collect();
    assert_eq!(called, played);
}

#[tokio::test]
async fn an_order_is_placed_while_the_provider_is_away_and_its_code_follows() {
    let bank = Bank::open("efi-bcb-pix", "5511900009011", true).await;
    bank.faults(Faults { fail: 1.0, ..Faults::default() }).await;
    let heard = bank.orders().await;
    let last = heard.last().expect("an answer");
    assert!(last.contains("anotado") && last.contains("chega aqui em instantes"), "{last}");
    let before = bank.customer().hears(1).await.len();
    bank.faults(Faults::default()).await;
    // The breaker and the pauses are not what is looked at here.
    bank.sql("update payment set issue_due_at = now()").await;
    let heard = bank.customer().hears(before + 2).await;
    assert!(words(&heard[before]).contains("Aqui está o código PIX"), "{}", words(&heard[before]));
    let code = words(&heard[before + 1]);
    bank.pays(&code, None).await;
    bank.becomes("paid").await;
    bank.close().await;
}

#[tokio::test]
async fn a_charge_whose_answer_was_lost_is_made_once() {
    for (provider, phone) in
        [("efi-bcb-pix", "5511900009021"), ("asaas", "5511900009022"), ("stripe", "5511900009023")]
    {
        let bank = Bank::open(provider, phone, true).await;
        bank.faults(Faults { lose_answer: 1.0, ..Faults::default() }).await;
        bank.orders().await;
        bank.faults(Faults::default()).await;
        bank.sql("update payment set issue_due_at = now()").await;
        until(&bank.counter, "select count(*) from payment where instructions ? 'br_code'", "1").await;
        assert_eq!(bank.at_the_provider().await.len(), 1, "{provider}");
        bank.close().await;
    }
}

#[tokio::test]
async fn without_a_single_report_the_provider_is_asked_and_the_order_is_paid() {
    for (provider, phone) in
        [("efi-bcb-pix", "5511900009031"), ("mercadopago", "5511900009032"), ("woovi", "5511900009033")]
    {
        let bank = Bank::open(provider, phone, false).await;
        let heard = bank.orders().await;
        bank.pays(heard.last().expect("a code"), None).await;
        assert_eq!(value(&bank.counter, "select status from sales_order").await, "awaiting_payment");
        bank.sql("update payment set check_due_at = now()").await;
        bank.becomes("paid").await;
        bank.close().await;
    }
}

#[tokio::test]
async fn the_books_of_a_provider_are_compared_and_what_was_never_reported_is_found_and_told_of() {
    let bank = Bank::open("efi-bcb-pix", "5511900009041", false).await;
    let heard = bank.orders().await;
    let code = heard.last().expect("a code").clone();
    bank.control("POST", "pay", &json!({ "charge": code, "seconds_ago": 600 })).await;
    bank.sql("update payment_account set reconcile_due_at = now()").await;
    bank.becomes("paid").await;
    let run =
        "select missed || ' ' || unmatched from reconciliation where told > 0 order by started_at limit 1";
    assert_eq!(value(&bank.counter, run).await, "1 0");
    assert_eq!(value(&bank.counter, "select count(*) from event where kind = 'payment.drift'").await, "1");
    // Once it is known, the same window finds nothing.
    bank.settles().await;
    bank.sql("update payment_account set reconcile_due_at = now()").await;
    until(&bank.counter, "select count(*) from reconciliation where told = 1 and missed = 0", "1").await;
    assert_eq!(value(&bank.counter, "select captured_minor::text from payment").await, "3990");
    bank.close().await;
}

#[tokio::test]
async fn reports_that_are_late_doubled_forged_or_out_of_order_change_nothing_but_when() {
    let bank = Bank::open("stripe", "5511900009051", true).await;
    let heard = bank.orders().await;
    bank.faults(Faults { duplicate: 1.0, forge: 1.0, reorder: 0.5, delay_ms: 200, ..Faults::default() })
        .await;
    bank.pays(heard.last().expect("a code"), None).await;
    bank.becomes("paid").await;
    let id = bank.at_the_provider().await[0]["id"].as_str().expect("an id").to_owned();
    bank.control("POST", "refund", &json!({ "charge": id, "id": "desk1", "minor": 990 })).await;
    until(&bank.counter, "select refunded_minor::text from payment", "990").await;
    bank.settles().await;
    assert_eq!(
        value(&bank.counter, "select captured_minor || ' ' || state from payment").await,
        "3990 PARTIALLY_REFUNDED"
    );
    bank.close().await;
}

#[tokio::test]
async fn money_that_comes_when_the_goods_are_gone_goes_back_by_itself() {
    let bank = Bank::open("efi-bcb-pix", "5511900009061", true).await;
    let heard = bank.orders().await;
    let code = heard.last().expect("a code").clone();
    bank.sql("update sales_order set expires_at = now() - interval '1 minute'").await;
    bank.becomes("expired").await;
    // Somebody else has the last one.
    bank.sql("with gone as (update variant set on_hand = 0 where title = '' returning tenant_id, variant_id)
              insert into stock_movement (tenant_id, movement_id, variant_id, kind, on_hand_change, reserved_change)
              select tenant_id, new_id(), variant_id, 'count', -1, 0 from gone")
        .await;
    let before = bank.customer().hears(1).await.len();
    bank.pays(&code, None).await;
    bank.becomes("refunded").await;
    let heard = bank.customer().hears(before + 2).await;
    assert!(words(&heard[before]).contains("chegou depois do prazo"), "{}", words(&heard[before]));
    assert!(words(&heard[before + 1]).contains("Devolvemos *R$ 39,90*"), "{}", words(&heard[before + 1]));
    bank.close().await;
}

#[tokio::test]
async fn too_little_is_said_and_a_person_is_called() {
    let bank = Bank::open("efi-bcb-pix", "5511900009071", true).await;
    let heard = bank.orders().await;
    let before = bank.customer().hears(1).await.len();
    bank.pays(heard.last().expect("a code"), Some(3_000)).await;
    let heard = bank.customer().hears(before + 1).await;
    assert!(words(&heard[before]).contains("faltam *R$ 9,90*"), "{}", words(&heard[before]));
    assert_eq!(value(&bank.counter, "select status from sales_order").await, "awaiting_payment");
    assert!(value(&bank.counter, "select attention from sales_order").await.contains("paid in part"));
    bank.close().await;
}

#[tokio::test]
async fn a_provider_that_refuses_is_a_matter_for_a_person_and_can_be_tried_again() {
    let bank = Bank::open("mercadopago", "5511900009081", true).await;
    // The account lacks what the provider wants: no trying helps.
    connect_without_mail(&bank).await;
    bank.orders().await;
    bank.sql("update payment set issue_due_at = now() where issue_due_at is not null").await;
    until(&bank.counter, "select count(*) from dead_letter where kind = 'charge'", "1").await;
    assert!(value(&bank.counter, "select attention from sales_order").await.contains("payer_email"));
    connect(&bank.counter, bank.provider, bank.emulator.base_url(bank.provider)).await;
    let letter = value(&bank.counter, "select dead_letter_id::text from dead_letter").await;
    let id = balcao_domain::DeadLetterId::from_uuid(letter.parse().expect("an id"));
    let path = format!("/v1/admin/dead-letters/{id}/replay");
    let (status, body) = bank.counter.post(&path, &bank.counter.aurora.admin, &json!({})).await;
    assert!((200..300).contains(&status), "{status} {body}");
    until(&bank.counter, "select count(*) from payment where instructions ? 'br_code'", "1").await;
    bank.close().await;
}

async fn connect_without_mail(bank: &Bank) {
    let access = Access {
        base_url: Some(bank.emulator.base_url(bank.provider)),
        token: Some("token".into()),
        ..Access::default()
    };
    let secrets = Secrets::none().with_key(SECRET).with_access(access).to_json();
    let mut tx = bank.counter.store.tenant_tx(&bank.counter.aurora.ctx).await.expect("a transaction");
    reports::connect(&mut tx, bank.provider, &secrets, true).await.expect("an account");
    tx.commit().await.expect("a commit");
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_is_paid_once_whether_or_not_the_provider_knows_a_repeat() {
    for (provider, phone) in [
        ("asaas", "5511900009091"),
        ("efi-bcb-pix", "5511900009092"),
        ("woovi", "5511900009093"),
        ("stripe", "5511900009094"),
    ] {
        let bank = Bank::open(provider, phone, true).await;
        let heard = bank.orders().await;
        bank.pays(heard.last().expect("a code"), None).await;
        bank.becomes("paid").await;
        // Carried out and not answered, and not reported either.
        bank.faults(Faults { lose_answer: 1.0, lose: 1.0, ..Faults::default() }).await;
        bank.give_back(Some(1_000)).await.expect("a part can go back");
        until(&bank.counter, "select (attempts > 0 and due_at > now())::text from refund", "true").await;
        until(&bank.counter, "select (note is not null)::text from refund", "true").await;
        bank.faults(Faults { lose: 1.0, ..Faults::default() }).await;
        for _ in 0..2 {
            bank.sql("update refund set due_at = now() where state in ('requested', 'sent')").await;
            tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        }
        until(&bank.counter, "select state from refund", "settled").await;
        let refunds = bank.at_the_provider().await[0]["refunds"].clone();
        assert_eq!(refunds.as_array().map(Vec::len), Some(1), "{provider}: {refunds}");
        assert_eq!(
            value(&bank.counter, "select refunded_minor::text from payment").await,
            "1000",
            "{provider}"
        );
        bank.close().await;
    }
}
