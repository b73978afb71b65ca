//! Returning items of a delivered order. (`return` is a word of the language.)

use super::{Actor, Change, Giveback, MethodKind, Order, Refusal, Shop, Status, items, lookup};

/// Asks for a return of delivered items, the money to go to the method that paid or to a gift card.
///
/// # Errors
/// When the order is not the actor's or not [`Status::Delivered`] (a second request included), the customer has no
/// such method or it is neither of those two, or the items are not in the order.
pub fn request(
    shop: &Shop,
    by: Actor<'_>,
    order_id: &str,
    item_ids: &[String],
    method_id: &str,
) -> Result<Change, Refusal> {
    let mut order = lookup::order(shop, by, order_id)?.clone();
    delivered(&order)?;
    let method = lookup::owner(shop, &order)?.method(method_id)?;
    let original = order.history.first().is_some_and(|first| first.method_id == method_id);
    if !original && !matches!(method.kind, MethodKind::GiftCard { .. }) {
        return Err(Refusal::NotOriginalMethod(method_id.to_owned()));
    }
    items::in_order(&order, item_ids)?;

    let mut items = item_ids.to_vec();
    items.sort_unstable();
    order.giveback = Some(Giveback { items, method_id: method_id.to_owned() });
    order.status = Status::ReturnRequested;
    Ok(Change { order: Some(order), customer: None })
}

/// That an order is delivered and nothing was asked for yet.
pub(super) fn delivered(order: &Order) -> Result<(), Refusal> {
    match order.status {
        Status::Delivered => Ok(()),
        Status::ExchangeRequested | Status::ReturnRequested => Err(Refusal::AlreadyRequested),
        actual => Err(Refusal::WrongStatus { actual, needed: Status::Delivered }),
    }
}
