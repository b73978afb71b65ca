use std::io::Write;

use super::*;

/// A task that was tried `tried` times and solved the first `solved` times.
fn task(name: &str, tried: u64, solved: u64) -> Vec<Trial> {
    (0..tried)
        .map(|trial| Trial { task: name.into(), trial, reward: if trial < solved { 1.0 } else { 0.0 } })
        .collect()
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

fn rounded(values: &[f64]) -> Vec<String> {
    values.iter().map(|v| format!("{v:.3}")).collect()
}

#[test]
fn the_published_figures_of_tau_airline_come_out() {
    // gpt-4o, 50 tasks of 4 trials, from sierra-research/tau-bench's recorded trajectories:
    // how many tasks were solved 0, 1, 2, 3 and 4 times.
    let tasks_solved = [14, 12, 10, 4, 10];
    let mut rows = Vec::new();
    for (solved, tasks) in tasks_solved.into_iter().enumerate() {
        for n in 0..tasks {
            rows.extend(task(&format!("{solved}-{n}"), 4, solved as u64));
        }
    }
    assert_eq!(rows.len(), 200);
    assert_eq!(rounded(&pass_hat_k(&rows)), ["0.420", "0.273", "0.220", "0.200"]);
}

#[test]
fn a_task_solved_three_times_of_four_passes_twice_in_a_row_half_the_time() {
    let values = pass_hat_k(&task("a", 4, 3));
    let expected = [0.75, 0.5, 0.25, 0.0];
    assert_eq!(values.len(), 4);
    assert!(values.iter().zip(expected).all(|(v, e)| (v - e).abs() < 1e-12), "{values:?}");
}

#[test]
fn k_goes_as_far_as_the_task_tried_least_often() {
    let rows = [task("a", 4, 4), task("b", 2, 1)].concat();
    assert_eq!(pass_hat_k(&rows), [0.75, 0.5]);
}

#[test]
fn no_rows_give_no_figures() {
    assert!(pass_hat_k(&[]).is_empty());
}

#[test]
fn a_reward_a_rounding_error_below_one_is_solved_and_a_partial_one_is_not() {
    let trial = |reward| Trial { task: "a".into(), trial: 0, reward };
    assert!(trial(0.999_999_5).solved());
    assert!(!trial(0.999).solved());
}

#[test]
fn many_trials_do_not_overflow() {
    let values = pass_hat_k(&task("a", 500, 500));
    assert_eq!(values.len(), 500);
    assert!(values.iter().all(|v| (v - 1.0).abs() < 1e-12));
}

#[test]
fn tasks_are_named_by_numbers_or_strings() {
    let file = file(
        "{\"task_id\": 7, \"trial\": 0, \"reward\": 1}\n\n{\"task\": \"x\", \"trial\": 1, \"reward\": 0.5}\n",
    );
    let rows = read(file.path()).unwrap();
    assert_eq!(rows[0], Trial { task: "7".into(), trial: 0, reward: 1.0 });
    assert_eq!(rows[1], Trial { task: "x".into(), trial: 1, reward: 0.5 });
}

#[test]
fn a_row_without_reward_is_an_error_with_file_and_line() {
    let file = file("{\"task_id\": 0, \"trial\": 0, \"reward\": 1}\n{\"task_id\": 0, \"trial\": 1}\n");
    let said = read(file.path()).unwrap_err().to_string();
    assert!(said.starts_with(&format!("{}:2: ", file.path().display())), "{said}");
    assert!(said.contains("missing field `reward`"), "{said}");
}

#[test]
fn the_same_trial_twice_is_an_error_with_file_and_line() {
    let row = "{\"task_id\": 3, \"trial\": 1, \"reward\": 1}\n";
    let file = file(&row.repeat(2));
    let said = read(file.path()).unwrap_err().to_string();
    assert!(said.ends_with(":2: trial `1` of task `3` is there twice"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let said = read("no/such.jsonl").unwrap_err().to_string();
    assert_eq!(said, "cannot read `no/such.jsonl`");
}
