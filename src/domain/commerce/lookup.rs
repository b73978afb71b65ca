//! Finding orders, customers, products and items.

use super::{Actor, Customer, Method, MethodKind, Order, Product, Refusal, Shop, Variant};
use crate::{money::Money, text::fold};

/// An order of the actor's.
///
/// # Errors
/// [`Refusal::OrderNotFound`], also when it is someone else's.
pub fn order<'a>(shop: &'a Shop, by: Actor<'_>, id: &str) -> Result<&'a Order, Refusal> {
    let found = shop.orders.get(id).filter(|order| by.may_see(&order.customer_id));
    found.ok_or_else(|| Refusal::OrderNotFound(id.to_owned()))
}

/// A customer's profile.
///
/// # Errors
/// [`Refusal::CustomerNotFound`], also when the actor is another customer.
pub fn customer<'a>(shop: &'a Shop, by: Actor<'_>, id: &str) -> Result<&'a Customer, Refusal> {
    let found = shop.customers.get(id).filter(|customer| by.may_see(&customer.id));
    found.ok_or_else(|| Refusal::CustomerNotFound(id.to_owned()))
}

/// A product with its variants.
///
/// # Errors
/// [`Refusal::ProductNotFound`].
pub fn product<'a>(shop: &'a Shop, id: &str) -> Result<&'a Product, Refusal> {
    shop.products.get(id).ok_or_else(|| Refusal::ProductNotFound(id.to_owned()))
}

/// An item, of whichever product.
///
/// # Errors
/// [`Refusal::ItemNotFound`].
pub fn item<'a>(shop: &'a Shop, id: &str) -> Result<&'a Variant, Refusal> {
    let found = shop.products.values().find_map(|product| product.variants.get(id));
    found.ok_or_else(|| Refusal::ItemNotFound(id.to_owned()))
}

/// Who has this name and postal code; capitals and accents of the name do not count, the code counts exactly.
///
/// # Errors
/// [`Refusal::NoCustomerMatches`].
pub fn by_name_and_zip<'a>(
    shop: &'a Shop,
    first_name: &str,
    last_name: &str,
    zip: &str,
) -> Result<&'a Customer, Refusal> {
    let (first, last) = (fold(first_name), fold(last_name));
    let matches = |customer: &&Customer| {
        customer.address.zip == zip
            && fold(&customer.first_name) == first
            && fold(&customer.last_name) == last
    };
    shop.customers.values().find(matches).ok_or(Refusal::NoCustomerMatches)
}

/// Who has this e-mail address; capitals and accents do not count.
///
/// # Errors
/// [`Refusal::NoCustomerMatches`].
pub fn by_email<'a>(shop: &'a Shop, email: &str) -> Result<&'a Customer, Refusal> {
    let wanted = fold(email);
    let found = shop.customers.values().find(|customer| fold(&customer.email) == wanted);
    found.ok_or(Refusal::NoCustomerMatches)
}

/// The owner of an order, who must exist for money to move.
pub(super) fn owner<'a>(shop: &'a Shop, order: &Order) -> Result<&'a Customer, Refusal> {
    customer(shop, Actor::Clerk, &order.customer_id)
}

impl Customer {
    /// One of their payment methods.
    ///
    /// # Errors
    /// [`Refusal::MethodNotFound`].
    pub fn method(&self, id: &str) -> Result<&Method, Refusal> {
        self.methods.get(id).ok_or_else(|| Refusal::MethodNotFound(id.to_owned()))
    }

    /// Adds to a gift card's balance (less than nothing takes away); other methods have none to change.
    pub(super) fn credit(&mut self, method_id: &str, amount: Money) -> Result<(), Refusal> {
        let method =
            self.methods.get_mut(method_id).ok_or_else(|| Refusal::MethodNotFound(method_id.to_owned()))?;
        if let MethodKind::GiftCard { balance } = &mut method.kind {
            *balance = balance.checked_add(amount)?;
        }
        Ok(())
    }
}

impl Method {
    /// Whether the method can bear an amount: only gift cards have a limit here.
    ///
    /// # Errors
    /// [`Refusal::InsufficientGiftCard`].
    pub(super) fn covers(&self, amount: Money) -> Result<(), Refusal> {
        match self.kind {
            MethodKind::GiftCard { balance } if balance.checked_sub(amount)?.minor() < 0 => {
                Err(Refusal::InsufficientGiftCard { balance, needed: amount })
            }
            _ => Ok(()),
        }
    }
}
