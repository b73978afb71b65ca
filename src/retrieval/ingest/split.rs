//! From a document to passages: by its headings first, then by size.
//!
//! A section under a heading is one passage where it fits, since "## Posso trocar?" and its answer belong together and
//! nothing else belongs with them. Longer sections are split by text-splitter at the largest unit that fits
//! (paragraph, list item, sentence …), measured in tokens of the embedding model. The headings above a passage are
//! kept as its context: "Prazo: 7 dias" means something under "Trocas" and something else under "Entrega".

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use text_splitter::{ChunkConfig, ChunkSizer, MarkdownSplitter, TextSplitter};

use balcao_loaders::MediaType;

/// Tokens a passage aims at, and the most it may have. Chunks of this size are the ones that retrieve best and embed
/// fastest: at 512 tokens attention costs more than all else.
const TARGET_TOKENS: usize = 150;
const MAX_TOKENS: usize = 250;

/// Raised when the same bytes would be split otherwise: documents are then split anew when they come in again.
pub const VERSION: u8 = 1;

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The headings above it, outermost first.
    pub headings: Vec<String>,
    /// Its words, as written.
    pub text: String,
    /// As the embedding model counts them.
    pub tokens: usize,
}

/// A document, split.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// The title it gives itself: its front matter's, or its first heading of the first level.
    pub title: Option<String>,
    /// The language its front matter names.
    pub language: Option<String>,
    /// In the order of the document.
    pub chunks: Vec<Chunk>,
}

/// Counts tokens for text-splitter.
struct Tokens<F>(F);

impl<F: Fn(&str) -> usize> ChunkSizer for Tokens<F> {
    fn size(&self, chunk: &str) -> usize {
        (self.0)(chunk)
    }
}

/// Splits a document. `count_tokens` is the embedding model's.
pub fn split(document: &str, media_type: MediaType, count_tokens: impl Fn(&str) -> usize) -> Split {
    let config =
        || ChunkConfig::new(TARGET_TOKENS..MAX_TOKENS + 1).with_sizer(Tokens(&count_tokens)).with_trim(true);
    match media_type {
        MediaType::PlainText => {
            let splitter = TextSplitter::new(config());
            let chunks = splitter.chunks(document).map(|text| chunk(&[], text, &count_tokens)).collect();
            Split { title: None, language: None, chunks }
        }
        // What loaders make of the other kinds is Markdown.
        _ => {
            let (matter, body) = front_matter(document);
            let sections = sections(body);
            let splitter = MarkdownSplitter::new(config());
            let named = matter.iter().find(|(key, _)| key == "title").map(|(_, value)| value.clone());
            let first = sections.iter().find(|s| s.level == 1).and_then(|s| s.path.last().cloned());
            let title = named.or(first);
            let language = matter
                .into_iter()
                .find(|(key, _)| matches!(key.as_str(), "language" | "lang"))
                .map(|(_, v)| v);
            let mut chunks = Vec::new();
            for (at, section) in sections.iter().enumerate() {
                // The document's own title is kept with the document.
                let path = match section.path.split_first() {
                    Some((first, rest)) if Some(first) == title.as_ref() => rest,
                    _ => &section.path[..],
                };
                let text = section.body.trim();
                if !text.is_empty() && count_tokens(text) <= MAX_TOKENS {
                    chunks.push(chunk(path, text, &count_tokens));
                } else if !text.is_empty() {
                    chunks.extend(splitter.chunks(text).map(|text| chunk(path, text, &count_tokens)));
                } else if sections.get(at + 1).is_none_or(|next| next.level <= section.level) {
                    // A heading with nothing under it says what it says by itself.
                    if let Some((heading, above)) = path.split_last() {
                        chunks.push(chunk(above, heading, &count_tokens));
                    }
                }
            }
            Split { title, language, chunks }
        }
    }
}

fn chunk(headings: &[String], text: &str, count_tokens: impl Fn(&str) -> usize) -> Chunk {
    Chunk { headings: headings.to_vec(), text: text.to_owned(), tokens: count_tokens(text) }
}

