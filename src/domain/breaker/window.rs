//! What the last ten seconds looked like: a ring of twenty half-second slots, and how to judge a rate.
//!
//! The gate only ever counts upwards; the window keeps the differences. So the hot path needs no rotation and
//! no lock, and the ring is plain memory of whoever judges. It must be advanced about once a slot while calls
//! are made: what was counted since the last look belongs to the slot of this look.

use std::time::Duration;

use super::Nanos;

/// Slots in the ring.
pub const SLOTS: usize = 20;
/// The length of one slot.
pub const SLOT: Duration = Duration::from_millis(500);

/// Counts of completed calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Completed calls that say something about health.
    pub calls: u64,
    /// Those that failed, or whose outcome is unknown.
    pub failures: u64,
    /// Those that succeeded slowly.
    pub slow: u64,
}

impl Counts {
    /// What was counted since `earlier`.
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(earlier.calls),
            failures: self.failures.saturating_sub(earlier.failures),
            slow: self.slow.saturating_sub(earlier.slow),
        }
    }

    const fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
    }
}

/// The ring.
#[derive(Debug, Clone)]
pub struct Window {
    slots: [Counts; SLOTS],
    /// Number of the newest slot since the clock's zero.
    newest: u64,
    /// The running counts at the last look.
    last: Counts,
    sum: Counts,
}

impl Window {
    /// An empty window that starts at `now`, when the running counts are `counted`.
    pub fn new(now: Nanos, counted: Counts) -> Self {
        Self {
            slots: [Counts::default(); SLOTS],
            newest: slot_of(now),
            last: counted,
            sum: Counts::default(),
        }
    }

    /// Drops what is too old and takes in what has been counted since the last look.
    pub fn advance(&mut self, now: Nanos, counted: Counts) {
        let current = slot_of(now).max(self.newest);
        if current - self.newest >= SLOTS as u64 {
            self.slots = [Counts::default(); SLOTS];
            self.sum = Counts::default();
        } else {
            for passed in self.newest + 1..=current {
                let slot = &mut self.slots[index(passed)];
                self.sum = self.sum.since(std::mem::take(slot));
            }
        }
        self.newest = current;
        let news = counted.since(self.last);
        self.last = counted;
        self.slots[index(current)].add(news);
        self.sum.add(news);
    }

    /// The counts of the window.
    pub const fn sum(&self) -> Counts {
        self.sum
    }
}

fn slot_of(now: Nanos) -> u64 {
    now.0 / SLOT.as_nanos() as u64
}

const fn index(slot: u64) -> usize {
    (slot % SLOTS as u64) as usize
}

/// The lower end of the 95 % Wilson score interval of `hits` out of `trials` (E. B. Wilson, 1927): the rate
/// that can be claimed on this evidence. Few trials claim little: 2 of 3 is 0.21, 8 of 8 is 0.68.
pub fn wilson_lower_bound(hits: u64, trials: u64) -> f64 {
    const Z: f64 = 1.959_963_984_540_054;
    if trials == 0 {
        return 0.0;
    }
    let n = trials as f64;
    let p = hits.min(trials) as f64 / n;
    let centre = p + Z * Z / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((centre - spread) / (1.0 + Z * Z / n)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Nanos {
        Nanos(ms * 1_000_000)
    }

    fn counted(calls: u64, failures: u64) -> Counts {
        Counts { calls, failures, slow: 0 }
    }

    #[test]
    fn two_of_three_claim_little_and_eight_of_eight_claim_much() {
        assert!((wilson_lower_bound(2, 3) - 0.2077).abs() < 1e-3);
        assert!((wilson_lower_bound(8, 8) - 0.6756).abs() < 1e-3);
        assert!((wilson_lower_bound(50, 100) - 0.4038).abs() < 1e-3);
        assert_eq!(wilson_lower_bound(0, 0), 0.0);
        assert_eq!(wilson_lower_bound(0, 10), 0.0);
    }

    #[test]
    fn a_count_leaves_the_window_after_ten_seconds() {
        let mut window = Window::new(at(0), Counts::default());
        window.advance(at(100), counted(4, 3));
        window.advance(at(5_000), counted(10, 3));
        assert_eq!(window.sum(), counted(10, 3));
        window.advance(at(9_999), counted(10, 3));
        assert_eq!(window.sum(), counted(10, 3));
        window.advance(at(10_000), counted(10, 3));
        assert_eq!(window.sum(), counted(6, 0), "the first slot is gone");
        window.advance(at(60_000), counted(11, 1));
        assert_eq!(window.sum(), counted(1, 1).since(counted(0, 3)), "only what is new is left");
    }

    #[test]
    fn a_clock_that_steps_back_loses_no_counts() {
        let mut window = Window::new(at(5_000), Counts::default());
        window.advance(at(4_000), counted(2, 2));
        assert_eq!(window.sum(), counted(2, 2));
    }

    #[test]
    fn counts_from_before_the_window_began_are_not_in_it() {
        let mut window = Window::new(at(0), counted(100, 100));
        window.advance(at(1), counted(101, 100));
        assert_eq!(window.sum(), counted(1, 0));
    }
}
