//! What held of a dialogue, and what did not.

use super::{
    case::{Expect, Goal},
    play::{Heard, State},
};
use crate::text::contains;

/// What of an expectation does not hold of what was heard.
pub fn turn(expect: &Expect, heard: &[Heard]) -> Vec<String> {
    let said = joined(heard);
    let mut failed = Vec::new();
    match expect.silence {
        Some(true) if !heard.is_empty() => failed.push(format!("it should say nothing, and says “{said}”")),
        Some(false) if heard.is_empty() => failed.push("it says nothing".into()),
        _ => {}
    }
    if !expect.contains_any.is_empty() && !expect.contains_any.iter().any(|fact| contains(&said, fact)) {
        failed.push(format!("it says none of {:?}", expect.contains_any));
    }
    for fact in expect.contains_all.iter().filter(|fact| !contains(&said, fact)) {
        failed.push(format!("it does not say “{fact}”"));
    }
    for fact in expect.not_contains.iter().filter(|fact| contains(&said, fact)) {
        failed.push(format!("it says “{fact}”"));
    }
    let cites = |source: &String| heard.iter().any(|heard| heard.sources.contains(source));
    if !expect.source_any.is_empty() && !expect.source_any.iter().any(cites) {
        failed.push(format!("it cites none of {:?}", expect.source_any));
    }
    if let Some(language) = &expect.language {
        // A reply of which no language can be told is not in another one.
        let other = heard.iter().find_map(|heard| heard.language.as_ref()).filter(|told| *told != language);
        if let Some(other) = other {
            failed.push(format!("it is in `{other}`, not in `{language}`"));
        }
        if heard.is_empty() {
            failed.push("it says nothing".into());
        }
    }
    failed
}

/// What of the goal does not hold in the end.
pub fn goal(goal: &Goal, all: &[Heard], state: &State) -> Vec<String> {
    let mut failed = Vec::new();
    if let Some(handed_off) = goal.handed_off
        && handed_off != state.handed_off
    {
        let is = if state.handed_off { "is" } else { "is not" };
        failed.push(format!("the conversation {is} in a person's hands"));
    }
    let reason = state.handoff_reason.as_deref().unwrap_or_default();
    if !goal.handoff_reason_any.is_empty()
        && !goal.handoff_reason_any.iter().any(|fact| contains(reason, fact))
    {
        failed.push(format!("the reason “{reason}” names none of {:?}", goal.handoff_reason_any));
    }
    if let Some(opted_out) = goal.opted_out
        && opted_out != state.opted_out
    {
        failed.push(format!("opted out: {}", state.opted_out));
    }
    for fact in &goal.told_all {
        if !all.iter().any(|heard| contains(&heard.text, fact)) {
            failed.push(format!("“{fact}” was never said"));
        }
    }
    for fact in &goal.told_none {
        if all.iter().any(|heard| contains(&heard.text, fact)) {
            failed.push(format!("“{fact}” was said"));
        }
    }
    failed
}

/// Everything that was said, as one text.
pub fn joined(heard: &[Heard]) -> String {
    heard.iter().map(|heard| heard.text.as_str()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(text: &str, sources: &[&str]) -> Heard {
        Heard {
            text: text.into(),
            sources: sources.iter().map(|source| (*source).to_owned()).collect(),
            language: Some("pt".into()),
        }
    }

    #[test]
    fn each_expectation_is_judged_by_itself() {
        let all = [heard("O prazo é de **7 dias**.", &["trocas.md"])];
        let facts = |list: &[&str]| list.iter().map(|fact| (*fact).to_owned()).collect::<Vec<_>>();
        let good = Expect {
            contains_any: facts(&["30 dias", "7 dias"]),
            contains_all: facts(&["prazo"]),
            not_contains: facts(&["17 dias"]),
            source_any: facts(&["trocas.md"]),
            language: Some("pt".into()),
            silence: None,
        };
        assert_eq!(turn(&good, &all), Vec::<String>::new());
        let bad = Expect {
            contains_any: facts(&["30 dias"]),
            contains_all: facts(&["frete"]),
            not_contains: facts(&["7 dias"]),
            source_any: facts(&["faq.md"]),
            language: Some("en".into()),
            silence: Some(true),
        };
        assert_eq!(turn(&bad, &all).len(), 6);
        assert_eq!(turn(&Expect { silence: Some(false), ..Expect::default() }, &[]).len(), 1);
    }

    #[test]
    fn the_goal_is_about_all_that_was_said_and_the_state_it_left() {
        let goal_of = Goal {
            handed_off: Some(true),
            handoff_reason_any: vec!["atraso".into()],
            opted_out: Some(false),
            told_all: vec!["7 dias".into()],
            told_none: vec!["grátis".into()],
        };
        let state =
            State { handed_off: true, handoff_reason: Some("Atraso na entrega".into()), opted_out: false };
        let all = [heard("oi", &[]), heard("7 dias", &[])];
        assert!(goal(&goal_of, &all, &state).is_empty());
        let worse = State { handed_off: false, handoff_reason: None, opted_out: true };
        assert_eq!(goal(&goal_of, &[heard("é grátis", &[])], &worse).len(), 5);
    }
}
