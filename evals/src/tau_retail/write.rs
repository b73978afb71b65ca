//! From the domain's types to the source's form.

use balcao_domain::{
    commerce::{self, EntryKind, MethodKind, number},
    money::Money,
};
use serde_json::Number;

use super::{read::STATUSES, source};

type Written<T> = Result<T, serde_json::Error>;

/// Writes a whole shop.
///
/// # Errors
/// Passed on from the JSON writer.
pub fn shop(shop: &commerce::Shop) -> Written<source::Db> {
    let products = shop.products.iter().map(|(key, entry)| Ok((key.clone(), product(entry)?)));
    let users = shop.customers.iter().map(|(key, entry)| Ok((key.clone(), customer(entry)?)));
    let orders = shop.orders.iter().map(|(key, entry)| Ok((key.clone(), order(entry)?)));
    Ok(source::Db {
        products: products.collect::<Written<_>>()?,
        users: users.collect::<Written<_>>()?,
        orders: orders.collect::<Written<_>>()?,
    })
}

fn amount(amount: Money) -> Written<Number> {
    number::write(amount)
}

/// Writes a product.
///
/// # Errors
/// Passed on from the JSON writer.
pub fn product(product: &commerce::Product) -> Written<source::Product> {
    let variants = product.variants.iter().map(|(key, entry)| Ok((key.clone(), variant(entry)?)));
    Ok(source::Product {
        name: product.name.clone(),
        product_id: product.id.clone(),
        variants: variants.collect::<Written<_>>()?,
    })
}

/// Writes an item.
///
/// # Errors
/// Passed on from the JSON writer.
pub fn variant(variant: &commerce::Variant) -> Written<source::Variant> {
    Ok(source::Variant {
        item_id: variant.id.clone(),
        options: variant.options.clone(),
        available: variant.available,
        price: amount(variant.price)?,
    })
}

/// Writes a customer.
///
/// # Errors
/// Passed on from the JSON writer.
pub fn customer(customer: &commerce::Customer) -> Written<source::User> {
    let methods = customer.methods.iter().map(|(key, entry)| Ok((key.clone(), method(entry)?)));
    Ok(source::User {
        user_id: customer.id.clone(),
        name: source::Name { first_name: customer.first_name.clone(), last_name: customer.last_name.clone() },
        address: address(&customer.address),
        email: customer.email.clone(),
        payment_methods: methods.collect::<Written<_>>()?,
        orders: customer.orders.clone(),
    })
}

fn method(method: &commerce::Method) -> Written<source::Method> {
    let id = method.id.clone();
    Ok(match &method.kind {
        MethodKind::CreditCard { brand, last_four } => {
            source::Method::CreditCard { id, brand: brand.clone(), last_four: last_four.clone() }
        }
        MethodKind::Paypal => source::Method::Paypal { id },
        MethodKind::GiftCard { balance } => source::Method::GiftCard { id, balance: amount(*balance)? },
    })
}

fn address(address: &commerce::Address) -> source::Address {
    source::Address {
        address1: address.line1.clone(),
        address2: address.line2.clone(),
        city: address.city.clone(),
        country: address.country.clone(),
        state: address.state.clone(),
        zip: address.zip.clone(),
    }
}

/// Writes an order.
///
/// # Errors
/// Passed on from the JSON writer.
pub fn order(order: &commerce::Order) -> Written<source::Order> {
    let status = STATUSES.iter().find(|(status, _)| *status == order.status).map_or("", |(_, word)| word);
    let exchange = order.exchange.as_ref();
    let giveback = order.giveback.as_ref();
    Ok(source::Order {
        order_id: order.id.clone(),
        user_id: order.customer_id.clone(),
        address: address(&order.address),
        items: order.items.iter().map(item).collect::<Written<_>>()?,
        status: status.to_owned(),
        fulfillments: order.fulfillments.iter().map(fulfillment).collect(),
        payment_history: order.history.iter().map(payment).collect::<Written<_>>()?,
        cancel_reason: order.cancel_reason.map(|reason| reason.as_str().to_owned()),
        exchange_items: exchange.map(|exchange| exchange.items.clone()),
        exchange_new_items: exchange.map(|exchange| exchange.new_items.clone()),
        exchange_payment_method_id: exchange.map(|exchange| exchange.method_id.clone()),
        exchange_price_difference: exchange.map(|exchange| amount(exchange.difference)).transpose()?,
        return_items: giveback.map(|giveback| giveback.items.clone()),
        return_payment_method_id: giveback.map(|giveback| giveback.method_id.clone()),
    })
}

fn item(item: &commerce::OrderItem) -> Written<source::Item> {
    Ok(source::Item {
        name: item.name.clone(),
        product_id: item.product_id.clone(),
        item_id: item.item_id.clone(),
        price: amount(item.price)?,
        options: item.options.clone(),
    })
}

fn fulfillment(parcel: &commerce::Fulfillment) -> source::Fulfillment {
    source::Fulfillment { tracking_id: parcel.tracking_ids.clone(), item_ids: parcel.item_ids.clone() }
}

fn payment(entry: &commerce::Entry) -> Written<source::Payment> {
    Ok(source::Payment {
        transaction_type: match entry.kind {
            EntryKind::Payment => source::Kind::Payment,
            EntryKind::Refund => source::Kind::Refund,
        },
        amount: amount(entry.amount)?,
        payment_method_id: entry.method_id.clone(),
    })
}
