//! Two halves of a data set's queries: one to tune on, one to report.

use sha2::{Digest, Sha256};

/// One half of the queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Half {
    /// Weights and thresholds may be chosen on these.
    Dev,
    /// Figures are reported on these.
    Test,
}

/// The half a query belongs to: the lowest bit of the first byte of its id's SHA-256, 0 for [`Half::Dev`].
///
/// A query keeps its half whatever else is in the set, on every machine and in every language.
#[must_use]
pub fn half(query_id: &str) -> Half {
    let digest = Sha256::digest(query_id.as_bytes());
    if digest[0] & 1 == 0 { Half::Dev } else { Half::Test }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_stays_in_the_half_its_sha256_says() {
        // `printf abc | sha256sum` begins with ba, of the empty string with e3.
        assert_eq!(half("abc"), Half::Dev);
        assert_eq!(half(""), Half::Test);
    }

    #[test]
    fn the_halves_are_about_equal() {
        let dev = (0..10_000).filter(|n| half(&format!("q{n}")) == Half::Dev).count();
        assert!((4_800..=5_200).contains(&dev), "{dev}");
    }
}
