//! Webhooks on their way: signed, and late, doubled, out of order, forged or lost on request.

use std::{sync::Arc, time::Duration};

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{
    Shared,
    dialects::{Dialect, Report},
    world::{Charge, Hook, News},
};

/// Everything that may go wrong. Setting faults replaces them all. Shares are from 0 to 1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// How long each call of an API takes, in milliseconds.
    pub latency_ms: u64,
    /// The share of calls that are refused with 503 and not carried out.
    pub fail: f64,
    /// The share of calls that are carried out and answered with 502.
    pub lose_answer: f64,
    /// The share of reports that are never sent.
    pub lose: f64,
    /// The share of reports that are sent twice.
    pub duplicate: f64,
    /// The longest a report is held back, in milliseconds; each waits for a random part of it.
    pub delay_ms: u64,
    /// The share of reports that are held back for three times that, so that later ones overtake them.
    pub reorder: f64,
    /// The share of reports that are followed by a forgery: the same with another amount, wrongly signed.
    pub forge: f64,
}

impl Shared {
    /// Reports something to whoever is registered.
    pub(super) fn tell(self: &Arc<Self>, dialect: &'static dyn Dialect, charge: Charge, news: News) {
        let Some(hook) = self.world.lock().hooks.get(dialect.name()).cloned() else { return };
        let faults = self.faults.lock().clone();
        if self.chance(faults.lose) {
            return;
        }
        let times = if self.chance(faults.duplicate) { 2 } else { 1 };
        for _ in 0..times {
            let wait = self.wait(&faults);
            let report = dialect.report(&charge, news, &hook);
            self.send_later(wait, report, hook.clone(), true);
        }
        if self.chance(faults.forge) {
            let mut lie = charge;
            if let (News::Paid(at), true) = (news, !lie.receipts.is_empty()) {
                lie.receipts[at].minor += 100_000;
            }
            let unknown = Hook { secret: "not-the-secret".into(), url: hook.url.clone() };
            let report = dialect.report(&lie, news, &unknown);
            self.send_later(self.wait(&faults), report, unknown, false);
        }
    }

    fn wait(&self, faults: &Faults) -> Duration {
        let late = self.chance(faults.reorder);
        let most = if late { faults.delay_ms.max(100) * 3 } else { faults.delay_ms };
        Duration::from_millis(if most == 0 { 0 } else { self.rng.lock().random_range(0..=most) })
    }

    fn send_later(self: &Arc<Self>, wait: Duration, report: Report, hook: Hook, again: bool) {
        let shared = self.clone();
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            tokio::time::sleep(wait).await;
            for pause in [Duration::ZERO].into_iter().chain(shared.retries.clone()) {
                tokio::time::sleep(pause).await;
                if shared.send(&report, &hook).await || !again {
                    return;
                }
            }
            tracing::warn!(url = hook.url, "a report was never answered with 200");
        });
    }

    async fn send(&self, report: &Report, hook: &Hook) -> bool {
        let url = format!("{}{}", hook.url, report.suffix);
        let mut request = self.http.post(url).header("content-type", "application/json");
        for (name, value) in &report.headers {
            request = request.header(*name, value);
        }
        let answer = request.body(report.body.clone()).send().await;
        answer.is_ok_and(|answer| answer.status().as_u16() == 200)
    }
}
