//! From what sources say of their stock to one state.

use chrono::NaiveDate;

use crate::model::{Availability, Stock};

/// What a source says of a variant's stock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Said {
    /// There is no price because the shop wants to be asked.
    pub(crate) asks: bool,
    /// It is sold before it is there.
    pub(crate) preorder: Option<Preorder>,
    /// Nobody counts.
    pub(crate) untracked: bool,
    /// Pieces; may be less than none.
    pub(crate) quantity: Option<i64>,
    /// It is sold below zero.
    pub(crate) oversold: bool,
}

/// When something that is not there yet will be.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Preorder {
    pub(crate) on: Option<NaiveDate>,
    pub(crate) days: Option<u16>,
}

/// The state, in this order of decision: asked for, ordered before, not counted, there, sold without being there, gone.
pub(crate) fn of(said: &Said) -> Availability {
    let quantity =
        said.quantity.filter(|quantity| *quantity > 0).map(|q| u32::try_from(q).unwrap_or(u32::MAX));
    if said.asks {
        return stated(Stock::OnRequest);
    }
    if let Some(Preorder { on, days }) = said.preorder {
        return Availability { state: Stock::Preorder, quantity, available_on: on, lead_time_days: days };
    }
    if said.untracked {
        return stated(Stock::InStock);
    }
    match quantity {
        Some(_) => Availability { quantity, ..stated(Stock::InStock) },
        None if said.oversold => stated(Stock::Backorder),
        None => stated(Stock::OutOfStock),
    }
}

/// A state that the source names, without a number.
pub(crate) fn stated(state: Stock) -> Availability {
    let quantity = matches!(state, Stock::OutOfStock | Stock::Backorder).then_some(0);
    Availability { state, quantity, available_on: None, lead_time_days: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(said: Said) -> (Stock, Option<u32>) {
        let availability = of(&said);
        (availability.state, availability.quantity)
    }

    #[test]
    fn the_first_reason_decides() {
        let preorder = Some(Preorder::default());
        let all = Said { asks: true, preorder, untracked: true, quantity: Some(5), oversold: true };
        assert_eq!(state(all), (Stock::OnRequest, None));
        assert_eq!(state(Said { asks: false, ..all }), (Stock::Preorder, Some(5)));
        assert_eq!(state(Said { asks: false, preorder: None, ..all }), (Stock::InStock, None));
    }

    #[test]
    fn less_than_nothing_never_leaves() {
        let said = Said { quantity: Some(-3), ..Said::default() };
        assert_eq!(state(said), (Stock::OutOfStock, Some(0)));
        assert_eq!(state(Said { oversold: true, ..said }), (Stock::Backorder, Some(0)));
        assert_eq!(state(Said { preorder: Some(Preorder::default()), ..said }), (Stock::Preorder, None));
        assert_eq!(state(Said { quantity: Some(i64::MAX), ..said }), (Stock::InStock, Some(u32::MAX)));
    }
}
