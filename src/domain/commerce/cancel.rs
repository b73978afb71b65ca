//! Calling a pending order off.

use super::{Actor, CancelReason, Change, Entry, EntryKind, Refusal, Shop, Status, lookup};

/// Cancels a pending order whose items were not changed.
///
/// Every entry of the payment history is answered by a refund of the same amount to the same method, and what goes to
/// a gift card is on it at once. (So says the benchmark the rule comes from: after a change of payment method the
/// history has more than one entry, and each is answered.)
///
/// # Errors
/// When the order is not the actor's, is not [`Status::Pending`], the reason is none of the accepted ones, or a method
/// of its history is gone.
pub fn cancel(shop: &Shop, by: Actor<'_>, order_id: &str, reason: &str) -> Result<Change, Refusal> {
    let mut order = lookup::order(shop, by, order_id)?.clone();
    match order.status {
        Status::Pending => {}
        Status::PendingItemsModified => return Err(Refusal::AlreadyModified),
        actual => return Err(Refusal::WrongStatus { actual, needed: Status::Pending }),
    }
    let reason = CancelReason::from_words(reason).ok_or_else(|| Refusal::UnknownReason(reason.to_owned()))?;
    let mut customer = lookup::owner(shop, &order)?.clone();
    let mut refunds = Vec::with_capacity(order.history.len());
    for entry in &order.history {
        customer.credit(&entry.method_id, entry.amount)?;
        refunds.push(Entry { kind: EntryKind::Refund, ..entry.clone() });
    }
    order.history.extend(refunds);
    order.status = Status::Cancelled;
    order.cancel_reason = Some(reason);
    Ok(Change { order: Some(order), customer: Some(customer) })
}
