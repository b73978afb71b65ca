//! Addresses of pictures.

use url::Url;

use crate::notes::Doubts;

/// Pictures in their order, each once, without what only busts caches.
pub(crate) fn pictures<'a>(
    addresses: impl IntoIterator<Item = Option<&'a str>>,
    item: &str,
    doubts: &mut Doubts,
) -> Vec<String> {
    let mut pictures = Vec::new();
    for address in addresses.into_iter().flatten() {
        match picture(address) {
            Some(picture) if pictures.contains(&picture) => {}
            Some(picture) => pictures.push(picture),
            None => doubts.add(item, "image", format!("`{address}` is no address of a picture; left out")),
        }
    }
    pictures
}

fn picture(address: &str) -> Option<String> {
    let address = if address.starts_with("//") { format!("https:{address}") } else { address.to_owned() };
    let mut url = Url::parse(&address).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let busts = |(name, value): &(_, String)| name == "v" && value.bytes().all(|b| b.is_ascii_digit());
    let kept: Vec<(String, String)> = url.query_pairs().into_owned().filter(|pair| !busts(pair)).collect();
    if url.query().is_some() && kept.is_empty() {
        url.set_query(None);
    } else if kept.len() < url.query_pairs().count() {
        url.query_pairs_mut().clear().extend_pairs(kept);
    }
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_listed_once_without_what_busts_caches() {
        let mut doubts = Doubts::default();
        let addresses = [
            "https://img.example/a.jpg?v=1767000000",
            "https://img.example/a.jpg",
            "//img.example/b.jpg?width=200&v=1",
            "javascript:alert(1)",
            "b.jpg",
        ];
        assert_eq!(
            pictures(addresses.map(Some), "1", &mut doubts),
            ["https://img.example/a.jpg", "https://img.example/b.jpg?width=200"]
        );
        assert_eq!(format!("{doubts:?}").matches("left out").count(), 2);
    }
}
