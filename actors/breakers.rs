//! One breaker actor per dependency, and what puts a call behind it.

use std::{sync::Arc, time::Duration};

use balcao_channels::Channel;
use balcao_llm::{Embedder, LanguageModel};
use serde::Serialize;

/// All breakers of the process. Cheap to clone.
#[derive(Clone)]
pub struct Breakers {}

/// One breaker, as an operator sees it.
#[derive(Debug, Clone, Serialize)]
pub struct BreakerView {
    /// `llm:<model>`, `llm:<model>/credential`, `whatsapp:<phone_number_id>` …
    pub key: String,
    /// `closed`, `open`, `half_open`, `forced_open`, `forced_closed`, `metrics_only`.
    pub state: String,
    /// Rises with every transition.
    pub generation: u64,
    /// Why it is in this state.
    pub reason: String,
    /// Milliseconds until the next trial, when open.
    pub retry_in_ms: Option<u64>,
    pub in_flight: u64,
    pub calls: u64,
    pub failures: u64,
    pub slow: u64,
    pub rejected: u64,
    pub cancelled: u64,
    pub failure_rate: f64,
    pub backoff_level: u32,
    /// Milliseconds in this state.
    pub in_state_ms: u64,
}

/// An operator's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    ForceOpen,
    ForceClose,
    MetricsOnly,
    /// Back to its own judgement.
    Automatic,
}

impl Breakers {
    /// Starts the actors' supervisor.
    pub async fn start() -> anyhow::Result<Self> {
        unimplemented!()
    }

    /// Every breaker, by key.
    pub fn views(&self) -> Vec<BreakerView> {
        unimplemented!()
    }

    /// Carries out an operator's order; `ttl` ends it by itself. `false`: no such breaker.
    pub async fn order(&self, _key: &str, _order: Order, _by: &str, _ttl: Option<Duration>) -> bool {
        unimplemented!()
    }

    /// The model behind its breakers (endpoint and model, credential, tenant).
    pub async fn guard_model(&self, _model: Arc<dyn LanguageModel>) -> Arc<dyn LanguageModel> {
        unimplemented!()
    }

    /// A remote embedder behind its breaker. Local ones need none.
    pub async fn guard_embedder(&self, _embedder: Arc<dyn Embedder>) -> Arc<dyn Embedder> {
        unimplemented!()
    }

    /// A channel account behind its breaker.
    pub async fn guard_channel(&self, _key: &str, _channel: Arc<dyn Channel>) -> Arc<dyn Channel> {
        unimplemented!()
    }

    /// Stops the actors.
    pub async fn shutdown(&self) {
        unimplemented!()
    }
}
