//! The shop's documents: put one in, list them, take one out.

use axum::{
    Json as Answer,
    extract::{FromRequest, Multipart, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use balcao_domain::{DocumentId, Language, text};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiError, App,
    auth::{Caller, Ingest},
    documents::{DocumentError, DocumentView, NewDocument, StoredDocument},
    error::Problem,
    extract::{Json, PageQuery, Path, Query},
    idempotency,
};

/// The longest name of a document, in characters.
const URI_MAX: usize = 1_000;

impl From<DocumentError> for ApiError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Unreadable(why) => Self::Invalid(why),
            DocumentError::UnsupportedType(_) => Self::UnsupportedMediaType(error.to_string()),
            DocumentError::NotFound => Self::NotFound("document"),
            DocumentError::Unavailable(why) => {
                tracing::error!(error = why, "documents cannot be indexed");
                Self::Unavailable
            }
        }
    }
}

/// A document of words.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TextDocument {
    /// What it is known by: putting the same `uri` again replaces it.
    #[schema(example = "policies/returns.md")]
    pub uri: String,
    /// Its title; its first heading when absent.
    #[serde(default)]
    pub title: Option<String>,
    /// Markdown or plain text.
    pub text: String,
    /// The collection it belongs to.
    #[serde(default)]
    pub collection: Option<String>,
    /// `pt` or `en`; guessed when absent.
    #[serde(default)]
    pub language: Option<String>,
}

/// A document as a file.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "describes the form for the OpenAPI document; the form is read field by field")]
pub struct FileForm {
    /// The file: Markdown, plain text or HTML.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// What it is known by; the file's name when absent.
    uri: Option<String>,
    /// Its title.
    title: Option<String>,
    /// The collection it belongs to.
    collection: Option<String>,
    /// `pt` or `en`.
    language: Option<String>,
}

/// A page of documents.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentPage {
    /// By `uri`.
    pub items: Vec<DocumentView>,
    /// Give this back as `cursor` to read on; `null` at the end.
    pub next_cursor: Option<String>,
}

/// Put a document in, or its new version: JSON with the text, or a form with a `file`.
///
/// Only passages that changed are embedded again.
#[utoipa::path(
    post, path = "/v1/documents", tag = "knowledge",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeating a request with its key gives the same answer")),
    request_body(content((TextDocument = "application/json"), (FileForm = "multipart/form-data"))),
    responses(
        (status = 200, description = "It replaced an earlier version", body = StoredDocument),
        (status = 201, description = "It is new", body = StoredDocument),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It cannot be read, and why", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn put(
    State(app): State<App>,
    Ingest(caller): Ingest,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let document = if media.starts_with("multipart/form-data") {
        of_form(Multipart::from_request(request, &()).await.map_err(|e| ApiError::Malformed(e.body_text()))?)
            .await?
    } else {
        of_text(<Json<TextDocument> as FromRequest<()>>::from_request(request, &()).await?.0)?
    };
    let digest = hex::encode(idempotency::fingerprint(&[&String::from_utf8_lossy(&document.bytes)]));
    let uri = document.uri.clone();
    let parts = ["document", uri.as_str(), digest.as_str()];
    idempotency::once(&app, &caller, &headers, &parts, index(&app, &caller, document)).await
}

async fn index(
    app: &App,
    caller: &Caller,
    document: NewDocument,
) -> Result<(StatusCode, serde_json::Value), ApiError> {
    let stored = app.documents.put(&caller.ctx(), document).await?;
    let status = if stored.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, serde_json::to_value(&stored).map_err(|_| ApiError::Internal)?))
}

fn of_text(document: TextDocument) -> Result<NewDocument, ApiError> {
    let markdown = !document.uri.ends_with(".txt");
    Ok(NewDocument {
        uri: valid_uri(&document.uri)?,
        title: document.title.map(|title| text::clean(&title, 300)).filter(|title| !title.trim().is_empty()),
        collection: document.collection,
        language: language(document.language.as_deref())?,
        media_type: if markdown { "text/markdown" } else { "text/plain" }.into(),
        bytes: Bytes::from(document.text),
    })
}

