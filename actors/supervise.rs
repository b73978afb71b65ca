//! The supervisor of permanent children: whoever falls comes back, more slowly each time.
//!
//! Owns:      its children's seats and the record of their failures.
//! Hears:     `Restart(child)` from its own timers, `Close`, `View`.
//! Says:      nothing; it starts children.
//! Ends when: a child fails more than five times a minute, or when told.
//! Restarted: no; when the root ends, the process has lost its tree and its owner must know ([`crate::System::ended`]).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use ractor::{
    Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SpawnErr, SupervisionEvent, async_trait,
};

use crate::handles::Seat;

/// More failures than this within [`WINDOW`] end the parent: something is wrong that no restart mends.
const MAX_FAILURES: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(60);

/// The record of a child's failures, and what they lead to. Pure.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    recent: VecDeque<Instant>,
    level: u32,
}

/// What becomes of a child that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It comes back after this time.
    After(Duration),
    /// It failed too often: the parent must end.
    GiveUp,
}

impl Restarts {
    /// Notes a failure at `now`. `jitter` is between 0 and 1 and spreads the waiting by a quarter either way.
    pub(crate) fn failed(&mut self, now: Instant, jitter: f64) -> Verdict {
        let healthy = self.recent.back().is_none_or(|last| now.duration_since(*last) > WINDOW + LONGEST);
        if healthy {
            self.level = 0;
        }
        while self.recent.front().is_some_and(|first| now.duration_since(*first) > WINDOW) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        if self.recent.len() > MAX_FAILURES {
            return Verdict::GiveUp;
        }
        let wait = Duration::from_secs(1 << self.level.min(6)).min(LONGEST);
        self.level = self.level.saturating_add(1);
        Verdict::After(wait.mul_f64(0.75 + 0.5 * jitter.clamp(0.0, 1.0)))
    }
}

type Start = Box<dyn Fn(ActorCell) -> BoxFuture<'static, Result<ActorCell, SpawnErr>> + Send + Sync>;

/// A child that always comes back.
pub(crate) struct Permanent {
    name: &'static str,
    start: Start,
}

/// A permanent child in `seat`; `make` gives the actor and its arguments anew for each start.
pub(crate) fn permanent<A, F>(name: &'static str, seat: &Seat<A::Msg>, make: F) -> Permanent
where
    A: Actor,
    F: Fn() -> (A, A::Arguments) + Send + Sync + 'static,
{
    let seat = seat.clone();
    let start: Start = Box::new(move |parent| {
        let (actor, arguments) = make();
        let seat = seat.clone();
        Box::pin(async move {
            // Awaiting holds the parent for the child's `pre_start`, and ours only build values.
            let (child, _) = A::spawn_linked(None, actor, arguments, parent).await?;
            let cell = child.get_cell();
            seat.take(child);
            Ok(cell)
        })
    });
    Permanent { name, start }
}

/// See the module.
pub(crate) struct Supervisor;

/// What a supervisor hears.
pub(crate) enum Msg {
    /// A child's rest is over.
    Restart(usize),
    /// From now on children may end.
    Close(RpcReplyPort<()>),
    /// Who is there: each child's name, and whether it lives.
    View(RpcReplyPort<Vec<(&'static str, bool)>>),
}

/// What a supervisor remembers.
pub(crate) struct State {
    children: Vec<Child>,
    closing: bool,
}

struct Child {
    spec: Permanent,
    alive: Option<ActorCell>,
    restarts: Restarts,
}

#[async_trait]
impl Actor for Supervisor {
    type Msg = Msg;
    type State = State;
    type Arguments = Vec<Permanent>;

    async fn pre_start(&self, _: ActorRef<Msg>, plan: Vec<Permanent>) -> Result<State, ActorProcessingErr> {
        let child = |spec| Child { spec, alive: None, restarts: Restarts::default() };
        Ok(State { children: plan.into_iter().map(child).collect(), closing: false })
    }

    async fn post_start(&self, myself: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        for index in 0..state.children.len() {
            start(&myself, state, index).await?;
        }
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        msg: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Restart(index) if !state.closing => start(&myself, state, index).await?,
            Msg::Restart(_) => {}
            Msg::Close(reply) => {
                state.closing = true;
                let _ = reply.send(());
            }
            Msg::View(reply) => {
                let view = state.children.iter().map(|c| (c.spec.name, c.alive.is_some())).collect();
                let _ = reply.send(view);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let (who, why) = match event {
            SupervisionEvent::ActorFailed(who, error) => (who, error.to_string()),
            SupervisionEvent::ActorTerminated(who, _, reason) => {
                (who, reason.unwrap_or_else(|| "ended".into()))
            }
            _ => return Ok(()),
        };
        let fallen =
            state.children.iter().position(|c| c.alive.as_ref().is_some_and(|a| a.get_id() == who.get_id()));
        let Some(index) = fallen else { return Ok(()) };
        state.children[index].alive = None;
        if state.closing {
            return Ok(());
        }
        fell(&myself, state, index, &why)
    }

    async fn post_stop(&self, myself: ActorRef<Msg>, _: &mut State) -> Result<(), ActorProcessingErr> {
        myself.drain_children_and_wait(Some(Duration::from_secs(2))).await;
        Ok(())
    }
}

async fn start(myself: &ActorRef<Msg>, state: &mut State, index: usize) -> Result<(), ActorProcessingErr> {
    match (state.children[index].spec.start)(myself.get_cell()).await {
        Ok(cell) => {
            state.children[index].alive = Some(cell);
            Ok(())
        }
        Err(error) => fell(myself, state, index, &error.to_string()),
    }
}

fn fell(
    myself: &ActorRef<Msg>,
    state: &mut State,
    index: usize,
    why: &str,
) -> Result<(), ActorProcessingErr> {
    let child = &mut state.children[index];
    let name = child.spec.name;
    metrics::counter!("balcao_restarts_total", "actor" => name).increment(1);
    match child.restarts.failed(tokio::time::Instant::now().into_std(), rand::random()) {
        Verdict::After(wait) => {
            tracing::error!(
                actor = name,
                error = why,
                wait_ms = wait.as_millis() as u64,
                "an actor fell and will come back"
            );
            myself.send_after(wait, move || Msg::Restart(index));
            Ok(())
        }
        Verdict::GiveUp => Err(format!("`{name}` failed too often, at last with: {why}").into()),
    }
}

#[cfg(test)]
#[path = "supervise_tests.rs"]
mod tests;
