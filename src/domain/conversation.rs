//! When a conversation listens, thinks, rests and leaves. Pure: state, event and time in, effects out.
//!
//! What is *in* the messages is decided elsewhere; this decides *when* a turn begins and what becomes of it:
//! a burst of messages is one turn, one turn at a time, a failure waits, a third failure gives up civilly, a
//! lost lease drops everything, a quiet conversation leaves. The actor around it carries the effects out.

use std::time::{Duration, Instant};

use crate::turn::Reason;

/// A turn that failed this often is given up on.
pub const MAX_FAILURES: u32 = 3;

/// The longest rest after failures of the database, which nobody but a person can mend.
const MAX_REST: Duration = Duration::from_secs(30);

/// Where a conversation stands. Small: there may be a hundred thousand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    phase: Phase,
    /// Something may lie in the inbox that the last look has not seen.
    rung: bool,
    /// The messages that arrived since the last settled look.
    burst: Option<Burst>,
    /// Looks that failed in a row.
    failed_looks: u32,
    /// Tells timers apart: only the youngest counts.
    timer: u32,
    /// The server is shutting down.
    closing: bool,
    /// How long to stay without work.
    idle: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Nothing to do.
    Idle,
    /// The inbox is being read. `settled`: whatever is found is answered at once.
    Looking { settled: bool },
    /// There is something to answer; the customer may still be typing.
    Listening { pending: Pending },
    /// A turn is on its way. `more`: it could not take everything.
    Thinking { more: bool },
    /// Something failed: nothing happens until the timer.
    Resting,
    /// Over.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Burst {
    began: Instant,
    last: Instant,
}

/// What a look into the inbox found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// How many messages wait.
    pub messages: usize,
    /// There are more than one turn takes.
    pub more: bool,
    /// At least one asks for an answer.
    pub asks: bool,
    /// All are too old to be answered.
    pub stale: bool,
    /// A person of the shop has the conversation.
    pub handed_off: bool,
    /// How often a turn on them has failed.
    pub failures: u32,
    /// How long to wait for the customer's next message; zero where nobody types in bursts.
    pub quiet: Duration,
    /// The longest a burst may hold back its answer.
    pub quiet_cap: Duration,
}

/// What happens to a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The bell. `arrived`: a message was stored just now; otherwise somebody only thinks there may be one.
    Rang {
        /// Whether a message was stored just now.
        arrived: bool,
    },
    /// The look is done.
    Looked(Looked),
    /// The turn is done.
    TurnEnded(TurnEnd),
    /// A timer went off.
    Timer {
        /// Which.
        generation: u32,
    },
    /// Another node has the conversation.
    LeaseLost,
    /// The server shuts down: finish what is begun, begin nothing.
    Close,
    /// The server cannot wait any longer.
    CutOff,
}

/// How a look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// The conversation is ours, and this is pending.
    Ours(Pending),
    /// Another live node has it.
    Elsewhere,
    /// The database did not answer.
    Failed,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnEnd {
    /// It is in the database.
    Committed,
    /// Another node has the conversation: nothing was written.
    Fenced,
    /// It failed, for the n-th time; the failure is on record.
    Failed {
        /// n.
        failures: u32,
    },
    /// Nobody knows whether it was committed: only a new look can tell.
    Unsure,
}

/// How a turn is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The agent answers.
    Agent,
    /// The messages are acknowledged without a word.
    Silent(Reason),
    /// An apology, and the messages are set aside for a person.
    GiveUp,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Take or keep the lease and read the inbox; answer with [`Event::Looked`].
    Look,
    /// Take a turn on what the last look found; answer with [`Event::TurnEnded`].
    Turn(Mode),
    /// Answer with [`Event::Timer`] after this time. It replaces the timer before it.
    Timer {
        /// What the event must carry.
        generation: u32,
        /// How long from now.
        after: Duration,
    },
    /// Forget what the look found; stop the turn, if one is on its way.
    Abandon,
    /// Nothing to do for a long time: ask to leave.
    Leave,
    /// Give the lease back and end.
    End,
}

