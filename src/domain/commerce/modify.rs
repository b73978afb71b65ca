//! Changing the items of a pending order, once.

use super::{Actor, Change, Entry, EntryKind, Refusal, Shop, Status, Swap, items, lookup};
use crate::money::Money;

/// Replaces items of a pending order by other variants of the same products.
///
/// The difference is paid, or refunded, with the given method: one entry of the history, a refund when there is
/// nothing to pay. Replaced items take the new variant's price and options.
///
/// # Errors
/// When the order is not the actor's or not exactly [`Status::Pending`], the items are not in it, counts differ, an
/// item would become itself, a new item is unknown, of a different product or unavailable, the customer has no such
/// method, or a gift card does not cover the difference.
pub fn items(
    shop: &Shop,
    by: Actor<'_>,
    order_id: &str,
    swap: Swap<'_>,
    method_id: &str,
) -> Result<Change, Refusal> {
    let mut order = lookup::order(shop, by, order_id)?.clone();
    match order.status {
        Status::Pending => {}
        Status::PendingItemsModified => return Err(Refusal::AlreadyModified),
        actual => return Err(Refusal::WrongStatus { actual, needed: Status::Pending }),
    }
    items::paired(&order, swap)?;
    if let Some((same, _)) = swap.old.iter().zip(swap.new).find(|(old, new)| old == new) {
        return Err(Refusal::SameItem(same.clone()));
    }
    let difference = items::difference(shop, &order, swap)?;
    let mut customer = lookup::owner(shop, &order)?.clone();
    customer.method(method_id)?.covers(difference)?;

    let refunded = Money::zero(shop.currency).checked_sub(difference)?;
    customer.credit(method_id, refunded)?;
    let (kind, amount) =
        if difference.minor() > 0 { (EntryKind::Payment, difference) } else { (EntryKind::Refund, refunded) };
    order.history.push(Entry { kind, amount, method_id: method_id.to_owned() });
    for (old_id, new_id) in swap.old.iter().zip(swap.new) {
        // The first that has the id, looked for anew each time: of two equal items the second becomes the second.
        let item = order.items.iter_mut().find(|item| item.item_id == *old_id);
        let item = item.ok_or_else(|| Refusal::ItemNotInOrder(old_id.clone()))?;
        let variant = items::variant(shop, &item.product_id, new_id)?;
        item.item_id.clone_from(new_id);
        item.price = variant.price;
        item.options.clone_from(&variant.options);
    }
    order.status = Status::PendingItemsModified;
    Ok(Change { order: Some(order), customer: Some(customer) })
}
