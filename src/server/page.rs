//! The chat page and the page to read the API by: a few files inside the binary, no build step, nothing from elsewhere.

use axum::{
    Router,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::App;

/// Nothing but our own files, and nobody may frame them: the page holds a key.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The pages' routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(async || html(include_str!("page/chat.html"))))
        .route("/docs", get(async || html(include_str!("page/docs.html"))))
        .route("/assets/chat.css", get(async || css(include_str!("page/chat.css"))))
        .route("/assets/chat.js", get(async || js(include_str!("page/chat.js"))))
        .route("/assets/words.js", get(async || js(include_str!("page/words.js"))))
        .route("/assets/docs.css", get(async || css(include_str!("page/docs.css"))))
        .route("/assets/docs.js", get(async || js(include_str!("page/docs.js"))))
        .route("/favicon.ico", get(async || file(include_str!("page/icon.svg"), "image/svg+xml")))
}

fn html(text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ];
    (headers, file(text, "text/html; charset=utf-8")).into_response()
}

fn css(text: &'static str) -> Response {
    file(text, "text/css; charset=utf-8")
}

fn js(text: &'static str) -> Response {
    file(text, "text/javascript; charset=utf-8")
}

fn file(text: &'static str, media_type: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The files change with the binary: a browser asks again each time, they are small.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_pages_load_nothing_from_elsewhere() {
        let files = [
            include_str!("page/chat.html"),
            include_str!("page/chat.css"),
            include_str!("page/chat.js"),
            include_str!("page/words.js"),
            include_str!("page/docs.html"),
            include_str!("page/docs.css"),
            include_str!("page/docs.js"),
        ];
        for text in files {
            for outside in ["src=\"http", "href=\"http", "url(http", "@import", "fetch(\"http"] {
                assert!(!text.contains(outside), "`{outside}` in a page");
            }
            // The policy forbids both; a page that used them would be broken, not dangerous.
            assert!(!text.contains(" style=\"") && !text.contains(" onclick="), "inline code in a page");
        }
    }
}
