//! The shop's documents: put one in, list them, take one out.

use axum::{
    Json as Answer,
    extract::{FromRequest, Multipart, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use balcao_domain::{DocumentId, text};
use balcao_retrieval::{
    MediaType, NewDocument,
    ingest::{DEFAULT_COLLECTION, Unreadable},
};
use balcao_store::knowledge;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, App,
    auth::{Caller, Ingest},
    error::{Missing, Problem},
    extract::{Json, PageQuery, Path, Query},
    idempotency,
};

/// The longest name of a document or a collection, in characters.
const NAME_MAX: usize = 500;

/// A document, as it may be listed.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentView {
    /// Its id.
    #[schema(value_type = String, example = "doc_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b")]
    pub document_id: DocumentId,
    /// The collection it belongs to.
    pub collection: String,
    /// What it is known by within its collection.
    pub uri: String,
    /// Its title.
    pub title: String,
    /// Its language, as it was found out.
    pub language: String,
    /// Its MIME type.
    pub media_type: String,
    /// Its length as it came.
    pub bytes: i64,
    /// Passages it has.
    pub passages: i32,
    /// `ready`, or `lexical` while it is found by its words only.
    #[schema(value_type = String)]
    pub status: knowledge::Status,
    /// When it came.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl From<knowledge::Document> for DocumentView {
    fn from(document: knowledge::Document) -> Self {
        Self {
            document_id: document.document_id,
            collection: document.collection,
            uri: document.uri,
            title: document.title,
            language: document.language,
            media_type: document.media_type,
            bytes: document.bytes,
            passages: document.passages,
            status: document.status,
            created_at: document.created_at,
            updated_at: document.updated_at,
        }
    }
}

/// What became of a document that was put in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stored {
    /// The document as it is now.
    #[serde(flatten)]
    pub document: DocumentView,
    /// Passages that had to be embedded.
    pub embedded: usize,
    /// Passages that were there already.
    pub unchanged: usize,
    /// What went wrong without stopping it.
    pub warnings: Vec<String>,
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
}

/// A document as a file.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "describes the form for the OpenAPI document; the form is read field by field")]
pub struct FileForm {
    /// The file: Markdown or plain text.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// What it is known by; the file's name when absent.
    uri: Option<String>,
    /// Its title.
    title: Option<String>,
    /// The collection it belongs to.
    collection: Option<String>,
}

/// A page of documents.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentPage {
    /// Oldest first.
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
        (status = 200, description = "It replaced an earlier version", body = Stored),
        (status = 201, description = "It is new", body = Stored),
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
    let digest = hex::encode(Sha256::digest(&document.bytes));
    let (collection, uri) = (document.collection.clone(), document.uri.clone());
    let parts = ["document", collection.as_str(), uri.as_str(), digest.as_str()];
    idempotency::once(&app, &caller, &headers, &parts, index(&app, &caller, document)).await
}

async fn index(
    app: &App,
    caller: &Caller,
    document: NewDocument,
) -> Result<(StatusCode, serde_json::Value), ApiError> {
    let (collection, uri) = (document.collection.clone(), document.uri.clone());
    let before = known(app, caller, &collection, &uri).await?;
    let report = app.ingestor.ingest_document(&caller.ctx(), document, &|_| {}).await?;
    let warnings: Vec<String> = report.failed.into_iter().map(|failed| failed.reason).collect();
    if report.documents == 0 {
        let why = warnings.into_iter().next().unwrap_or_else(|| "it cannot be read".into());
        return Err(ApiError::Invalid(why));
    }
    let now = known(app, caller, &collection, &uri)
        .await?
        .ok_or(ApiError::Conflict("it was taken out again".into()))?;
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let stored =
        Stored { document: now.into(), embedded: report.embedded, unchanged: report.unchanged, warnings };
    Ok((status, serde_json::to_value(&stored).map_err(|_| ApiError::Internal)?))
}

async fn known(
    app: &App,
    caller: &Caller,
    collection: &str,
    uri: &str,
) -> Result<Option<knowledge::Document>, ApiError> {
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let known = knowledge::documents::by_uri(&mut tx, collection, uri).await?;
    tx.commit().await?;
    Ok(known)
}

fn of_text(document: TextDocument) -> Result<NewDocument, ApiError> {
    Ok(NewDocument {
        collection: collection(document.collection.as_deref())?,
        // Text is what came, whatever file the name is of.
        media_type: MediaType::of_path(document.uri.as_ref())
            .filter(|kind| kind.is_text())
            .or(Some(MediaType::Markdown)),
        uri: valid_name("uri", &document.uri)?,
        title: document.title,
        bytes: document.text.into_bytes(),
    })
}

