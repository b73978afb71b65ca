//! The nouns: products and their variants, customers and what they pay with, orders and their history.

use std::collections::BTreeMap;

use crate::money::Money;

/// A type of product, sold in variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id; unrelated to the ids of its variants.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// By item id.
    pub variants: BTreeMap<String, Variant>,
}

/// One item that can be ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The item id.
    pub id: String,
    /// What distinguishes it: `size` → `M`.
    pub options: BTreeMap<String, String>,
    /// Whether it can be had now.
    pub available: bool,
    /// What one costs now.
    pub price: Money,
}

/// Where to send things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Street and number.
    pub line1: String,
    /// Suite, flat; may be empty.
    pub line2: String,
    /// City.
    pub city: String,
    /// Country.
    pub country: String,
    /// State, as a code.
    pub state: String,
    /// Postal code.
    pub zip: String,
}

/// Who buys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// Their id.
    pub id: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Where their orders go unless said otherwise.
    pub address: Address,
    /// Their e-mail address.
    pub email: String,
    /// By method id.
    pub methods: BTreeMap<String, Method>,
    /// Ids of their orders.
    pub orders: Vec<String>,
}

/// Something to pay with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: MethodKind,
}

/// Kinds of payment method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MethodKind {
    /// A card; money comes back to it in days.
    CreditCard {
        /// `visa`, `mastercard`.
        brand: String,
        /// The last four digits.
        last_four: String,
    },
    /// An account with PayPal.
    Paypal,
    /// The shop's own gift card, whose balance moves at once.
    GiftCard {
        /// What is left on it.
        balance: Money,
    },
}

/// An order, with all that happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub customer_id: String,
    /// Where it goes.
    pub address: Address,
    /// What was ordered, one entry a piece: the same item may be there twice.
    pub items: Vec<OrderItem>,
    /// Where it stands.
    pub status: Status,
    /// What was sent.
    pub fulfillments: Vec<Fulfillment>,
    /// Payments and refunds, oldest first.
    pub history: Vec<Entry>,
    /// Why it was cancelled, if it was.
    pub cancel_reason: Option<CancelReason>,
    /// The exchange asked for, if one was.
    pub exchange: Option<Exchange>,
    /// The return asked for, if one was.
    pub giveback: Option<Giveback>,
}

/// One ordered piece, at the price it was ordered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderItem {
    /// The product's name.
    pub name: String,
    /// The product.
    pub product_id: String,
    /// The variant.
    pub item_id: String,
    /// What was to be paid for it.
    pub price: Money,
    /// The variant's options.
    pub options: BTreeMap<String, String>,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Not yet being prepared.
    Pending,
    /// Pending, and its items were already changed once.
    PendingItemsModified,
    /// Being prepared or under way.
    Processed,
    /// With the customer.
    Delivered,
    /// Called off.
    Cancelled,
    /// Delivered, an exchange was asked for.
    ExchangeRequested,
    /// Delivered, a return was asked for.
    ReturnRequested,
}

impl Status {
    /// Whether address and payment may still change.
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Pending | Self::PendingItemsModified)
    }
}

/// A parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fulfillment {
    /// The carrier's numbers.
    pub tracking_ids: Vec<String>,
    /// What is in it.
    pub item_ids: Vec<String>,
}

/// A payment or refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which way the money went.
    pub kind: EntryKind,
    /// How much, never negative.
    pub amount: Money,
    /// From or to what.
    pub method_id: String,
}

/// Which way money went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// To the shop.
    Payment,
    /// To the customer.
    Refund,
}

/// Reasons for which an order may be cancelled; there are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// `no longer needed`
    NoLongerNeeded,
    /// `ordered by mistake`
    OrderedByMistake,
}

impl CancelReason {
    /// The words customers and records use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoLongerNeeded => "no longer needed",
            Self::OrderedByMistake => "ordered by mistake",
        }
    }

    /// Reads those very words.
    pub fn from_words(words: &str) -> Option<Self> {
        [Self::NoLongerNeeded, Self::OrderedByMistake].into_iter().find(|reason| reason.as_str() == words)
    }
}

/// An exchange that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// What goes back, sorted.
    pub items: Vec<String>,
    /// What comes instead, sorted.
    pub new_items: Vec<String>,
    /// What the difference is paid or refunded with.
    pub method_id: String,
    /// New prices less old ones; negative when the customer gets money back.
    pub difference: Money,
}

/// A return that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Giveback {
    /// What goes back, sorted.
    pub items: Vec<String>,
    /// What the money goes back to.
    pub method_id: String,
}
