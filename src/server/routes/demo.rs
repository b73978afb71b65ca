//! What the chat page needs to begin.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::{ApiError, App};

#[derive(Serialize)]
struct Session<'a> {
    shops: Vec<Shop<'a>>,
}

#[derive(Serialize)]
struct Shop<'a> {
    slug: &'a str,
    name: &'a str,
    language: &'a str,
    key: &'a str,
    greeting: &'a str,
    suggestions: &'a [String],
}

/// The demo's shops and a chat key for each. Outside the demo there are none, and the page asks for a key.
pub async fn session(State(app): State<App>, headers: HeaderMap) -> Response {
    if !same_site(&headers) {
        return ApiError::NotFound("path").into_response();
    }
    let shops = app.settings.demo.iter().map(|shop| Shop {
        slug: &shop.slug,
        name: &shop.name,
        language: shop.language.code(),
        key: shop.chat_key.expose_secret(),
        greeting: &shop.greeting,
        suggestions: &shop.suggestions,
    });
    ([(header::CACHE_CONTROL, "no-store")], Json(Session { shops: shops.collect() })).into_response()
}

/// Another site's page must not fetch the keys with a visitor's browser.
fn same_site(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site").and_then(|value| value.to_str().ok()) {
        None | Some("same-origin" | "none") => true,
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn another_sites_page_gets_no_keys() {
        let from = |value: &'static str| {
            HeaderMap::from_iter([("sec-fetch-site".parse().unwrap(), HeaderValue::from_static(value))])
        };
        assert!(same_site(&HeaderMap::new()));
        assert!(same_site(&from("same-origin")));
        assert!(!same_site(&from("cross-site")));
        assert!(!same_site(&from("same-site")));
    }
}
