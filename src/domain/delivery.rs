//! How far an outgoing message has come.
//!
//! Statuses arrive late, twice, out of order or never. They move a message along a lattice and never back:
//! queued < sending < sent < delivered < read < played. `failed` is reached only from queued, sending or sent:
//! what one device has received was delivered, whatever another device reports.

use serde::{Deserialize, Serialize};

/// The state of one outgoing message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waiting for its turn.
    Queued,
    /// Handed to the network; the outcome is not recorded yet (and unknown after a crash).
    Sending,
    /// Accepted by the channel.
    Sent,
    /// On at least one device.
    Delivered,
    /// Seen.
    Read,
    /// Listened to.
    Played,
    /// Refused for good, by the channel or by the network.
    Failed,
    /// Given up on; a dead letter says why.
    Dead,
}

impl State {
    /// The word used in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }

    /// The inverse of [`State::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        use State::*;
        [Queued, Sending, Sent, Delivered, Read, Played, Failed, Dead]
            .into_iter()
            .find(|s| s.as_str() == word)
    }

    /// The state after the news that the message is `reported`.
    pub fn merge(self, reported: State) -> State {
        use State::*;
        match (self, reported) {
            (Queued | Sending | Sent, Failed) => Failed,
            (_, Failed | Dead | Queued | Sending) => self,
            // A late `sent` says nothing against a failure; a `delivered` does: it reached a device.
            (Failed | Dead, Sent) => self,
            (Failed | Dead, better) => better,
            (now, later) => now.max(later),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::State::*;

    #[test]
    fn a_status_never_moves_a_message_back() {
        assert_eq!(Read.merge(Delivered), Read);
        assert_eq!(Read.merge(Sent), Read);
        assert_eq!(Queued.merge(Delivered), Delivered);
    }

    #[test]
    fn delivered_wins_over_failed_in_either_order() {
        assert_eq!(Delivered.merge(Failed), Delivered);
        assert_eq!(Failed.merge(Delivered), Delivered);
        assert_eq!(Sent.merge(Failed), Failed);
        assert_eq!(Failed.merge(Sent), Failed);
    }

    #[test]
    fn every_order_of_the_same_reports_ends_in_the_same_state() {
        let reports = [Sent, Delivered, Read];
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for order in orders {
            let end = order.into_iter().fold(Sending, |state, i| state.merge(reports[i]));
            assert_eq!(end, Read, "{order:?}");
        }
    }
}
