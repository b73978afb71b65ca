//! Web pages: their readable content, without menus, footers, scripts and forms.
//!
//! The page is parsed as browsers do (html5ever) and its content taken from `<main>`, else from the only `<article>`,
//! else from the body. What is hidden stays: shops hide the answers of a FAQ until somebody clicks. Where leaving out
//! what looks like a menu leaves nothing (a page that only lists links), it is read again with the menus.

mod tables;
mod weight;

use scraper::{ElementRef, Html, Node, Selector, node::Element};

use crate::{Document, Options, Unreadable, markdown::Blocks, markdown::one_line, text};

/// Deeper than this, elements are read as the text they hold.
const MAX_WALK: usize = 200;

pub(crate) fn read(bytes: &[u8], options: &Options) -> Result<Document, Unreadable> {
    let source = decode(bytes)?;
    weight::check(&source, options)?;
    let page = Html::parse_document(&source);
    let root = content(&page);
    let mut text = render(root, true);
    if text.trim().is_empty() {
        text = render(root, false);
    }
    if text.trim().is_empty() {
        text = render(page.root_element(), false);
    }
    if text.trim().is_empty() && first(&page, "script").is_some() {
        let reason = "its text is put in by scripts when a browser shows it; save the page from a browser";
        return Err(Unreadable::damaged("web page", reason));
    }
    Ok(Document { title: title(&page, root), text, warnings: Vec::new() })
}

/// The page as text. Where it is not UTF-8, the encoding it names is believed.
fn decode(bytes: &[u8]) -> Result<String, Unreadable> {
    if std::str::from_utf8(bytes).is_err() && encoding_rs::Encoding::for_bom(bytes).is_none() {
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
        let label = head.split_once("charset=").map(|(_, rest)| rest.trim_start_matches(['"', '\'']));
        let label = label.and_then(|rest| rest.split(['"', '\'', ' ', '>', ';', '/']).next());
        if let Some(encoding) = label.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes()))
            && encoding != encoding_rs::UTF_8
        {
            return text::decode(encoding.decode(bytes).0.as_bytes());
        }
    }
    text::decode(bytes)
}

fn first<'a>(page: &'a Html, selector: &str) -> Option<ElementRef<'a>> {
    all(page.root_element(), selector).into_iter().next()
}

fn all<'a>(under: ElementRef<'a>, selector: &str) -> Vec<ElementRef<'a>> {
    // Selectors are constants; a wrong one selects nothing.
    Selector::parse(selector).map(|selector| under.select(&selector).collect()).unwrap_or_default()
}

fn content(page: &Html) -> ElementRef<'_> {
    let has_text = |element: &ElementRef<'_>| element.text().any(|text| !text.trim().is_empty());
    let main = all(page.root_element(), "main, [role=main]").into_iter().find(has_text);
    let articles = all(page.root_element(), "article");
    let only = if articles.len() == 1 { articles.into_iter().find(has_text) } else { None };
    main.or(only).or_else(|| first(page, "body")).unwrap_or_else(|| page.root_element())
}

/// The page's only first heading, else what the browser's tab shows.
fn title(page: &Html, root: ElementRef<'_>) -> Option<String> {
    let headings = all(root, "h1");
    let heading = match &headings[..] {
        [one] => Some(one_line(&one.text().collect::<String>())),
        _ => None,
    };
    let named = || first(page, "title").map(|title| one_line(&title.text().collect::<String>()));
    heading.filter(|heading| !heading.is_empty()).or_else(named).filter(|title| !title.is_empty())
}

fn render(root: ElementRef<'_>, strict: bool) -> String {
    let mut page = Page { strict, ..Page::default() };
    page.children(root, 0);
    page.flush();
    page.blocks.into_text()
}

/// Markdown of a page, growing.
#[derive(Default)]
struct Page {
    /// Whether menus are left out.
    strict: bool,
    blocks: Blocks,
    /// Words of the present paragraph.
    line: String,
    /// The lists around the present element, each with the number of its next item where it counts.
    lists: Vec<Option<usize>>,
    /// Whether the present paragraph is a list item's.
    in_item: bool,
    /// Level of the last heading.
    level: usize,
    /// Whether we are inside `<main>` or `<article>`, where a header is the content's own.
    in_content: bool,
}

impl Page {
    fn children(&mut self, of: ElementRef<'_>, depth: usize) {
        for child in of.children() {
            match child.value() {
                Node::Text(text) => self.line.push_str(&text.replace(['\n', '\r', '\t'], " ")),
                Node::Element(_) => {
                    if let Some(element) = ElementRef::wrap(child) {
                        self.element(element, depth + 1);
                    }
                }
                _ => {}
            }
        }
    }

