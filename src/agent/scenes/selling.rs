//! The model sells through the counter: it says which and how many, the books say what it costs.

use std::sync::Arc;

use async_trait::async_trait;
use balcao_domain::{
    ConversationId, OrderId, TenantCtx, VariantId,
    money::Money,
    sale::{Shown, Stage},
    tenant::Tenant,
    turn::{Path, Reason},
};
use uuid::Uuid;

use super::fakes::*;
use crate::{
    Sales,
    desk::port::{Confirmed, Details, Done, Found, Known, OnOffer, ToDo, ToPlace},
};

/// A shelf with these titles, prices in centavos and pieces.
struct Shelf(Vec<OnOffer>);

fn shelf(goods: &[(&str, i64, i64)]) -> Arc<dyn Sales> {
    let offer = |(at, (title, minor, pieces)): (usize, &(&str, i64, i64))| OnOffer {
        shown: Shown {
            variant_id: VariantId::from_uuid(Uuid::from_u128(at as u128 + 1)),
            title: (*title).into(),
            unit: Money::brl(*minor),
        },
        available: Some(*pieces),
        sellable: true,
        later: None,
    };
    Arc::new(Shelf(goods.iter().enumerate().map(offer).collect()))
}

#[async_trait]
impl Sales for Shelf {
    async fn sells(&self, _: &TenantCtx) -> Result<bool, String> {
        Ok(!self.0.is_empty())
    }

    async fn find(&self, _: &TenantCtx, question: &str, limit: usize) -> Result<Found, String> {
        let named = |offer: &&OnOffer| balcao_domain::sale::names(question, &offer.shown.title);
        let offers = self.0.iter().filter(named).take(limit).cloned().collect();
        let on_request = vec!["Jaqueta sob medida".to_owned()];
        Ok(Found { question: question.to_owned(), offers, on_request })
    }

    async fn details(&self, _: &TenantCtx, variant: VariantId) -> Result<Option<Details>, String> {
        let offers: Vec<OnOffer> =
            self.0.iter().filter(|offer| offer.shown.variant_id == variant).cloned().collect();
        Ok(offers.first().map(|offer| Details {
            title: offer.shown.title.clone(),
            description: "Linho puro, forrado, 112 cm de comprimento.".into(),
            offers: offers.clone(),
            ..Details::default()
        }))
    }

    async fn now(&self, _: &TenantCtx, variants: &[VariantId]) -> Result<Vec<OnOffer>, String> {
        Ok(self.0.iter().filter(|offer| variants.contains(&offer.shown.variant_id)).cloned().collect())
    }

    async fn by_retailer_id(&self, _: &TenantCtx, ids: &[String]) -> Result<Vec<Option<OnOffer>>, String> {
        Ok(vec![None; ids.len()])
    }

    async fn place(&self, _: &Tenant, _: ConversationId, _: ToPlace) -> Result<Confirmed, String> {
        Err("nothing is placed in these scenes".into())
    }

    async fn orders(&self, _: &TenantCtx, _: ConversationId) -> Result<Vec<Known>, String> {
        Ok(Vec::new())
    }

    async fn after(&self, _: &TenantCtx, _: OrderId, _: &ToDo) -> Result<Done, String> {
        Err("there is no order".into())
    }
}

const GOODS: &[(&str, i64, i64)] =
    &[("Vestido midi de linho", 32_900, 4), ("Vestido de malha", 15_900, 2), ("Cinto de couro", 11_900, 9)];

/// Something that no title covers, so that the model is asked.
const ASKED: &str = "queria um vestido pra ir num casamento de dia, coisa leve";

fn wants(calls: &[(&str, &str)]) -> Step {
    Step::Wants(calls.iter().map(|(name, arguments)| ((*name).to_owned(), (*arguments).to_owned())).collect())
}

fn selling(steps: impl IntoIterator<Item = Step>) -> (Counter, Arc<ScriptedModel>) {
    let model = ScriptedModel::new(steps);
    let search = FakeSearch { hits: documents(), confidence: 0.1, ..FakeSearch::default() };
    (counter_selling(Some(model.clone()), search, Some(shelf(GOODS))), model)
}

