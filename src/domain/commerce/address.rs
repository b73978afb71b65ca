//! Sending things elsewhere.

use super::{Actor, Address, Change, Refusal, Shop, Status, lookup};

/// Sends a pending order to another address; one whose items were changed is still pending.
///
/// # Errors
/// When the order is not the actor's or is not pending.
pub fn of_order(shop: &Shop, by: Actor<'_>, order_id: &str, address: Address) -> Result<Change, Refusal> {
    let mut order = lookup::order(shop, by, order_id)?.clone();
    if !order.status.is_pending() {
        return Err(Refusal::WrongStatus { actual: order.status, needed: Status::Pending });
    }
    order.address = address;
    Ok(Change { order: Some(order), customer: None })
}

/// Changes a customer's own address. Their orders keep theirs.
///
/// # Errors
/// When there is no such customer, or the actor is another one.
pub fn of_customer(
    shop: &Shop,
    by: Actor<'_>,
    customer_id: &str,
    address: Address,
) -> Result<Change, Refusal> {
    let mut customer = lookup::customer(shop, by, customer_id)?.clone();
    customer.address = address;
    Ok(Change { order: None, customer: Some(customer) })
}
