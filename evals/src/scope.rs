//! The scope suite: is a message the shop's business? As CLINC150 asks it: how much of what is not is turned away, when the
//! threshold lets a fixed share of what is pass. Source: Larson et al., "An Evaluation Dataset for Intent Classification
//! and Out-of-Scope Prediction" (EMNLP 2019).

use serde::{Deserialize, Serialize};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// As the customer writes it.
    pub text: String,
    /// Whether it is the shop's business.
    pub in_scope: bool,
    /// `dev` or `test`.
    pub split: String,
}

/// The largest threshold that still lets this share of in-scope messages pass (score at or above it). `None` without any.
pub fn threshold(in_scope: &[f64], rate: f64) -> Option<f64> {
    let mut scores = in_scope.to_vec();
    scores.sort_by(f64::total_cmp);
    // So many may fall below.
    let below = ((1.0 - rate) * scores.len() as f64 + 1e-9).floor() as usize;
    scores.get(below).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_lets_the_asked_share_pass() {
        let scores: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(threshold(&scores, 1.0), Some(1.0));
        assert_eq!(threshold(&scores, 0.95), Some(2.0));
        assert_eq!(threshold(&scores, 0.9), Some(3.0));
        assert_eq!(threshold(&[], 0.9), None);
    }
}
