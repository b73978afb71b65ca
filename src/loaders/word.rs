//! Word documents (WordprocessingML): paragraphs, headings by style, lists, tables. Deleted text, comments, page
//! headers and fields' instructions are left out.
//!
//! Source: ECMA-376 part 1, §17 (`w:p`, `w:pStyle`, `w:numPr`, `w:tbl`, `w:del`) and §17.7.4 (styles).

use std::collections::HashMap;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use crate::{
    Document, MediaType, Options, Unreadable,
    archive::Package,
    markdown::{Blocks, Table, one_line},
};

const KIND: MediaType = MediaType::Docx;

/// A page laid out in a table has cells longer than this, in bytes; they are read as paragraphs.
const MAX_CELL: usize = 600;

pub(crate) fn read(bytes: &[u8], options: &Options) -> Result<Document, Unreadable> {
    let mut package = Package::open(bytes, KIND, options)?;
    let Some(body) = package.part("word/document.xml")? else {
        return Err(Unreadable::damaged(
            KIND.name(),
            "it has no `word/document.xml`; is it another kind of file?",
        ));
    };
    let styles = package.part("word/styles.xml")?.map(|xml| styles(&xml)).transpose()?.unwrap_or_default();
    let title = package.part("docProps/core.xml")?.and_then(|xml| core_title(&xml));
    Ok(Document { title, text: Body::new(&styles).read(&body)?, warnings: Vec::new() })
}

fn damaged(why: impl ToString) -> Unreadable {
    Unreadable::damaged(KIND.name(), why)
}

/// What a style makes of its paragraphs.
#[derive(Default, Clone, Copy)]
struct Style {
    heading: Option<usize>,
    list: bool,
}

/// Styles by their id. A heading is known by its outline level, else by its built-in name, which Word writes in
/// English whatever its language.
fn styles(xml: &[u8]) -> Result<HashMap<String, Style>, Unreadable> {
    let mut styles: HashMap<String, Style> = HashMap::new();
    let mut style = String::new();
    let mut reader = Reader::from_reader(xml);
    let mut buffer = Vec::new();
    loop {
        match reader.read_event_into(&mut buffer).map_err(damaged)? {
            Event::Eof => return Ok(styles),
            Event::Start(element) | Event::Empty(element) => match element.local_name().as_ref() {
                "style" => style = attribute(&element, "styleId").unwrap_or_default(),
                "name" => {
                    let name = attribute(&element, "val").unwrap_or_default().to_lowercase();
                    let level = name.strip_prefix("heading ").and_then(|level| level.parse().ok());
                    if let Some(level) = level.or((name == "title").then_some(1)) {
                        styles.entry(style.clone()).or_default().heading.get_or_insert(level);
                    }
                }
                "outlineLvl" => {
                    let level = attribute(&element, "val").and_then(|level| level.parse::<usize>().ok());
                    if let Some(level) = level.filter(|level| *level < 9) {
                        styles.entry(style.clone()).or_default().heading = Some(level + 1);
                    }
                }
                "numPr" => styles.entry(style.clone()).or_default().list = true,
                _ => {}
            },
            _ => {}
        }
        buffer.clear();
    }
}

fn core_title(xml: &[u8]) -> Option<String> {
    let mut reader = Reader::from_reader(xml);
    let mut buffer = Vec::new();
    let mut inside = false;
    let mut title = String::new();
    loop {
        match reader.read_event_into(&mut buffer).ok()? {
            Event::Eof => break,
            Event::Start(element) => inside = element.local_name().as_ref() == "title",
            Event::End(_) => inside = false,
            event => {
                if inside {
                    push_text(&event, &mut title);
                }
            }
        }
        buffer.clear();
    }
    Some(one_line(&title)).filter(|title| !title.is_empty())
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.attributes().flatten().find(|a| a.key.local_name().as_ref() == name)?;
    Some(attribute.value.into_owned())
}

/// Text and the characters written as entities.
fn push_text(event: &Event<'_>, out: &mut String) {
    match event {
        Event::Text(text) => out.push_str(text),
        Event::CData(text) => out.push_str(text),
        Event::GeneralRef(entity) => match entity.resolve_char_ref() {
            Ok(Some(letter)) => out.push(letter),
            _ => out.push_str(match &entity[..] {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "quot" => "\"",
                "apos" => "'",
                _ => "",
            }),
        },
        _ => {}
    }
}

/// A paragraph, growing.
#[derive(Default)]
struct Paragraph {
    text: String,
    heading: Option<usize>,
    list_depth: Option<usize>,
}

