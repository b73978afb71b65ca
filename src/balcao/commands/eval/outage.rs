//! `balcao eval outage`: what it costs when the model fails. The answer suite at rising shares of failing model calls, the real
//! breaker in the path: how good the answers still are, what they invent, how long customers wait.

use serde::Serialize;

use super::{answers, golden::Ground};
use crate::{
    cli::{EvalAnswers, EvalModel, EvalOutage, Global, Llm},
    output,
};

/// Shares of the model's calls that fail.
const SHARES: [f64; 3] = [0.0, 0.3, 1.0];

/// One point of the curve.
#[derive(Debug, Serialize)]
struct Point {
    model_failure: f64,
    run: String,
    correct: f64,
    margin: f64,
    facts: f64,
    /// Answers that say what must not be said, or a number from nowhere: promises a customer would hold the shop to.
    false_promises: usize,
    /// Answered by the model, of all answers.
    by_model: f64,
    p50_ms: f64,
    p95_ms: f64,
}

/// Runs the suite at every share and prints the curve.
pub async fn run(global: &Global, args: EvalOutage) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.model.llm != Llm::Off,
        "an outage needs a model to fail: --llm live, or --llm replay with --recording FILE"
    );
    let ground = Ground::open(global).await?;
    let done = curve(&ground, &args).await;
    ground.opened.close().await;
    output::print(global.json, &done?, |points| {
        output::table(
            [
                "model calls failing",
                "correct (test)",
                "±",
                "facts",
                "false promises",
                "by the model",
                "p50",
                "p95",
                "run",
            ],
            points.iter().map(|point| {
                [
                    format!("{:.0} %", point.model_failure * 100.0),
                    format!("{:.3}", point.correct),
                    format!("{:.3}", point.margin),
                    format!("{:.3}", point.facts),
                    point.false_promises.to_string(),
                    format!("{:.0} %", point.by_model * 100.0),
                    format!("{:.0} ms", point.p50_ms),
                    format!("{:.0} ms", point.p95_ms),
                    point.run.clone(),
                ]
            }),
        );
    })
}

async fn curve(ground: &Ground, args: &EvalOutage) -> anyhow::Result<Vec<Point>> {
    let shelf = ground.shelf();
    let mut points = Vec::new();
    for share in SHARES {
        let model = EvalModel { model_failure: share, ..args.model.clone() };
        let asked = EvalAnswers {
            golden: args.golden.clone(),
            tenant: args.tenant.clone(),
            split: Some("test".into()),
            model: model.clone(),
        };
        let run = answers::measure(ground, &asked, &model).await?;
        shelf.keep(&run)?;
        let means = run.means(None);
        let score = |name: &str| means.get(name).map_or(0.0, |mean| mean.mean);
        let failed = |case: &&balcao_evals::runs::CaseScore| {
            ["nothing_forbidden", "numbers_supported"].iter().any(|name| case.scores.get(*name) == Some(&0.0))
        };
        let mut times: Vec<f64> =
            run.cases.iter().filter_map(|case| case.details.get("milliseconds")?.as_f64()).collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = times.len().saturating_sub(1) as f64;
            times.get((last * share).round() as usize).copied().unwrap_or_default()
        };
        let by_model =
            run.cases.iter().filter(|case| case.details.get("path").is_some_and(|path| path == "model"));
        points.push(Point {
            model_failure: share,
            correct: score("correct"),
            margin: means.get("correct").map_or(0.0, |mean| mean.margin),
            facts: score("facts"),
            false_promises: run.cases.iter().filter(failed).count(),
            by_model: by_model.count() as f64 / run.cases.len().max(1) as f64,
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            run: run.id,
        });
    }
    Ok(points)
}
