//! Breakers in operation, on a paused clock.

use std::{
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    time::Duration,
};

use async_trait::async_trait;
use balcao_domain::{TenantId, turn::Usage};
use balcao_llm::{ChatRequest, ChatResponse, EmbedError, LlmError};
use parking_lot::Mutex;
use tokio::time::{advance, sleep};

use super::*;

mod channels;
mod lifecycle;
mod models;

const FAILED: Class = Class::Failure { retry_after: None };

/// Breakers on Tokio's clock, which the test pauses.
async fn breakers() -> Breakers {
    Breakers::start_on(Clock::tokio()).await.expect("the supervisor starts")
}

fn view(breakers: &Breakers, key: &str) -> BreakerView {
    let found = breakers.views().into_iter().find(|view| view.key == key);
    found.unwrap_or_else(|| panic!("no breaker `{key}`"))
}

fn state(breakers: &Breakers, key: &str) -> String {
    view(breakers, key).state
}

/// One call that ends at once.
async fn call(guard: &GuardHandle, class: Class) -> Result<(), CallError<()>> {
    let result = if class == Class::Success { Ok(()) } else { Err(()) };
    guard.call(|_| class, async move { result }).await
}

/// Opens the breaker by failures.
async fn open(guard: &GuardHandle) {
    for _ in 0..5 {
        assert_eq!(call(guard, FAILED).await, Err(CallError::Failed(())));
    }
    assert!(matches!(call(guard, Class::Success).await, Err(CallError::Rejected(Rejected::Open { .. }))));
}
