//! A PDF made safe for a library that trusts it.
//!
//! What is bounded here: what streams unpack to (before anything unpacks them), forms that draw themselves or each
//! other in numbers, pages that are their own ancestors. What is removed: pictures, drawing, colours. Only the
//! operators that show text stay (ISO 32000-1, 9.4 and annex A), which also makes reading several times faster.

use std::{collections::HashMap, io::Read};

use flate2::read::ZlibDecoder;
use pdf_extract::{Dictionary, Document as Pdf, Object, ObjectId, Stream, content::Content};

use crate::{MediaType, Options, Unreadable};

/// Operators that say which text is shown and where.
const TEXT: [&str; 20] = [
    "q", "Q", "cm", "BT", "ET", "Tc", "Tw", "Tz", "TL", "Tf", "Tr", "Ts", "Td", "TD", "Tm", "T*", "Tj", "TJ",
    "'", "\"",
];

/// Streams packed in packed streams, so many deep, are counted.
const MAX_LAYERS: usize = 4;

/// Most forms drawn by a page, drawn ones within them counted each time, and how deep.
const MAX_DRAWN: u64 = 100_000;
const MAX_FORM_DEPTH: usize = 16;

/// Generations between a page and the root of the tree of pages.
const MAX_ANCESTORS: usize = 64;

/// Bytes of operators of one page or form; some expand to fifty times as much once parsed.
const MAX_CONTENT: usize = 8 * 1024 * 1024;

fn damaged(reason: impl ToString) -> Unreadable {
    Unreadable::damaged(MediaType::Pdf.name(), reason)
}

/// Unpacks every stream to nowhere, since readers unpack without a bound.
pub(super) fn check_size(bytes: &[u8], options: &Options) -> Result<(), Unreadable> {
    let mut left = options.max_unpacked_bytes;
    let mut at = 0;
    while let Some(found) = find(&bytes[at..], b"stream") {
        let start = at + found + b"stream".len();
        at = start;
        let line_end = bytes[start..].iter().take(2).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if line_end > 0 {
            count(&bytes[start + line_end..], 1, &mut left).ok_or(Unreadable::TooMuch {
                what: "bytes once unpacked",
                most: options.max_unpacked_bytes,
            })?;
        }
    }
    Ok(())
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == what[0]) {
        if bytes[at + found..].starts_with(what) {
            return Some(at + found);
        }
        at += found + 1;
    }
    None
}

/// Takes what a stream unpacks to from `left`, and what that unpacks to where it is packed itself. Nothing where more
/// comes out than is left. What is not packed costs nothing.
fn count(bytes: &[u8], layer: usize, left: &mut u64) -> Option<()> {
    let is_zlib = bytes.first().is_some_and(|first| first & 0x0f == 8)
        && bytes.len() >= 2
        && u16::from_be_bytes([bytes[0], bytes[1]]).is_multiple_of(31);
    if !is_zlib {
        return Some(());
    }
    let mut decoder = ZlibDecoder::new(bytes);
    let mut inner = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    let mut packed_again = false;
    // A damaged end does not take back what came before it.
    while let Ok(read @ 1..) = decoder.read(&mut piece) {
        *left = left.checked_sub(read as u64)?;
        if inner.is_empty() {
            packed_again = layer < MAX_LAYERS && piece[0] & 0x0f == 8;
        }
        if packed_again || inner.is_empty() {
            inner.extend_from_slice(&piece[..read]);
        }
    }
    if packed_again { count(&inner, layer + 1, left) } else { Some(()) }
}

/// Leaves what shows text. Returns whether there were pictures.
pub(super) fn sanitize(pdf: &mut Pdf) -> Result<bool, Unreadable> {
    let pages: Vec<ObjectId> = pdf.get_pages().into_values().collect();
    for page in &pages {
        check_ancestors(pdf, *page)?;
    }
    let pictures = clean_streams(pdf)?;
    let mut forms = Forms { costs: HashMap::new() };
    for page in pages {
        let content = pdf.get_page_content(page).map_err(damaged)?;
        let text = text_only(&content, true)?;
        let drawn: u64 = forms.cost_of_page(pdf, page, &text)?;
        if drawn > MAX_DRAWN {
            return Err(damaged("its pages draw forms without end"));
        }
        let content = text.encode().map_err(damaged)?;
        let id = pdf.add_object(Stream::new(Dictionary::new(), content));
        pdf.get_object_mut(page)
            .and_then(Object::as_dict_mut)
            .map_err(damaged)?
            .set("Contents", Object::Reference(id));
    }
    Ok(pictures)
}

