//! What the operations promise whoever asks; the long tables of refusals are tested with the benchmark's tools.

use std::collections::BTreeMap;

use super::{
    Actor, Address, Customer, Entry, EntryKind, Method, MethodKind, Order, OrderItem, Product, Refusal, Shop,
    Status, Swap, Variant, address, cancel, exchange, giveback, lookup, modify, number, payment,
};
use crate::money::{Currency, Money};

const ANA: Actor<'_> = Actor::Customer("ana");
const RUI: Actor<'_> = Actor::Customer("rui");

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

fn home(city: &str) -> Address {
    let text = str::to_owned;
    Address {
        line1: text("1 Quay"),
        line2: String::new(),
        city: text(city),
        country: text("USA"),
        state: text("ME"),
        zip: text("04101"),
    }
}

/// One product in two sizes; Ana, who has an order and a gift card of 5.00; Rui, who has nothing.
fn shop(status: Status) -> Shop {
    let variant = |id: &str, minor| Variant {
        id: id.to_owned(),
        options: BTreeMap::from([("size".to_owned(), id.to_owned())]),
        available: true,
        price: usd(minor),
    };
    let customer = |id: &str, methods: Vec<Method>| Customer {
        id: id.to_owned(),
        first_name: id.to_owned(),
        last_name: "Sá".to_owned(),
        address: home("Bath"),
        email: format!("{id}@example.com"),
        methods: methods.into_iter().map(|method| (method.id.clone(), method)).collect(),
        orders: Vec::new(),
    };
    let gift = Method { id: "gift".to_owned(), kind: MethodKind::GiftCard { balance: usd(500) } };
    let paypal = Method { id: "paypal".to_owned(), kind: MethodKind::Paypal };
    let order = Order {
        id: "#1".to_owned(),
        customer_id: "ana".to_owned(),
        address: home("Bath"),
        items: vec![OrderItem {
            name: "Mug".to_owned(),
            product_id: "mug".to_owned(),
            item_id: "S".to_owned(),
            price: usd(310),
            options: BTreeMap::new(),
        }],
        status,
        fulfillments: Vec::new(),
        history: vec![Entry { kind: EntryKind::Payment, amount: usd(310), method_id: "gift".to_owned() }],
        cancel_reason: None,
        exchange: None,
        giveback: None,
    };
    let variants = [variant("S", 310), variant("L", 420)];
    let mug = Product {
        id: "mug".to_owned(),
        name: "Mug".to_owned(),
        variants: variants.into_iter().map(|variant| (variant.id.clone(), variant)).collect(),
    };
    let customers = [customer("ana", vec![gift, paypal]), customer("rui", Vec::new())];
    Shop {
        currency: Currency::USD,
        products: BTreeMap::from([("mug".to_owned(), mug)]),
        customers: customers.into_iter().map(|customer| (customer.id.clone(), customer)).collect(),
        orders: BTreeMap::from([("#1".to_owned(), order)]),
    }
}

fn balance(shop: &Shop) -> Money {
    match shop.customers["ana"].methods["gift"].kind {
        MethodKind::GiftCard { balance } => balance,
        _ => panic!("the gift card is one"),
    }
}

#[test]
fn an_order_of_someone_else_looks_like_none_to_every_operation() {
    let (pending, delivered) = (shop(Status::Pending), shop(Status::Delivered));
    let (old, new) = (["S".to_owned()], ["L".to_owned()]);
    let swap = Swap { old: &old, new: &new };
    let not_found = Refusal::OrderNotFound("#1".to_owned());
    for refused in [
        lookup::order(&pending, RUI, "#1").map(drop),
        cancel::cancel(&pending, RUI, "#1", "no longer needed").map(drop),
        address::of_order(&pending, RUI, "#1", home("Rome")).map(drop),
        payment::change(&pending, RUI, "#1", "paypal").map(drop),
        modify::items(&pending, RUI, "#1", swap, "paypal").map(drop),
        exchange::request(&delivered, RUI, "#1", swap, "paypal").map(drop),
        giveback::request(&delivered, RUI, "#1", &old, "gift").map(drop),
    ] {
        assert_eq!(refused, Err(not_found.clone()));
    }
    assert_eq!(
        address::of_customer(&pending, RUI, "ana", home("Rome")),
        Err(Refusal::CustomerNotFound("ana".to_owned()))
    );
}

#[test]
fn the_owner_may_do_what_the_clerk_may() {
    let shop = shop(Status::Pending);
    let cancelled = |by| cancel::cancel(&shop, by, "#1", "ordered by mistake").unwrap();
    assert_eq!(cancelled(ANA), cancelled(Actor::Clerk));
}

#[test]
fn a_change_is_made_when_it_is_applied_and_not_before() {
    let mut shop = shop(Status::Pending);
    let change = cancel::cancel(&shop, ANA, "#1", "no longer needed").unwrap();
    assert_eq!((shop.orders["#1"].status, balance(&shop)), (Status::Pending, usd(500)));
    shop.apply(change);
    assert_eq!((shop.orders["#1"].status, balance(&shop)), (Status::Cancelled, usd(810)));
}

#[test]
fn a_dearer_item_is_paid_and_a_gift_card_covers_exactly_its_balance() {
    let mut shop = shop(Status::Pending);
    let (old, new) = (["S".to_owned()], ["L".to_owned()]);
    let swap = Swap { old: &old, new: &new };
    let set_balance = |shop: &mut Shop, minor| {
        let methods = &mut shop.customers.get_mut("ana").unwrap().methods;
        methods.get_mut("gift").unwrap().kind = MethodKind::GiftCard { balance: usd(minor) };
    };
    set_balance(&mut shop, 109);
    let refused = Refusal::InsufficientGiftCard { balance: usd(109), needed: usd(110) };
    assert_eq!(modify::items(&shop, ANA, "#1", swap, "gift"), Err(refused));
    set_balance(&mut shop, 110);
    let change = modify::items(&shop, ANA, "#1", swap, "gift").unwrap();
    shop.apply(change);
    let paid = Entry { kind: EntryKind::Payment, amount: usd(110), method_id: "gift".to_owned() };
    assert_eq!(shop.orders["#1"].history.last(), Some(&paid));
    assert_eq!(balance(&shop), usd(0));
}

#[test]
fn amounts_pass_through_json_numbers_by_their_text() {
    for (text, minor) in [("536.65", 53_665), ("60.0", 6_000), ("0.05", 5), ("-17.99", -1_799), ("7", 700)] {
        let read: serde_json::Number = serde_json::from_str(text).unwrap();
        assert_eq!(number::parse(&read, Currency::USD), Ok(usd(minor)), "{text}");
        let written = number::write(usd(minor)).unwrap();
        assert_eq!(number::parse(&written, Currency::USD), Ok(usd(minor)), "{text}");
    }
    assert_eq!(number::write(usd(6_000)).unwrap().to_string(), "60.0");
    let bent: serde_json::Number = serde_json::from_str("0.055").unwrap();
    assert!(number::parse(&bent, Currency::USD).is_err());
}
