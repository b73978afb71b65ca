//! `Idempotency-Key` on writes: the same key gives the same answer, once.

use crate::{StoreError, TenantTx};

/// What is known of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Begin {
    /// Nobody used it: do the work, then [`finish`] in the same transaction or a later one.
    Fresh,
    /// The work was done; this was the answer.
    Replay { status: u16, body: serde_json::Value },
    /// Someone is at it right now.
    InProgress,
    /// The key was used for a different request.
    Mismatch,
}

/// Reserves a key for a request (its hash tells requests apart). Reservations lapse after a minute, answers after a day.
pub async fn begin(_tx: &mut TenantTx, _key: &str, _request_hash: &[u8]) -> Result<Begin, StoreError> {
    unimplemented!()
}
/// Keeps the answer.
pub async fn finish(
    _tx: &mut TenantTx,
    _key: &str,
    _status: u16,
    _body: &serde_json::Value,
) -> Result<(), StoreError> {
    unimplemented!()
}
