//! RSS 2.0 and Atom, with the elements of a product feed inside their items.

use std::io::BufReader;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{Fields, limit::Limited, name};
use crate::{File, ReadError};

/// Hands out each `item` (RSS) or `entry` (Atom). Elements within elements (`shipping`) are not told apart by a name and
/// are left out.
pub(super) fn rows(
    file: &File,
    row: &mut dyn FnMut(super::Read) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let (limited, grant) = Limited::new(file.open_text()?);
    let mut reader = Reader::from_reader(BufReader::new(limited));
    let mut buffer = Vec::new();
    let mut count = 0_u64;
    let mut item: Option<Item> = None;
    loop {
        let event = reader.read_event_into(&mut buffer);
        let place = reader.buffer_position();
        match event.map_err(|error| file.malformed("XML", format!("{error} (at byte {place})")))? {
            Event::Eof if item.is_some() => {
                return Err(file.malformed("XML", "it ends within an item; was it sent whole?"));
            }
            Event::Eof => return Ok(()),
            // Entities are declared there, and declared entities can grow without bound.
            Event::DocType(_) => return Err(file.malformed("a feed", "it has a DOCTYPE; remove it")),
            Event::Start(element) => match &mut item {
                Some(item) => item.start(&element),
                None if is_item(&element) => {
                    count += 1;
                    item = Some(Item::new(count));
                }
                None => grant.renew(),
            },
            Event::Empty(element) => {
                if let Some(item) = &mut item {
                    item.start(&element);
                    item.end();
                }
            }
            Event::End(_) => match &mut item {
                Some(open) if open.depth > 0 => open.end(),
                Some(_) => {
                    if let Some(whole) = item.take() {
                        row(Ok(whole.fields))?;
                    }
                    grant.renew();
                }
                None => grant.renew(),
            },
            event => {
                if let Some(item) = item.as_mut().filter(|item| item.depth == 1) {
                    push_text(&event, &mut item.text);
                }
            }
        }
        buffer.clear();
    }
}

fn is_item(element: &BytesStart<'_>) -> bool {
    matches!(element.local_name().as_ref(), "item" | "entry")
}

/// An item, growing.
struct Item {
    fields: Fields,
    depth: usize,
    name: String,
    text: String,
}

impl Item {
    fn new(count: u64) -> Self {
        let fields = Fields { place: format!("item {count}"), ..Fields::default() };
        Self { fields, depth: 0, name: String::new(), text: String::new() }
    }

    fn start(&mut self, element: &BytesStart<'_>) {
        self.depth += 1;
        if self.depth == 1 {
            self.name = name(element.local_name().as_ref());
            self.text.clear();
            // Atom puts addresses of links into an attribute.
            let href = element.attributes().flatten().find(|a| a.key.local_name().as_ref() == "href");
            if let Some(href) = href {
                self.text.push_str(&href.value);
            }
        }
    }

    fn end(&mut self) {
        if self.depth == 1 {
            self.fields.fields.push((std::mem::take(&mut self.name), std::mem::take(&mut self.text)));
        }
        self.depth -= 1;
    }
}

/// Text and the characters written as entities.
fn push_text(event: &Event<'_>, out: &mut String) {
    match event {
        Event::Text(text) => out.push_str(text),
        Event::CData(text) => out.push_str(text),
        Event::GeneralRef(entity) => match entity.resolve_char_ref() {
            Ok(Some('\0')) => {}
            Ok(Some(letter)) => out.push(letter),
            _ => match quick_xml::escape::resolve_predefined_entity(entity) {
                Some(text) => out.push_str(text),
                // An entity of HTML, for the reader of the text to decode.
                None => {
                    out.push('&');
                    out.push_str(entity);
                    out.push(';');
                }
            },
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Fields>, ReadError> {
        let mut all = Vec::new();
        rows(&File::of("feed.xml", text.as_bytes()), &mut |row| {
            all.extend(row);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn fields_have_their_entities_decoded_and_those_within_others_are_left_out() {
        let rows = read(
            "<rss xmlns:g='x'><channel><title>Loja</title><item><g:id>1</g:id>\
             <title>Sal &amp; <![CDATA[pimenta <5g>]]> &#233; bom</title>\
             <g:shipping><g:price>9 BRL</g:price></g:shipping><g:price>10 BRL</g:price></item></channel></rss>",
        )
        .expect("a feed");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].get("title"), Some("Sal & pimenta <5g> é bom"));
        assert_eq!(rows[0].all("price").collect::<Vec<_>>(), ["10 BRL"]);
    }

    #[test]
    fn atom_is_read_too() {
        let rows = read("<feed><entry><g:id>1</g:id><link href='https://loja.example/1'/></entry></feed>");
        assert_eq!(rows.expect("a feed")[0].get("link"), Some("https://loja.example/1"));
    }

    #[test]
    fn what_is_cut_or_declares_entities_is_refused() {
        for text in [
            "<rss><item><id>1</id>",
            "<!DOCTYPE x [<!ENTITY a 'aaaa'>]><rss><item><id>&a;</id></item></rss>",
            "<rss><item><id>1</rss>",
        ] {
            assert!(matches!(read(text), Err(ReadError::Malformed { .. })), "{text}");
        }
    }
}
