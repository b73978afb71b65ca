//! What a cart comes to: the items, what PIX takes off, the delivery.

use crate::{
    money::{Money, MoneyError},
    tenant::{DeliveryOption, Settings},
};

/// Basis points of one.
const WHOLE: i128 = 10_000;

/// The parts of a total, all in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bill {
    /// The lines together.
    pub items: Money,
    /// What is taken off because it is paid by PIX.
    pub discount: Money,
    /// What the chosen way of delivery costs for this cart.
    pub delivery: Money,
    /// What is to be paid.
    pub total: Money,
}

impl Bill {
    /// What `items` come to in a shop, delivered that way. The discount is on the items alone, rounded half up; whether
    /// delivery is free is decided by what the items cost after it.
    ///
    /// # Errors
    /// When an amount does not fit.
    pub fn of(items: Money, settings: &Settings, way: Option<&DeliveryOption>) -> Result<Self, MoneyError> {
        let currency = items.currency();
        let bps = settings.pix.as_ref().map_or(0, |pix| i128::from(pix.discount_bps));
        let off = (i128::from(items.minor()) * bps + WHOLE / 2) / WHOLE;
        let discount = Money::new(i64::try_from(off).map_err(|_| MoneyError::TooLarge)?, currency);
        let reduced = items.checked_sub(discount)?;
        let delivery = way.map_or(0, |way| way.price_for(reduced.minor()));
        let delivery = Money::new(delivery, currency);
        Ok(Self { items, discount, delivery, total: reduced.checked_add(delivery)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::PixReceiver;

    fn shop(discount_bps: u16) -> Settings {
        let pix = PixReceiver {
            key: "pix@loja.example".into(),
            name: "Loja".into(),
            city: "São Paulo".into(),
            discount_bps,
        };
        Settings { pix: Some(pix), ..Settings::default() }
    }

    fn courier(free_from_minor: Option<i64>) -> DeliveryOption {
        DeliveryOption { name: "Econômica".into(), price_minor: 990, needs_address: true, free_from_minor }
    }

    fn total(items: i64, settings: &Settings, way: Option<&DeliveryOption>) -> (i64, i64, i64) {
        let bill = Bill::of(Money::brl(items), settings, way).expect("amounts that fit");
        (bill.discount.minor(), bill.delivery.minor(), bill.total.minor())
    }

    #[test]
    fn pix_takes_its_part_off_the_items_and_not_off_the_delivery() {
        assert_eq!(total(20_000, &shop(500), Some(&courier(None))), (1_000, 990, 19_990));
        assert_eq!(total(9_990, &shop(500), None), (500, 0, 9_490), "half a centavo goes to the customer");
        assert_eq!(total(20_000, &Settings::default(), None), (0, 0, 20_000));
    }

    #[test]
    fn delivery_is_free_from_what_is_left_after_the_discount() {
        let way = courier(Some(29_900));
        assert_eq!(total(29_900, &shop(0), Some(&way)).1, 0);
        assert_eq!(total(29_900, &shop(500), Some(&way)).1, 990);
        assert_eq!(total(31_474, &shop(500), Some(&way)), (1_574, 0, 29_900));
    }
}
