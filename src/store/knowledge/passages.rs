//! Passages and their vectors: written so that a changed document touches only what changed.

use std::collections::{HashMap, HashSet, VecDeque};

use balcao_domain::{DocumentId, PassageId};
use pgvector::Vector;

use super::{documents, model_key};
use crate::{StoreError, TenantTx};

/// A passage as the splitter made it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPassage {
    /// The headings above it, outermost first.
    pub headings: Vec<String>,
    pub text: String,
    /// ISO 639-1.
    pub language: String,
    /// Of everything that is embedded: passages of equal hash have equal vectors.
    pub content_hash: Vec<u8>,
    /// As the embedding model counts them.
    pub token_count: i32,
    /// Its vector; `None` where the caller has none or knows that the passage is there already.
    pub embedding: Option<Vec<f32>>,
}

/// What [`replace`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Passages that were not there before.
    pub inserted: usize,
    /// Passages that stayed, perhaps in another place.
    pub unchanged: usize,
    /// Passages that went.
    pub deleted: usize,
    /// Passages that are there now without a vector of this model.
    pub without_vector: usize,
}

/// Separates headings on their way to the database, where arrays of arrays cannot be ragged. Never part of a text:
/// control characters are removed before.
const SEPARATOR: char = '\u{1f}';

/// Rows written by one statement; keeps a statement's message to a few megabytes.
const BATCH: usize = 500;

/// The vectors that passages of these contents have under a model, by content hash: nothing is embedded twice.
pub async fn known_vectors(
    tx: &mut TenantTx,
    model_id: &str,
    content_hashes: &[Vec<u8>],
) -> Result<HashMap<Vec<u8>, Vec<f32>>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query!(
        r#"
        select distinct on (p.content_hash) p.content_hash, e.embedding as "embedding: Vector"
        from passage p
        join passage_embedding e on e.tenant_id = p.tenant_id and e.passage_id = p.passage_id
        where p.tenant_id = $1
          and p.content_hash = any($2)
          and e.model_key = $3
        "#,
        tenant_id,
        content_hashes,
        model_key(model_id),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.content_hash, row.embedding.into())).collect())
}

/// Makes `passages` the passages of a document, in this order. Passages of the same content stay as they are, with
/// their vectors. Raises the index version when anything changed. The document must be locked
/// ([`documents::upsert`]).
pub async fn replace(
    tx: &mut TenantTx,
    document_id: DocumentId,
    title: &str,
    model_id: &str,
    passages: &[NewPassage],
) -> Result<Replaced, StoreError> {
    let mut old = stored(tx, document_id, model_id).await?;
    let mut result = Replaced::default();
    let mut moved: Vec<(PassageId, i32)> = Vec::new();
    let mut inserts: Vec<(PassageId, i32, &NewPassage)> = Vec::new();
    let mut vectors: Vec<(PassageId, &[f32])> = Vec::new();
    for (ordinal, passage) in (0_i32..).zip(passages) {
        let same = old.get_mut(&passage.content_hash).and_then(VecDeque::pop_front);
        let (id, has_vector) = match same {
            Some(kept) => {
                result.unchanged += 1;
                if kept.ordinal != ordinal {
                    moved.push((kept.passage_id, ordinal));
                }
                (kept.passage_id, kept.has_vector)
            }
            None => {
                result.inserted += 1;
                let id = PassageId::generate();
                inserts.push((id, ordinal, passage));
                (id, false)
            }
        };
        match &passage.embedding {
            _ if has_vector => {}
            Some(vector) => vectors.push((id, vector)),
            None => result.without_vector += 1,
        }
    }
    let gone: Vec<PassageId> = old.into_values().flatten().map(|kept| kept.passage_id).collect();
    result.deleted = gone.len();

    let changed = !(gone.is_empty() && moved.is_empty() && inserts.is_empty() && vectors.is_empty());
    delete(tx, &gone).await?;
    renumber(tx, &moved).await?;
    for rows in inserts.chunks(BATCH) {
        insert(tx, document_id, title, rows).await?;
    }
    for rows in vectors.chunks(BATCH) {
        insert_vectors(tx, document_id, model_id, rows).await?;
    }
    settle(tx, document_id, passages.len(), result.without_vector).await?;
    if changed {
        documents::touch(tx).await?;
    }
    Ok(result)
}

struct Stored {
    passage_id: PassageId,
    ordinal: i32,
    has_vector: bool,
}

/// What the document has now, by content. The same content may be there twice.
async fn stored(
    tx: &mut TenantTx,
    document_id: DocumentId,
    model_id: &str,
) -> Result<HashMap<Vec<u8>, VecDeque<Stored>>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query!(
        r#"
        select p.passage_id, p.ordinal, p.content_hash, e.passage_id is not null as "has_vector!"
        from passage p
        left join passage_embedding e
          on e.tenant_id = p.tenant_id and e.passage_id = p.passage_id and e.model_key = $3
        where p.tenant_id = $1
          and p.document_id = $2
        order by p.ordinal
        "#,
        tenant_id,
        document_id.as_uuid(),
        model_key(model_id),
    )
    .fetch_all(tx.conn())
    .await?;
    let mut old: HashMap<Vec<u8>, VecDeque<Stored>> = HashMap::new();
    for row in rows {
        let passage_id = PassageId::from_uuid(row.passage_id);
        let kept = Stored { passage_id, ordinal: row.ordinal, has_vector: row.has_vector };
        old.entry(row.content_hash).or_default().push_back(kept);
    }
    Ok(old)
}

