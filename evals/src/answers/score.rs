//! What an answer is worth.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Case, squad};
use crate::{
    runs::CaseScore,
    text::{contains, fold, numbers, words},
};

/// A sentence is grounded when at least this share of its content words stand in what it stands on.
const GROUNDED: f64 = 0.6;

/// Words shorter than this carry little.
const CONTENT_WORD: usize = 4;

/// What was answered to a case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// The words.
    pub text: String,
    /// The language they are in, where that can be told.
    pub language: Option<String>,
    /// What they say they stand on.
    pub citations: Vec<Citation>,
    /// What else the engine knew to be true: the rule pack's hours, products of the books.
    pub known: Vec<String>,
    /// It answers without a citation by right: opening hours of the rule pack, a greeting.
    pub by_rule: bool,
    /// `model`, `rules` …
    pub path: String,
    /// Why that path.
    pub reason: String,
    /// How long it took.
    pub milliseconds: f64,
    /// Tokens sent and received.
    pub tokens: u64,
    /// Millionths of a dollar.
    pub cost_micros: u64,
}

/// Something an answer stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// The document's file name.
    pub source: String,
    /// The words relied on.
    pub quote: String,
}

impl Given {
    /// Nothing is claimed: it cites nothing, and no rule answers.
    pub fn refuses(&self) -> bool {
        self.citations.is_empty() && !self.by_rule
    }
}

/// Scores one answer. Every score is between 0 and 1, larger is better, and one that does not apply is left out, so that a
/// mean is over the cases it applies to. `correct` is what a customer would say.
pub fn score(case: &Case, given: &Given) -> CaseScore {
    let mut scores = BTreeMap::new();
    let mut add = |name: &str, value: f64| {
        scores.insert(name.to_owned(), value);
    };
    let yes = |held: bool| f64::from(u8::from(held));
    let refused = given.refuses();
    let told = case.must_contain.iter().all(|fact| contains(&given.text, fact));
    let invented: Vec<&String> =
        case.must_not_contain.iter().filter(|fact| contains(&given.text, fact)).collect();
    let language = given.language.as_ref().is_none_or(|language| *language == case.language);
    let (right, documents) = citations(case, given);
    let needed = if case.tags.iter().any(|tag| tag == "multi-document") { 2 } else { 1 };
    let cited = documents >= needed;

    add("refusal_right", yes(refused != case.answerable));
    add("language", yes(language));
    add("nothing_forbidden", yes(invented.is_empty()));
    let unsupported = unsupported_numbers(case, given);
    add("numbers_supported", yes(unsupported.is_empty()));
    if case.answerable {
        add("answered", yes(!refused));
        add("facts", yes(told));
        add("exact_match", squad::exact_match(&given.text, &case.references));
        add("f1", squad::f1(&given.text, &case.references));
        add("citation_recall", yes(cited));
    } else {
        add("refused", yes(refused));
    }
    if !given.citations.is_empty() {
        add("citation_precision", right as f64 / given.citations.len() as f64);
        add("grounded", grounded(given));
    }
    let correct = invented.is_empty()
        && language
        && match case.answerable {
            true => !refused && told && (cited || given.by_rule),
            false => refused,
        };
    add("correct", yes(correct));
    CaseScore {
        id: case.id.clone(),
        group: case.tenant.clone(),
        split: case.split.clone(),
        scores,
        details: serde_json::json!({
            "question": case.question,
            "history": case.history,
            "answerable": case.answerable,
            "references": case.references,
            "supports": case.supports,
            "answer": given.text,
            "citations": given.citations,
            "path": given.path,
            "reason": given.reason,
            "milliseconds": given.milliseconds,
            "missing": case.must_contain.iter().filter(|fact| !contains(&given.text, fact)).collect::<Vec<_>>(),
            "forbidden": invented,
            "unsupported_numbers": unsupported,
            "tags": case.tags,
            "topic": case.topic,
        }),
    }
}

/// How many citations touch a passage that supports the answer, and how many documents those are of.
fn citations(case: &Case, given: &Given) -> (usize, usize) {
    let touches = |citation: &&Citation| {
        let quote = fold(&citation.quote);
        case.supports.iter().any(|support| {
            let wanted = fold(&support.quote);
            support.source == citation.source && (quote.contains(&wanted) || wanted.contains(&quote))
        })
    };
    let right: Vec<&Citation> = given.citations.iter().filter(touches).collect();
    let documents: HashSet<&str> = right.iter().map(|citation| citation.source.as_str()).collect();
    (right.len(), documents.len())
}

