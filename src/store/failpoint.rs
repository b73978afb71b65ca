//! Named points at which a test may kill the process, to show that nothing is lost or doubled there.
//!
//! Active in debug builds alone, and only when `BALCAO_FAILPOINT` names the point: `name` dies at the first hit,
//! `name:3` at the third. Dying is `abort`: no destructor runs, no connection is closed politely.

use std::sync::{
    LazyLock,
    atomic::{AtomicU32, Ordering},
};

static ARMED: LazyLock<Option<(String, AtomicU32)>> = LazyLock::new(|| {
    let value = std::env::var("BALCAO_FAILPOINT").ok()?;
    let (name, hits) = value.split_once(':').unwrap_or((&value, "1"));
    Some((name.to_owned(), AtomicU32::new(hits.parse().unwrap_or(1))))
});

/// Dies here if a test asked for it.
#[inline]
pub fn hit(point: &str) {
    if cfg!(debug_assertions)
        && let Some((name, left)) = ARMED.as_ref()
        && name == point
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}