/// The content hashes of a document's passages that have a vector of this model.
pub async fn embedded_hashes(
    tx: &mut TenantTx,
    document_id: DocumentId,
    model_id: &str,
) -> Result<HashSet<Vec<u8>>, StoreError> {
    let old = stored(tx, document_id, model_id).await?;
    Ok(old.into_iter().filter(|(_, kept)| kept.iter().all(|k| k.has_vector)).map(|(hash, _)| hash).collect())
}

async fn delete(tx: &mut TenantTx, ids: &[PassageId]) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let tenant_id = tx.tenant_id().as_uuid();
    let ids: Vec<_> = ids.iter().map(PassageId::as_uuid).collect();
    sqlx::query!("delete from passage where tenant_id = $1 and passage_id = any($2)", tenant_id, &ids)
        .execute(tx.conn())
        .await?;
    Ok(())
}

async fn renumber(tx: &mut TenantTx, moved: &[(PassageId, i32)]) -> Result<(), StoreError> {
    if moved.is_empty() {
        return Ok(());
    }
    let tenant_id = tx.tenant_id().as_uuid();
    let (ids, ordinals): (Vec<_>, Vec<_>) = moved.iter().map(|(id, at)| (id.as_uuid(), *at)).unzip();
    sqlx::query!(
        r#"
        update passage p
        set ordinal = m.ordinal
        from unnest($2::uuid[], $3::int[]) as m (passage_id, ordinal)
        where p.tenant_id = $1
          and p.passage_id = m.passage_id
        "#,
        tenant_id,
        &ids,
        &ordinals,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn insert(
    tx: &mut TenantTx,
    document_id: DocumentId,
    title: &str,
    rows: &[(PassageId, i32, &NewPassage)],
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let ids: Vec<_> = rows.iter().map(|(id, ..)| id.as_uuid()).collect();
    let ordinals: Vec<_> = rows.iter().map(|(_, ordinal, _)| *ordinal).collect();
    let headings: Vec<_> =
        rows.iter().map(|(_, _, p)| p.headings.join(SEPARATOR.encode_utf8(&mut [0; 4]))).collect();
    let texts: Vec<_> = rows.iter().map(|(_, _, p)| p.text.clone()).collect();
    let languages: Vec<_> = rows.iter().map(|(_, _, p)| p.language.clone()).collect();
    let hashes: Vec<_> = rows.iter().map(|(_, _, p)| p.content_hash.clone()).collect();
    let tokens: Vec<_> = rows.iter().map(|(_, _, p)| p.token_count).collect();
    sqlx::query!(
        r#"
        insert into passage
          (tenant_id, passage_id, document_id, ordinal, headings, text, language, content_hash, token_count, words)
        select $1, n.passage_id, $2, n.ordinal, h.headings, n.text, n.language, n.content_hash, n.token_count,
               passage_words(n.language, $3, h.headings, n.text)
        from unnest($4::uuid[], $5::int[], $6::text[], $7::text[], $8::text[], $9::bytea[], $10::int[])
          as n (passage_id, ordinal, headings, text, language, content_hash, token_count)
        cross join lateral string_to_array(n.headings, e'\x1f') as h (headings)
        "#,
        tenant_id,
        document_id.as_uuid(),
        title,
        &ids,
        &ordinals,
        &headings,
        &texts,
        &languages,
        &hashes,
        &tokens,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn insert_vectors(
    tx: &mut TenantTx,
    document_id: DocumentId,
    model_id: &str,
    rows: &[(PassageId, &[f32])],
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let ids: Vec<_> = rows.iter().map(|(id, _)| id.as_uuid()).collect();
    let vectors: Vec<Vector> = rows.iter().map(|(_, v)| Vector::from(v.to_vec())).collect();
    sqlx::query!(
        r#"
        insert into passage_embedding (tenant_id, passage_id, model_key, document_id, embedding)
        select $1, n.passage_id, $2, $3, n.embedding
        from unnest($4::uuid[], $5::vector[]) as n (passage_id, embedding)
        "#,
        tenant_id,
        model_key(model_id),
        document_id.as_uuid(),
        &ids,
        vectors as Vec<Vector>,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes down what the document has now.
async fn settle(
    tx: &mut TenantTx,
    document_id: DocumentId,
    passages: usize,
    without_vector: usize,
) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let status = if without_vector == 0 { documents::Status::Ready } else { documents::Status::Lexical };
    let count = i32::try_from(passages).map_err(|_| StoreError::Corrupt("too many passages".into()))?;
    sqlx::query!(
        "update document set passages = $3, status = $4 where tenant_id = $1 and document_id = $2",
        tenant_id,
        document_id.as_uuid(),
        count,
        status.as_str(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
