//! A channel account behind its breaker.

use std::sync::Arc;

use async_trait::async_trait;
use balcao_channels::{
    Channel,
    port::{Indication, Outgoing, SendError, SendReceipt, Target},
};
use balcao_domain::{Language, breaker::Class, reply::Reply};

use super::guard::{CallError, GuardHandle};

/// WhatsApp's codes for "too fast": application, account, number, spam. Too fast for one person is an error of
/// its own and concerns nobody else.
const TOO_FAST: [i64; 4] = [4, 80_007, 130_429, 131_048];

/// An account that sends only when its breaker lets it.
pub(super) struct GuardedChannel {
    pub(super) inner: Arc<dyn Channel>,
    pub(super) guard: GuardHandle,
}

#[async_trait]
impl Channel for GuardedChannel {
    fn render(&self, reply: &Reply, language: Language) -> Vec<Outgoing> {
        self.inner.render(reply, language)
    }

    async fn send(&self, to: &Target, message: &Outgoing, tag: &str) -> Result<SendReceipt, SendError> {
        self.guard.call(class_of, self.inner.send(to, message, tag)).await.map_err(refusal)
    }

    async fn indicate(&self, provider_message_id: &str, what: Indication) -> Result<(), SendError> {
        self.guard.call(class_of, self.inner.indicate(provider_message_id, what)).await.map_err(refusal)
    }
}

fn class_of<T>(result: &Result<T, SendError>) -> Class {
    let Err(error) = result else { return Class::Success };
    match error {
        SendError::Retry { code: Some(code), after, .. } if TOO_FAST.contains(code) => {
            Class::RateLimited { retry_after: *after }
        }
        SendError::Retry { after, .. } => Class::Failure { retry_after: *after },
        // About one person or one message: the account is well.
        SendError::PairLimited { .. } | SendError::Never { .. } | SendError::WindowClosed { .. } => {
            Class::ClientBug
        }
        SendError::AccountBlocked { .. } => Class::Unauthorized,
        SendError::Unknown(_) => Class::Unknown,
        SendError::BreakerOpen => Class::LocalReject,
    }
}

fn refusal(error: CallError<SendError>) -> SendError {
    match error {
        CallError::Rejected(_) => SendError::BreakerOpen,
        CallError::Failed(error) => error,
    }
}
