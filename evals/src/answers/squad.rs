//! Exact match and token F1 as SQuAD's official script computes them (`evaluate-v1.1.py`): lower case, punctuation and the
//! English articles dropped, white space as one space; the best over the references.

use std::collections::HashMap;

/// The text as SQuAD compares it.
pub fn normalize(text: &str) -> String {
    let lower = text.to_lowercase();
    // The script's set of punctuation is ASCII's.
    let bare: String = lower.chars().filter(|c| !c.is_ascii_punctuation()).collect();
    // `\b(a|an|the)\b` becomes a space: word by word, where words are letters, digits and underscores.
    let words = bare.split_whitespace().filter(|word| !matches!(*word, "a" | "an" | "the"));
    words.collect::<Vec<_>>().join(" ")
}

/// 1 where the answer is one of the references, else 0.
pub fn exact_match(answer: &str, references: &[String]) -> f64 {
    let answer = normalize(answer);
    f64::from(u8::from(references.iter().any(|reference| normalize(reference) == answer)))
}

/// The best token F1 over the references; 0 without one.
pub fn f1(answer: &str, references: &[String]) -> f64 {
    references.iter().map(|reference| one_f1(answer, reference)).fold(0.0, f64::max)
}

fn one_f1(answer: &str, reference: &str) -> f64 {
    let (answer, reference) = (normalize(answer), normalize(reference));
    let (given, wanted): (Vec<&str>, Vec<&str>) =
        (answer.split(' ').collect(), reference.split(' ').collect());
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in &wanted {
        *left.entry(word).or_default() += 1;
    }
    let mut same = 0_usize;
    for word in &given {
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            same += 1;
        }
    }
    if same == 0 {
        return 0.0;
    }
    let (precision, recall) = (same as f64 / given.len() as f64, same as f64 / wanted.len() as f64);
    2.0 * precision * recall / (precision + recall)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(all: &[&str]) -> Vec<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    /// Figures of the official script (`evaluate-v1.1.py`), computed by hand from its definition.
    #[test]
    fn figures_are_those_of_the_official_script() {
        let denver = references(&["Denver Broncos", "the Denver Broncos!"]);
        assert_eq!(exact_match("The Denver Broncos", &denver), 1.0);
        assert_eq!(exact_match("Broncos", &denver), 0.0);
        assert!((f1("Broncos", &denver) - 2.0 / 3.0).abs() < 1e-12, "precision 1, recall 1/2");
        let answer = "until 4 pm on Saturday the shop is open";
        // 4, pm and saturday of 8 words given and 5 wanted ("10 am to 4 pm" has 5, of which 4 and pm are said).
        assert!((f1(answer, &references(&["10 am to 4 pm"])) - 2.0 * 0.25 * 0.4 / 0.65).abs() < 1e-12);
        assert_eq!(f1("", &references(&["x"])), 0.0);
        assert_eq!(f1("x", &[]), 0.0);
        assert_eq!(f1("say say", &references(&["say"])), 2.0 * 0.5 / 1.5);
    }
}