/// How long to wait after the n-th failure of a turn: 1 s, 4 s; the third gives up at once, and should even the
/// apology fail, that is tried slowly.
pub fn backoff(failures: u32) -> Duration {
    match failures {
        0 | MAX_FAILURES => Duration::ZERO,
        n if n < MAX_FAILURES => Duration::from_secs(4u64.pow(n - 1)),
        _ => MAX_REST,
    }
}

impl State {
    /// A conversation nobody has looked at; it leaves after `idle` without work.
    pub fn new(idle: Duration) -> Self {
        let phase = Phase::Idle;
        Self { phase, rung: false, burst: None, failed_looks: 0, timer: 0, closing: false, idle }
    }

    /// Whether the lease must be kept alive.
    pub fn needs_lease(&self) -> bool {
        matches!(self.phase, Phase::Looking { .. } | Phase::Listening { .. } | Phase::Thinking { .. })
    }

    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    fn look(&mut self, settled: bool) -> Vec<Effect> {
        self.phase = Phase::Looking { settled };
        self.rung = false;
        if settled {
            self.burst = None;
        }
        vec![Effect::Look]
    }

    fn turn(&mut self, mode: Mode, pending: Pending) -> Vec<Effect> {
        self.phase = Phase::Thinking { more: pending.more };
        // What came while looking was seen or will be rung for again; a burst that goes on is a new one.
        if !self.rung {
            self.burst = None;
        }
        vec![Effect::Turn(mode)]
    }

    fn timer(&mut self, after: Duration) -> Effect {
        self.timer = self.timer.wrapping_add(1);
        Effect::Timer { generation: self.timer, after }
    }

    fn rest(&mut self, after: Duration) -> Vec<Effect> {
        if self.closing {
            return self.end();
        }
        self.phase = Phase::Resting;
        vec![Effect::Abandon, self.timer(after)]
    }

    fn go_idle(&mut self) -> Vec<Effect> {
        if self.closing {
            return self.end();
        }
        self.phase = Phase::Idle;
        self.burst = None;
        let idle = self.idle;
        vec![self.timer(idle)]
    }

    fn end(&mut self) -> Vec<Effect> {
        self.phase = Phase::Ended;
        vec![Effect::End]
    }

    /// When the customer has been quiet for long enough.
    fn quiet_at(&self, pending: &Pending, now: Instant) -> Instant {
        let Burst { began, last } = self.burst.unwrap_or(Burst { began: now, last: now });
        (last + pending.quiet).min(began + pending.quiet_cap)
    }
}

/// What follows from `event` at `now`.
pub fn step(state: &mut State, event: Event, now: Instant) -> Vec<Effect> {
    match event {
        Event::Rang { arrived } => rang(state, arrived, now),
        Event::Looked(looked) => seen(state, looked, now),
        Event::TurnEnded(end) => turn_ended(state, end),
        Event::Timer { generation } if generation == state.timer => timer_fired(state, now),
        Event::Timer { .. } => vec![],
        Event::LeaseLost => lease_lost(state),
        Event::Close => close(state),
        Event::CutOff if state.phase == Phase::Ended => vec![],
        Event::CutOff => {
            state.phase = Phase::Ended;
            vec![Effect::Abandon, Effect::End]
        }
    }
}

fn rang(state: &mut State, arrived: bool, now: Instant) -> Vec<Effect> {
    if state.closing || state.phase == Phase::Ended {
        return vec![];
    }
    state.rung = true;
    if arrived || state.phase == Phase::Idle {
        state.burst.get_or_insert(Burst { began: now, last: now }).last = now;
    }
    match state.phase {
        Phase::Idle => state.look(false),
        // Looking: it may have come too late to be seen. Listening: the timer looks at the burst when it fires.
        // Thinking: the next turn's. Resting: the look after the rest finds it.
        _ => vec![],
    }
}

