//! A call as it came in.

use url::form_urlencoded;

use super::Rejected;

/// A webhook call. The body is the raw bytes: reading and writing them again would break every signature.
#[derive(Debug, Clone)]
pub struct Request<'r> {
    /// The shop whose address was called: from our URL, never from the body. Part of those dedupe keys whose ids are
    /// unique only within a shop.
    pub shop: &'r str,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    /// As received.
    pub body: &'r [u8],
}

impl<'r> Request<'r> {
    /// A call to `shop`'s address. `query` is the URL's part after `?`, still encoded.
    pub fn new(shop: &'r str, query: &str, body: &'r [u8]) -> Self {
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { shop, query, headers: Vec::new(), body }
    }

    /// With one more header. A header that came twice is given twice: that is how doubled ones are noticed.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A header's only value, whatever the case of its name.
    ///
    /// # Errors
    /// When it came more than once: two readers could each take another one.
    pub fn header(&self, name: &'static str) -> Result<Option<&str>, Rejected> {
        single(&self.headers, name, |own| own.eq_ignore_ascii_case(name))
    }

    /// A query parameter's only value, decoded.
    ///
    /// # Errors
    /// When it came more than once.
    pub fn parameter(&self, name: &'static str) -> Result<Option<&str>, Rejected> {
        single(&self.query, name, |own| own == name)
    }
}

fn single<'p>(
    pairs: &'p [(String, String)],
    name: &'static str,
    is: impl Fn(&str) -> bool,
) -> Result<Option<&'p str>, Rejected> {
    let mut values = pairs.iter().filter(|(own, _)| is(own)).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Rejected::Doubled(name)),
    }
}
