//! `balcao bench`: the figures of the README.

use crate::cli::{Bench, Global};

/// Measures.
pub async fn run(_global: &Global, _command: Bench) -> anyhow::Result<()> {
    anyhow::bail!("not measured yet")
}
