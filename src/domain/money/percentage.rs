//! A share of an amount, in basis points (hundredths of a percent).

use super::{Money, MoneyError};

/// A whole, in basis points.
pub const WHOLE: i64 = 10_000;

/// `amount × bps / 10 000`, rounded half away from zero. One rounding a business fact: take it of a total, never of
/// each line.
///
/// # Errors
/// When the result does not fit.
pub fn of(amount: Money, bps: i64) -> Result<Money, MoneyError> {
    let product = i128::from(amount.minor()) * i128::from(bps);
    let half = i128::from(WHOLE) / 2;
    let rounded = (product.abs() + half) / i128::from(WHOLE) * product.signum();
    let minor = i64::try_from(rounded).map_err(|_| MoneyError::TooLarge)?;
    Ok(Money::new(minor, amount.currency()))
}
