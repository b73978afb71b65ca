//! Prices: from the text they were written in, and only where there is one.

use balcao_domain::money::{Currency, Locale, Money};

use crate::notes::Doubts;

/// The two prices of an offer, and what is to be said about them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Prices {
    /// What it costs.
    pub(crate) now: Option<Money>,
    /// What it cost before: only more than [`Prices::now`].
    pub(crate) before: Option<Money>,
}

impl Prices {
    /// The price and the one it is compared with; a lower or equal one is no comparison.
    pub(crate) fn new(now: Option<Money>, before: Option<Money>) -> Self {
        let before = before.filter(|before| {
            now.is_some_and(|now| before.currency() == now.currency() && before.minor() > now.minor())
        });
        Self { now, before }
    }

    /// A full price and the lower one that holds instead.
    pub(crate) fn reduced(full: Option<Money>, lower: Option<Money>) -> Self {
        match (full, lower) {
            (Some(full), Some(lower)) if lower.minor() >= full.minor() => Self::new(Some(full), None),
            (full, Some(lower)) => Self::new(Some(lower), full),
            (full, None) => Self::new(full, None),
        }
    }
}

/// How a source writes amounts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) currency: Currency,
    pub(crate) locale: Locale,
}

impl Written {
    /// With a decimal point, as programs write.
    pub(crate) fn point(currency: Currency) -> Self {
        Self { currency, locale: Locale::En }
    }

    /// An amount; zero and nothing are no price. One that cannot be read is none, with a doubt.
    pub(crate) fn read(
        self,
        text: Option<&str>,
        item: &str,
        field: &str,
        doubts: &mut Doubts,
    ) -> Option<Money> {
        match Money::parse(text?, self.currency, self.locale) {
            Ok(money) if money.minor() > 0 => Some(money),
            Ok(money) if money.minor() == 0 => None,
            Ok(money) => {
                doubts.add(item, field, format!("{money} is less than nothing; left out"));
                None
            }
            Err(error) => {
                doubts.add(item, field, format!("{error}; left out"));
                None
            }
        }
    }
}

/// An amount with its currency after it, as feeds write it: `1,299.00 BRL`.
pub(crate) fn with_currency(
    text: Option<&str>,
    otherwise: Currency,
    item: &str,
    field: &str,
    doubts: &mut Doubts,
) -> Option<Money> {
    let text = text?;
    let currency = text.rsplit(char::is_whitespace).next().and_then(|last| last.parse().ok());
    Written::point(currency.unwrap_or(otherwise)).read(Some(text), item, field, doubts)
}

/// An amount as a whole number that has to be divided: `1299000` by `1000`.
pub(crate) fn divided(
    amount: Option<i64>,
    by: Option<i64>,
    currency: Currency,
    item: &str,
    field: &str,
    doubts: &mut Doubts,
) -> Option<Money> {
    let amount = amount.filter(|amount| *amount != 0)?;
    let by = by.unwrap_or(100);
    let minor = (by > 0)
        .then(|| i128::from(amount) * 10_i128.pow(currency.decimals()))
        .filter(|scaled| scaled % i128::from(by.max(1)) == 0)
        .and_then(|scaled| i64::try_from(scaled / i128::from(by)).ok())
        .filter(|minor| *minor > 0);
    if minor.is_none() {
        doubts.add(item, field, format!("`{amount}` divided by `{by}` is no amount of {currency}; left out"));
    }
    minor.map(|minor| Money::new(minor, currency))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brl(minor: i64) -> Option<Money> {
        Some(Money::brl(minor))
    }

    #[test]
    fn a_comparison_is_kept_only_where_it_is_higher() {
        assert_eq!(Prices::new(brl(100), brl(100)).before, None);
        assert_eq!(Prices::new(brl(100), brl(99)).before, None);
        assert_eq!(Prices::new(brl(100), brl(101)).before, brl(101));
        assert_eq!(Prices::new(None, brl(101)), Prices::default());
        assert_eq!(Prices::reduced(brl(100), brl(80)), Prices { now: brl(80), before: brl(100) });
        assert_eq!(Prices::reduced(brl(100), brl(100)), Prices { now: brl(100), before: None });
    }

    #[test]
    fn zero_is_no_price_and_what_cannot_be_read_is_a_doubt() {
        let mut doubts = Doubts::default();
        let written = Written::point(Currency::BRL);
        let mut read = |text| written.read(Some(text), "1", "price", &mut doubts);
        assert_eq!(read("49.9"), brl(4990));
        assert_eq!(read("0.00"), None);
        assert_eq!(read("49.905"), None);
        assert_eq!(read("1e2"), None);
        assert_eq!(read("-5"), None);
        assert_eq!(format!("{doubts:?}").matches("price").count(), 3);
    }

    #[test]
    fn the_divisor_is_the_sources() {
        let mut doubts = Doubts::default();
        let mut by = |amount, by| divided(Some(amount), by, Currency::BRL, "1", "price", &mut doubts);
        assert_eq!(by(4990, Some(100)), brl(4990));
        assert_eq!(by(1_299_000, Some(1000)), brl(129_900));
        assert_eq!(by(4990, None), brl(4990));
        assert_eq!(by(4995, Some(1000)), None, "half a centavo");
        assert_eq!(by(4990, Some(0)), None);
        assert_eq!(by(i64::MAX, Some(1)), None);
    }
}
