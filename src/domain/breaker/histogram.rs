//! A fixed histogram of durations: two buckets for each doubling of microseconds, up to about an hour.
//!
//! Every bucket spans at most half of its own value, which is enough to place a percentile for a retry
//! decision or a panel, and needs neither memory nor sorting when calls are many.

use std::time::Duration;

/// Buckets in a histogram.
pub const BUCKETS: usize = 64;

/// The bucket of a duration in nanoseconds.
#[inline]
pub const fn bucket(nanos: u64) -> usize {
    // A shift instead of a division by 1,000: buckets count units of 1,024 ns.
    let units = if nanos < 1024 { 1 } else { nanos >> 10 };
    let doubling = units.ilog2() as usize;
    let half = if doubling == 0 { 0 } else { ((units >> (doubling - 1)) & 1) as usize };
    let bucket = doubling * 2 + half;
    if bucket < BUCKETS { bucket } else { BUCKETS - 1 }
}

/// The upper end of a bucket.
pub const fn upper(bucket: usize) -> Duration {
    let doubling = bucket / 2;
    let units = if bucket.is_multiple_of(2) {
        // The first half of [2^d, 2^(d+1)) ends at 1.5 × 2^d.
        if doubling == 0 { 2 } else { (1u64 << doubling) + (1u64 << (doubling - 1)) }
    } else {
        1u64 << (doubling + 1)
    };
    Duration::from_nanos(units << 10)
}

/// The duration below which the share `quantile` of the counted calls lies; `None` without calls.
pub fn quantile(counts: &[u64; BUCKETS], quantile: f64) -> Option<Duration> {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return None;
    }
    let rank = ((total as f64 * quantile).ceil() as u64).clamp(1, total);
    let mut passed = 0;
    let found = counts.iter().position(|count| {
        passed += count;
        passed >= rank
    });
    found.map(upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_below_the_end_of_its_bucket_and_above_the_end_of_the_one_before() {
        for nanos in (0..60).flat_map(|shift| [1u64 << shift, (1u64 << shift) + (1u64 << shift) / 3]) {
            let bucket = bucket(nanos);
            if bucket == BUCKETS - 1 {
                continue;
            }
            let duration = Duration::from_nanos(nanos);
            assert!(duration < upper(bucket), "{duration:?} in {bucket}");
            // Bucket 1 is never used: a single unit has no halves.
            let before = if bucket == 2 { Some(0) } else { bucket.checked_sub(1) };
            if let Some(before) = before {
                assert!(duration >= upper(before), "{duration:?} in {bucket}");
            }
        }
    }

    #[test]
    fn a_quantile_is_within_half_of_the_truth() {
        let mut counts = [0; BUCKETS];
        for ms in 1..=1000u64 {
            counts[bucket(ms * 1_000_000)] += 1;
        }
        let median = quantile(&counts, 0.5).expect("there are counts").as_millis();
        assert!((500..=750).contains(&median), "{median}");
        let late = quantile(&counts, 0.99).expect("there are counts").as_millis();
        assert!((990..=1_485).contains(&late), "{late}");
        assert_eq!(quantile(&[0; BUCKETS], 0.5), None);
    }
}
