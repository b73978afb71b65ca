//! Media: a picture of one pixel for every id anyone asks for.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Shared;
use super::error::ApiError;
use super::send::bearer;

/// Links to media die after five minutes.
const LINK_LIVES_S: i64 = 300;

/// The smallest GIF there is.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;";

/// `GET /{version}/{media_id}`: where to download it.
pub async fn look_up(
    State(shared): State<Arc<Shared>>,
    Path((_version, media_id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    authenticate(&shared, &headers)?;
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("127.0.0.1");
    let expires = Utc::now().timestamp() + LINK_LIVES_S;
    Ok(Json(json!({
        "messaging_product": "whatsapp",
        "url": format!("http://{host}/_media/{media_id}?expires={expires}"),
        "mime_type": "image/gif",
        "sha256": base64::engine::general_purpose::STANDARD.encode(Sha256::digest(PIXEL)),
        "file_size": PIXEL.len(),
        "id": media_id
    })))
}

/// When a link dies.
#[derive(Debug, Deserialize)]
pub struct Link {
    expires: i64,
}

/// `GET` of that link, with the same token.
pub async fn download(
    State(shared): State<Arc<Shared>>,
    Query(link): Query<Link>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    authenticate(&shared, &headers)?;
    if link.expires < Utc::now().timestamp() {
        return Err(ApiError { http_status: 404, code: 33, details: "The link has expired.".into() });
    }
    Ok(([(header::CONTENT_TYPE, "image/gif")], PIXEL).into_response())
}

/// Any registered number's token will do.
fn authenticate(shared: &Shared, headers: &HeaderMap) -> Result<(), ApiError> {
    let token = bearer(headers);
    let world = shared.world.lock();
    let known = world.numbers.values().any(|number| token.ct_eq(number.access_token.as_bytes()).into());
    if known { Ok(()) } else { Err(ApiError::new(190, "Error validating access token.")) }
}
