//! A shop's documents, as the API needs them: the port behind `/v1/documents`.

use async_trait::async_trait;
use balcao_domain::{DocumentId, Language, TenantCtx};
use balcao_store::conversations::Page;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// A document on its way in.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    /// What it is known by: putting the same `uri` again replaces it.
    pub uri: String,
    /// Its title; taken from its first heading or its file name when absent.
    pub title: Option<String>,
    /// The collection it belongs to.
    pub collection: Option<String>,
    /// Its language; guessed when absent.
    pub language: Option<Language>,
    /// Its MIME type, without parameters.
    pub media_type: String,
    /// Its bytes.
    pub bytes: bytes::Bytes,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StoredDocument {
    /// Its id.
    #[schema(value_type = String, example = "doc_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b")]
    pub document_id: DocumentId,
    /// What it is known by.
    pub uri: String,
    /// Its title.
    pub title: String,
    /// Passages it has now.
    pub passages: usize,
    /// Passages that had to be embedded: the others were unchanged.
    pub embedded: usize,
    /// It was there already, word for word.
    pub unchanged: bool,
    /// It was not there before.
    pub created: bool,
}

/// A document, as it may be listed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DocumentView {
    /// Its id.
    #[schema(value_type = String, example = "doc_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b")]
    pub document_id: DocumentId,
    /// What it is known by.
    pub uri: String,
    /// Its title.
    pub title: String,
    /// The collection it belongs to.
    pub collection: Option<String>,
    /// Its language.
    pub language: Option<String>,
    /// Passages it has.
    pub passages: i64,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Why a document was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It cannot be read, and why: another file may.
    #[error("{0}")]
    Unreadable(String),
    /// No loader for its type.
    #[error("documents of type `{0}` cannot be read")]
    UnsupportedType(String),
    /// No such document.
    #[error("no such document")]
    NotFound,
    /// The database or the embedding model is away.
    #[error("documents cannot be indexed right now: {0}")]
    Unavailable(String),
}

/// A shop's documents.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Takes a document in, or its new version.
    async fn put(&self, ctx: &TenantCtx, document: NewDocument) -> Result<StoredDocument, DocumentError>;

    /// One page of them, by `uri`.
    async fn list(
        &self,
        ctx: &TenantCtx,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<DocumentView>, DocumentError>;

    /// One of them.
    async fn get(&self, ctx: &TenantCtx, id: DocumentId) -> Result<DocumentView, DocumentError>;

    /// Takes one out, with its passages.
    async fn remove(&self, ctx: &TenantCtx, id: DocumentId) -> Result<(), DocumentError>;
}
