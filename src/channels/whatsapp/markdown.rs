//! From the small Markdown of replies to what WhatsApp shows.
//!
//! WhatsApp has its own marks: `*bold*`, `_italic_`, `~struck~`, three backticks for code, `- ` and `1. ` for lists,
//! `> ` for quotes; no headings, no links with a text, no tables. Marks work within one line and between words only.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// The text as WhatsApp wants it.
pub fn to_whatsapp(markdown: &str) -> String {
    let options = Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES;
    let mut writer = Writer { source: markdown, ..Writer::default() };
    for (event, range) in Parser::new_ext(markdown, options).into_offset_iter() {
        writer.event(event, range);
    }
    writer.out.trim().to_owned()
}

#[derive(Default)]
struct Writer<'a> {
    source: &'a str,
    out: String,
    /// One entry a level: the next number of a numbered list.
    lists: Vec<Option<u64>>,
    quotes: usize,
    /// Inside how many marks that are bold (headings are).
    bold: usize,
    /// What closes the emphases we are inside of.
    closers: Vec<&'static str>,
    /// Inside how many marks of any kind: they end with the line.
    marks: usize,
    /// The address of the links we are in, and where their words began.
    links: Vec<(String, usize)>,
    /// A bullet was just written: its words stand beside it.
    beside_bullet: bool,
    /// Inside code that is fenced.
    code: bool,
    first_cell: bool,
}