fn seen(state: &mut State, looked: Looked, now: Instant) -> Vec<Effect> {
    let Phase::Looking { settled } = state.phase else { return vec![] };
    let pending = match looked {
        Looked::Ours(pending) => pending,
        Looked::Elsewhere => {
            state.rung = false;
            return state.go_idle();
        }
        Looked::Failed => {
            state.failed_looks = state.failed_looks.saturating_add(1);
            let wait = Duration::from_secs(1 << (state.failed_looks - 1).min(5));
            return state.rest(wait.min(MAX_REST));
        }
    };
    state.failed_looks = 0;
    if state.closing {
        return state.end();
    }
    if pending.messages == 0 {
        return if state.rung { state.look(settled) } else { state.go_idle() };
    }
    if pending.failures >= MAX_FAILURES {
        return state.turn(Mode::GiveUp, pending);
    }
    if let Some(reason) = silence(&pending) {
        return state.turn(Mode::Silent(reason), pending);
    }
    let quiet_at = state.quiet_at(&pending, now);
    if settled || quiet_at <= now {
        return if state.rung && !settled { state.look(true) } else { state.turn(Mode::Agent, pending) };
    }
    state.phase = Phase::Listening { pending };
    vec![state.timer(quiet_at - now)]
}

/// Why these messages get no answer, if they get none.
fn silence(pending: &Pending) -> Option<Reason> {
    if pending.handed_off {
        Some(Reason::HandedOff)
    } else if !pending.asks {
        Some(Reason::NothingAsked)
    } else if pending.stale {
        Some(Reason::Stale)
    } else {
        None
    }
}

fn timer_fired(state: &mut State, now: Instant) -> Vec<Effect> {
    match state.phase.clone() {
        Phase::Idle => vec![Effect::Leave],
        Phase::Resting => state.look(true),
        Phase::Listening { pending } => {
            let quiet_at = state.quiet_at(&pending, now);
            if quiet_at > now && state.burst.is_some() {
                vec![state.timer(quiet_at - now)]
            } else if state.rung {
                state.look(true)
            } else {
                state.turn(Mode::Agent, pending)
            }
        }
        Phase::Looking { .. } | Phase::Thinking { .. } | Phase::Ended => vec![],
    }
}

fn turn_ended(state: &mut State, end: TurnEnd) -> Vec<Effect> {
    let Phase::Thinking { more } = state.phase else { return vec![] };
    match end {
        _ if state.closing => state.end(),
        TurnEnd::Committed if more => state.look(true),
        TurnEnd::Committed if state.rung => state.look(false),
        TurnEnd::Committed => state.go_idle(),
        TurnEnd::Fenced => lease_lost(state),
        TurnEnd::Failed { failures: MAX_FAILURES } => state.look(true),
        TurnEnd::Failed { failures } => state.rest(backoff(failures)),
        TurnEnd::Unsure => state.rest(Duration::from_secs(1)),
    }
}

fn lease_lost(state: &mut State) -> Vec<Effect> {
    match state.phase {
        Phase::Ended => vec![],
        // Without a lease there is nothing to lose, and the look at the end of a rest will tell.
        Phase::Idle | Phase::Resting | Phase::Looking { .. } => vec![],
        Phase::Listening { .. } | Phase::Thinking { .. } => {
            state.rung = false;
            let mut effects = vec![Effect::Abandon];
            effects.extend(state.go_idle());
            effects
        }
    }
}

fn close(state: &mut State) -> Vec<Effect> {
    state.closing = true;
    match state.phase {
        Phase::Idle | Phase::Resting => state.end(),
        Phase::Listening { .. } => {
            state.phase = Phase::Ended;
            vec![Effect::Abandon, Effect::End]
        }
        Phase::Looking { .. } | Phase::Thinking { .. } | Phase::Ended => vec![],
    }
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