/// What lies between two headings.
struct Section<'a> {
    /// The heading's level; 0 for what comes before the first heading.
    level: usize,
    /// The headings above the body, this section's own last.
    path: Vec<String>,
    body: &'a str,
}

/// The sections of a Markdown text, in order: every byte of it is in a heading or in a body.
fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections = vec![Section { level: 0, path: Vec::new(), body: "" }];
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut body_from = 0;
    let mut open: Option<(usize, usize, String)> = None;
    let mut depth = 0_usize;
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            // A heading inside a list or a quotation is part of that.
            Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                depth += 1;
                open = Some((level_number(level), range.start, String::new()));
            }
            Event::Start(_) => depth += 1,
            Event::End(TagEnd::Heading(_)) if depth == 1 => {
                depth = 0;
                if let Some((level, start, heading)) = open.take() {
                    if let Some(last) = sections.last_mut() {
                        last.body = &text[body_from..start];
                    }
                    path.retain(|(above, _)| *above < level);
                    let heading = heading.trim().to_owned();
                    // What a heading says besides its words (the address of a link) stays with the body.
                    let whole = same_letters(&heading, &text[range.clone()]);
                    body_from = if whole { range.end } else { range.start };
                    if !heading.is_empty() {
                        path.push((level, heading));
                    }
                    let path = path.iter().map(|(_, heading)| heading.clone()).collect();
                    sections.push(Section { level, path, body: "" });
                }
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Text(words) | Event::Code(words) | Event::Html(words) | Event::InlineHtml(words) => {
                if let Some((_, _, heading)) = &mut open {
                    heading.push_str(&words);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some((_, _, heading)) = &mut open {
                    heading.push(' ');
                }
            }
            _ => {}
        }
    }
    if let Some(last) = sections.last_mut() {
        last.body = &text[body_from..];
    }
    sections
}

fn same_letters(a: &str, b: &str) -> bool {
    let letters = |s: &str| s.chars().filter(|c| c.is_alphanumeric()).collect::<Vec<_>>();
    letters(a) == letters(b)
}

const fn level_number(level: HeadingLevel) -> usize {
    level as usize
}

