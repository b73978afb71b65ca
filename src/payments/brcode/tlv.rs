//! Fields as EMV writes them: a two-digit id, a two-digit length, the value; some values are fields again.

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// `00` to `99`.
    pub id: String,
    pub value: String,
}

/// How lengths were counted by whoever wrote the code. The manual allows ASCII only, where the two agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Characters,
    Bytes,
}

/// Reads fields that fill `text` exactly; `None` when they do not.
pub fn fields(text: &str, unit: Unit) -> Option<Vec<Field>> {
    let mut rest = text;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let id = digits(rest.get(..2)?)?;
        let length: usize = digits(rest.get(2..4)?)?.parse().ok()?;
        let value = take(&rest[4..], length, unit)?;
        fields.push(Field { id: id.to_owned(), value: value.to_owned() });
        rest = &rest[4 + value.len()..];
    }
    Some(fields)
}

fn digits(two: &str) -> Option<&str> {
    two.bytes().all(|b| b.is_ascii_digit()).then_some(two)
}

fn take(text: &str, length: usize, unit: Unit) -> Option<&str> {
    match unit {
        Unit::Bytes => text.get(..length),
        Unit::Characters => {
            let mut ends = text.char_indices().map(|(at, _)| at).chain(std::iter::once(text.len()));
            ends.nth(length).map(|end| &text[..end])
        }
    }
}

/// A field with this id.
pub fn find<'f>(fields: &'f [Field], id: &str) -> Option<&'f str> {
    fields.iter().find(|field| field.id == id).map(|field| field.value.as_str())
}

/// Writes a field; `None` when the value is longer than two digits can say.
pub fn field(id: &str, value: &str) -> Option<String> {
    (value.len() <= 99).then(|| format!("{id}{:02}{value}", value.len()))
}
