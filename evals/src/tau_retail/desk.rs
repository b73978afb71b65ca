//! The benchmark's tools, over the domain's operations.
//!
//! The tools do not ask who is speaking (authentication is the agent's part), so they act as the shop's clerk. One
//! thing is the adapter's own: the source adds up the price differences of modified items in binary floats and does
//! not round the sum (`0.04999999999999716`). The shop keeps the exact cents; the source's number is computed beside
//! it and appears in what is written in the source's form only.

use std::collections::BTreeMap;

use balcao_domain::{
    commerce::{
        Actor, Change, MethodKind, Refusal, Shop, Swap, address, cancel, exchange, giveback, lookup, modify,
        number, payment,
    },
    money::Money,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Number, Value};

use super::{
    calculate::{CalculateError, calculate},
    read, source, write,
};

/// Why a tool did not do what it was called for. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such tool.
    #[error("unknown tool `{0}`")]
    UnknownTool(String),
    /// The arguments are not those of the tool.
    #[error("arguments: {0}")]
    Arguments(String),
    /// The shop's rules forbid it.
    #[error(transparent)]
    Shop(#[from] Refusal),
    /// The calculator has no answer.
    #[error(transparent)]
    Calculate(#[from] CalculateError),
    /// A value that cannot be written as JSON.
    #[error("unwritable: {0}")]
    Unwritable(String),
}

impl From<serde_json::Error> for Refused {
    fn from(error: serde_json::Error) -> Self {
        Self::Unwritable(error.to_string())
    }
}

/// A shop and the tools an agent has in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Desk {
    shop: Shop,
    /// By order: the position in its history of the entry that modified items made, and the source's number for it.
    sums: BTreeMap<String, (usize, f64)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderArgs {
    order_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProductArgs {
    product_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemArgs {
    item_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserArgs {
    user_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmailArgs {
    email: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameZipArgs {
    first_name: String,
    last_name: String,
    zip: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalculateArgs {
    expression: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThinkArgs {
    #[serde(rename = "thought")]
    _thought: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferArgs {
    #[serde(rename = "summary")]
    _summary: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CancelArgs {
    order_id: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SwapArgs {
    order_id: String,
    item_ids: Vec<String>,
    new_item_ids: Vec<String>,
    payment_method_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReturnArgs {
    order_id: String,
    item_ids: Vec<String>,
    payment_method_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentArgs {
    order_id: String,
    payment_method_id: String,
}

/// Whose address; the other keys are the address itself.
#[derive(Deserialize)]
struct AddressArgs<Id> {
    #[serde(flatten)]
    of: Id,
    address1: String,
    address2: String,
    city: String,
    state: String,
    country: String,
    zip: String,
}

#[derive(Deserialize)]
struct OfOrder {
    order_id: String,
}

#[derive(Deserialize)]
struct OfUser {
    user_id: String,
}

fn arguments<T: DeserializeOwned>(value: &Value) -> Result<T, Refused> {
    T::deserialize(value).map_err(|error| Refused::Arguments(error.to_string()))
}

fn address_arguments<Id: DeserializeOwned>(
    value: &Value,
) -> Result<(Id, balcao_domain::commerce::Address), Refused> {
    // `flatten` and `deny_unknown_fields` do not go together: the seven keys are counted instead.
    if value.as_object().is_some_and(|keys| keys.len() > 7) {
        return Err(Refused::Arguments("more than an id and an address".to_owned()));
    }
    let AddressArgs { of, address1, address2, city, state, country, zip } = arguments(value)?;
    Ok((of, read::address(source::Address { address1, address2, city, country, state, zip })))
}

impl Desk {
    /// Opens the desk of a shop.
    pub const fn new(shop: Shop) -> Self {
        Self { shop, sums: BTreeMap::new() }
    }

    /// The shop as it is now, in exact amounts.
    pub const fn shop(&self) -> &Shop {
        &self.shop
    }

    /// The shop as it is now, in the source's form and numbers.
    ///
    /// # Errors
    /// Passed on from the JSON writer.
    pub fn state(&self) -> Result<source::Db, serde_json::Error> {
        let mut db = write::shop(&self.shop)?;
        for (id, order) in &mut db.orders {
            self.as_source(id, order);
        }
        Ok(db)
    }

    /// Calls a tool: its name and arguments as the source has them, its answer in the source's form.
    ///
    /// # Errors
    /// When the tool refuses; the shop is then as it was.
    pub fn call(&mut self, tool: &str, args: &Value) -> Result<Value, Refused> {
        let clerk = Actor::Clerk;
        match tool {
            "calculate" => Ok(calculate(&arguments::<CalculateArgs>(args)?.expression)?.into()),
            "think" => arguments::<ThinkArgs>(args).map(|_| "".into()),
            "transfer_to_human_agents" => {
                arguments::<TransferArgs>(args).map(|_| "Transfer successful".into())
            }
            "find_user_id_by_email" => {
                let EmailArgs { email } = arguments(args)?;
                Ok(lookup::by_email(&self.shop, &email)?.id.as_str().into())
            }
            "find_user_id_by_name_zip" => {
                let NameZipArgs { first_name, last_name, zip } = arguments(args)?;
                let found = lookup::by_name_and_zip(&self.shop, &first_name, &last_name, &zip)?;
                Ok(found.id.as_str().into())
            }
            "get_order_details" => self.order(&arguments::<OrderArgs>(args)?.order_id),
            "get_user_details" => self.user(&arguments::<UserArgs>(args)?.user_id),
            "get_product_details" => {
                let ProductArgs { product_id } = arguments(args)?;
                Ok(serde_json::to_value(write::product(lookup::product(&self.shop, &product_id)?)?)?)
            }
            "get_item_details" => {
                let ItemArgs { item_id } = arguments(args)?;
                Ok(serde_json::to_value(write::variant(lookup::item(&self.shop, &item_id)?)?)?)
            }
            "list_all_product_types" => self.product_types(),
            "cancel_pending_order" => {
                let CancelArgs { order_id, reason } = arguments(args)?;
                self.change(cancel::cancel(&self.shop, clerk, &order_id, &reason)?)
            }
            "modify_pending_order_address" => {
                let (OfOrder { order_id }, address) = address_arguments(args)?;
                self.change(address::of_order(&self.shop, clerk, &order_id, address)?)
            }
            "modify_user_address" => {
                let (OfUser { user_id }, address) = address_arguments(args)?;
                self.change(address::of_customer(&self.shop, clerk, &user_id, address)?)
            }
            "modify_pending_order_payment" => {
                let PaymentArgs { order_id, payment_method_id } = arguments(args)?;
                self.change(payment::change(&self.shop, clerk, &order_id, &payment_method_id)?)
            }
            "modify_pending_order_items" => self.modify_items(&arguments(args)?),
            "exchange_delivered_order_items" => {
                let SwapArgs { order_id, item_ids, new_item_ids, payment_method_id } = arguments(args)?;
                let swap = Swap { old: &item_ids, new: &new_item_ids };
                self.change(exchange::request(&self.shop, clerk, &order_id, swap, &payment_method_id)?)
            }
            "return_delivered_order_items" => {
                let ReturnArgs { order_id, item_ids, payment_method_id } = arguments(args)?;
                self.change(giveback::request(&self.shop, clerk, &order_id, &item_ids, &payment_method_id)?)
            }
            _ => Err(Refused::UnknownTool(tool.to_owned())),
        }
    }

    fn modify_items(&mut self, args: &SwapArgs) -> Result<Value, Refused> {
        let SwapArgs { order_id, item_ids, new_item_ids, payment_method_id } = args;
        let swap = Swap { old: item_ids, new: new_item_ids };
        let change = modify::items(&self.shop, Actor::Clerk, order_id, swap, payment_method_id)?;
        let sum = self.binary_sum(order_id, swap)?;
        self.covered_in_binary(order_id, payment_method_id, sum)?;
        let entries = change.order.as_ref().map_or(0, |order| order.history.len());
        self.sums.insert(order_id.clone(), (entries.saturating_sub(1), sum));
        self.change(change)
    }

    /// The source's sum of price differences, in its order of operations.
    fn binary_sum(&self, order_id: &str, swap: Swap<'_>) -> Result<f64, Refused> {
        let order = lookup::order(&self.shop, Actor::Clerk, order_id)?;
        let mut sum = 0.0;
        for (old, new) in swap.old.iter().zip(swap.new) {
            let item = order.items.iter().find(|item| item.item_id == *old);
            let item = item.ok_or_else(|| Refusal::ItemNotInOrder(old.clone()))?;
            sum += binary(lookup::item(&self.shop, new)?.price)? - binary(item.price)?;
        }
        Ok(sum)
    }

    /// A gift card that covers a sum to the cent may not cover the source's unrounded one, and is refused there.
    fn covered_in_binary(&self, order_id: &str, method_id: &str, sum: f64) -> Result<(), Refused> {
        let order = lookup::order(&self.shop, Actor::Clerk, order_id)?;
        let customer = lookup::customer(&self.shop, Actor::Clerk, &order.customer_id)?;
        match customer.method(method_id)?.kind {
            MethodKind::GiftCard { balance } if binary(balance)? < sum => {
                Err(Refusal::InsufficientGiftCard { balance, needed: balance }.into())
            }
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) -> Result<Value, Refused> {
        let order_id = change.order.as_ref().map(|order| order.id.clone());
        let user_id = change.customer.as_ref().map(|customer| customer.id.clone());
        self.shop.apply(change);
        match (order_id, user_id) {
            (Some(order_id), _) => self.order(&order_id),
            (None, Some(user_id)) => self.user(&user_id),
            (None, None) => Ok(Value::Null),
        }
    }

    fn order(&self, id: &str) -> Result<Value, Refused> {
        let mut order = write::order(lookup::order(&self.shop, Actor::Clerk, id)?)?;
        self.as_source(id, &mut order);
        Ok(serde_json::to_value(order)?)
    }

    fn user(&self, id: &str) -> Result<Value, Refused> {
        Ok(serde_json::to_value(write::customer(lookup::customer(&self.shop, Actor::Clerk, id)?)?)?)
    }

    /// Product ids by name, as the text of a JSON object sorted by name.
    fn product_types(&self) -> Result<Value, Refused> {
        let names: BTreeMap<&str, &str> =
            self.shop.products.values().map(|product| (product.name.as_str(), product.id.as_str())).collect();
        Ok(serde_json::to_string(&names)?.into())
    }

    /// Puts the source's unrounded number where it would be.
    fn as_source(&self, id: &str, order: &mut source::Order) {
        let Some((position, sum)) = self.sums.get(id) else { return };
        let (Some(payment), Some(number)) =
            (order.payment_history.get_mut(*position), Number::from_f64(sum.abs()))
        else {
            return;
        };
        payment.amount = number;
        payment.transaction_type = if *sum > 0.0 { source::Kind::Payment } else { source::Kind::Refund };
    }
}

/// The float nearest to an amount: the source's own idea of it.
fn binary(amount: Money) -> Result<f64, Refused> {
    number::write(amount)?.as_f64().ok_or_else(|| Refused::Unwritable(amount.decimal()))
}
