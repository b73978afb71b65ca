//! New, used, and how sources write it.

use crate::{model::Condition, notes::Doubts};

/// `NEW`, `used_like_new`, `https://schema.org/UsedCondition`, `Novo`. What says nothing is none; what is not known is
/// none, with a doubt.
pub(crate) fn of(text: Option<&str>, item: &str, field: &str, doubts: &mut Doubts) -> Option<Condition> {
    let text = text?;
    let word = text.rsplit('/').next().unwrap_or(text).to_lowercase();
    let word = word.split('_').next().unwrap_or_default().trim_end_matches("condition").trim();
    match word {
        "new" | "novo" | "nova" => Some(Condition::New),
        "used" | "usado" | "usada" | "seminovo" | "damaged" => Some(Condition::Used),
        "refurbished" | "remanufactured" | "recondicionado" | "recondicionada" => {
            Some(Condition::Refurbished)
        }
        "" | "not" => None,
        _ => {
            doubts.add(item, field, format!("`{text}` is no condition that is known; left out"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_has_its_own_word() {
        let mut doubts = Doubts::default();
        let mut of = |text| of(Some(text), "1", "condition", &mut doubts);
        assert_eq!(of("NEW"), Some(Condition::New));
        assert_eq!(of("used_like_new"), Some(Condition::Used));
        assert_eq!(of("https://schema.org/RefurbishedCondition"), Some(Condition::Refurbished));
        assert_eq!(of("not_specified"), None);
        assert_eq!(of("broken"), None);
        assert_eq!(format!("{doubts:?}").matches("no condition").count(), 1);
    }
}