async fn of_form(mut form: Multipart) -> Result<NewDocument, ApiError> {
    let (mut file, mut uri, mut title, mut group) = (None, None, None, None);
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
            "title" => title = Some(value),
            "collection" => group = Some(value),
            other => return Err(ApiError::Invalid(format!("`{other}` is no field of this form"))),
        }
    }
    let (named, media, bytes) = file.ok_or_else(|| ApiError::Invalid("the form has no `file`".into()))?;
    let uri = uri
        .or(named)
        .ok_or_else(|| ApiError::Invalid("the form has neither `uri` nor a file name".into()))?;
    let media_type = media_type(&uri, media.as_deref())?;
    Ok(NewDocument {
        collection: collection(group.as_deref())?,
        uri: valid_name("uri", &uri)?,
        title,
        media_type: Some(media_type),
        bytes: bytes.to_vec(),
    })
}

fn form_error(error: &axum::extract::multipart::MultipartError) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::TooLarge;
    }
    ApiError::Malformed(error.body_text())
}

/// The type of a file: by its name first, since browsers and tools send `application/octet-stream` for Markdown.
fn media_type(uri: &str, declared: Option<&str>) -> Result<MediaType, ApiError> {
    let found = MediaType::of_path(uri.as_ref()).or_else(|| declared.and_then(MediaType::from_mime));
    match found {
        Some(MediaType::Zip) => Err(Unreadable::Archive),
        Some(kind) => Ok(kind),
        None => Err(Unreadable::UnknownKind),
    }
    .map_err(|why| ApiError::UnsupportedMediaType(why.to_string()))
}

fn collection(name: Option<&str>) -> Result<String, ApiError> {
    name.map_or_else(|| Ok(DEFAULT_COLLECTION.to_owned()), |name| valid_name("collection", name))
}

/// A name that is stored as it is given: one line, no control characters, no spaces at its ends.
fn valid_name(field: &str, name: &str) -> Result<String, ApiError> {
    let tidy = text::clean(name, NAME_MAX).split_whitespace().collect::<Vec<_>>().join(" ");
    if tidy.is_empty() || tidy != name {
        return Err(ApiError::Invalid(format!("`{field}` must have 1 to {NAME_MAX} printable characters")));
    }
    Ok(tidy)
}

/// Which documents.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only this collection.
    pub collection: Option<String>,
}

/// The shop's documents.
#[utoipa::path(
    get, path = "/v1/documents", tag = "knowledge", params(PageQuery, Which),
    responses((status = 200, body = DocumentPage)),
)]
pub async fn list(
    State(app): State<App>,
    Ingest(caller): Ingest,
    Query(page): Query<PageQuery>,
    Query(which): Query<Which>,
) -> Result<Answer<DocumentPage>, ApiError> {
    let limit = page.limit()?;
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let collection = which.collection.as_deref();
    let read = knowledge::documents::list(&mut tx, collection, page.cursor.as_deref(), limit).await?;
    tx.commit().await?;
    let items = read.items.into_iter().map(DocumentView::from).collect();
    Ok(Answer(DocumentPage { items, next_cursor: read.next_cursor }))
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
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    let document = knowledge::documents::get(&mut tx, parsed(&id)?).await.missing("document")?;
    tx.commit().await?;
    Ok(Answer(document.into()))
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
    let mut tx = app.store.tenant_tx(&caller.ctx()).await?;
    knowledge::documents::delete(&mut tx, parsed(&id)?).await.missing("document")?;
    tx.commit().await?;
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
        let of = |uri, declared| media_type(uri, declared).ok();
        assert_eq!(of("faq.MD", Some("application/octet-stream")), Some(MediaType::Markdown));
        assert_eq!(of("notes.txt", None), Some(MediaType::PlainText));
        assert_eq!(of("upload", Some("text/plain; charset=utf-8")), Some(MediaType::PlainText));
        assert_eq!(of("photo.jpg", Some("image/jpeg")), None);
    }

    #[test]
    fn a_documents_name_is_printable() {
        assert!(valid_name("uri", "policies/devolução.md").is_ok());
        for wrong in ["", "  ", " a", "a\u{0}b", "a\nb", &"x".repeat(501)] {
            assert!(valid_name("uri", wrong).is_err(), "{wrong:?}");
        }
    }
}
