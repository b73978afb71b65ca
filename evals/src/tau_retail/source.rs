//! The benchmark's own JSON form of a shop: `db.json` and the dumped states.
//!
//! Every key of the form is read into the domain's types and written back; an unknown key is an error, since a dump
//! would silently lose it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Number;

/// A whole shop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Db {
    /// By product id.
    pub products: BTreeMap<String, Product>,
    /// By user id.
    pub users: BTreeMap<String, User>,
    /// By order id.
    pub orders: BTreeMap<String, Order>,
}

/// A type of product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    pub(super) name: String,
    pub(super) product_id: String,
    pub(super) variants: BTreeMap<String, Variant>,
}

/// An item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    pub(super) item_id: String,
    pub(super) options: BTreeMap<String, String>,
    pub(super) available: bool,
    pub(super) price: Number,
}

/// A customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    pub(super) user_id: String,
    pub(super) name: Name,
    pub(super) address: Address,
    pub(super) email: String,
    pub(super) payment_methods: BTreeMap<String, Method>,
    pub(super) orders: Vec<String>,
}

/// A customer's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    pub(super) first_name: String,
    pub(super) last_name: String,
}

/// An address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    pub(super) address1: String,
    pub(super) address2: String,
    pub(super) city: String,
    pub(super) country: String,
    pub(super) state: String,
    pub(super) zip: String,
}

/// A payment method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// A card.
    CreditCard { id: String, brand: String, last_four: String },
    /// An account.
    Paypal { id: String },
    /// A gift card.
    GiftCard { id: String, balance: Number },
}

/// An order. What is not there is left out, as in `db.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub(super) order_id: String,
    pub(super) user_id: String,
    pub(super) address: Address,
    pub(super) items: Vec<Item>,
    pub(super) status: String,
    pub(super) fulfillments: Vec<Fulfillment>,
    pub(super) payment_history: Vec<Payment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cancel_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exchange_items: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exchange_new_items: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exchange_payment_method_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exchange_price_difference: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) return_items: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) return_payment_method_id: Option<String>,
}

/// An ordered piece.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    pub(super) name: String,
    pub(super) product_id: String,
    pub(super) item_id: String,
    pub(super) price: Number,
    pub(super) options: BTreeMap<String, String>,
}

/// A parcel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fulfillment {
    pub(super) tracking_id: Vec<String>,
    pub(super) item_ids: Vec<String>,
}

/// A payment or refund.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    pub(super) transaction_type: Kind,
    pub(super) amount: Number,
    pub(super) payment_method_id: String,
}

/// Which way money went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// To the shop.
    Payment,
    /// To the customer.
    Refund,
}
