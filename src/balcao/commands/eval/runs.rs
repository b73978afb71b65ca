//! `balcao eval list|show|compare|gate|report`: runs that were kept.

use std::path::Path;

use anyhow::{Context, bail};
use balcao_evals::runs::{self, Difference, RunRecord, compare, gate, report};
use serde_json::json;

use super::golden;
use crate::{
    cli::{EvalCompare, EvalGate, EvalReport, Global},
    output,
};

/// What the gate looks at unless told otherwise: what a customer would notice.
const GATED: &[&str] =
    &["correct", "facts", "nothing_forbidden", "numbers_supported", "refusal_right", "held"];

fn shelf(global: &Global) -> anyhow::Result<runs::Shelf> {
    Ok(golden::shelf(&super::super::settings(global, &[])?))
}

/// The runs that were kept, newest first.
pub fn list(global: &Global) -> anyhow::Result<()> {
    let all = shelf(global)?.list()?;
    let rows: Vec<serde_json::Value> = all
        .iter()
        .map(|run| json!({ "id": run.id, "suite": run.suite, "cases": run.cases.len(), "made_with": run.made_with }))
        .collect();
    output::print(global.json, &rows, |_| {
        output::table(
            ["run", "suite", "model", "failing", "cases", "correct (test)", "source"],
            all.iter().map(|run| {
                let correct = run.means(Some("test")).get("correct").map(|mean| format!("{:.3}", mean.mean));
                [
                    run.id.clone(),
                    run.suite.clone(),
                    run.made_with.llm.clone(),
                    format!("{:.0} %", run.made_with.model_failure * 100.0),
                    run.cases.len().to_string(),
                    correct.unwrap_or_default(),
                    run.made_with.git.clone(),
                ]
            }),
        );
    })
}

/// One run.
pub fn show(global: &Global, name: &str, split: Option<&str>) -> anyhow::Result<()> {
    let run = shelf(global)?.get(name)?;
    if global.json {
        println!("{}", serde_json::to_string_pretty(&run)?);
        return Ok(());
    }
    table(&run, split.unwrap_or("test"));
    Ok(())
}

/// What a run measured, after it.
pub fn print(global: &Global, run: &RunRecord, path: &Path) -> anyhow::Result<()> {
    let summary = json!({
        "run": run.id,
        "suite": run.suite,
        "file": path,
        "made_with": run.made_with,
        "test": run.means(Some("test")),
        "dev": run.means(Some("dev")),
    });
    output::print(global.json, &summary, |_| {
        table(run, "test");
        println!(
            "kept as {} ({:.0} s); look at it: balcao eval report {} --out report.html",
            run.id, run.made_with.seconds, run.id
        );
    })
}

fn table(run: &RunRecord, split: &str) {
    let groups = run.by_group(Some(split));
    let means = run.means(Some(split));
    println!("{} on `{split}`, model {}", run.suite, run.made_with.llm);
    let mut head = vec!["metric".to_owned(), "cases".to_owned(), "mean".to_owned(), "±".to_owned()];
    head.extend(groups.keys().cloned());
    output::rows(
        head,
        means.iter().map(|(name, mean)| {
            let mut row = vec![
                name.clone(),
                mean.cases.to_string(),
                format!("{:.3}", mean.mean),
                format!("{:.3}", mean.margin),
            ];
            row.extend(
                groups
                    .values()
                    .map(|of| of.get(name).map(|mean| format!("{:.3}", mean.mean)).unwrap_or_default()),
            );
            row
        }),
    );
}

/// Two runs side by side.
pub fn compare_two(global: &Global, args: &EvalCompare) -> anyhow::Result<()> {
    let shelf = shelf(global)?;
    let (before, after) = (shelf.get(&args.before)?, shelf.get(&args.after)?);
    same_suite(&before, &after)?;
    let differences = compare(&before, &after, args.split.as_deref());
    output::print(global.json, &differences, |differences| differences_table(differences))
}

fn same_suite(before: &RunRecord, after: &RunRecord) -> anyhow::Result<()> {
    if before.suite != after.suite {
        bail!(
            "{} is a run of `{}`, {} of `{}`: they cannot be compared",
            before.id,
            before.suite,
            after.id,
            after.suite
        );
    }
    Ok(())
}

fn differences_table(differences: &[Difference]) {
    output::table(
        ["metric", "cases", "before", "after", "difference", "95 % interval", "verdict"],
        differences.iter().map(|one| {
            let verdict = if one.is_worse() {
                "worse"
            } else if one.is_better() {
                "better"
            } else {
                "noise"
            };
            [
                one.metric.clone(),
                one.cases.to_string(),
                format!("{:.3}", one.before),
                format!("{:.3}", one.after),
                format!("{:+.3}", one.after - one.before),
                format!("{:+.3} … {:+.3}", one.low, one.high),
                verdict.to_owned(),
            ]
        }),
    );
}

/// Holds a run against the committed baseline; an error when it fell.
pub fn gate_run(global: &Global, args: &EvalGate) -> anyhow::Result<()> {
    let run = shelf(global)?.get(&args.run)?;
    let path = args.baseline.clone().unwrap_or_else(|| format!("evals/baseline/{}.json", run.suite).into());
    if args.accept {
        runs::write(&path, &slim(&run))?;
        println!("{} is the baseline of `{}` now: commit `{}`", run.id, run.suite, path.display());
        return Ok(());
    }
    let baseline = runs::read(&path).with_context(|| {
        format!("there is no baseline: `balcao eval gate {} --accept` makes this run it", args.run)
    })?;
    same_suite(&baseline, &run)?;
    let metrics: Vec<&str> = match args.metric.as_slice() {
        [] => GATED.to_vec(),
        named => named.iter().map(String::as_str).collect(),
    };
    let verdict = gate(&baseline, &run, &metrics, args.split.as_deref());
    output::print(global.json, &verdict, |verdict| {
        for one in &verdict.fallen {
            println!(
                "{} fell from {:.3} to {:.3} (95 % interval of the difference {:+.3} … {:+.3}); worse: {}",
                one.metric,
                one.before,
                one.after,
                one.low,
                one.high,
                one.worse.join(", ")
            );
        }
        if !verdict.missing.is_empty() {
            println!("cases of the baseline that were not run: {}", verdict.missing.join(", "));
        }
        if verdict.passed {
            println!("{} holds against the baseline of {}", run.suite, baseline.made_with.git);
        }
    })?;
    if verdict.passed {
        return Ok(());
    }
    bail!(
        "the run {} is worse than the baseline; where that is meant, `balcao eval gate {} --accept` makes it the new one",
        run.id,
        run.id
    )
}

/// A run without what changes from one run to the next: what is committed.
fn slim(run: &RunRecord) -> RunRecord {
    let mut run = run.clone();
    run.made_with.seconds = 0.0;
    for case in &mut run.cases {
        case.details = serde_json::Value::Null;
    }
    run
}

/// Writes the page of a run.
pub fn write_report(global: &Global, args: &EvalReport) -> anyhow::Result<()> {
    let shelf = shelf(global)?;
    let run = shelf.get(&args.run)?;
    let older = args.against.as_ref().map(|name| shelf.get(name)).transpose()?;
    let differences = match &older {
        Some(older) => {
            same_suite(older, &run)?;
            compare(older, &run, Some("test"))
        }
        None => Vec::new(),
    };
    let html = report::page(&run, older.as_ref().map(|older| (older, differences.as_slice())));
    std::fs::write(&args.out, html).with_context(|| format!("failed to write `{}`", args.out.display()))?;
    println!("{}", args.out.display());
    Ok(())
}
