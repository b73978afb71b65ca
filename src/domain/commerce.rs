//! Orders after they were placed: what a customer may still have changed, and when the shop must say no.
//!
//! Each operation is a pure function of the [`Shop`]: it checks its preconditions and returns either a [`Change`]
//! to apply or the [`Refusal`] that says why not. A refused operation therefore cannot have changed anything.
//! Amounts are [`Money`](crate::money::Money); [`number`] reads and writes them as JSON numbers by their text.
//!
//! What lives here: [`model`] (the nouns), [`refusal`], [`lookup`] (who and what there is), [`cancel`],
//! [`address`], [`payment`], [`modify`] (items of a pending order), [`exchange`] and [`giveback`] (of a delivered
//! one); the last three share [`items`], the rules of which items may stand for which.

pub mod address;
pub mod cancel;
pub mod exchange;
pub mod giveback;
mod items;
pub mod lookup;
pub mod model;
pub mod modify;
pub mod number;
pub mod payment;
pub mod refusal;

pub use items::Swap;
pub use model::{
    Address, CancelReason, Customer, Entry, EntryKind, Exchange, Fulfillment, Giveback, Method, MethodKind,
    Order, OrderItem, Product, Status, Variant,
};
pub use refusal::Refusal;

use std::collections::BTreeMap;

use crate::money::Currency;

/// Everything the operations look at: catalogue, customers and orders, each by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shop {
    /// What all amounts are in.
    pub currency: Currency,
    /// By product id.
    pub products: BTreeMap<String, Product>,
    /// By customer id.
    pub customers: BTreeMap<String, Customer>,
    /// By order id.
    pub orders: BTreeMap<String, Order>,
}

/// Who asks for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor<'a> {
    /// A customer, by id: sees and changes only what is their own.
    Customer(&'a str),
    /// Someone at the shop's desk, who has made sure by other means whom they serve.
    Clerk,
}

impl Actor<'_> {
    pub(crate) fn may_see(&self, owner: &str) -> bool {
        match self {
            Self::Customer(id) => *id == owner,
            Self::Clerk => true,
        }
    }
}

/// What an accepted operation changes: the new state of an order, of a customer, or of both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The order as it is afterwards, when it changes.
    pub order: Option<Order>,
    /// The customer as they are afterwards, when their address or a gift card's balance changes.
    pub customer: Option<Customer>,
}

impl Shop {
    /// Carries a change out. The change must have been made from this very state: it replaces what it names.
    pub fn apply(&mut self, change: Change) {
        if let Some(order) = change.order {
            self.orders.insert(order.id.clone(), order);
        }
        if let Some(customer) = change.customer {
            self.customers.insert(customer.id.clone(), customer);
        }
    }
}

#[cfg(test)]
mod tests;