/// The `key: value` lines between two `---` at the very top, and what follows them.
fn front_matter(document: &str) -> (Vec<(String, String)>, &str) {
    let none = (Vec::new(), document);
    let Some(rest) = document.trim_start().strip_prefix("---\n") else { return none };
    let Some((matter, body)) = rest.split_once("\n---\n") else { return none };
    let mut pairs = Vec::new();
    for line in matter.lines().filter(|line| !line.trim().is_empty()) {
        // Anything else than simple pairs is no front matter but a text between two rules.
        let Some((key, value)) = line.split_once(':') else { return none };
        if key.is_empty() || !key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
            return none;
        }
        pairs.push((key.to_lowercase(), value.trim().trim_matches(['"', '\'']).to_owned()));
    }
    (pairs, body)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn markdown(text: &str) -> Split {
        split(text, MediaType::Markdown, words)
    }

    #[test]
    fn a_section_is_one_passage_under_its_headings() {
        let split = markdown(
            "# Trocas\n\nTroque em 7 dias.\n\n## Prazo\n\nSete dias.\n\n### Exceções\n\n- Meias\n- Brincos\n\n\
             ## Frete\n\nGrátis.\n",
        );
        assert_eq!(split.title.as_deref(), Some("Trocas"));
        let seen: Vec<_> =
            split.chunks.iter().map(|c| (c.headings.join(" > "), c.text.replace('\n', " "))).collect();
        let expected = [
            ("", "Troque em 7 dias."),
            ("Prazo", "Sete dias."),
            ("Prazo > Exceções", "- Meias - Brincos"),
            ("Frete", "Grátis."),
        ];
        assert_eq!(seen, expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
    }

    #[test]
    fn front_matter_names_title_and_language() {
        let split = markdown("---\ntitle: \"Entrega e frete\"\nlang: pt-BR\n---\n\nCorreios.\n");
        assert_eq!(split.title.as_deref(), Some("Entrega e frete"));
        assert_eq!(split.language.as_deref(), Some("pt-BR"));
        assert_eq!(split.chunks[0].text, "Correios.");
    }

    #[test]
    fn a_text_between_rules_is_no_front_matter() {
        let split = markdown("---\nNot a pair at all\n---\n\nBody.\n");
        let text: String = split.chunks.iter().flat_map(|c| [c.headings.join(" "), c.text.clone()]).collect();
        assert!(text.contains("Not a pair at all") || split.title.as_deref() == Some("Not a pair at all"));
    }

    #[test]
    fn headings_inside_code_and_lists_are_text() {
        let split = markdown("# A\n\n```\n# not a heading\n```\n\n- # nor this\n");
        assert_eq!(split.chunks.len(), 1);
        assert!(split.chunks[0].text.contains("# not a heading"));
    }

    #[test]
    fn a_heading_alone_is_a_passage_and_a_parent_is_not() {
        let split =
            markdown("# Loja\n\n## Horários\n\n### Segunda a sexta: 9h às 18h\n\n### Sábado: 9h às 13h\n");
        let texts: Vec<_> = split.chunks.iter().map(|c| (c.headings.join("/"), c.text.as_str())).collect();
        assert_eq!(
            texts,
            [
                ("Horários".to_owned(), "Segunda a sexta: 9h às 18h"),
                ("Horários".to_owned(), "Sábado: 9h às 13h"),
            ]
        );
    }

    #[test]
    fn long_sections_are_split_within_the_limit() {
        let paragraph = "palavra ".repeat(90);
        let text =
            format!("# T\n\n## S\n\n{paragraph}\n\n{paragraph}\n\n{paragraph}\n\n{}", "x ".repeat(700));
        let split = markdown(&text);
        assert!(split.chunks.len() >= 4);
        for chunk in &split.chunks {
            assert!(chunk.tokens <= MAX_TOKENS, "{} tokens", chunk.tokens);
            assert_eq!(chunk.headings, ["S"]);
        }
    }

    /// Pieces of Markdown that stress the splitter when put together.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[a-zà-ú]{1,8}( [a-zà-ú]{1,8}){0,60}\n\n",
            "#{1,6} [A-Z][a-z]{1,8}( [a-z]{1,5}){0,4}\n\n",
            "(- [a-z]{1,8} [a-z]{1,8}\n){1,8}\n",
            "\\| [a-z]{1,5} \\| [a-z]{1,5} \\|\n\\|---\\|---\\|\n(\\| [a-z]{1,5} \\| [0-9]{1,5} \\|\n){1,6}\n",
            "```\n[a-z# ]{0,40}\n```\n\n",
            "> [a-z ]{1,30}\n\n",
            "[A-Za-z]{1,9}\n(---|===)\n\n",
            "## \\[[a-z]{1,6}\\]\\(http://[a-z]{1,9}\\.com\\)\n",
            "(---|\\*\\*\\*)\n\n",
            "[^\u{0}-\u{8}]{0,40}",
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    /// Letters and digits, counted: what must not be lost.
    fn letters(text: &str) -> std::collections::BTreeMap<char, usize> {
        let mut counts = std::collections::BTreeMap::new();
        for c in text.chars().filter(|c| c.is_alphanumeric()) {
            *counts.entry(c).or_default() += 1;
        }
        counts
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

        #[test]
        fn every_character_of_content_is_in_some_chunk(text in pieces()) {
            for media_type in [MediaType::Markdown, MediaType::PlainText] {
                let (_, body) = front_matter(&text);
                let source = if media_type == MediaType::Markdown { body } else { &text[..] };
                let split = split(&text, media_type, words);
                let kept = split.chunks.iter().flat_map(|c| [c.headings.join(" "), c.text.clone()]);
                let kept = kept.chain(split.title.clone()).collect::<Vec<_>>().join("\n");
                let kept = letters(&kept);
                for (letter, count) in letters(source) {
                    let found = kept.get(&letter).copied().unwrap_or(0);
                    prop_assert!(found >= count, "{letter:?}: {found} of {count}");
                }
                for chunk in &split.chunks {
                    prop_assert!(!chunk.text.trim().is_empty());
                    prop_assert!(chunk.tokens <= MAX_TOKENS);
                }
            }
        }
    }
}