impl Writer<'_> {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.write(&text),
            Event::Code(code) => self.write(&format!("`{code}`")),
            Event::InlineHtml(html) | Event::Html(html) => match html.trim() {
                "<br>" | "<br/>" | "<br />" => self.line(),
                _ => self.write(&html),
            },
            // A mark that spans two lines would be shown as it is.
            Event::SoftBreak | Event::HardBreak if self.marks > 0 => self.write(" "),
            Event::SoftBreak | Event::HardBreak => self.line(),
            Event::Rule => self.block(&range),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock | Tag::Table(_) => self.block(&range),
            Tag::Heading { .. } => {
                self.block(&range);
                self.open_bold(false);
            }
            Tag::BlockQuote(_) => {
                self.block(&range);
                self.quotes += 1;
            }
            Tag::CodeBlock(kind) => {
                self.block(&range);
                // Four spaces in front of a line are hardly ever meant as code.
                self.code = matches!(kind, CodeBlockKind::Fenced(_));
                if self.code {
                    self.write("```\n");
                }
            }
            Tag::List(first) => {
                if self.lists.is_empty() {
                    self.block(&range);
                }
                self.lists.push(first);
            }
            Tag::Item => self.bullet(),
            Tag::TableHead | Tag::TableRow => {
                self.line();
                self.first_cell = true;
            }
            Tag::TableCell => self.cell(),
            Tag::Strong => self.open_bold(self.inside_a_word(&range)),
            Tag::Emphasis => {
                // `30*40*2` is a size, not an emphasis.
                let mark = if self.inside_a_word(&range) { "*" } else { "_" };
                self.open(mark);
            }
            Tag::Strikethrough => self.open("~"),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push((dest_url.into_string(), self.out.len()));
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) | TagEnd::Strong | TagEnd::Emphasis | TagEnd::Strikethrough => {
                let bold = matches!(tag, TagEnd::Heading(_) | TagEnd::Strong);
                self.bold -= usize::from(bold);
                self.marks -= 1;
                let mark = self.closers.pop().unwrap_or("");
                self.write(mark);
            }
            TagEnd::BlockQuote(_) => self.quotes -= 1,
            TagEnd::CodeBlock => self.end_code(),
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::Item => self.beside_bullet = false,
            TagEnd::Link | TagEnd::Image => self.address(),
            _ => {}
        }
    }

    fn cell(&mut self) {
        if !std::mem::take(&mut self.first_cell) {
            self.write(" | ");
        }
    }

    fn end_code(&mut self) {
        if std::mem::take(&mut self.code) {
            self.line();
            self.write("```");
        }
    }

    /// Bold, unless we are in bold already or the mark would not work.
    fn open_bold(&mut self, inside_a_word: bool) {
        let mark = if self.bold > 0 || inside_a_word { "" } else { "*" };
        self.bold += 1;
        self.open(mark);
    }

    fn open(&mut self, mark: &'static str) {
        self.write(mark);
        self.closers.push(mark);
        self.marks += 1;
    }

    /// After a link's words: where it leads, unless the words say so. What leads nowhere outside is words only.
    fn address(&mut self) {
        let Some((address, began)) = self.links.pop() else { return };
        let reachable = ["http://", "https://", "mailto:", "tel:"].iter().any(|s| address.starts_with(s));
        let words = self.out.get(began..).unwrap_or("").trim();
        let bare = address.split_once(':').map_or("", |(_, rest)| rest.trim_start_matches('/'));
        if !reachable || words == address || words == bare {
            return;
        }
        let text = if words.is_empty() { address } else { format!(": {address}") };
        self.write(&text);
    }

    fn bullet(&mut self) {
        self.beside_bullet = false;
        self.line();
        let depth = self.lists.len().saturating_sub(1);
        let marker = match self.lists.last_mut() {
            Some(Some(number)) => {
                let marker = format!("{number}. ");
                *number += 1;
                marker
            }
            _ => "- ".to_owned(),
        };
        self.write(&format!("{}{marker}", "  ".repeat(depth)));
        self.beside_bullet = true;
    }

    /// A new block: on a line of its own, after an empty one where the source has one.
    fn block(&mut self, range: &Range<usize>) {
        if std::mem::take(&mut self.beside_bullet) {
            return;
        }
        self.line();
        let before = self.source.get(..range.start).unwrap_or("");
        let gap = &before[before.trim_end().len()..];
        if gap.matches('\n').count() > 1 && !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// On a new line from here.
    fn line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    fn write(&mut self, text: &str) {
        for piece in text.split_inclusive('\n') {
            if self.quotes > 0 && (self.out.is_empty() || self.out.ends_with('\n')) {
                self.out.push_str("> ");
            }
            self.out.push_str(piece);
            self.beside_bullet = false;
        }
    }

    /// Whether letters or digits touch this stretch of the source from outside.
    fn inside_a_word(&self, range: &Range<usize>) -> bool {
        let before = self.source.get(..range.start).and_then(|s| s.chars().next_back());
        let after = self.source.get(range.end..).and_then(|s| s.chars().next());
        before.is_some_and(char::is_alphanumeric) || after.is_some_and(char::is_alphanumeric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_what_whatsapp_shows() {
        let cases = [
            ("Oi, **Camila**!", "Oi, *Camila*!"),
            ("*já* e _agora_", "_já_ e _agora_"),
            ("***muito***", "_*muito*_"),
            ("~~R$ 99~~ R$ 79,90", "~R$ 99~ R$ 79,90"),
            ("# Trocas\nAté 30 dias.", "*Trocas*\nAté 30 dias."),
            ("## **Trocas** e _devoluções_", "*Trocas e _devoluções_*"),
            ("Veja [a política](https://l.example/t).", "Veja a política: https://l.example/t."),
            ("[https://l.example](https://l.example)", "https://l.example"),
            ("<https://l.example/a_b_c>", "https://l.example/a_b_c"),
            ("https://l.example/a_b_c*d", "https://l.example/a_b_c*d"),
            ("[nota](docs/trocas.md)", "nota"),
            ("![foto](https://l.example/f.jpg)", "foto: https://l.example/f.jpg"),
            ("Temos:\n\n- P\n- **M**\n  - preta\n- G", "Temos:\n\n- P\n- *M*\n  - preta\n- G"),
            ("Temos:\n* P\n* M", "Temos:\n- P\n- M"),
            ("2. b\n3. c", "2. b\n3. c"),
            ("a\n\nb\nc", "a\n\nb\nc"),
            ("a\n\n\n\nb", "a\n\nb"),
            ("> citado\n> assim\n\nfim", "> citado\n> assim\n\nfim"),
            ("`cupom`", "`cupom`"),
            ("```json\n{\"a\": 1}\n```", "```\n{\"a\": 1}\n```"),
            ("| a | b |\n|---|---|\n| 1 | 2 |", "a | b\n1 | 2"),
            ("Mede 30*40*2 cm", "Mede 30*40*2 cm"),
            ("5 * 3 = 15", "5 * 3 = 15"),
            ("**Pre**ço", "Preço"),
            ("**duas\nlinhas**", "*duas linhas*"),
            ("a <br> b < c & d", "a \n b < c & d"),
            (r"\*não\*", "*não*"),
            ("- a\n\n- b", "- a\n- b"),
            ("antes\n\n---\n\ndepois", "antes\n\ndepois"),
            ("", ""),
        ];
        for (given, expected) in cases {
            assert_eq!(to_whatsapp(given), expected, "{given:?}");
        }
    }
}