/// Numbers of the answer that stand nowhere it could have them from.
fn unsupported_numbers(case: &Case, given: &Given) -> Vec<String> {
    let sources = given.citations.iter().map(|citation| &citation.quote).chain(&given.known);
    let said = case.history.iter().map(|said| &said.text).chain([&case.question]);
    let known: HashSet<String> = sources.chain(said).flat_map(|text| numbers(text)).collect();
    // "9h" of a source may be said as "09:00", and "1.200" as "1200".
    let bare = |number: &str| number.trim_start_matches('0').replace(['.', ','], "");
    let known: HashSet<String> = known.iter().map(|number| bare(number)).collect();
    // List numbers of the answer's own making are not claims.
    let listed = |number: &str| number.len() == 1 && fold(&given.text).contains(&format!("{number}. "));
    numbers(&given.text)
        .into_iter()
        .filter(|number| !known.contains(&bare(number)) && !bare(number).is_empty() && !listed(number))
        .collect()
}

/// The share of the answer's sentences whose content words mostly stand in what it cites: a lexical stand-in for
/// entailment, which flatters paraphrase of the documents' own words and is blind to a "not" too many.
fn grounded(given: &Given) -> f64 {
    let evidence: HashSet<String> = given
        .citations
        .iter()
        .map(|citation| &citation.quote)
        .chain(&given.known)
        .flat_map(|text| words(text))
        .collect();
    let sentences: Vec<Vec<String>> = given
        .text
        .split(['.', '!', '?', '\n'])
        .map(|sentence| {
            words(sentence).into_iter().filter(|word| word.chars().count() >= CONTENT_WORD).collect()
        })
        .filter(|words: &Vec<String>| words.len() >= 3)
        .collect();
    if sentences.is_empty() {
        return 1.0;
    }
    let stands = |sentence: &&Vec<String>| {
        let known = sentence.iter().filter(|word| evidence.contains(*word)).count();
        known as f64 >= GROUNDED * sentence.len() as f64
    };
    sentences.iter().filter(stands).count() as f64 / sentences.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Support;

    fn case(answerable: bool) -> Case {
        let support =
            Support { source: "trocas.md".into(), quote: "Você pode trocar em até 30 dias.".into() };
        Case {
            id: "x".into(),
            tenant: "t".into(),
            language: "pt".into(),
            split: "test".into(),
            topic: "returns".into(),
            question: "qual o prazo?".into(),
            history: Vec::new(),
            answerable,
            references: if answerable { vec!["30 dias".into()] } else { Vec::new() },
            supports: if answerable { vec![support] } else { Vec::new() },
            must_contain: if answerable { vec!["30 dias".into()] } else { Vec::new() },
            must_not_contain: vec!["7 dias".into()],
            tags: Vec::new(),
        }
    }

    fn given(text: &str, quote: Option<&str>) -> Given {
        let citation = |quote: &str| Citation { source: "trocas.md".into(), quote: quote.into() };
        Given {
            text: text.into(),
            language: Some("pt".into()),
            citations: quote.map(citation).into_iter().collect(),
            ..Given::default()
        }
    }

    const QUOTE: &str = "# Trocas\nVocê pode trocar em até 30 dias. Guarde a nota.";

    #[test]
    fn a_good_answer_is_right_in_every_respect() {
        let scored = score(&case(true), &given("Você pode trocar em até **30 dias**.", Some(QUOTE)));
        for name in
            ["correct", "facts", "citation_recall", "citation_precision", "grounded", "numbers_supported"]
        {
            assert_eq!(scored.scores[name], 1.0, "{name}");
        }
        assert_eq!(scored.scores["exact_match"], 0.0);
    }

    #[test]
    fn an_invention_is_found_where_it_is() {
        let scored = score(&case(true), &given("São 30 dias, e 7 dias para a segunda troca.", Some(QUOTE)));
        assert_eq!(scored.scores["nothing_forbidden"], 0.0);
        assert_eq!(scored.scores["correct"], 0.0);
        assert_eq!(scored.details["unsupported_numbers"], serde_json::json!(["7"]));
    }

    #[test]
    fn a_citation_of_another_passage_is_wrong() {
        let scored = score(&case(true), &given("30 dias", Some("O frete custa R$ 14,90.")));
        assert_eq!(scored.scores["citation_recall"], 0.0);
        assert_eq!(scored.scores["correct"], 0.0);
    }

    #[test]
    fn what_cannot_be_answered_is_refused_rightly_and_only_that() {
        let refusal = given("Não sei dizer. Quer falar com uma pessoa?", None);
        let rightly = score(&case(false), &refusal);
        assert_eq!((rightly.scores["refused"], rightly.scores["correct"]), (1.0, 1.0));
        let wrongly = score(&case(true), &refusal);
        assert_eq!((wrongly.scores["answered"], wrongly.scores["correct"]), (0.0, 0.0));
        let bluff = score(&case(false), &given("Sim, temos.", Some(QUOTE)));
        assert_eq!((bluff.scores["refused"], bluff.scores["correct"]), (0.0, 0.0));
    }
}
