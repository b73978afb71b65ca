//! The two rankers, and the passages they point at.

use balcao_domain::{DocumentId, PassageId};
use pgvector::Vector;

use super::model_key;
use crate::{StoreError, TenantTx};

/// A ranker's finding: which passage, of which document, and its score; higher is better.
pub type Ranked = (PassageId, DocumentId, f32);

/// A passage with what a reader needs to cite it.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundPassage {
    pub passage_id: PassageId,
    pub document_id: DocumentId,
    /// Position within the document, from 0.
    pub ordinal: i32,
    /// The document's title.
    pub title: String,
    /// Where the document came from.
    pub uri: String,
    /// The headings above it, outermost first.
    pub headings: Vec<String>,
    pub text: String,
    /// ISO 639-1.
    pub language: String,
}

/// Passages that share words with the question, best first. Any text is a question: operators mean nothing, and one
/// without words finds nothing.
pub async fn lexical(
    tx: &mut TenantTx,
    question: &str,
    collection: Option<&str>,
    limit: i32,
) -> Result<Vec<Ranked>, StoreError> {
    // A function of its own, since row security keeps the planner from using `@@` with an index (see its migration).
    let rows = sqlx::query!(
        r#"
        select passage_id as "passage_id!", document_id as "document_id!", score as "score!"
        from search_passages_by_words($1, $2, $3)
        "#,
        question.replace('\0', " "),
        collection,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (PassageId::from_uuid(row.passage_id), DocumentId::from_uuid(row.document_id), row.score))
        .collect())
}

/// Passages whose vectors point where the question's does, best first; the score is the cosine. Exact: every vector
/// of the tenant is compared.
pub async fn vector(
    tx: &mut TenantTx,
    question: &[f32],
    model_id: &str,
    collection: Option<&str>,
    limit: i64,
) -> Result<Vec<Ranked>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query!(
        r#"
        select passage_id, document_id, (-(embedding <#> $2::vector))::real as "score!"
        from passage_embedding
        where tenant_id = $1
          and model_key = $3
          and ($4::text is null or document_id = any(array(
                select d.document_id from document d where d.tenant_id = $1 and d.collection = $4)))
        -- The sum keeps the planner from a nearest-neighbour index shared by all tenants, which loses results.
        order by (embedding <#> $2::vector) + 0
        limit $5
        "#,
        tenant_id,
        Vector::from(question.to_vec()) as Vector,
        model_key(model_id),
        collection,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (PassageId::from_uuid(row.passage_id), DocumentId::from_uuid(row.document_id), row.score))
        .collect())
}

/// The languages of these passages (ISO 639-1), in no order.
pub async fn languages(tx: &mut TenantTx, ids: &[PassageId]) -> Result<Vec<String>, StoreError> {
    let ids: Vec<_> = ids.iter().map(PassageId::as_uuid).collect();
    let languages = sqlx::query_scalar!(
        "select language from passage where tenant_id = $1 and passage_id = any($2)",
        tx.tenant_id().as_uuid(),
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(languages)
}

/// These passages, in no order. Those that are gone by now are left out.
pub async fn fetch(tx: &mut TenantTx, ids: &[PassageId]) -> Result<Vec<FoundPassage>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let ids: Vec<_> = ids.iter().map(PassageId::as_uuid).collect();
    let rows = sqlx::query!(
        r#"
        select p.passage_id, p.document_id, p.ordinal, d.title, d.uri, p.headings, p.text, p.language
        from passage p
        join document d on d.tenant_id = p.tenant_id and d.document_id = p.document_id
        where p.tenant_id = $1
          and p.passage_id = any($2)
        "#,
        tenant_id,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| FoundPassage {
            passage_id: PassageId::from_uuid(row.passage_id),
            document_id: DocumentId::from_uuid(row.document_id),
            ordinal: row.ordinal,
            title: row.title,
            uri: row.uri,
            headings: row.headings,
            text: row.text,
            language: row.language,
        })
        .collect())
}

/// The passages of a document from position `first` to `last`, in order.
pub async fn neighbours(
    tx: &mut TenantTx,
    document_id: DocumentId,
    first: i32,
    last: i32,
) -> Result<Vec<FoundPassage>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query!(
        r#"
        select p.passage_id, p.document_id, p.ordinal, d.title, d.uri, p.headings, p.text, p.language
        from passage p
        join document d on d.tenant_id = p.tenant_id and d.document_id = p.document_id
        where p.tenant_id = $1
          and p.document_id = $2
          and p.ordinal between $3 and $4
        order by p.ordinal
        "#,
        tenant_id,
        document_id.as_uuid(),
        first,
        last,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| FoundPassage {
            passage_id: PassageId::from_uuid(row.passage_id),
            document_id: DocumentId::from_uuid(row.document_id),
            ordinal: row.ordinal,
            title: row.title,
            uri: row.uri,
            headings: row.headings,
            text: row.text,
            language: row.language,
        })
        .collect())
}