async fn of_form(mut form: Multipart) -> Result<NewDocument, ApiError> {
    let (mut file, mut uri, mut title, mut collection, mut code) = (None, None, None, None, None);
    while let Some(field) = form.next_field().await.map_err(|e| form_error(&e))? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            let named = field.file_name().map(str::to_owned);
            let media = field.content_type().map(str::to_owned);
            file = Some((named, media, field.bytes().await.map_err(|e| form_error(&e))?));
            continue;
        }
        let value = field.text().await.map_err(|e| form_error(&e))?;
        match name.as_str() {
            "uri" => uri = Some(value),
            "title" => title = Some(text::clean(&value, 300)),
            "collection" => collection = Some(value),
            "language" => code = Some(value),
            other => return Err(ApiError::Invalid(format!("`{other}` is no field of this form"))),
        }
    }
    let (named, media, bytes) = file.ok_or_else(|| ApiError::Invalid("the form has no `file`".into()))?;
    let uri = uri
        .or(named)
        .ok_or_else(|| ApiError::Invalid("the form has neither `uri` nor a file name".into()))?;
    Ok(NewDocument {
        media_type: media_type(&uri, media.as_deref()),
        uri: valid_uri(&uri)?,
        title,
        collection,
        language: language(code.as_deref())?,
        bytes,
    })
}

fn form_error(error: &axum::extract::multipart::MultipartError) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::TooLarge;
    }
    ApiError::Malformed(error.body_text())
}

/// The type of a file: by its name first, since browsers and tools send `application/octet-stream` for Markdown.
fn media_type(uri: &str, declared: Option<&str>) -> String {
    let extension = uri.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("md" | "markdown") => "text/markdown".into(),
        Some("txt") => "text/plain".into(),
        Some("html" | "htm") => "text/html".into(),
        _ => {
            let declared = declared.unwrap_or("application/octet-stream");
            declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
        }
    }
}

fn valid_uri(uri: &str) -> Result<String, ApiError> {
    let clean = text::clean(uri, URI_MAX + 1);
    if clean.trim().is_empty() || clean.chars().count() > URI_MAX || clean != uri {
        return Err(ApiError::Invalid(format!("`uri` must have 1 to {URI_MAX} printable characters")));
    }
    Ok(clean)
}

fn language(code: Option<&str>) -> Result<Option<Language>, ApiError> {
    let read = |code| {
        Language::from_code(code).ok_or_else(|| ApiError::Invalid("`language` must be `pt` or `en`".into()))
    };
    code.map(read).transpose()
}

/// The shop's documents.
#[utoipa::path(
    get, path = "/v1/documents", tag = "knowledge", params(PageQuery),
    responses((status = 200, body = DocumentPage)),
)]
pub async fn list(
    State(app): State<App>,
    Ingest(caller): Ingest,
    Query(page): Query<PageQuery>,
) -> Result<Answer<DocumentPage>, ApiError> {
    let read = app.documents.list(&caller.ctx(), page.cursor.as_deref(), page.limit()?).await?;
    Ok(Answer(DocumentPage { items: read.items, next_cursor: read.next_cursor }))
}

/// One document.
#[utoipa::path(
    get, path = "/v1/documents/{id}", tag = "knowledge",
    params(("id" = String, Path, description = "`doc_…`")),
    responses((status = 200, body = DocumentView),
              (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn get(
    State(app): State<App>,
    Ingest(caller): Ingest,
    Path(id): Path<String>,
) -> Result<Answer<DocumentView>, ApiError> {
    Ok(Answer(app.documents.get(&caller.ctx(), parsed(&id)?).await?))
}

/// Take a document out, with its passages.
#[utoipa::path(
    delete, path = "/v1/documents/{id}", tag = "knowledge",
    params(("id" = String, Path, description = "`doc_…`")),
    responses((status = 204, description = "It is gone"),
              (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn remove(
    State(app): State<App>,
    Ingest(caller): Ingest,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.documents.remove(&caller.ctx(), parsed(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parsed(id: &str) -> Result<DocumentId, ApiError> {
    id.parse().map_err(|_| ApiError::NotFound("document"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_says_more_than_what_the_browser_declares() {
        assert_eq!(media_type("faq.MD", Some("application/octet-stream")), "text/markdown");
        assert_eq!(media_type("notes.txt", None), "text/plain");
        assert_eq!(media_type("upload", Some("text/html; charset=utf-8")), "text/html");
        assert_eq!(media_type("upload", None), "application/octet-stream");
    }

    #[test]
    fn a_documents_name_is_printable() {
        assert!(valid_uri("policies/devolução.md").is_ok());
        for wrong in ["", "  ", "a\u{0}b", &"x".repeat(1001)] {
            assert!(valid_uri(wrong).is_err(), "{wrong:?}");
        }
    }
}