/// A table, growing. `cell` holds the paragraphs of the present cell.
#[derive(Default)]
struct Growing {
    rows: Vec<Vec<String>>,
    cell: Vec<String>,
}

struct Body<'a> {
    styles: &'a HashMap<String, Style>,
    blocks: Blocks,
    paragraphs: Vec<Paragraph>,
    tables: Vec<Growing>,
    /// How deep we are in what is left out.
    skipped: usize,
    in_text: bool,
}

impl<'a> Body<'a> {
    fn new(styles: &'a HashMap<String, Style>) -> Self {
        let (paragraphs, tables) = (Vec::new(), Vec::new());
        Self { styles, blocks: Blocks::default(), paragraphs, tables, skipped: 0, in_text: false }
    }

    fn read(mut self, xml: &[u8]) -> Result<String, Unreadable> {
        let mut reader = Reader::from_reader(xml);
        let mut buffer = Vec::new();
        loop {
            match reader.read_event_into(&mut buffer).map_err(damaged)? {
                Event::Eof => break,
                Event::Start(element) => self.start(&element),
                Event::Empty(element) => {
                    self.start(&element);
                    self.end(element.local_name().as_ref());
                }
                Event::End(element) => self.end(element.local_name().as_ref()),
                event => {
                    let reads = self.in_text && self.skipped == 0;
                    if let Some(paragraph) = self.paragraphs.last_mut().filter(|_| reads) {
                        push_text(&event, &mut paragraph.text);
                    }
                }
            }
            buffer.clear();
        }
        Ok(self.blocks.into_text())
    }

