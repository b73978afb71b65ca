//! Paying a pending order with something else.

use super::{Actor, Change, Entry, EntryKind, Refusal, Shop, Status, lookup};
use crate::money::Money;

/// Pays a pending order's one payment with another method and refunds the old one.
///
/// The history gets the new payment, then the refund. Gift cards on either side move at once.
///
/// # Errors
/// When the order is not the actor's or not pending, the customer has no such method, there is not exactly one
/// payment, the method is the same, or a gift card does not cover the amount.
pub fn change(shop: &Shop, by: Actor<'_>, order_id: &str, method_id: &str) -> Result<Change, Refusal> {
    let mut order = lookup::order(shop, by, order_id)?.clone();
    if !order.status.is_pending() {
        return Err(Refusal::WrongStatus { actual: order.status, needed: Status::Pending });
    }
    let mut customer = lookup::owner(shop, &order)?.clone();
    let method = customer.method(method_id)?;
    let old = match order.history.as_slice() {
        [only] if only.kind == EntryKind::Payment => only.clone(),
        _ => return Err(Refusal::NotOnePayment),
    };
    if old.method_id == method_id {
        return Err(Refusal::SameMethod(method_id.to_owned()));
    }
    method.covers(old.amount)?;
    customer.credit(method_id, Money::zero(old.amount.currency()).checked_sub(old.amount)?)?;
    customer.credit(&old.method_id, old.amount)?;
    order.history.push(Entry { method_id: method_id.to_owned(), ..old.clone() });
    order.history.push(Entry { kind: EntryKind::Refund, ..old });
    Ok(Change { order: Some(order), customer: Some(customer) })
}
