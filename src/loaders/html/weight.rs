//! How heavy a page would be to parse, before it is.
//!
//! The parser of HTML walks its stack of open elements at most tags, and opens formatting elements (`<b>`, `<font>`)
//! anew in every block that leaves them open: megabytes of `<div>` or of `<font a=1><font a=2>…<p><p>…` would take
//! hours and all memory. Counting tags costs one pass over the bytes.
//! Source: HTML Standard, "The stack of open elements" and "The list of active formatting elements".

use std::collections::HashMap;

use crate::{Options, Unreadable};

/// Elements that reopening may make. A page of a hundred thousand tags with bold text in its cells makes some.
const MAX_REOPENED: usize = 2_000_000;

pub(super) fn check(source: &str, options: &Options) -> Result<(), Unreadable> {
    let mut open: HashMap<&str, usize> = HashMap::new();
    let (mut depth, mut formatting, mut reopened) = (0_usize, 0_usize, 0_usize);
    for piece in source.split('<').skip(1) {
        let (closes, rest) = match piece.strip_prefix('/') {
            Some(rest) => (true, rest),
            None => (false, piece),
        };
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
        let name = &rest[..end];
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        reopened = reopened.saturating_add(formatting);
        if reopened > MAX_REOPENED {
            return Err(endless());
        }
        if closes_itself(name) {
            continue;
        }
        let count = open.entry(name).or_default();
        if closes && *count > 0 {
            *count -= 1;
            depth -= 1;
            formatting -= usize::from(is_formatting(name));
        } else if !closes {
            *count += 1;
            depth += 1;
            formatting += usize::from(is_formatting(name));
        }
        if depth > options.max_depth {
            return Err(endless());
        }
    }
    Ok(())
}

fn endless() -> Unreadable {
    Unreadable::damaged("web page", "its elements are nested without end; save it again from a browser")
}

/// Elements that hold nothing, or that the next of their kind closes.
fn closes_itself(name: &str) -> bool {
    const NAMES: [&str; 30] = [
        "area", "base", "body", "br", "col", "colgroup", "dd", "dt", "embed", "head", "hr", "html", "img",
        "input", "li", "link", "meta", "optgroup", "option", "p", "param", "rp", "rt", "source", "tbody",
        "td", "th", "thead", "tr", "wbr",
    ];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_formatting(name: &str) -> bool {
    const NAMES: [&str; 14] =
        ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}
