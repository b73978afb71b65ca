//! Dividing an amount so that its parts are the amount again.

/// Splits `total` by `weights` with the method of the largest remainder: every share is rounded towards zero, and what is
/// left goes in single minor units to the largest remainders, ties to the first. The parts always sum to `total`.
///
/// All shares are zero when no weight is positive; negative weights count as zero.
pub fn largest_remainder(total: i64, weights: &[i64]) -> Vec<i64> {
    let weights: Vec<i128> = weights.iter().map(|weight| i128::from((*weight).max(0))).collect();
    let sum: i128 = weights.iter().sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let magnitude = i128::from(total.unsigned_abs());
    let mut shares: Vec<i128> = weights.iter().map(|weight| magnitude * weight / sum).collect();
    let left = magnitude - shares.iter().sum::<i128>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    // A stable sort: equal remainders stay in their order.
    order.sort_by_key(|place| std::cmp::Reverse(magnitude * weights[*place] % sum));
    for place in order.into_iter().take(usize::try_from(left).unwrap_or(0)) {
        shares[place] += 1;
    }
    let sign = i64::from(total >= 0) * 2 - 1;
    // A share is at most the total, which is 64 bits.
    shares.into_iter().map(|share| sign * i64::try_from(share).unwrap_or(i64::MAX)).collect()
}

/// What must have been taken back of each component once `refunded` of `base` has been refunded: rounded down, of the
/// cumulative refund. It never goes backwards and ends exactly at the components.
pub fn reversed(components: &[i64], refunded: i64, base: i64) -> Vec<i64> {
    if base <= 0 {
        return vec![0; components.len()];
    }
    let refunded = i128::from(refunded.clamp(0, base));
    let share = |component: &i64| i128::from(*component) * refunded / i128::from(base);
    components.iter().map(|component| i64::try_from(share(component)).unwrap_or(i64::MAX)).collect()
}
