//! Parcelas: one price in several payments.

use super::{Money, MoneyError, split};

/// The most installments anybody offers.
pub const MOST: u32 = 48;
/// The unit of a monthly rate: millionths, so 2.99 % is 29 900.
const RATE_UNIT: i128 = 1_000_000;
/// The unit of the growth factor (1 + i)ⁿ.
const SCALE: i128 = 1_000_000_000_000_000;

/// Without interest: the price by largest remainder, so the first ones carry the odd centavos.
pub fn without_interest(price: Money, count: u32) -> Vec<Money> {
    let weights = vec![1; count.clamp(1, MOST) as usize];
    let parts = split::largest_remainder(price.minor(), &weights);
    parts.into_iter().map(|minor| Money::new(minor, price.currency())).collect()
}

/// With interest by the Tabela Price, `p = PV · i / (1 − (1 + i)⁻ⁿ)`, rounded half up for each installment; all are
/// equal. `monthly_rate_millionths`: 29 900 is 2.99 % a month.
///
/// # Errors
/// When the amounts do not fit (a rate of more than 100 % a month over years).
pub fn with_interest(price: Money, monthly_rate_millionths: u32, count: u32) -> Result<Money, MoneyError> {
    let count = count.clamp(1, MOST);
    let rate = i128::from(monthly_rate_millionths);
    if rate == 0 {
        let first = without_interest(price, count)[0];
        return Ok(first);
    }
    let mut growth = SCALE;
    for _ in 0..count {
        growth = growth
            .checked_mul(RATE_UNIT + rate)
            .map(|product| product / RATE_UNIT)
            .ok_or(MoneyError::TooLarge)?;
    }
    let numerator = i128::from(price.minor())
        .checked_mul(rate)
        .and_then(|product| product.checked_mul(growth))
        .ok_or(MoneyError::TooLarge)?;
    let denominator = (growth - SCALE).checked_mul(RATE_UNIT).ok_or(MoneyError::TooLarge)?;
    let rounded = (2 * numerator + denominator) / (2 * denominator);
    let minor = i64::try_from(rounded).map_err(|_| MoneyError::TooLarge)?;
    Ok(Money::new(minor, price.currency()))
}
