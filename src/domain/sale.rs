//! Where a customer stands in buying. What their short answers mean there is in [`words`].
//!
//! The state is a value: it is kept with the turn that led to it, so a turn that is tried again starts from the same
//! state and ends in the same one. What is looked up, placed and paid is the agent's work.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{OrderId, VariantId},
    money::Money,
};

mod after;
mod words;

pub use after::{Ask, asks, code};
pub use words::{Heard, content, covers, heard, is_shopping, named, names};

/// Most different things in a cart.
pub const MAX_ITEMS: usize = 30;

/// Most pieces of one thing that are sold without a person.
pub const MAX_QUANTITY: i64 = 999;

/// Where a customer stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
    /// What was asked of the customer last.
    pub stage: Stage,
    /// What they want, at the prices they were shown.
    pub cart: Vec<Item>,
    /// Rises with every summary that is shown: a yes is a yes to one of them.
    pub revision: u32,
    /// Which of the shop's ways of delivery, counted from 0.
    pub delivery: Option<usize>,
    /// Where to, in the customer's words.
    pub address: Option<String>,
    /// What the last summary came to, in minor units: a yes is a yes to this amount.
    pub due_minor: Option<i64>,
}

/// What was asked of the customer last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// Nothing.
    #[default]
    Open,
    /// Which of these, by number.
    Choosing {
        /// As they were listed.
        shown: Vec<Shown>,
    },
    /// How many of this.
    Quantity {
        /// What was chosen.
        of: Shown,
    },
    /// What next: pay, or add more.
    Cart,
    /// How it is delivered, by number.
    Delivery,
    /// Where to.
    Address,
    /// Yes or no to the summary of the present revision.
    Confirming,
    /// Where an order that is placed is to be sent instead.
    NewAddress {
        /// Which.
        order_id: OrderId,
    },
    /// Yes or no to a change of an order that is placed.
    Asking {
        /// What is to be done.
        what: Ask,
        /// With which.
        order_id: OrderId,
        /// What the customer said about it: the new address, the reason.
        words: String,
    },
    /// To pay.
    Placed {
        /// Their order.
        order_id: OrderId,
    },
}

/// Something that was shown, with the price that was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Which.
    pub variant_id: VariantId,
    /// What it was called.
    pub title: String,
    /// What one cost.
    pub unit: Money,
}

/// Something a reply says of a variant: true when it was read, and to be true when it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Which.
    pub variant_id: VariantId,
    /// What it was called.
    pub title: String,
    /// What one costs, in minor units …
    pub minor: i64,
    /// … of this currency.
    pub currency: String,
    /// That it can be had; `false`: nothing is said of that.
    pub there: bool,
}

impl Fact {
    /// That something costs what it was shown at.
    pub fn of(shown: &Shown, there: bool) -> Self {
        Self {
            variant_id: shown.variant_id,
            title: shown.title.clone(),
            minor: shown.unit.minor(),
            currency: shown.unit.currency().code().to_owned(),
            there,
        }
    }
}

/// A line of a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What.
    #[serde(flatten)]
    pub what: Shown,
    /// How many.
    pub quantity: i64,
}

impl Sale {
    /// Puts something into the cart, or more of it. Returns whether there was room.
    pub fn add(&mut self, what: Shown, quantity: i64) -> bool {
        if let Some(item) = self.cart.iter_mut().find(|item| item.what.variant_id == what.variant_id) {
            item.quantity = item.quantity.saturating_add(quantity).min(MAX_QUANTITY);
            item.what = what;
        } else if self.cart.len() < MAX_ITEMS {
            self.cart.push(Item { what, quantity: quantity.min(MAX_QUANTITY) });
        } else {
            return false;
        }
        true
    }

    /// The identity of what is being confirmed: this conversation's summary of this revision.
    pub fn intent(&self, conversation: crate::ConversationId) -> String {
        format!("{conversation}/{}", self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_thing_twice_is_one_line_of_a_cart_that_has_an_end() {
        let what =
            |_: usize| Shown { variant_id: VariantId::generate(), title: "x".into(), unit: Money::brl(100) };
        let mut sale = Sale::default();
        let first = what(0);
        assert!(sale.add(first.clone(), 2) && sale.add(first, 998));
        assert_eq!((sale.cart.len(), sale.cart[0].quantity), (1, MAX_QUANTITY));
        assert!((1..MAX_ITEMS).map(what).all(|shown| sale.add(shown, 1)));
        assert!(!sale.add(what(0), 1));
    }

    #[test]
    fn a_sale_is_read_back_as_it_was_kept() {
        let shown = Shown { variant_id: VariantId::generate(), title: "x".into(), unit: Money::brl(5990) };
        let mut sale = Sale { stage: Stage::Quantity { of: shown.clone() }, revision: 3, ..Sale::default() };
        sale.add(shown, 2);
        let kept = serde_json::to_value(&sale).expect("JSON");
        assert_eq!(serde_json::from_value::<Sale>(kept).expect("a sale"), sale);
    }
}
