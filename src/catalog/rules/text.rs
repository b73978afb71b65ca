//! Words: from markup and stray space to plain text.

use scraper::{Html, Node};

/// Elements that begin and end a line.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
];

/// Elements whose content nobody reads.
const SILENT: &[&str] = &["script", "style", "template", "noscript", "iframe", "object", "head", "title"];

/// Characters of markup read at most: more is a book, or an attack.
const MOST: usize = 200_000;

/// The words of a piece of HTML, a line for each block, entities decoded once.
pub(crate) fn of_html(html: &str) -> Option<String> {
    let page = Html::parse_fragment(cut(html));
    let mut words = String::new();
    // By hand, since pages nest deeper than a thread's stack.
    let mut next = Some(page.tree.root());
    'walk: while let Some(node) = next {
        let mut enter = true;
        match node.value() {
            Node::Text(text) => words.push_str(&text.replace(['\n', '\r'], " ")),
            Node::Element(element) => {
                enter = !SILENT.contains(&element.name());
                if BLOCKS.contains(&element.name()) {
                    words.push('\n');
                }
            }
            _ => {}
        }
        let mut at = node;
        if enter && let Some(child) = node.first_child() {
            next = Some(child);
            continue;
        }
        loop {
            if at.value().as_element().is_some_and(|element| BLOCKS.contains(&element.name())) {
                words.push('\n');
            }
            if let Some(sibling) = at.next_sibling() {
                next = Some(sibling);
                continue 'walk;
            }
            match at.parent() {
                Some(parent) => at = parent,
                None => break 'walk,
            }
        }
    }
    plain(&words)
}

/// Lines without stray space, without empty ones; `None` where nothing is left.
pub(crate) fn plain(text: &str) -> Option<String> {
    let lines: Vec<String> = cut(text).lines().map(one_line).filter(|line| !line.is_empty()).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Text that may or may not hold markup: it does where something looks like a tag.
pub(crate) fn either(text: &str) -> Option<String> {
    let tag = |at: usize| {
        let rest = &text.as_bytes()[at + 1..];
        let name = rest.strip_prefix(b"/").unwrap_or(rest);
        name.first().is_some_and(u8::is_ascii_alphabetic) && rest.contains(&b'>')
    };
    if text.match_indices('<').any(|(at, _)| tag(at)) { of_html(text) } else { plain(text) }
}

/// A title: one line, entities decoded.
pub(crate) fn title(text: &str) -> Option<String> {
    let decoded = if text.contains('&') {
        // A title has no tags: what looks like one is meant.
        let page = Html::parse_fragment(&cut(text).replace('<', "&lt;"));
        page.root_element().text().collect::<String>()
    } else {
        text.to_owned()
    };
    let line = one_line(&decoded);
    (!line.is_empty()).then(|| line.chars().take(500).collect())
}

/// One line, spaces single.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MOST)]
}

/// A category's path: `Cozinha > Canecas`, `/Cozinha/Canecas/`.
pub(crate) fn path(text: &str, separator: char) -> Option<Vec<String>> {
    let parts: Vec<String> = text.split(separator).filter_map(title).collect();
    (!parts.is_empty()).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_lines_and_scripts_nothing() {
        let html = "<h2>5 peças &amp; tampa</h2><ul><li>20&nbsp;cm</li><li>24 cm</li></ul><script>alert(1)</script>\
                    <!-- nota --><p>a<br/>b</p><style>p{}</style>fim &amp;lt;b&amp;gt;";
        assert_eq!(of_html(html).as_deref(), Some("5 peças & tampa\n20 cm\n24 cm\na\nb\nfim &lt;b&gt;"));
    }

    #[test]
    fn nothing_but_space_and_scripts_is_nothing() {
        assert_eq!(of_html("<script>alert(1)</script> &nbsp; <p></p>"), None);
        assert_eq!(plain(" \n\t"), None);
        assert_eq!(title(""), None);
    }

    #[test]
    fn text_that_is_no_markup_stays() {
        assert_eq!(either("peso < 5 kg & mais > 2").as_deref(), Some("peso < 5 kg & mais > 2"));
        assert_eq!(either("a<br>b").as_deref(), Some("a\nb"));
    }

    #[test]
    fn titles_are_one_line_with_their_entities_decoded() {
        assert_eq!(title("Ferro &#8211; 5  peças\n").as_deref(), Some("Ferro – 5 peças"));
        assert_eq!(title("Cabo <5m & capa").as_deref(), Some("Cabo <5m & capa"));
    }

    #[test]
    fn a_page_nested_without_end_is_read() {
        let deep = "<div>".repeat(20_000) + "fundo";
        assert_eq!(of_html(&deep).as_deref(), Some("fundo"));
    }
}
