//! Exchanging items of a delivered order.

use super::{Actor, Change, Exchange, Refusal, Shop, Status, Swap, giveback, items, lookup};

/// Asks for an exchange of delivered items against other variants of the same products.
///
/// Nothing is paid yet; the order keeps what was asked for and the difference.
///
/// # Errors
/// When the order is not the actor's or not [`Status::Delivered`] (a second request included), the items are not in
/// it, counts differ, a new item is unknown, of a different product or unavailable, the customer has no such method,
/// or a gift card does not cover the difference.
pub fn request(
    shop: &Shop,
    by: Actor<'_>,
    order_id: &str,
    swap: Swap<'_>,
    method_id: &str,
) -> Result<Change, Refusal> {
    let mut order = lookup::order(shop, by, order_id)?.clone();
    giveback::delivered(&order)?;
    items::paired(&order, swap)?;
    let difference = items::difference(shop, &order, swap)?;
    lookup::owner(shop, &order)?.method(method_id)?.covers(difference)?;

    let (mut old, mut new) = (swap.old.to_vec(), swap.new.to_vec());
    old.sort_unstable();
    new.sort_unstable();
    order.exchange =
        Some(Exchange { items: old, new_items: new, method_id: method_id.to_owned(), difference });
    order.status = Status::ExchangeRequested;
    Ok(Change { order: Some(order), customer: None })
}
