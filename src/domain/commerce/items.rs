//! Which items may stand for which.

use super::{Order, Refusal, Shop, Variant, lookup};
use crate::money::Money;

/// Items of an order and what they are to become, position by position. An item may appear as often as it was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swap<'a> {
    /// Item ids of the order.
    pub old: &'a [String],
    /// For each, the item id that replaces it.
    pub new: &'a [String],
}

/// That the order has each item as often as the list names it.
pub(super) fn in_order(order: &Order, item_ids: &[String]) -> Result<(), Refusal> {
    let ordered = |id: &String| order.items.iter().filter(|item| item.item_id == *id).count();
    let named = |id: &String| item_ids.iter().filter(|named| *named == id).count();
    match item_ids.iter().find(|id| named(id) > ordered(id)) {
        Some(missing) => Err(Refusal::ItemNotInOrder(missing.clone())),
        None => Ok(()),
    }
}

/// That the lists can stand for each other at all: everything is in the order, and the counts match.
pub(super) fn paired(order: &Order, swap: Swap<'_>) -> Result<(), Refusal> {
    in_order(order, swap.old)?;
    if swap.old.len() == swap.new.len() {
        Ok(())
    } else {
        Err(Refusal::UnequalCounts { old: swap.old.len(), new: swap.new.len() })
    }
}

/// The variant an ordered item may become: of the same product and available.
pub(super) fn variant<'a>(shop: &'a Shop, product_id: &str, new_id: &str) -> Result<&'a Variant, Refusal> {
    let Some(variant) = lookup::product(shop, product_id)?.variants.get(new_id) else {
        lookup::item(shop, new_id)?;
        return Err(Refusal::DifferentProduct(new_id.to_owned()));
    };
    if variant.available { Ok(variant) } else { Err(Refusal::Unavailable(new_id.to_owned())) }
}

/// New prices less the prices that were ordered at, once every pair has been found allowed.
pub(super) fn difference(shop: &Shop, order: &Order, swap: Swap<'_>) -> Result<Money, Refusal> {
    let mut sum = Money::zero(shop.currency);
    for (old_id, new_id) in swap.old.iter().zip(swap.new) {
        let item = order.items.iter().find(|item| item.item_id == *old_id);
        let item = item.ok_or_else(|| Refusal::ItemNotInOrder(old_id.clone()))?;
        let variant = variant(shop, &item.product_id, new_id)?;
        sum = sum.checked_add(variant.price.checked_sub(item.price)?)?;
    }
    Ok(sum)
}
