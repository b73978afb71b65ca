//! The keeper of one dependency's breakers: owns their state machines and judges.
//!
//! Owns:      the state machines. What they ruled is in the gates, so a restart loses no state, only memory.
//! Hears:     `Rang(member)` from gates, `Tick`, `Order { .. }`, `Settle`.
//! Says:      nothing to actors; transitions and orders go to the log, rulings to the gates.
//! Ends when: told.
//! Restarted: yes, by [`super::supervisor`]; it first looks at every gate.

use std::{collections::HashMap, sync::Arc, time::Duration};

use balcao_domain::breaker::{Breaker, Nanos, Order, State as BreakerState, Transition, window};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, async_trait};

use super::{
    clock::LAG,
    family::{Family, Level, Member, Published},
};

pub(super) struct Keeper;

/// What a keeper hears.
pub(super) enum Msg {
    /// Something happened at this breaker's gate.
    Rang(u64),
    /// Time has passed.
    Tick,
    /// An operator's order.
    Order { member: u64, order: Order, by: String, ttl: Option<Duration>, reply: RpcReplyPort<bool> },
    /// Answered when everything before it has been judged.
    Settle(RpcReplyPort<()>),
    /// Falls, as a bug would make it.
    #[cfg(test)]
    Fall,
}

/// What a keeper remembers.
pub(super) struct State {
    family: Arc<Family>,
    /// The breakers that are awake: called lately, or not closed.
    awake: HashMap<u64, Kept>,
    /// Those that sleep, with their memory of past openings.
    asleep: HashMap<u64, Kept>,
    ticking: bool,
}

struct Kept {
    member: Arc<Member>,
    breaker: Breaker,
}

#[async_trait]
impl Actor for Keeper {
    type Msg = Msg;
    type State = State;
    type Arguments = Arc<Family>;

    async fn pre_start(
        &self,
        myself: ActorRef<Msg>,
        family: Arc<Family>,
    ) -> Result<State, ActorProcessingErr> {
        let (awake, asleep) = (HashMap::new(), HashMap::new());
        family.seat(myself);
        Ok(State { family, awake, asleep, ticking: false })
    }

    async fn post_start(&self, myself: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        for member in state.family.members() {
            state.wake(member.id);
        }
        state.judge_all();
        state.tick_later(&myself);
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        msg: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Rang(member) => {
                state.wake(member);
                state.judge(member);
            }
            Msg::Tick => {
                state.ticking = false;
                state.judge_all();
                state.let_sleep();
            }
            Msg::Order { member, order, by, ttl, reply } => {
                let _ = reply.send(state.order(member, order, &by, ttl));
            }
            Msg::Settle(reply) => {
                let _ = reply.send(());
            }
            #[cfg(test)]
            Msg::Fall => panic!("a fall, as the test asked for"),
        }
        state.tick_later(&myself);
        Ok(())
    }
}

impl State {
    fn now(&self) -> Nanos {
        self.family.clock.now()
    }

    fn wake(&mut self, id: u64) {
        if self.awake.contains_key(&id) {
            return;
        }
        let now = self.now();
        let kept = self.asleep.remove(&id).or_else(|| {
            let member = self.family.find(id)?;
            let fresh = member.fresh.lock().take();
            let breaker = fresh.unwrap_or_else(|| Breaker::new(Arc::clone(&member.gate), now));
            Some(Kept { member, breaker })
        });
        if let Some(kept) = kept {
            self.awake.insert(id, kept);
        }
    }

    fn judge(&mut self, id: u64) {
        let now = self.now();
        if let Some(kept) = self.awake.get_mut(&id) {
            kept.judge(now);
        }
    }

    fn judge_all(&mut self) {
        let now = self.now();
        for kept in self.awake.values_mut() {
            kept.judge(now);
        }
    }

    /// Idle closed breakers sleep; a tenant's idle breaker goes.
    fn let_sleep(&mut self) {
        for (id, kept) in self.awake.extract_if(|_, kept| kept.may_sleep()) {
            if matches!(kept.member.level, Level::Tenant(_)) {
                self.family.retire(&kept.member);
            } else {
                self.asleep.insert(id, kept);
            }
        }
    }

    fn order(&mut self, id: u64, order: Order, by: &str, ttl: Option<Duration>) -> bool {
        self.wake(id);
        let now = self.now();
        let Some(kept) = self.awake.get_mut(&id) else { return false };
        tracing::info!(
            audit = true,
            breaker.key = kept.member.key,
            breaker.order = ?order,
            operator = by,
            ttl_ms = ttl.map(|ttl| ttl.as_millis() as u64),
            "an operator gave a breaker an order"
        );
        let transition = kept.breaker.order(order, ttl, now);
        kept.tell(transition.as_ref());
        true
    }

    /// One timer for all: half a second while anything is awake, sooner when something is due sooner.
    fn tick_later(&mut self, myself: &ActorRef<Msg>) {
        if self.ticking || self.awake.is_empty() {
            return;
        }
        let now = self.now();
        let due = self.awake.values().filter_map(|kept| kept.breaker.machine().next_check());
        let wait = due.map(|due| due.since(now) + LAG).min().unwrap_or(window::SLOT).min(window::SLOT);
        self.ticking = true;
        myself.send_after(wait, || Msg::Tick);
    }
}

impl Kept {
    fn judge(&mut self, now: Nanos) {
        let transition = self.breaker.judge(now, rand::random());
        self.tell(transition.as_ref());
    }

    fn tell(&self, transition: Option<&Transition>) {
        let machine = self.breaker.machine();
        let mut published = self.member.published.lock();
        published.backoff_level = machine.backoff_level();
        published.failure_rate = machine.failure_rate();
        if let Some(transition) = transition {
            *published = Published {
                reason: machine.reason().to_string(),
                since: machine.since(),
                ..published.clone()
            };
            log(&self.member, transition);
        }
    }

    /// Closed, nobody inside, nothing in the window: the next call will ring.
    fn may_sleep(&self) -> bool {
        let machine = self.breaker.machine();
        machine.state() == BreakerState::Closed && machine.is_quiet() && self.member.gate.fall_asleep()
    }
}

fn log(member: &Member, transition: &Transition) {
    let Transition { from, to, generation, reason, open_for } = transition;
    let open_ms = open_for.map(|wait| wait.as_millis() as u64);
    macro_rules! tell {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                breaker.key = member.key,
                breaker.from = %from,
                breaker.to = %to,
                breaker.generation = generation,
                breaker.reason = %reason,
                breaker.open_ms = open_ms,
                $text
            )
        };
    }
    match to {
        BreakerState::Open => tell!(warn, "a breaker opened"),
        BreakerState::Closed => tell!(info, "a breaker closed"),
        _ => tell!(info, "a breaker changed its state"),
    }
}
