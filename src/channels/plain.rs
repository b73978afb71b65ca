//! Options as numbered text, for channels (and replies) that have neither buttons nor lists.

use balcao_domain::reply::ReplyOption;

/// The text, followed by the options as numbered lines.
pub fn numbered(text: &str, options: &[ReplyOption]) -> String {
    let mut all = text.trim_end().to_owned();
    for (at, option) in options.iter().enumerate() {
        // A gap between the words and the choices, none between the choices.
        all.push_str(if at > 0 {
            "\n"
        } else if all.is_empty() {
            ""
        } else {
            "\n\n"
        });
        all.push_str(&format!("{}. {}", at + 1, one_line(&option.title)));
        if let Some(description) = option.description.as_deref().map(one_line).filter(|d| !d.is_empty()) {
            all.push_str(&format!(" - {description}"));
        }
    }
    all
}

/// The option a customer means who answers with its number (`2`, `2.`, `2)`).
pub fn chosen<'a>(answer: &str, options: &'a [ReplyOption]) -> Option<&'a ReplyOption> {
    let digits = answer.trim().trim_end_matches(['.', ')', ' ']);
    let number: usize = digits.parse().ok()?;
    options.get(number.checked_sub(1)?)
}

/// A text on one line.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(title: &str, description: Option<&str>) -> ReplyOption {
        ReplyOption { id: title.into(), title: title.into(), description: description.map(Into::into) }
    }

    #[test]
    fn options_follow_the_words_and_a_number_chooses_one() {
        let options = [option("Trocas", None), option("Frete\nexpresso", Some("1 dia"))];
        assert_eq!(numbered("Escolha:\n", &options), "Escolha:\n\n1. Trocas\n2. Frete expresso - 1 dia");
        assert_eq!(numbered("", &options[..1]), "1. Trocas");
        assert_eq!(chosen(" 2) ", &options).map(|o| o.id.as_str()), Some("Frete\nexpresso"));
        for not_one in ["0", "3", "dois", "", "-1", "99999999999999999999999"] {
            assert_eq!(chosen(not_one, &options), None, "{not_one}");
        }
    }
}
