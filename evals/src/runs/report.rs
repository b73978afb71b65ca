//! A run as one page of HTML, with nothing to load: figures with their intervals, how they are spread, how long answers
//! took, and the worst cases with question, evidence and answer side by side.

use std::fmt::Write as _;

use serde_json::Value;

use super::{CaseScore, Difference, Mean, RunRecord};

/// Cases that are shown in full.
const WORST: usize = 40;

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c2733;--soft:#667585;--line:#d9e0e7;--bar:#2f7d6b;--bad:#b5483a;--ground:#fff;--panel:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#93a1b0;--line:#313b46;--bar:#4fb39b;--bad:#e07a6b;--ground:#0f151b;--panel:#171f27}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 20px 80px}h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:40px 0 12px}
.soft{color:var(--soft)}table{border-collapse:collapse;width:100%}td,th{padding:6px 10px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{font-weight:600;color:var(--soft);font-size:13px}.num{text-align:right;font-variant-numeric:tabular-nums}
.track{position:relative;height:14px;background:var(--panel);border-radius:7px;min-width:220px}
.fill{position:absolute;inset:0 auto 0 0;background:var(--bar);border-radius:7px}.whisker{position:absolute;top:6px;height:2px;background:var(--ink);opacity:.65}
.case{border:1px solid var(--line);border-radius:10px;padding:14px 16px;margin:12px 0;background:var(--panel)}
.case h3{margin:0 0 8px;font-size:15px}.three{display:grid;grid-template-columns:1fr 1fr 1fr;gap:16px}@media(max-width:800px){.three{grid-template-columns:1fr}}
.three b{display:block;font-size:12px;color:var(--soft);text-transform:uppercase;letter-spacing:.04em;margin-bottom:4px}
.tag{display:inline-block;border:1px solid var(--line);border-radius:99px;padding:0 8px;margin:0 4px 4px 0;font-size:12px;color:var(--soft)}
.bad{color:var(--bad)}pre{white-space:pre-wrap;margin:0;font:inherit}svg text{fill:var(--soft);font-size:11px}svg rect{fill:var(--bar)}
";

/// The page of a run. `against`: how it differs from an older one.
pub fn page(run: &RunRecord, against: Option<(&RunRecord, &[Difference])>) -> String {
    let mut html = String::new();
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{} {}</title><style>{STYLE}</style><main><h1>Suite “{}”</h1><p class=\"soft\">{}</p>",
        escape(&run.suite),
        escape(&run.id),
        escape(&run.suite),
        escape(&made_with(run)),
    );
    for (split, title) in
        [(Some("test"), "On the half that judges (test)"), (Some("dev"), "On the half one works with (dev)")]
    {
        let means = run.means(split);
        if !means.is_empty() {
            let _ = write!(html, "<h2>{title}</h2>{}", bars(&means));
        }
    }
    groups(&mut html, run);
    if let Some((older, differences)) = against {
        compared(&mut html, older, differences);
    }
    latencies(&mut html, run);
    worst(&mut html, run);
    html.push_str("</main></html>\n");
    html
}

fn made_with(run: &RunRecord) -> String {
    let made = &run.made_with;
    let model = made.model.as_deref().unwrap_or("none");
    format!(
        "run {} · source {} · model {} ({}) · model calls failing {:.0} % · seed {} · {} cases · {:.0} s · data {}",
        run.id,
        made.git,
        model,
        made.llm,
        made.model_failure * 100.0,
        made.seed,
        run.cases.len(),
        made.seconds,
        made.data.get(..12).unwrap_or(&made.data),
    )
}

fn bars(means: &std::collections::BTreeMap<String, Mean>) -> String {
    let mut html = String::from(
        "<table><tr><th>metric<th>mean, with its 95 % interval<th class=num>value<th class=num>cases</tr>",
    );
    for (name, mean) in means {
        let percent = |value: f64| value.clamp(0.0, 1.0) * 100.0;
        let (low, high) = (percent(mean.mean - mean.margin), percent(mean.mean + mean.margin));
        let _ = write!(
            html,
            "<tr><td>{}<td><div class=track><div class=fill style=\"width:{:.1}%\"></div>\
             <div class=whisker style=\"left:{low:.1}%;width:{:.1}%\"></div></div><td class=num>{:.3}<td class=num>{}</tr>",
            escape(name),
            percent(mean.mean),
            high - low,
            mean.mean,
            mean.cases,
        );
    }
    html + "</table>"
}

fn groups(html: &mut String, run: &RunRecord) {
    let groups = run.by_group(Some("test"));
    if groups.len() < 2 {
        return;
    }
    let mut metrics: Vec<&String> = groups.values().flat_map(|means| means.keys()).collect();
    metrics.sort();
    metrics.dedup();
    html.push_str("<h2>By shop (test)</h2><table><tr><th>metric");
    for name in groups.keys() {
        let _ = write!(html, "<th class=num>{}", escape(name));
    }
    html.push_str("</tr>");
    for metric in metrics {
        let _ = write!(html, "<tr><td>{}", escape(metric));
        for means in groups.values() {
            match means.get(metric) {
                Some(mean) => {
                    let _ = write!(html, "<td class=num>{:.3}", mean.mean);
                }
                None => html.push_str("<td class=num>–"),
            }
        }
        html.push_str("</tr>");
    }
    html.push_str("</table>");
}