    fn element(&mut self, element: ElementRef<'_>, depth: usize) {
        let name = element.value().name();
        if is_never_content(name) || (self.strict && self.is_boilerplate(element)) {
            return;
        }
        if depth > MAX_WALK {
            self.line.push(' ');
            self.line.push_str(&flat(element));
            return;
        }
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = usize::from(name.as_bytes()[1] - b'0');
                self.heading(level, element);
            }
            "summary" => self.heading((self.level + 1).clamp(3, 6), element),
            "br" => self.line.push('\n'),
            "hr" => self.flush(),
            "pre" => {
                self.flush();
                self.blocks.code(&element.text().collect::<String>());
            }
            "ul" | "ol" | "menu" => self.list(element, depth),
            "li" => self.item(element, depth),
            "table" => self.table(element, depth),
            "main" | "article" => {
                let outside = std::mem::replace(&mut self.in_content, true);
                self.block(element, depth);
                self.in_content = outside;
            }
            _ if is_inline(name) => self.children(element, depth),
            _ => self.block(element, depth),
        }
    }

    fn heading(&mut self, level: usize, element: ElementRef<'_>) {
        self.flush();
        let text = flat(element);
        if !text.trim().is_empty() {
            self.level = level;
            self.blocks.heading(level, &text);
        }
    }

    fn block(&mut self, element: ElementRef<'_>, depth: usize) {
        if self.in_item {
            // Paragraphs of an item stay one item.
            self.line.push(' ');
            self.children(element, depth);
            self.line.push(' ');
        } else {
            self.flush();
            self.children(element, depth);
            self.flush();
        }
    }

    fn list(&mut self, element: ElementRef<'_>, depth: usize) {
        self.flush();
        let outside = std::mem::replace(&mut self.in_item, false);
        let start = element.value().attr("start").and_then(|start| start.parse().ok()).unwrap_or(1);
        self.lists.push((element.value().name() == "ol").then_some(start));
        self.children(element, depth);
        self.flush();
        self.lists.pop();
        self.in_item = outside;
    }

    fn item(&mut self, element: ElementRef<'_>, depth: usize) {
        self.flush();
        let outside = std::mem::replace(&mut self.in_item, true);
        self.children(element, depth);
        self.flush();
        if let Some(Some(number)) = self.lists.last_mut() {
            *number = number.saturating_add(1);
        }
        self.in_item = outside;
    }

    fn table(&mut self, element: ElementRef<'_>, depth: usize) {
        self.flush();
        match tables::read(element) {
            Some((caption, table)) => {
                self.blocks.paragraph(&caption);
                self.blocks.table(&table);
            }
            // A table that only lays things out.
            None => {
                let outside = std::mem::replace(&mut self.in_item, false);
                self.block(element, depth);
                self.in_item = outside;
            }
        }
    }

    fn flush(&mut self) {
        let line = std::mem::take(&mut self.line);
        if self.in_item {
            let number = self.lists.last().copied().flatten();
            self.blocks.item(self.lists.len().saturating_sub(1), number, &line);
        } else {
            self.blocks.paragraph(&line);
        }
    }

    fn is_boilerplate(&self, element: ElementRef<'_>) -> bool {
        let value = element.value();
        match value.name() {
            "nav" | "aside" | "dialog" => return true,
            "header" | "footer" if !self.in_content => return true,
            "body" | "html" | "main" | "article" => return false,
            _ => {}
        }
        if matches!(
            value.attr("role"),
            Some(
                "navigation"
                    | "banner"
                    | "contentinfo"
                    | "search"
                    | "dialog"
                    | "alertdialog"
                    | "menu"
                    | "menubar"
            )
        ) {
            return true;
        }
        let listing = matches!(value.name(), "ul" | "ol" | "menu");
        (listing || named_like_a_menu(value)) && is_mostly_links(element)
    }
}

/// The text under an element, without what is never content.
fn flat(element: ElementRef<'_>) -> String {
    let mut out = String::new();
    for node in element.descendants() {
        if let Node::Text(text) = node.value() {
            let parent = node.parent().and_then(ElementRef::wrap);
            if !parent.is_some_and(|parent| is_never_content(parent.value().name())) {
                out.push_str(text);
            }
        } else if let Node::Element(element) = node.value()
            && !is_inline(element.name())
        {
            out.push(' ');
        }
    }
    out
}

fn is_never_content(name: &str) -> bool {
    matches!(
        name,
        "head"
            | "script"
            | "style"
            | "noscript"
            | "template"
            | "svg"
            | "canvas"
            | "iframe"
            | "object"
            | "embed"
            | "button"
            | "select"
            | "input"
            | "textarea"
            | "datalist"
            | "audio"
            | "video"
            | "map"
            | "math"
    )
}

fn is_inline(name: &str) -> bool {
    matches!(
        name,
        "a" | "abbr"
            | "acronym"
            | "b"
            | "bdi"
            | "bdo"
            | "big"
            | "cite"
            | "code"
            | "data"
            | "del"
            | "dfn"
            | "em"
            | "font"
            | "i"
            | "img"
            | "ins"
            | "kbd"
            | "label"
            | "mark"
            | "nobr"
            | "output"
            | "picture"
            | "q"
            | "rp"
            | "rt"
            | "ruby"
            | "s"
            | "samp"
            | "small"
            | "source"
            | "span"
            | "strike"
            | "strong"
            | "sub"
            | "sup"
            | "time"
            | "tt"
            | "u"
            | "var"
            | "wbr"
    )
}

/// Whether a class or the id is what page builders call menus and the like.
fn named_like_a_menu(element: &Element) -> bool {
    let names = element.classes().chain(element.id());
    names.flat_map(|name| name.split(|c: char| !c.is_alphanumeric())).any(|word| {
        matches!(
            word.to_ascii_lowercase().as_str(),
            "menu"
                | "nav"
                | "navbar"
                | "navigation"
                | "breadcrumb"
                | "breadcrumbs"
                | "sidebar"
                | "footer"
                | "rodape"
                | "topbar"
                | "cookie"
                | "cookies"
                | "share"
                | "social"
                | "related"
                | "relacionados"
                | "pagination"
        )
    })
}

/// Four links or more, and little between them.
fn is_mostly_links(element: ElementRef<'_>) -> bool {
    let letters = |element: ElementRef<'_>| -> usize {
        element.text().flat_map(str::chars).filter(|c| !c.is_whitespace()).count()
    };
    let links = all(element, "a[href]");
    let in_links: usize = links.iter().map(|link| letters(*link)).sum();
    links.len() >= 4 && in_links * 4 >= letters(element) * 3
}

#[cfg(test)]
mod tests;