    fn start(&mut self, element: &BytesStart<'_>) {
        let name = element.local_name();
        if is_left_out(name.as_ref()) {
            self.skipped += 1;
        }
        if self.skipped > 0 {
            return;
        }
        let present = self.paragraphs.last_mut();
        match name.as_ref() {
            "p" => self.paragraphs.push(Paragraph::default()),
            "t" => self.in_text = true,
            "pStyle" => {
                let style = attribute(element, "val").unwrap_or_default();
                if let Some(paragraph) = present {
                    let style = self.styles.get(&style).copied().unwrap_or_default();
                    paragraph.heading = style.heading.or(paragraph.heading);
                    paragraph.list_depth = style.list.then_some(0).or(paragraph.list_depth);
                }
            }
            "outlineLvl" => {
                let level = attribute(element, "val").and_then(|level| level.parse::<usize>().ok());
                if let (Some(paragraph), Some(level)) = (present, level.filter(|level| *level < 9)) {
                    paragraph.heading = Some(level + 1);
                }
            }
            "numPr" => {
                if let Some(paragraph) = present {
                    paragraph.list_depth = Some(0);
                }
            }
            "ilvl" => {
                let depth = attribute(element, "val").and_then(|depth| depth.parse().ok());
                if let Some(paragraph) = present {
                    paragraph.list_depth = depth.or(paragraph.list_depth);
                }
            }
            "ta" => push(present, '\t'),
            "br" | "cr" => push(present, '\n'),
            "noBreakHyphen" => push(present, '-'),
            "tbl" => self.tables.push(Growing::default()),
            "tr" => {
                if let Some(table) = self.tables.last_mut() {
                    table.rows.push(Vec::new());
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if is_left_out(name) {
            self.skipped = self.skipped.saturating_sub(1);
            return;
        }
        if self.skipped > 0 {
            return;
        }
        match name {
            "t" => self.in_text = false,
            "p" => {
                if let Some(paragraph) = self.paragraphs.pop() {
                    self.paragraph(paragraph);
                }
            }
            "tc" => {
                if let Some(table) = self.tables.last_mut() {
                    let text = std::mem::take(&mut table.cell).join("\n");
                    if let Some(row) = table.rows.last_mut() {
                        row.push(text);
                    }
                }
            }
            "tbl" => {
                if let Some(table) = self.tables.pop() {
                    self.table(table.rows);
                }
            }
            _ => {}
        }
    }

    fn paragraph(&mut self, paragraph: Paragraph) {
        if let Some(table) = self.tables.last_mut() {
            if !paragraph.text.trim().is_empty() {
                table.cell.push(paragraph.text);
            }
        } else if let Some(level) = paragraph.heading {
            self.blocks.heading(level, &paragraph.text);
        } else if let Some(depth) = paragraph.list_depth {
            self.blocks.item(depth, None, &paragraph.text);
        } else {
            self.blocks.paragraph(&paragraph.text);
        }
    }

    fn table(&mut self, rows: Vec<Vec<String>>) {
        if let Some(outer) = self.tables.last_mut() {
            // A table in a cell is said in a line a row.
            outer.cell.extend(rows.into_iter().map(|row| row.join(" ")));
        } else if rows.iter().flatten().any(|cell| cell.len() > MAX_CELL) {
            for cell in rows.iter().flatten() {
                self.blocks.paragraph(cell);
            }
        } else {
            self.blocks.table(&Table::new(rows));
        }
    }
}

fn push(paragraph: Option<&mut Paragraph>, letter: char) {
    if let Some(paragraph) = paragraph {
        paragraph.text.push(letter);
    }
}

/// Deleted and moved text, and what stands in for drawings in old versions of Word.
fn is_left_out(name: &str) -> bool {
    matches!(name, "del" | "moveFrom" | "Fallback" | "instrText" | "delText")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::zipped;

    fn document(body: &str) -> Result<Document, Unreadable> {
        let styles = "<w:styles xmlns:w='w'><w:style w:styleId='Ttulo1'><w:name w:val='heading 1'/></w:style>\
            <w:style w:styleId='Secao'><w:name w:val='Seção'/><w:pPr><w:outlineLvl w:val='1'/></w:pPr></w:style>\
            <w:style w:styleId='Lista'><w:name w:val='List Bullet'/><w:pPr><w:numPr/></w:pPr></w:style></w:styles>";
        let core =
            "<cp:coreProperties xmlns:dc='dc'><dc:title>Manual &amp; guia</dc:title></cp:coreProperties>";
        let body =
            format!("<?xml version='1.0'?><w:document xmlns:w='w'><w:body>{body}</w:body></w:document>");
        let file = zipped(&[
            ("word/document.xml", body.as_bytes()),
            ("word/styles.xml", styles.as_bytes()),
            ("docProps/core.xml", core.as_bytes()),
        ]);
        read(&file, &Options::default())
    }

    fn p(properties: &str, text: &str) -> String {
        format!("<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
    }

    #[test]
    fn headings_lists_and_tables_of_a_document_are_kept() {
        let cell = |text: &str| format!("<w:tc>{}</w:tc>", p("", text));
        let row = |a: &str, b: &str| format!("<w:tr>{}{}</w:tr>", cell(a), cell(b));
        let body = [
            p("<w:pStyle w:val='Ttulo1'/>", "Garantia"),
            p("<w:pStyle w:val='Secao'/>", "Prazo"),
            "<w:p><w:r><w:t>Um</w:t></w:r><w:r><w:t xml:space='preserve'> ano &lt; 2</w:t><w:br/>\
             <w:t>caf&#233;</w:t></w:r></w:p>"
                .to_owned(),
            p("<w:pStyle w:val='Lista'/>", "peça"),
            p("<w:numPr><w:ilvl w:val='1'/></w:numPr>", "mão de obra"),
            format!("<w:tbl>{}{}</w:tbl>", row("Item", "Meses"), row("Motor", "12")),
        ];
        let document = document(&body.concat()).expect("a document");
        assert_eq!(document.title.as_deref(), Some("Manual & guia"));
        let expected = "# Garantia\n\n## Prazo\n\nUm ano < 2\ncafé\n\n- peça\n  - mão de obra\n\n\
                        | Item | Meses |\n| --- | --- |\n| Motor | 12 |";
        assert_eq!(document.text, expected);
    }

    #[test]
    fn deleted_text_and_what_old_versions_are_shown_are_left_out() {
        let body = "<w:p><w:del><w:r><w:delText>não</w:delText></w:r></w:del><w:r><w:t>sim</w:t></w:r>\
            <mc:AlternateContent><mc:Choice><w:p><w:r><w:t>caixa</w:t></w:r></w:p></mc:Choice>\
            <mc:Fallback><w:p><w:r><w:t>caixa</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent></w:p>";
        assert_eq!(document(body).expect("a document").text, "caixa\n\nsim");
    }

    #[test]
    fn a_document_cut_off_or_behind_a_password_says_so() {
        let why = document("<w:p><w:r></w:p>").expect_err("damaged").to_string();
        assert!(why.starts_with("the Word document is damaged"), "{why}");
        let other = read(&zipped(&[("xl/workbook.xml", b"")]), &Options::default()).expect_err("no document");
        assert!(other.to_string().contains("another kind"), "{other}");
        let secret = [&crate::archive::OLE[..], &[0; 600]].concat();
        assert_eq!(read(&secret, &Options::default()), Err(Unreadable::Encrypted { kind: "Word document" }));
    }
}
