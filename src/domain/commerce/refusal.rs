//! Why an operation is refused.

use super::Status;
use crate::money::{Money, MoneyError};

/// Why the shop says no. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such order, or it is someone else's: the two are not told apart.
    #[error("order `{0}` not found")]
    OrderNotFound(String),
    /// There is no such customer, or it is someone else.
    #[error("customer `{0}` not found")]
    CustomerNotFound(String),
    /// No customer has that name and postal code, or that e-mail address.
    #[error("no customer matches")]
    NoCustomerMatches,
    /// There is no such product.
    #[error("product `{0}` not found")]
    ProductNotFound(String),
    /// There is no such item in the catalogue.
    #[error("item `{0}` not found")]
    ItemNotFound(String),
    /// The order's status does not allow the operation.
    #[error("the order is {actual:?}, the operation needs {needed:?}")]
    WrongStatus {
        /// What it is.
        actual: Status,
        /// What it would have to be.
        needed: Status,
    },
    /// An exchange or return was asked for already; there is one of them an order.
    #[error("an exchange or return of this order was already requested")]
    AlreadyRequested,
    /// The items were changed already, which can be done once an order.
    #[error("the items of this order were already modified")]
    AlreadyModified,
    /// Not one of the reasons an order may be cancelled for.
    #[error("`{0}` is no reason to cancel an order")]
    UnknownReason(String),
    /// The order does not contain the item, or not that often.
    #[error("the order does not have as many of item `{0}`")]
    ItemNotInOrder(String),
    /// As many new items as old ones are needed.
    #[error("`{old}` items cannot become `{new}`")]
    UnequalCounts {
        /// How many go.
        old: usize,
        /// How many come.
        new: usize,
    },
    /// An item would be replaced by itself.
    #[error("item `{0}` would be replaced by itself")]
    SameItem(String),
    /// The new item exists, but is a variant of another product.
    #[error("item `{0}` is of a different product")]
    DifferentProduct(String),
    /// The new item cannot be had now.
    #[error("item `{0}` is not available")]
    Unavailable(String),
    /// The customer has no such payment method.
    #[error("payment method `{0}` not found")]
    MethodNotFound(String),
    /// Money of a return goes to the method that paid or to a gift card.
    #[error("a refund cannot go to `{0}`: neither the original payment method nor a gift card")]
    NotOriginalMethod(String),
    /// The method is the one the order is paid with.
    #[error("the order is already paid with `{0}`")]
    SameMethod(String),
    /// The payment method can change only while there is exactly one payment.
    #[error("the order does not have exactly one payment")]
    NotOnePayment,
    /// The gift card does not cover the amount.
    #[error("the gift card has {}, {} are needed", balance.decimal(), needed.decimal())]
    InsufficientGiftCard {
        /// What is left on it.
        balance: Money,
        /// What it would have to cover.
        needed: Money,
    },
    /// Amounts that cannot be combined.
    #[error(transparent)]
    Money(#[from] MoneyError),
}
