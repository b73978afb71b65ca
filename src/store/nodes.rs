//! What a node left behind when it died.

use std::time::Duration;

use crate::{Store, StoreError};

/// What was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// Conversations that may be claimed again at once.
    pub conversations: i64,
    /// Sends whose outcome is unknown, and now waits for a status.
    pub sends: i64,
}

/// Gives back what an earlier process of this name held. The caller makes sure that none lives under the name now.
/// Sends wait `grace` for their status before the one resend they are allowed.
pub async fn recover(store: &Store, node: &str, grace: Duration) -> Result<Recovered, StoreError> {
    let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
    let mut lease = store.lease().await?;
    let row = sqlx::query!(
        r#"select conversations as "conversations!", sends as "sends!" from node_recover($1, $2)"#,
        node,
        grace_ms
    )
    .fetch_one(&mut *lease)
    .await?;
    lease.done();
    Ok(Recovered { conversations: row.conversations, sends: row.sends })
}