fn check_ancestors(pdf: &Pdf, page: ObjectId) -> Result<(), Unreadable> {
    let mut at = page;
    for _ in 0..MAX_ANCESTORS {
        match pdf.get_dictionary(at).and_then(|node| node.get(b"Parent")).and_then(Object::as_reference) {
            Ok(parent) => at = parent,
            Err(_) => return Ok(()),
        }
    }
    Err(damaged("its pages are their own ancestors"))
}

/// Pictures emptied, forms cleaned; what is packed in the oldest way, which cannot be counted beforehand, is refused.
fn clean_streams(pdf: &mut Pdf) -> Result<bool, Unreadable> {
    let mut pictures = false;
    for object in pdf.objects.values_mut() {
        let Object::Stream(stream) = object else { continue };
        let subtype = stream.dict.get(b"Subtype").and_then(Object::as_name).unwrap_or_default();
        if subtype == b"Image" {
            pictures = true;
            stream.set_plain_content(Vec::new());
            continue;
        }
        let filters = stream.filters().unwrap_or_default();
        if filters.iter().any(|filter| matches!(*filter, b"LZWDecode" | b"LZW")) {
            return Err(damaged("it is packed in a way of the last century (LZW); print it to a new PDF"));
        }
        if subtype == b"Form" {
            let has_resources = stream.dict.has(b"Resources");
            let content = stream.decompressed_content().unwrap_or_else(|_| stream.content.clone());
            // A form without resources draws with those of whoever draws it, itself perhaps.
            let text = text_only(&content, has_resources)?;
            stream.set_plain_content(text.encode().map_err(damaged)?);
        }
    }
    Ok(pictures)
}

fn text_only(content: &[u8], draws: bool) -> Result<Content, Unreadable> {
    if content.len() > MAX_CONTENT {
        return Err(Unreadable::TooMuch { what: "bytes of drawing on a page", most: MAX_CONTENT as u64 });
    }
    // Contents that cannot be parsed show nothing.
    let mut content = Content::decode(content).unwrap_or(Content { operations: Vec::new() });
    content.operations.retain(|operation| {
        TEXT.contains(&operation.operator.as_str()) || (draws && operation.operator == "Do")
    });
    Ok(content)
}

/// How many forms are drawn when a form is, itself counted.
struct Forms {
    costs: HashMap<ObjectId, u64>,
}

impl Forms {
    fn cost_of_page(&mut self, pdf: &Pdf, page: ObjectId, content: &Content) -> Result<u64, Unreadable> {
        let (own, inherited) = pdf.get_page_resources(page).map_err(damaged)?;
        let inherited = inherited.iter().filter_map(|id| pdf.get_dictionary(*id).ok());
        let resources: Vec<&Dictionary> = own.into_iter().chain(inherited).collect();
        self.cost_of_content(pdf, &resources, content, 0)
    }

    fn cost_of_content(
        &mut self,
        pdf: &Pdf,
        resources: &[&Dictionary],
        content: &Content,
        depth: usize,
    ) -> Result<u64, Unreadable> {
        if depth > MAX_FORM_DEPTH {
            return Err(damaged("its forms draw themselves"));
        }
        let mut drawn: HashMap<&[u8], u64> = HashMap::new();
        for operation in content.operations.iter().filter(|operation| operation.operator == "Do") {
            if let Some(name) = operation.operands.first().and_then(|name| name.as_name().ok()) {
                *drawn.entry(name).or_default() += 1;
            }
        }
        let mut cost = 0_u64;
        for (name, times) in drawn {
            for resources in resources {
                cost = cost.saturating_add(times.saturating_mul(self.cost(pdf, resources, name, depth)?));
            }
        }
        Ok(cost)
    }

    fn cost(
        &mut self,
        pdf: &Pdf,
        resources: &Dictionary,
        name: &[u8],
        depth: usize,
    ) -> Result<u64, Unreadable> {
        let follow =
            |object: &'_ Object| pdf.dereference(object).ok().map(|(id, object)| (id, object.clone()));
        let objects = resources.get(b"XObject").ok().and_then(follow);
        let Some(Object::Dictionary(objects)) = objects.map(|(_, object)| object) else { return Ok(0) };
        let Some((Some(id), Object::Stream(form))) = objects.get(name).ok().and_then(follow) else {
            return Ok(0);
        };
        if let Some(cost) = self.costs.get(&id) {
            return Ok(*cost);
        }
        let own = form.dict.get(b"Resources").ok().and_then(follow);
        let own = match &own {
            Some((_, Object::Dictionary(own))) => vec![own],
            _ => Vec::new(),
        };
        let content = text_only(&form.content, true)?;
        let cost = self.cost_of_content(pdf, &own, &content, depth + 1)?.saturating_add(1);
        self.costs.insert(id, cost);
        Ok(cost)
    }
}
