//! Breakers as operators and panels see them.

use balcao_domain::breaker::{Nanos, State, Totals};
use serde::Serialize;

use super::family::{Family, Level, Member};

/// Most keys with metrics of their own; further ones are summed up as `other`.
const MAX_KEYS: usize = 256;

/// One breaker, as an operator sees it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct BreakerView {
    /// `llm:<model>`, `llm:<model>/credential`, `llm:<model>/tenant:<id>`, `whatsapp:<phone_number_id>` …
    pub key: String,
    /// `closed`, `open`, `half_open`, `forced_open`, `forced_closed`, `metrics_only`.
    pub state: String,
    /// Rises with every transition.
    pub generation: u64,
    /// Why it is in this state.
    pub reason: String,
    /// Milliseconds until the next trial, when open; until the order ends, when ordered. `None` also when only
    /// a person can end it.
    pub retry_in_ms: Option<u64>,
    /// Milliseconds this key still waits because of a rate limit.
    pub limited_for_ms: Option<u64>,
    pub in_flight: u64,
    pub calls: u64,
    pub failures: u64,
    pub slow: u64,
    pub rejected: u64,
    pub cancelled: u64,
    /// Calls whose outcome nobody knows; they are among the failures, too.
    pub unknown: u64,
    /// Results that came after the state had moved on.
    pub late: u64,
    /// Of the last ten seconds in this state, 0 to 1.
    pub failure_rate: f64,
    pub backoff_level: u32,
    /// Milliseconds in this state.
    pub in_state_ms: u64,
    /// Half of the successful calls took no longer, in milliseconds.
    pub p50_ms: Option<u64>,
    /// Ninety-nine of a hundred successful calls took no longer, in milliseconds.
    pub p99_ms: Option<u64>,
}

impl BreakerView {
    pub(super) fn of(member: &Member, now: Nanos) -> Self {
        let (gate, published) = (&member.gate, member.published.lock().clone());
        let (ruling, totals) = (gate.ruling(), gate.totals());
        let wait = |until: Nanos| (until != Nanos::NEVER).then(|| until.since(now).as_millis() as u64);
        let timed = !matches!(ruling.state, State::Closed | State::HalfOpen);
        let quantile = |q| gate.quantile(q).map(|d| d.as_millis() as u64);
        Self {
            key: member.key.clone(),
            state: ruling.state.as_str().into(),
            generation: ruling.generation,
            reason: published.reason,
            retry_in_ms: wait(gate.until()).filter(|_| timed),
            limited_for_ms: wait(gate.limited_until()).filter(|ms| *ms > 0),
            in_flight: gate.in_flight(),
            calls: totals.calls(),
            failures: totals.failed + totals.unknown,
            slow: totals.slow,
            rejected: totals.rejected,
            cancelled: totals.cancelled,
            unknown: totals.unknown,
            late: totals.late,
            failure_rate: published.failure_rate,
            backoff_level: published.backoff_level,
            in_state_ms: now.since(published.since).as_millis() as u64,
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
        }
    }
}

/// Writes the state of all breakers to the metrics; to be called before they are read. A dependency's tenants
/// are summed up under one key, and so are the keys past [`MAX_KEYS`].
pub(super) fn publish<'a>(families: impl Iterator<Item = &'a Family>) {
    let mut other = Sum::default();
    let mut keys = 0;
    for family in families {
        let mut tenants = Sum { totals: family.retired(), ..Sum::default() };
        for member in family.members() {
            if matches!(member.level, Level::Tenant(_)) {
                tenants.add(&member);
            } else if keys < MAX_KEYS {
                keys += 1;
                publish_one(&member);
            } else {
                other.add(&member);
            }
        }
        if family.key.starts_with("llm:") {
            tenants.publish(format!("{}/tenants", family.key));
        }
    }
    if keys == MAX_KEYS {
        other.publish("other".into());
    }
}

fn publish_one(member: &Member) {
    let (key, ruling) = (member.key.clone(), member.gate.ruling());
    for state in STATES {
        let on = f64::from(u8::from(state == ruling.state));
        let labels = [("key", key.clone()), ("state", state.as_str().into())];
        metrics::gauge!("balcao_breaker_state", &labels).set(on);
    }
    metrics::gauge!("balcao_breaker_generation", "key" => key.clone()).set(ruling.generation as f64);
    let published = member.published.lock().clone();
    metrics::gauge!("balcao_breaker_failure_rate", "key" => key.clone()).set(published.failure_rate);
    metrics::gauge!("balcao_breaker_backoff_level", "key" => key.clone()).set(published.backoff_level);
    for (name, quantile) in [("0.5", 0.5), ("0.99", 0.99)] {
        if let Some(duration) = member.gate.quantile(quantile) {
            let labels = [("key", key.clone()), ("quantile", name.into())];
            metrics::gauge!("balcao_breaker_call_seconds", &labels).set(duration.as_secs_f64());
        }
    }
    counts(key, &member.gate.totals(), member.gate.in_flight());
}

const STATES: [State; 6] =
    [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen, State::ForcedClosed, State::MetricsOnly];

fn counts(key: String, totals: &Totals, in_flight: u64) {
    for (class, count) in totals.by_class() {
        let labels = [("key", key.clone()), ("class", class.into())];
        metrics::counter!("balcao_breaker_calls_total", &labels).absolute(count);
    }
    metrics::counter!("balcao_breaker_rejected_total", "key" => key.clone()).absolute(totals.rejected);
    metrics::gauge!("balcao_breaker_in_flight", "key" => key).set(in_flight as f64);
}

/// Several breakers under one key.
#[derive(Default)]
struct Sum {
    totals: Totals,
    in_flight: u64,
    open: u64,
}

impl Sum {
    fn add(&mut self, member: &Member) {
        self.totals.add(&member.gate.totals());
        self.in_flight += member.gate.in_flight();
        self.open += u64::from(matches!(member.gate.ruling().state, State::Open | State::ForcedOpen));
    }

    fn publish(self, key: String) {
        metrics::gauge!("balcao_breaker_open", "key" => key.clone()).set(self.open as f64);
        counts(key, &self.totals, self.in_flight);
    }
}