const SEARCH: (&str, &str) = ("search_products", r#"{"query": "vestido"}"#);

#[tokio::test]
async fn what_the_model_offers_is_listed_by_the_counter_at_the_prices_of_the_books() {
    let (counter, model) = selling([wants(&[SEARCH]), wants(&[("show_products", r#"{"numbers": [2, 1]}"#)])]);
    let outcome = counter.hears(ASKED).await;
    assert_eq!((outcome.path, outcome.reason), (Path::Model, Reason::Answered));
    let text = words(&outcome);
    assert!(text.contains("1. Vestido de malha — R$ 159,00"), "{text}");
    assert!(text.contains("2. Vestido midi de linho — R$ 329,00"), "{text}");
    assert_eq!(buttons(&outcome).len(), 2);
    let sale = outcome.evidence.sale.expect("the customer is choosing");
    assert!(matches!(sale.stage, Stage::Choosing { shown } if shown.len() == 2));
    // The model was given prices as words of the books.
    let given = model.requests()[1].messages.last().expect("a result").content.clone();
    assert!(given.contains("R$ 329,00") && !given.contains("Cinto"), "{given}");
}

#[tokio::test]
async fn a_limit_of_price_is_kept() {
    let limited = ("search_products", r#"{"query": "vestido", "max_price": 200}"#);
    let (counter, model) = selling([wants(&[limited]), says("Não achei.", &[])]);
    counter.hears(ASKED).await;
    let given = model.requests()[1].messages.last().expect("a result").content.clone();
    assert!(given.contains("malha") && !given.contains("linho"), "{given}");
}

#[tokio::test]
async fn a_product_that_was_not_found_in_this_turn_cannot_be_named() {
    for call in [
        ("show_products", r#"{"numbers": [1]}"#),
        ("show_products", r#"{"numbers": []}"#),
        ("add_to_cart", r#"{"number": 0, "quantity": 1}"#),
        ("add_to_cart", r#"{"number": 1, "quantity": 1, "price": "R$ 1,00"}"#),
    ] {
        let (counter, _) = selling([wants(&[call]), says("Qual você prefere?", &[])]);
        let outcome = counter.hears(ASKED).await;
        assert!(outcome.evidence.tool_calls[0].result.is_err(), "{call:?}");
        assert_eq!(outcome.evidence.sale, None, "{call:?}");
    }
}

#[tokio::test]
async fn the_model_puts_no_more_into_the_cart_than_there_is() {
    let add = ("add_to_cart", r#"{"number": 1, "quantity": 7}"#);
    let (counter, _) = selling([wants(&[SEARCH]), wants(&[add])]);
    let outcome = counter.hears("quero 7 daquele vestido de linho do casamento").await;
    assert!(words(&outcome).contains("só temos 4 unidades"), "{}", words(&outcome));
    assert!(outcome.evidence.sale.expect("a sale").cart.is_empty());

    let add = ("add_to_cart", r#"{"number": 1, "quantity": 2}"#);
    let (counter, _) = selling([wants(&[SEARCH]), wants(&[add])]);
    let outcome = counter.hears("quero 2 daquele vestido de linho do casamento").await;
    assert!(words(&outcome).contains("2 × Vestido midi de linho — R$ 658,00"), "{}", words(&outcome));
}

#[tokio::test]
async fn a_price_that_the_books_do_not_say_does_not_leave() {
    let says_price = |price: &str| says(&format!("O Vestido de malha custa {price}."), &[]);
    let (counter, _) = selling([wants(&[SEARCH]), says_price("R$ 159,00")]);
    let outcome = counter.hears(ASKED).await;
    assert_eq!((outcome.path, words(&outcome)), (Path::Model, "O Vestido de malha custa R$ 159,00."));

    let (counter, _) = selling([wants(&[SEARCH]), says_price("R$ 99,00"), says_price("R$ 99,00")]);
    let outcome = counter.hears(ASKED).await;
    assert_eq!((outcome.path, outcome.reason), (Path::Rules, Reason::SchemaBroken));
    assert!(!words(&outcome).contains("99,00"), "{}", words(&outcome));
}

#[tokio::test]
async fn who_names_what_is_sold_is_shown_it_without_asking_a_model() {
    let (counter, model) = selling([says("Não sei.", &[])]);
    let outcome = counter.hears("quanto custa o cinto de couro?").await;
    assert_eq!(outcome.path, Path::Rules);
    assert!(words(&outcome).contains("R$ 119,00"), "{}", words(&outcome));
    assert!(model.requests().is_empty());
}

#[tokio::test]
async fn what_has_no_price_is_said_to_be_on_request_and_a_person_is_offered() {
    let (counter, model) = selling([says("Não sei.", &[])]);
    let outcome = counter.hears("quanto custa a jaqueta?").await;
    assert!(words(&outcome).contains("sob consulta"), "{}", words(&outcome));
    assert!(!buttons(&outcome).is_empty());
    assert!(model.requests().is_empty());
}

#[tokio::test]
async fn a_shop_that_sells_nothing_has_no_tools_to_sell_with() {
    let model = ScriptedModel::new([says("Olá!", &[])]);
    let search = FakeSearch { hits: documents(), confidence: 0.1, ..FakeSearch::default() };
    let counter = counter_selling(Some(model.clone()), search, Some(shelf(&[])));
    counter.hears(ASKED).await;
    let request = model.requests().remove(0);
    assert!(request.tools.iter().all(|tool| !tool.name.contains("product") && tool.name != "checkout"));
    assert!(!request.messages[0].content.contains("search_products"));

    let (counter, model) = selling([says("Olá!", &[])]);
    counter.hears(ASKED).await;
    let request = model.requests().remove(0);
    let tools: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    for tool in ["search_products", "show_products", "add_to_cart", "view_cart", "checkout", "order_status"] {
        assert!(tools.contains(&tool), "{tools:?}");
    }
    assert!(request.messages[0].content.contains("search_products"));
}
