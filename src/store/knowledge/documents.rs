//! Documents: what was taken in, from where, and whether it can be found.

use balcao_domain::{DocumentId, TenantId};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{StoreError, TenantTx, conversations::Page};

/// Whether a document's passages can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// By words and by meaning.
    Ready,
    /// By words only: its vectors are still missing.
    Lexical,
}

impl Status {
    /// The word used in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Lexical => "lexical",
        }
    }
}

/// One document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Document {
    pub document_id: DocumentId,
    /// The group it is in; a search may be limited to one.
    pub collection: String,
    /// Where it came from: a path or a URL, unique within its collection.
    pub uri: String,
    pub title: String,
    /// ISO 639-1.
    pub language: String,
    pub media_type: String,
    /// Of the bytes it was made from.
    #[serde(skip)]
    pub content_hash: Vec<u8>,
    /// Its size as it came in.
    pub bytes: i64,
    pub passages: i32,
    pub status: Status,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A document as it comes in.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    pub collection: String,
    pub uri: String,
    pub title: String,
    pub language: String,
    pub media_type: String,
    pub content_hash: Vec<u8>,
    pub bytes: i64,
}

/// How much a shop has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub documents: i64,
    pub passages: i64,
    /// Documents found by their words only.
    pub without_vectors: i64,
}

struct Row {
    document_id: uuid::Uuid,
    collection: String,
    uri: String,
    title: String,
    language: String,
    media_type: String,
    content_hash: Vec<u8>,
    bytes: i64,
    passages: i32,
    status: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Document {
    fn from(row: Row) -> Self {
        let status = if row.status == Status::Ready.as_str() { Status::Ready } else { Status::Lexical };
        Self {
            document_id: DocumentId::from_uuid(row.document_id),
            collection: row.collection,
            uri: row.uri,
            title: row.title,
            language: row.language,
            media_type: row.media_type,
            content_hash: row.content_hash,
            bytes: row.bytes,
            passages: row.passages,
            status,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Writes a document, or what changed of the one of the same collection and uri, and locks it until the end of the
/// transaction. Its passages follow with [`super::passages::replace`].
pub async fn upsert(tx: &mut TenantTx, new: &NewDocument) -> Result<DocumentId, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let id = sqlx::query_scalar!(
        r#"
        insert into document
          (tenant_id, document_id, collection, uri, title, language, media_type, content_hash, bytes, status)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'lexical')
        on conflict (tenant_id, collection, uri) do update
        set title = excluded.title,
            language = excluded.language,
            media_type = excluded.media_type,
            content_hash = excluded.content_hash,
            bytes = excluded.bytes,
            updated_at = now()
        returning document_id
        "#,
        tenant_id,
        DocumentId::generate().as_uuid(),
        new.collection,
        new.uri,
        new.title,
        new.language,
        new.media_type,
        new.content_hash,
        new.bytes,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(DocumentId::from_uuid(id))
}

/// One document.
pub async fn get(tx: &mut TenantTx, id: DocumentId) -> Result<Document, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query_as!(
        Row,
        r#"
        select document_id, collection, uri, title, language, media_type, content_hash, bytes, passages, status,
               created_at, updated_at
        from document
        where tenant_id = $1
          and document_id = $2
        "#,
        tenant_id,
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(Document::from).ok_or(StoreError::NotFound)
}

/// The document of a collection and uri.
pub async fn by_uri(tx: &mut TenantTx, collection: &str, uri: &str) -> Result<Option<Document>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query_as!(
        Row,
        r#"
        select document_id, collection, uri, title, language, media_type, content_hash, bytes, passages, status,
               created_at, updated_at
        from document
        where tenant_id = $1
          and collection = $2
          and uri = $3
        "#,
        tenant_id,
        collection,
        uri,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(Document::from))
}

/// Oldest first; all collections, or one.
pub async fn list(
    tx: &mut TenantTx,
    collection: Option<&str>,
    cursor: Option<&str>,
    limit: i64,
) -> Result<Page<Document>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    // A cursor that is none of ours reads from the start rather than failing: ids are public, their order is not.
    let after = cursor.and_then(|c| c.parse::<DocumentId>().ok()).map(|id| id.as_uuid());
    let limit = limit.clamp(1, 1_000);
    let rows = sqlx::query_as!(
        Row,
        r#"
        select document_id, collection, uri, title, language, media_type, content_hash, bytes, passages, status,
               created_at, updated_at
        from document
        where tenant_id = $1
          and ($2::text is null or collection = $2)
          and ($3::uuid is null or document_id > $3)
        order by document_id
        limit $4
        "#,
        tenant_id,
        collection,
        after,
        limit + 1,
    )
    .fetch_all(tx.conn())
    .await?;
    let more = rows.len() as i64 > limit;
    let items: Vec<Document> = rows.into_iter().take(limit as usize).map(Document::from).collect();
    let next_cursor = if more { items.last().map(|doc| doc.document_id.to_string()) } else { None };
    Ok(Page { items, next_cursor })
}

/// Removes a document, its passages and their vectors.
pub async fn delete(tx: &mut TenantTx, id: DocumentId) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let gone = sqlx::query!(
        "delete from document where tenant_id = $1 and document_id = $2",
        tenant_id,
        id.as_uuid()
    )
    .execute(tx.conn())
    .await?;
    if gone.rows_affected() == 0 {
        return Err(StoreError::NotFound);
    }
    touch(tx).await
}

/// How much there is.
pub async fn counts(tx: &mut TenantTx) -> Result<Counts, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let counts = sqlx::query_as!(
        Counts,
        r#"
        select count(*) as "documents!",
               coalesce(sum(passages), 0) as "passages!",
               count(*) filter (where status = 'lexical') as "without_vectors!"
        from document
        where tenant_id = $1
        "#,
        tenant_id,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(counts)
}

/// The version of the tenant's index: it rises with every change of what a search may find. 0 before the first.
pub async fn version(tx: &mut TenantTx) -> Result<i64, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let version = sqlx::query_scalar!("select version from knowledge_index where tenant_id = $1", tenant_id)
        .fetch_optional(tx.conn())
        .await?;
    Ok(version.unwrap_or(0))
}

/// Raises the index version.
pub(super) async fn touch(tx: &mut TenantTx) -> Result<(), StoreError> {
    let tenant_id: TenantId = tx.tenant_id();
    sqlx::query!(
        r#"
        insert into knowledge_index as known (tenant_id, version)
        values ($1, 1)
        on conflict (tenant_id) do update
        set version = known.version + 1,
            updated_at = now()
        "#,
        tenant_id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