fn compared(html: &mut String, older: &RunRecord, differences: &[Difference]) {
    let _ = write!(
        html,
        "<h2>Against {}</h2><table><tr><th>metric<th class=num>before<th class=num>after<th class=num>difference\
         <th>95 % interval<th>cases that changed</tr>",
        escape(&older.id)
    );
    for one in differences {
        let class = if one.is_worse() { " class=bad" } else { "" };
        let _ = write!(
            html,
            "<tr{class}><td>{}<td class=num>{:.3}<td class=num>{:.3}<td class=num>{:+.3}<td>{:+.3} … {:+.3}<td>{} worse, {} better</tr>",
            escape(&one.metric),
            one.before,
            one.after,
            one.after - one.before,
            one.low,
            one.high,
            one.worse.len(),
            one.better.len(),
        );
    }
    html.push_str("</table>");
}

/// How long answers took: a histogram on a scale of doublings.
fn latencies(html: &mut String, run: &RunRecord) {
    let mut times: Vec<f64> =
        run.cases.iter().filter_map(|case| case.details.get("milliseconds")?.as_f64()).collect();
    if times.is_empty() {
        return;
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    let bucket = |time: f64| (time.max(1.0).log2().floor() as usize).min(15);
    let mut counts = [0_usize; 16];
    for time in &times {
        counts[bucket(*time)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let _ = write!(
        html,
        "<h2>How long answers took</h2><p class=soft>p50 {:.0} ms, p95 {:.0} ms, p99 {:.0} ms</p>\
         <svg width=\"720\" height=\"150\" role=\"img\" aria-label=\"histogram of answer times\">",
        at(0.5),
        at(0.95),
        at(0.99),
    );
    for (number, count) in counts.iter().enumerate() {
        let height = 110.0 * *count as f64 / most;
        let x = number * 44;
        let _ = write!(
            html,
            "<rect x=\"{x}\" y=\"{:.1}\" width=\"38\" height=\"{height:.1}\" rx=\"3\"/><text x=\"{x}\" y=\"142\">{}</text>",
            122.0 - height,
            1_u32 << number,
        );
    }
    html.push_str("</svg><p class=soft>milliseconds, each bar twice as wide as the one before</p>");
}

fn worst(html: &mut String, run: &RunRecord) {
    let failed = |case: &&CaseScore| case.scores.get("correct").is_some_and(|score| *score < 1.0);
    let mut cases: Vec<&CaseScore> = run.cases.iter().filter(failed).collect();
    let total = |case: &CaseScore| case.scores.values().sum::<f64>() / case.scores.len().max(1) as f64;
    cases.sort_by(|a, b| total(a).total_cmp(&total(b)));
    let _ = write!(html, "<h2>Worst cases ({} of {} are not right)</h2>", cases.len(), run.cases.len());
    for case in cases.into_iter().take(WORST) {
        one(html, case);
    }
}

fn one(html: &mut String, case: &CaseScore) {
    let text = |name: &str| case.details.get(name).and_then(Value::as_str).unwrap_or_default();
    let list = |name: &str| -> Vec<String> {
        let items = case.details.get(name).and_then(Value::as_array).into_iter().flatten();
        items.map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
    };
    let quotes = |name: &str| -> String {
        let items = case.details.get(name).and_then(Value::as_array).into_iter().flatten();
        let quote = |item: &Value| {
            let of = |field: &str| item.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            format!("{}: {}", of("source"), of("quote"))
        };
        items.map(quote).collect::<Vec<_>>().join("\n\n")
    };
    let failures: Vec<String> = case
        .scores
        .iter()
        .filter(|(_, score)| **score < 1.0)
        .map(|(name, score)| format!("{name} {score:.2}"))
        .collect();
    let _ = write!(
        html,
        "<div class=case><h3>{} <span class=soft>{}</span></h3>",
        escape(&case.id),
        escape(&case.group)
    );
    for tag in list("tags") {
        let _ = write!(html, "<span class=tag>{}</span>", escape(&tag));
    }
    let transcript = text("transcript");
    if transcript.is_empty() {
        let _ = write!(
            html,
            "<div class=three><div><b>Question</b><pre>{}</pre></div><div><b>What supports an answer</b><pre>{}</pre></div>\
             <div><b>Answer ({})</b><pre>{}</pre><p class=soft><pre>{}</pre></div></div>",
            escape(text("question")),
            escape(&quotes("supports")),
            escape(text("path")),
            escape(text("answer")),
            escape(&quotes("citations")),
        );
    } else {
        let _ = write!(html, "<pre>{}</pre>", escape(transcript));
    }
    let mut wrong = failures;
    for (name, word) in [
        ("missing", "not said"),
        ("forbidden", "must not be said"),
        ("unsupported_numbers", "from nowhere"),
        ("failures", "failed"),
    ] {
        wrong.extend(list(name).into_iter().map(|item| format!("{word}: {item}")));
    }
    let _ = write!(html, "<p class=bad>{}</p></div>", escape(&wrong.join(" · ")));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::MadeWith;

    #[test]
    fn a_page_shows_the_worst_cases_and_believes_no_text() {
        let case = CaseScore {
            id: "x-1".into(),
            group: "shop".into(),
            split: "test".into(),
            scores: [("correct".to_owned(), 0.0), ("f1".to_owned(), 0.25)].into(),
            details: serde_json::json!({
                "question": "<script>alert(1)</script>", "answer": "a & b", "milliseconds": 12.0,
                "missing": ["30 dias"], "supports": [{ "source": "faq.md", "quote": "30 dias" }],
            }),
        };
        let run = RunRecord {
            id: "r1".into(),
            suite: "answers".into(),
            made_with: MadeWith::default(),
            cases: vec![case],
        };
        let html = page(&run, None);
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script"), "{html}");
        assert!(html.contains("not said: 30 dias") && html.contains("faq.md: 30 dias"));
        assert!(html.contains("p50 12 ms"));
        assert!(!html.contains("http"), "nothing is loaded");
    }
}
