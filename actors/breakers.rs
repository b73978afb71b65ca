//! One breaker actor per dependency, and what puts a call behind it.
//!
//! A dependency has a *family* of breakers: one for the whole (the endpoint with its model, the channel
//! account), one for our credential, one for each tenant that uses it. A tenant's own failures open the
//! tenant's own breaker; what the account is told (quota, refusal, rate) concerns the credential; the whole
//! opens when the dependency fails for several tenants, or for the only one there is.
//!
//! The family's actor, its keeper, owns the state machines ([`balcao_domain::breaker::Machine`]) and judges.
//! Callers pass gates made of atomics and ask nobody. Payments and marketplaces use [`Breakers::gate`].

use std::{collections::HashMap, sync::Arc, time::Duration};

use balcao_channels::Channel;
use balcao_domain::breaker::Config;
pub use balcao_domain::breaker::{Class, Described, Kind, Order, Rejected, classify};
use balcao_llm::{Embedder, LanguageModel};
use parking_lot::RwLock;
use ractor::{Actor, ActorRef};

mod channel;
mod clock;
mod embedder;
mod family;
mod guard;
mod keeper;
mod model;
mod supervisor;
#[cfg(test)]
mod tests;
mod view;

use channel::GuardedChannel;
pub use clock::Clock;
use embedder::GuardedEmbedder;
use family::{Family, Level};
pub use guard::{CallError, GuardHandle};
use model::GuardedModel;
use supervisor::Supervisor;
pub use view::BreakerView;

/// How long an order or the start of a keeper may take.
const ASK: Duration = Duration::from_secs(5);

/// All breakers of the process. Cheap to clone.
#[derive(Clone)]
pub struct Breakers {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    families: RwLock<HashMap<String, Arc<Family>>>,
    supervisor: ActorRef<supervisor::Msg>,
}

impl Breakers {
    /// Starts the actors' supervisor.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_on(Clock::Coarse).await
    }

    /// Starts the actors' supervisor, on a clock of one's choice: tests pause Tokio's.
    pub async fn start_on(clock: Clock) -> anyhow::Result<Self> {
        let (supervisor, _) = Supervisor::spawn(None, Supervisor, ()).await?;
        Ok(Self { inner: Arc::new(Inner { clock, families: RwLock::default(), supervisor }) })
    }

    /// Every breaker, by key.
    pub fn views(&self) -> Vec<BreakerView> {
        let now = self.inner.clock.now();
        let families = self.families();
        let members = families.iter().flat_map(|family| family.members());
        let mut views: Vec<_> = members.map(|member| BreakerView::of(&member, now)).collect();
        views.sort_by(|a, b| a.key.cmp(&b.key));
        views
    }

    /// Writes the state of all breakers to the metrics; to be called before those are read.
    pub fn publish(&self) {
        let mut families = self.families();
        families.sort_by(|a, b| a.key.cmp(&b.key));
        view::publish(families.iter().map(AsRef::as_ref));
    }

    /// Carries out an operator's order; `ttl` ends it by itself. `false`: no such breaker.
    pub async fn order(&self, key: &str, order: Order, by: &str, ttl: Option<Duration>) -> bool {
        let found = self.families().into_iter().find_map(|family| {
            let member = family.members().into_iter().find(|member| member.key == key)?;
            Some((family.keeper()?, member.id))
        });
        let Some((keeper, member)) = found else { return false };
        let by = by.to_owned();
        let asked =
            keeper.call(|reply| keeper::Msg::Order { member, order, by, ttl, reply }, Some(ASK)).await;
        asked.is_ok_and(|answer| answer.unwrap_or(false))
    }

    /// The breaker of that key, made at its first use; the settings of the first use hold.
    pub async fn gate(&self, key: &str, config: Config) -> GuardHandle {
        let family = self.family(key).await;
        let member = family.lasting(Level::Whole, config);
        GuardHandle { family, member }
    }

    /// The model behind its breakers (endpoint and model, credential, tenant).
    pub async fn guard_model(&self, model: Arc<dyn LanguageModel>) -> Arc<dyn LanguageModel> {
        self.guard_model_with(model, Config::llm()).await
    }

    /// The model behind its breakers, with settings of one's own for the endpoint's.
    pub async fn guard_model_with(
        &self,
        model: Arc<dyn LanguageModel>,
        config: Config,
    ) -> Arc<dyn LanguageModel> {
        let endpoint = self.gate(&format!("llm:{}", model.name()), config).await;
        let family = Arc::clone(&endpoint.family);
        let credential = family.lasting(Level::Credential, Config::credential());
        Arc::new(GuardedModel { inner: model, family, endpoint, credential })
    }

    /// A remote embedder behind its breaker. Local ones need none.
    pub async fn guard_embedder(&self, embedder: Arc<dyn Embedder>) -> Arc<dyn Embedder> {
        let guard = self.gate(&format!("embedder:{}", embedder.model_id()), Config::embeddings()).await;
        Arc::new(GuardedEmbedder { inner: embedder, guard })
    }

    /// A channel account behind its breaker. An account that is guarded again keeps its breaker.
    pub async fn guard_channel(&self, key: &str, channel: Arc<dyn Channel>) -> Arc<dyn Channel> {
        let guard = self.gate(key, Config::channel()).await;
        Arc::new(GuardedChannel { inner: channel, guard })
    }

    /// Stops the actors. Gates stay as last ruled.
    pub async fn shutdown(&self) {
        let _ = self.inner.supervisor.stop_and_wait(None, Some(ASK)).await;
    }

    fn families(&self) -> Vec<Arc<Family>> {
        self.inner.families.read().values().cloned().collect()
    }

    async fn family(&self, key: &str) -> Arc<Family> {
        let family = {
            let mut families = self.inner.families.write();
            let make = || Arc::new(Family::new(key, self.inner.clock, Config::tenant()));
            Arc::clone(families.entry(key.to_owned()).or_insert_with(make))
        };
        if family.keeper().is_none() {
            let ask = |reply| supervisor::Msg::Keep(Arc::clone(&family), reply);
            if self.inner.supervisor.call(ask, Some(ASK)).await.is_err() {
                tracing::error!(breaker.key = key, "a breaker has no keeper: its gate stays as it is");
            }
        }
        family
    }
}
