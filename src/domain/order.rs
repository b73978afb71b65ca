//! Orders: what is asked for, when it can be had, and what may become of it. How they are written is the store's work.

use serde::{Deserialize, Serialize};

use crate::{
    ids::VariantId,
    money::{Money, MoneyError},
};

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Placed; its stock is held until it expires.
    AwaitingPayment,
    /// Paid in full; its stock is sold.
    Paid,
    /// On its way.
    Shipped,
    /// Handed over.
    Delivered,
    /// Called off before it was paid.
    Canceled,
    /// Nobody paid in time.
    Expired,
    /// All of its money went back.
    Refunded,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::AwaitingPayment,
        Self::Paid,
        Self::Shipped,
        Self::Delivered,
        Self::Canceled,
        Self::Expired,
        Self::Refunded,
    ];

    /// The word it is stored as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingPayment => "awaiting_payment",
            Self::Paid => "paid",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::Refunded => "refunded",
        }
    }

    /// The inverse of [`Status::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether an order may go from here to there. Money that comes late makes a paid order of one that had expired
    /// or was called off: it is the customer's, and so are the goods or the money back.
    pub const fn may_become(self, to: Self) -> bool {
        matches!(
            (self, to),
            (Self::AwaitingPayment, Self::Paid | Self::Canceled | Self::Expired)
                | (Self::Expired | Self::Canceled, Self::Paid)
                // What is fetched is never on its way.
                | (Self::Paid, Self::Shipped | Self::Delivered | Self::Refunded)
                | (Self::Shipped, Self::Delivered | Self::Refunded)
                | (Self::Delivered, Self::Refunded)
        )
    }
}

/// What is asked for of a variant, at the price that was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Which.
    pub variant_id: VariantId,
    /// How many; above zero.
    pub quantity: i64,
    /// What one costs.
    pub unit: Money,
}

/// The sum of what is wanted, in its currency; `None` where nothing is.
///
/// # Errors
/// When currencies differ or the sum does not fit.
pub fn items_total(wanted: &[Wanted]) -> Result<Option<Money>, MoneyError> {
    let Some(first) = wanted.first() else { return Ok(None) };
    let start = Money::zero(first.unit.currency());
    wanted
        .iter()
        .try_fold(start, |sum, line| sum.checked_add(line.unit.checked_mul(line.quantity)?))
        .map(Some)
}

/// Letters and digits of codes: none that look or sound like another (0/O, 1/I/L, 5/S, 2/Z, 8/B).
const CODE_LETTERS: &[u8; 25] = b"ACDEFGHJKMNPQRTUVWXY34679";

/// Whether codes are written with this letter or digit.
pub fn is_code_letter(byte: u8) -> bool {
    CODE_LETTERS.contains(&byte)
}

/// What a person calls an order, from 8 random bytes: `K7Q3-M9XD`. One in 150 thousand million.
pub fn code(random: [u8; 8]) -> String {
    let letter = |byte: u8| char::from(CODE_LETTERS[usize::from(byte) % CODE_LETTERS.len()]);
    let mut code: String = random.into_iter().map(letter).collect();
    code.insert(4, '-');
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_back_from_its_word() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
        assert_eq!(Status::parse("lost"), None);
    }

    #[test]
    fn late_money_revives_an_order_and_nothing_revives_a_refunded_one() {
        assert!(Status::Expired.may_become(Status::Paid));
        assert!(!Status::Paid.may_become(Status::Canceled));
        for to in Status::ALL {
            assert!(!Status::Refunded.may_become(to));
        }
    }

    #[test]
    fn what_is_wanted_adds_up_in_one_currency() {
        let line = |minor, quantity, currency| Wanted {
            variant_id: VariantId::generate(),
            quantity,
            unit: Money::new(minor, currency),
        };
        let (brl, usd) = (crate::money::Currency::BRL, crate::money::Currency::USD);
        assert_eq!(items_total(&[]), Ok(None));
        assert_eq!(items_total(&[line(5990, 2, brl), line(100, 1, brl)]), Ok(Some(Money::brl(12_080))));
        assert!(items_total(&[line(1, 1, brl), line(1, 1, usd)]).is_err());
        assert!(items_total(&[line(i64::MAX, 2, brl)]).is_err());
    }

    #[test]
    fn a_code_is_two_groups_of_unmistakable_letters() {
        assert_eq!(code([0, 1, 2, 3, 25, 255, 24, 7]), "ACDE-AG9J");
        assert!(code([9; 8]).chars().all(|c| c == '-' || CODE_LETTERS.contains(&(c as u8))));
    }
}
