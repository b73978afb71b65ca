//! From the source's form to the domain's types.

use balcao_domain::{
    commerce::{self, CancelReason, EntryKind, MethodKind, Status, number},
    money::{Currency, Money},
};
use serde_json::Number;

use super::{TauError, source};

/// How the source writes an order's status.
pub(super) const STATUSES: [(Status, &str); 7] = [
    (Status::Pending, "pending"),
    (Status::PendingItemsModified, "pending (item modified)"),
    (Status::Processed, "processed"),
    (Status::Delivered, "delivered"),
    (Status::Cancelled, "cancelled"),
    (Status::ExchangeRequested, "exchange requested"),
    (Status::ReturnRequested, "return requested"),
];

/// The source's prices are dollars.
pub(super) const CURRENCY: Currency = Currency::USD;

/// Reads a shop.
///
/// # Errors
/// When an amount is no amount of cents, a status or reason is unknown, or an entry's id is not its key.
pub fn shop(db: source::Db) -> Result<commerce::Shop, TauError> {
    Ok(commerce::Shop {
        currency: CURRENCY,
        products: keyed(db.products, product, |product| &product.id)?,
        customers: keyed(db.users, customer, |customer| &customer.id)?,
        orders: keyed(db.orders, order, |order| &order.id)?,
    })
}

/// Converts each entry of a map and checks that it is filed under its own id.
fn keyed<S, T>(
    entries: std::collections::BTreeMap<String, S>,
    convert: impl Fn(S) -> Result<T, TauError>,
    id: impl Fn(&T) -> &String,
) -> Result<std::collections::BTreeMap<String, T>, TauError> {
    let convert = |(key, entry)| {
        let entry = convert(entry)?;
        if *id(&entry) == key {
            Ok((key, entry))
        } else {
            Err(TauError::Malformed(format!("`{}` is filed under `{key}`", id(&entry))))
        }
    };
    entries.into_iter().map(convert).collect()
}

fn amount(number: &Number) -> Result<Money, TauError> {
    Ok(number::parse(number, CURRENCY)?)
}

fn product(product: source::Product) -> Result<commerce::Product, TauError> {
    let variants = keyed(product.variants, variant, |variant| &variant.id)?;
    Ok(commerce::Product { id: product.product_id, name: product.name, variants })
}

fn variant(variant: source::Variant) -> Result<commerce::Variant, TauError> {
    Ok(commerce::Variant {
        price: amount(&variant.price)?,
        id: variant.item_id,
        options: variant.options,
        available: variant.available,
    })
}

fn customer(user: source::User) -> Result<commerce::Customer, TauError> {
    Ok(commerce::Customer {
        id: user.user_id,
        first_name: user.name.first_name,
        last_name: user.name.last_name,
        address: address(user.address),
        email: user.email,
        methods: keyed(user.payment_methods, method, |method| &method.id)?,
        orders: user.orders,
    })
}

fn method(method: source::Method) -> Result<commerce::Method, TauError> {
    Ok(match method {
        source::Method::CreditCard { id, brand, last_four } => {
            commerce::Method { id, kind: MethodKind::CreditCard { brand, last_four } }
        }
        source::Method::Paypal { id } => commerce::Method { id, kind: MethodKind::Paypal },
        source::Method::GiftCard { id, balance } => {
            commerce::Method { id, kind: MethodKind::GiftCard { balance: amount(&balance)? } }
        }
    })
}

pub(super) fn address(address: source::Address) -> commerce::Address {
    commerce::Address {
        line1: address.address1,
        line2: address.address2,
        city: address.city,
        country: address.country,
        state: address.state,
        zip: address.zip,
    }
}

fn order(order: source::Order) -> Result<commerce::Order, TauError> {
    let status = STATUSES.iter().find(|(_, word)| *word == order.status);
    let (status, _) = status.ok_or_else(|| TauError::Malformed(format!("status `{}`", order.status)))?;
    let reason = |words: String| {
        CancelReason::from_words(&words).ok_or_else(|| TauError::Malformed(format!("reason `{words}`")))
    };
    let exchange = match (
        order.exchange_items,
        order.exchange_new_items,
        order.exchange_payment_method_id,
        order.exchange_price_difference,
    ) {
        (Some(items), Some(new_items), Some(method_id), Some(difference)) => {
            Some(commerce::Exchange { items, new_items, method_id, difference: amount(&difference)? })
        }
        (None, None, None, None) => None,
        _ => return Err(TauError::Malformed(format!("half an exchange in order `{}`", order.order_id))),
    };
    let giveback = match (order.return_items, order.return_payment_method_id) {
        (Some(items), Some(method_id)) => Some(commerce::Giveback { items, method_id }),
        (None, None) => None,
        _ => return Err(TauError::Malformed(format!("half a return in order `{}`", order.order_id))),
    };
    Ok(commerce::Order {
        id: order.order_id,
        customer_id: order.user_id,
        address: address(order.address),
        items: order.items.into_iter().map(item).collect::<Result<_, _>>()?,
        status: *status,
        fulfillments: order.fulfillments.into_iter().map(fulfillment).collect(),
        history: order.payment_history.into_iter().map(entry).collect::<Result<_, _>>()?,
        cancel_reason: order.cancel_reason.map(reason).transpose()?,
        exchange,
        giveback,
    })
}

fn item(item: source::Item) -> Result<commerce::OrderItem, TauError> {
    Ok(commerce::OrderItem {
        price: amount(&item.price)?,
        name: item.name,
        product_id: item.product_id,
        item_id: item.item_id,
        options: item.options,
    })
}

fn fulfillment(parcel: source::Fulfillment) -> commerce::Fulfillment {
    commerce::Fulfillment { tracking_ids: parcel.tracking_id, item_ids: parcel.item_ids }
}

fn entry(payment: source::Payment) -> Result<commerce::Entry, TauError> {
    Ok(commerce::Entry {
        kind: match payment.transaction_type {
            source::Kind::Payment => EntryKind::Payment,
            source::Kind::Refund => EntryKind::Refund,
        },
        amount: amount(&payment.amount)?,
        method_id: payment.payment_method_id,
    })
}
