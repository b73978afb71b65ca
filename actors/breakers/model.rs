//! A language model behind its breakers: the tenant's, the credential's, the endpoint's.

use std::sync::Arc;

use async_trait::async_trait;
use balcao_domain::breaker::{Class, Described, Kind, Permit, Rejected, Timing, classify};
use balcao_llm::{ChatRequest, ChatResponse, LanguageModel, LlmError};
use tokio::time::Instant;

use super::{
    family::{Family, Member, mark},
    guard::GuardHandle,
};

/// A model that is called only when its breakers let it.
pub(super) struct GuardedModel {
    pub(super) inner: Arc<dyn LanguageModel>,
    pub(super) family: Arc<Family>,
    pub(super) endpoint: GuardHandle,
    pub(super) credential: Arc<Member>,
}

#[async_trait]
impl LanguageModel for GuardedModel {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_text: &mut (dyn for<'t> FnMut(&'t str) + Send),
    ) -> Result<ChatResponse, LlmError> {
        // The time-out counts from here, and ends the call here: whoever waits outside would merely drop it,
        // and a model that hangs would look like customers who go away.
        let deadline = Instant::now() + request.timeout;
        let tenant = request.tenant_id.and_then(|tenant_id| self.family.tenant(tenant_id));
        let now = self.endpoint.now();
        let by_tenant = match &tenant {
            Some(tenant) => Some(tenant.gate.try_acquire(now).map_err(|why| self.refusal(why))?),
            None => None,
        };
        let by_credential = match self.credential.gate.try_acquire(now) {
            Ok(permit) => permit,
            Err(why) => return Err(self.step_back(by_tenant, None, why)),
        };
        let by_endpoint = match self.endpoint.acquire(mark(request.tenant_id)).await {
            Ok(permit) => permit,
            Err(why) => return Err(self.step_back(by_tenant, Some(by_credential), why)),
        };

        let mut first_token = None;
        let mut heard = |text: &str| {
            first_token.get_or_insert_with(|| self.endpoint.now());
            on_text(text);
        };
        let call = self.inner.chat(request, &mut heard);
        let result = match tokio::time::timeout_at(deadline, call).await {
            Ok(result) => result,
            Err(_) => Err(LlmError::TimedOut(request.timeout)),
        };

        let now = self.endpoint.now();
        let class = match &result {
            Ok(response) => self.endpoint.member.gate.config().speed(&Timing {
                first_token: first_token.map(|at| at.since(by_endpoint.started())),
                total: now.since(by_endpoint.started()),
                output_tokens: response.usage.output_tokens,
            }),
            Err(error) => class_of(error),
        };
        let trial = by_endpoint.is_trial()
            || by_credential.is_trial()
            || by_tenant.as_ref().is_some_and(Permit::is_trial);
        let [endpoint, credential, tenant] = spread(class);
        by_endpoint.record(endpoint, now);
        by_credential.record(credential, now);
        if let Some(permit) = by_tenant {
            permit.record(tenant, now);
        }
        self.endpoint.settled(class, trial).await;
        result
    }
}

impl GuardedModel {
    /// A gate further in refused: those passed already were not put to use.
    fn step_back(
        &self,
        tenant: Option<Permit<'_>>,
        credential: Option<Permit<'_>>,
        why: Rejected,
    ) -> LlmError {
        let now = self.endpoint.now();
        for permit in [tenant, credential].into_iter().flatten() {
            permit.record(Class::LocalReject, now);
        }
        self.refusal(why)
    }

    fn refusal(&self, why: Rejected) -> LlmError {
        match why {
            Rejected::RateLimited { until } => {
                LlmError::RateLimited { retry_after: Some(until.since(self.endpoint.now())) }
            }
            Rejected::Open { .. } | Rejected::TrialsBusy | Rejected::Full => LlmError::BreakerOpen,
        }
    }
}

/// What a result says about the endpoint, the credential and the tenant: each hears only what is its own.
fn spread(class: Class) -> [Class; 3] {
    // "Says nothing here" is what a call is that another gate refused.
    const NOTHING: Class = Class::LocalReject;
    match class {
        // The endpoint answered, and means the account.
        Class::RateLimited { .. } | Class::QuotaExhausted { .. } | Class::Unauthorized => {
            [NOTHING, class, NOTHING]
        }
        Class::Failure { .. } | Class::Unknown => [class, NOTHING, class],
        Class::Success | Class::Slow => [class, Class::Success, class],
        Class::ClientBug | Class::Cancelled | Class::LocalReject => [class; 3],
    }
}

/// What a model's error means.
pub(super) fn class_of(error: &LlmError) -> Class {
    let described = match error {
        LlmError::Transient(_) => Described::new(Kind::NotConnected),
        // Asking a model twice costs money, but does nothing twice.
        LlmError::TimedOut(_) => Described::new(Kind::LostAfterSending { repeatable: true }),
        LlmError::RateLimited { retry_after } => {
            Described { retry_after: *retry_after, ..Described::new(Kind::Status(429)) }
        }
        LlmError::QuotaExhausted(_) => Described::new(Kind::Status(429)).code("insufficient_quota"),
        LlmError::Unauthorized(_) => Described::new(Kind::Status(401)),
        LlmError::ContextTooLong | LlmError::Refused => Described::new(Kind::RequestRefused),
        LlmError::Permanent(_) => Described::new(Kind::Status(400)),
        LlmError::BreakerOpen => Described::new(Kind::LocalReject),
    };
    classify(&described)
}
