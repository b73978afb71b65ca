//! The breakers of one dependency: of the whole, of our credential there, of each tenant that uses it.
//!
//! What is here is shared between callers, who pass gates, and the keeper, who judges. Callers never ask the
//! keeper anything on their way in; they ring its bell, and after a failure they wait until it has been judged.

use std::{collections::HashMap, sync::Arc, time::Duration};

use balcao_domain::{
    TenantId,
    breaker::{Bell, Breaker, Config, Gate, Nanos, RetryBudget, TenantMark, Totals},
};
use parking_lot::{Mutex, RwLock};
use ractor::ActorRef;
use tokio::sync::Notify;

use super::{clock::Clock, keeper};

/// Most tenants with a breaker of their own at a time; calls of further ones pass without. A tenant's breaker
/// lives while its calls do and some seconds longer, so this many tenants must be busy at the same moment.
const MAX_TENANTS: usize = 4_096;

/// How long a caller whose call failed waits for the judgement, at most.
const SETTLE: Duration = Duration::from_millis(50);

/// What a breaker stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// The dependency as a whole.
    Whole,
    /// Our credential there.
    Credential,
    /// One tenant's use of it.
    Tenant(TenantId),
}

/// What the keeper last decided, for those who look.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) reason: String,
    pub(super) since: Nanos,
    pub(super) backoff_level: u32,
    pub(super) failure_rate: f64,
}

/// One breaker.
pub(super) struct Member {
    pub(super) id: u64,
    pub(super) key: String,
    pub(super) level: Level,
    pub(super) gate: Arc<Gate>,
    pub(super) freed: Arc<Notify>,
    pub(super) retries: RetryBudget,
    pub(super) published: Mutex<Published>,
    /// Its state machine until the keeper takes it: made together with the gate, so that nothing the gate
    /// counts before the keeper first looks is taken for old.
    pub(super) fresh: Mutex<Option<Breaker>>,
}

/// The breakers of one dependency.
pub(super) struct Family {
    pub(super) key: String,
    pub(super) clock: Clock,
    keeper: Arc<Seat>,
    members: RwLock<Members>,
    tenant_config: Config,
    /// What breakers counted that are gone.
    retired: Mutex<Totals>,
}

#[derive(Default)]
struct Members {
    next_id: u64,
    lasting: Vec<Arc<Member>>,
    tenants: HashMap<TenantId, Arc<Member>>,
}

/// Where the keeper sits; empty while it is being restarted.
#[derive(Default)]
struct Seat(RwLock<Option<ActorRef<keeper::Msg>>>);

struct Doorbell {
    keeper: Arc<Seat>,
    member: u64,
    freed: Arc<Notify>,
}

impl Bell for Doorbell {
    fn ring(&self) {
        // Lost when nobody sits there: a new keeper looks at every gate first.
        if let Some(keeper) = self.keeper.0.read().as_ref() {
            let _ = keeper.cast(keeper::Msg::Rang(self.member));
        }
    }

    fn freed(&self) {
        self.freed.notify_one();
    }
}

impl Family {
    pub(super) fn new(key: &str, clock: Clock, tenant_config: Config) -> Self {
        Self {
            key: key.to_owned(),
            clock,
            keeper: Arc::default(),
            members: RwLock::default(),
            tenant_config,
            retired: Mutex::default(),
        }
    }

    /// The breaker of the whole or of the credential, made at its first use.
    pub(super) fn lasting(&self, level: Level, config: Config) -> Arc<Member> {
        let mut members = self.members.write();
        if let Some(found) = members.lasting.iter().find(|m| m.level == level) {
            return Arc::clone(found);
        }
        let member = self.member(&mut members, level, config);
        members.lasting.push(Arc::clone(&member));
        member
    }

    /// A tenant's own breaker; `None` when too many tenants are busy to keep one for each.
    pub(super) fn tenant(&self, tenant_id: TenantId) -> Option<Arc<Member>> {
        if let Some(found) = self.members.read().tenants.get(&tenant_id) {
            return Some(Arc::clone(found));
        }
        let mut members = self.members.write();
        if let Some(found) = members.tenants.get(&tenant_id) {
            return Some(Arc::clone(found));
        }
        if members.tenants.len() >= MAX_TENANTS {
            return None;
        }
        let member = self.member(&mut members, Level::Tenant(tenant_id), self.tenant_config.clone());
        members.tenants.insert(tenant_id, Arc::clone(&member));
        Some(member)
    }

    fn member(&self, members: &mut Members, level: Level, config: Config) -> Arc<Member> {
        members.next_id += 1;
        let key = match level {
            Level::Whole => self.key.clone(),
            Level::Credential => format!("{}/credential", self.key),
            Level::Tenant(tenant_id) => format!("{}/tenant:{tenant_id}", self.key),
        };
        let (id, freed, gate) = (members.next_id, Arc::new(Notify::new()), Arc::new(Gate::new(config)));
        let bell = Doorbell { keeper: Arc::clone(&self.keeper), member: id, freed: Arc::clone(&freed) };
        gate.hang_bell(Box::new(bell));
        let now = self.clock.now();
        let published =
            Published { reason: "just started".into(), since: now, backoff_level: 0, failure_rate: 0.0 };
        let fresh = Mutex::new(Some(Breaker::new(Arc::clone(&gate), now)));
        let (retries, published) = (RetryBudget::default(), Mutex::new(published));
        Arc::new(Member { id, key, level, gate, freed, retries, published, fresh })
    }

    pub(super) fn find(&self, id: u64) -> Option<Arc<Member>> {
        let members = self.members.read();
        members.lasting.iter().chain(members.tenants.values()).find(|member| member.id == id).cloned()
    }

    /// Every breaker, the lasting ones first.
    pub(super) fn members(&self) -> Vec<Arc<Member>> {
        let members = self.members.read();
        members.lasting.iter().chain(members.tenants.values()).cloned().collect()
    }

    /// Lets a tenant's idle breaker go; what it counted stays in the sums.
    pub(super) fn retire(&self, member: &Member) {
        if let Level::Tenant(tenant_id) = member.level {
            self.members.write().tenants.remove(&tenant_id);
            self.retired.lock().add(&member.gate.totals());
        }
    }

    /// What tenants' breakers counted that are gone.
    pub(super) fn retired(&self) -> Totals {
        *self.retired.lock()
    }

    pub(super) fn seat(&self, keeper: ActorRef<keeper::Msg>) {
        *self.keeper.0.write() = Some(keeper);
    }

    pub(super) fn keeper(&self) -> Option<ActorRef<keeper::Msg>> {
        self.keeper.0.read().clone()
    }

    /// Waits until everything rung so far has been judged: so that the next call of the same caller already
    /// meets the consequences of this one. Not longer than [`SETTLE`]; without a keeper, not at all.
    pub(super) async fn settle(&self) {
        if let Some(keeper) = self.keeper() {
            let _ = keeper.call(keeper::Msg::Settle, Some(SETTLE)).await;
        }
    }
}

/// The mark of a tenant at a shared gate.
pub(super) fn mark(tenant_id: Option<TenantId>) -> TenantMark {
    tenant_id.map_or(TenantMark::NONE, |id| TenantMark::of(id.as_uuid().as_u128()))
}
