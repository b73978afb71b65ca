//! Whether one run is better than another, or the queries just happened to suit it.
//!
//! Runs are compared query by query over the same judgements ([`Evaluation::values`](super::Evaluation::values)
//! pairs them up). Sources: Smucker, Allan and Carterette, "A comparison of statistical significance tests
//! for information retrieval evaluation" (CIKM 2007) for the tests; Efron and Tibshirani, "An introduction to
//! the bootstrap" (1993) for the percentile interval.
//!
//! All randomness comes from the seed, and the same seed gives the same figures on every machine.

/// Differences of sums that are equal on paper may differ in the last digits.
const ROUNDING: f64 = 1e-12;

/// Two lists that do not belong together, or too little to say anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignificanceError {
    /// The runs were not evaluated over the same queries.
    #[error("the runs have {first} and {second} queries and cannot be paired")]
    NotPaired {
        /// Values of the first run.
        first: usize,
        /// Values of the second run.
        second: usize,
    },
    /// There are no values or no resamples to draw.
    #[error("nothing to compare: there must be at least one query and one resample")]
    Nothing,
    /// The level of an interval must lie between 0 and 1.
    #[error("the level of an interval must lie between 0 and 1")]
    Level,
}

/// An interval around a mean.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Interval {
    /// The mean of the values themselves.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The outcome of a paired test.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PairedTest {
    /// Mean of the first run minus mean of the second.
    pub difference: f64,
    /// Two-sided: how likely a difference at least this large would be if the runs were equally good.
    pub p_value: f64,
}

/// How much to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    /// How many times to resample; 10,000 gives p-values to about ±0.005.
    pub resamples: usize,
    /// Where the random numbers start.
    pub seed: u64,
}

impl Default for Draws {
    fn default() -> Self {
        Self { resamples: 10_000, seed: 0 }
    }
}

/// The differences query by query, first minus second.
///
/// # Errors
/// The lists differ in length.
pub fn differences(first: &[f64], second: &[f64]) -> Result<Vec<f64>, SignificanceError> {
    if first.len() != second.len() {
        return Err(SignificanceError::NotPaired { first: first.len(), second: second.len() });
    }
    Ok(first.iter().zip(second).map(|(a, b)| a - b).collect())
}

/// The percentile bootstrap interval of a mean: of one run's values or of [`differences`]. `level` is 0.95 for
/// a 95 % interval. Between two resamples the ends are interpolated linearly.
///
/// # Errors
/// There are no values or no resamples, or the level is not between 0 and 1.
pub fn confidence_interval(values: &[f64], level: f64, draws: Draws) -> Result<Interval, SignificanceError> {
    if !(level > 0.0 && level < 1.0) {
        return Err(SignificanceError::Level);
    }
    let mut means = resampled_means(values, draws)?;
    means.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    Ok(Interval { mean: mean(values), low: quantile(&means, tail), high: quantile(&means, 1.0 - tail) })
}

/// The paired bootstrap test: queries are drawn with replacement from the differences moved to mean 0.
///
/// # Errors
/// The lists differ in length, or there are no values or no resamples.
pub fn paired_bootstrap(
    first: &[f64],
    second: &[f64],
    draws: Draws,
) -> Result<PairedTest, SignificanceError> {
    let differences = differences(first, second)?;
    let difference = mean(&differences);
    let means = resampled_means(&differences, draws)?;
    let extreme = means.iter().filter(|m| at_least(**m - difference, difference)).count();
    Ok(PairedTest { difference, p_value: p_value(extreme, draws.resamples) })
}

/// The paired randomisation test (Fisher's): for each query it is tossed which run a value belongs to.
///
/// When there are no more ways to toss than resamples, all of them are looked at and the p-value is exact.
///
/// # Errors
/// The lists differ in length, or there are no values or no resamples.
pub fn paired_randomisation(
    first: &[f64],
    second: &[f64],
    draws: Draws,
) -> Result<PairedTest, SignificanceError> {
    let differences = differences(first, second)?;
    if differences.is_empty() || draws.resamples == 0 {
        return Err(SignificanceError::Nothing);
    }
    let difference = mean(&differences);
    let ways = u32::try_from(differences.len()).ok().and_then(|n| 1_usize.checked_shl(n));
    if let Some(ways) = ways.filter(|ways| *ways <= draws.resamples) {
        let extreme = (0..ways).filter(|way| {
            let signed = differences.iter().enumerate();
            let sum: f64 = signed.map(|(n, d)| if way >> n & 1 == 0 { *d } else { -d }).sum();
            at_least(sum / differences.len() as f64, difference)
        });
        return Ok(PairedTest { difference, p_value: extreme.count() as f64 / ways as f64 });
    }
    let mut random = SplitMix(draws.seed);
    let extreme = (0..draws.resamples).filter(|_| {
        let sum: f64 = differences.iter().map(|d| if random.next() >> 63 == 0 { *d } else { -d }).sum();
        at_least(sum / differences.len() as f64, difference)
    });
    Ok(PairedTest { difference, p_value: p_value(extreme.count(), draws.resamples) })
}

fn resampled_means(values: &[f64], draws: Draws) -> Result<Vec<f64>, SignificanceError> {
    if values.is_empty() || draws.resamples == 0 {
        return Err(SignificanceError::Nothing);
    }
    let mut random = SplitMix(draws.seed);
    let one = |_| {
        let sum: f64 = values.iter().map(|_| values[random.below(values.len())]).sum();
        sum / values.len() as f64
    };
    Ok((0..draws.resamples).map(one).collect())
}

fn at_least(drawn: f64, seen: f64) -> bool {
    drawn.abs() >= seen.abs() - ROUNDING
}

/// What was seen counts as one of the draws, so that no p-value is 0 (Davison and Hinkley, 1997).
fn p_value(extreme: usize, resamples: usize) -> f64 {
    (extreme + 1) as f64 / (resamples + 1) as f64
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The quantile of sorted values that are not empty, interpolated linearly.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

/// SplitMix64 (Steele, Lea and Flood, 2014). Kept here because the generators of `rand` may change their
/// numbers from one version to the next, and published intervals would change with them.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`: the high half of a product, whose bias is below 2⁻⁴⁰ for any real set.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests;
