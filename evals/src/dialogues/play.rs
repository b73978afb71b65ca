//! Plays a dialogue: sends what a turn says, waits for the shop, looks at what came, goes on. A failed expectation does not
//! end it: people go on talking, too.

use async_trait::async_trait;
use serde::Serialize;

use super::{case::Dialogue, judge};
use crate::runs::CaseScore;

/// The shop, as a customer reaches it.
#[async_trait]
pub trait Shop: Send {
    /// Sends text messages one after the other, then what is attached, without waiting for a reply.
    async fn send(&mut self, texts: &[String], attached: &[Attached]) -> Result<(), String>;

    /// Waits until the shop has said all it says to that; `silence`: nothing is expected, so the wait is a fixed one.
    async fn hear(&mut self, silence: bool) -> Result<Vec<Heard>, String>;

    /// How things stand.
    async fn state(&mut self) -> Result<State, String>;
}

/// Something sent that is no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// `audio`, `image`, `video`, `document`, `sticker`, `location`, `reaction`.
    pub kind: String,
    /// Caption, file name or emoji.
    pub text: String,
}

/// One message of the shop's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Heard {
    /// The words.
    pub text: String,
    /// File names of the documents its turn cites.
    pub sources: Vec<String>,
    /// The language it is in, where that can be told.
    pub language: Option<String>,
}

/// How things stand in the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// The conversation is in a person's hands.
    pub handed_off: bool,
    /// Why.
    pub handoff_reason: Option<String>,
    /// The customer is written to no more.
    pub opted_out: bool,
}

/// What became of one trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Played {
    /// Everything that was said, in order, for the people who look.
    pub transcript: String,
    /// What did not hold.
    pub failures: Vec<String>,
    /// Expectations and goals that were judged.
    pub judged: usize,
}

/// Plays one trial (from 0).
///
/// # Errors
/// When the shop cannot be reached; what it says wrongly is in [`Played::failures`].
pub async fn play(dialogue: &Dialogue, trial: usize, shop: &mut dyn Shop) -> Result<Played, String> {
    let mut all = Vec::new();
    let mut last = String::new();
    let mut transcript = String::new();
    let mut failures = Vec::new();
    let mut judged = 0;
    for (number, turn) in dialogue.turn.iter().enumerate() {
        let words = turn.words(trial, &last);
        let attached: Vec<Attached> = turn
            .attach
            .iter()
            .map(|attach| Attached { kind: attach.kind.clone(), text: attach.text.clone() })
            .collect();
        shop.send(words, &attached).await?;
        let heard = shop.hear(turn.expect.silence == Some(true)).await?;
        for text in words {
            transcript += &format!("> {text}\n");
        }
        for one in &attached {
            transcript += &format!("> [{}] {}\n", one.kind, one.text);
        }
        for one in &heard {
            transcript += &format!("{}\n", one.text);
        }
        let failed = judge::turn(&turn.expect, &heard);
        judged += 1;
        failures.extend(failed.into_iter().map(|why| format!("turn {}: {why}", number + 1)));
        last = judge::joined(&heard);
        all.extend(heard);
    }
    let state = shop.state().await?;
    let failed = judge::goal(&dialogue.goal, &all, &state);
    judged += 1;
    failures.extend(failed.into_iter().map(|why| format!("in the end: {why}")));
    Ok(Played { transcript, failures, judged })
}

/// Scores all trials of a dialogue: `correct` is the share that passed whole, `pass_k` whether all of them did.
pub fn score(dialogue: &Dialogue, trials: &[Played]) -> CaseScore {
    let count = trials.len().max(1) as f64;
    let passed = trials.iter().filter(|played| played.failures.is_empty()).count() as f64;
    let failed_parts = |played: &Played| {
        let mut parts: Vec<&str> = played.failures.iter().filter_map(|why| why.split(':').next()).collect();
        parts.dedup();
        parts.len()
    };
    let held = trials.iter().map(|played| 1.0 - failed_parts(played) as f64 / played.judged.max(1) as f64);
    let scores = [
        ("correct".to_owned(), passed / count),
        ("pass_k".to_owned(), f64::from(u8::from(passed >= count))),
        ("held".to_owned(), held.sum::<f64>() / count),
    ];
    let worst = trials.iter().max_by_key(|played| played.failures.len());
    CaseScore {
        id: dialogue.id.clone(),
        group: dialogue.tenant.clone(),
        split: dialogue.split.clone(),
        scores: scores.into(),
        details: serde_json::json!({
            "question": dialogue.description,
            "kind": dialogue.kind,
            "tags": [dialogue.kind],
            "transcript": worst.map(|played| &played.transcript),
            "failures": worst.map(|played| &played.failures),
            "trials": trials.iter().map(|played| played.failures.is_empty()).collect::<Vec<_>>(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shop that repeats what it hears, and hands over when asked for a person.
    #[derive(Default)]
    struct Parrot {
        said: Vec<String>,
        state: State,
    }

    #[async_trait]
    impl Shop for Parrot {
        async fn send(&mut self, texts: &[String], _: &[Attached]) -> Result<(), String> {
            self.state.handed_off |= texts.iter().any(|text| text.contains("pessoa"));
            self.said = texts.to_vec();
            Ok(())
        }

        async fn hear(&mut self, _: bool) -> Result<Vec<Heard>, String> {
            let text = self.said.join(" ");
            Ok(vec![Heard { text, ..Heard::default() }])
        }

        async fn state(&mut self) -> Result<State, String> {
            Ok(self.state.clone())
        }
    }

    const FILE: &str = r#"
        id = "x"
        tenant = "t"
        language = "pt"
        split = "dev"
        kind = "human"
        description = "asks for a person"
        [customer]
        phone = "5511900000000"
        name = "Ana"
        [[turn]]
        say = ["oi"]
        variants = [["olá"]]
        [turn.expect]
        contains_any = ["oi"]
        [[turn]]
        say = ["?"]
        [[turn.when]]
        contains_any = ["oi"]
        say = ["quero uma pessoa"]
        [goal]
        handed_off = true
    "#;

    #[tokio::test]
    async fn what_is_said_follows_the_trial_and_the_reply() {
        let dialogue: Dialogue = toml::from_str(FILE).unwrap();
        let first = play(&dialogue, 0, &mut Parrot::default()).await.unwrap();
        assert_eq!(first.failures, Vec::<String>::new());
        assert!(first.transcript.contains("> quero uma pessoa"));
        // The variant is not answered with "oi", so the condition does not hold either.
        let second = play(&dialogue, 1, &mut Parrot::default()).await.unwrap();
        assert_eq!(second.failures.len(), 2, "{:?}", second.failures);
        let scored = score(&dialogue, &[first, second]);
        assert_eq!((scored.scores["correct"], scored.scores["pass_k"]), (0.5, 0.0));
        assert!((scored.scores["held"] - (1.0 + 1.0 / 3.0) / 2.0).abs() < 1e-12);
    }
}
