//! Documents become passages: load → clean → split → embed → store.
//!
//! A document whose bytes have not changed is left alone; of one that has, only the changed passages are embedded and
//! written (by content hash). A file that cannot be read is reported with its reason and stops nothing else. When the
//! embedding model is away, passages are stored all the same and found by their words; the next run adds the
//! vectors.

pub mod load;
pub mod split;

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use balcao_domain::{Language, TenantCtx};
use balcao_llm::Embedder;
use balcao_store::{Store, StoreError, knowledge};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::language;
pub use balcao_loaders::{MediaType, Unreadable, text::MAX_BYTES};
pub use load::FoundFile;

/// The collection of documents that name none.
pub const DEFAULT_COLLECTION: &str = "default";

/// Passages embedded by one call: enough to keep every core busy, few enough for progress to be seen.
const EMBED_BATCH: usize = 32;

/// How often a failed batch is tried again before its document is stored without vectors.
const EMBED_RETRIES: u32 = 2;

/// How often a document is written anew because another writer changed it meanwhile.
const WRITE_ROUNDS: usize = 3;

/// Longest title and uri kept, in characters.
const MAX_NAME: usize = 500;

/// A document as somebody hands it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// The group it is in.
    pub collection: String,
    /// Where it comes from; the same uri again replaces the document.
    pub uri: String,
    /// Its title; else its own front matter, first heading or file name.
    pub title: Option<String>,
    /// Its content, as it came.
    pub bytes: Vec<u8>,
    /// What it is written in; else what its uri's ending says.
    pub media_type: Option<MediaType>,
}

/// Something that could not be taken in, or only in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Which file.
    pub uri: String,
    /// Why, for a person.
    pub reason: String,
}

/// What an ingestion did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Documents that are in the index now, changed or not.
    pub documents: usize,
    /// Their passages.
    pub passages: usize,
    /// Passages the model was asked for.
    pub embedded: usize,
    /// Passages that were there already.
    pub unchanged: usize,
    /// What could not be taken in.
    pub failed: Vec<Failed>,
}

impl Report {
    /// Adds another report to this one.
    pub fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.passages += other.passages;
        self.embedded += other.embedded;
        self.unchanged += other.unchanged;
        self.failed.extend(other.failed);
    }

    fn failed(uri: &str, reason: impl ToString) -> Self {
        let failed = vec![Failed { uri: uri.to_owned(), reason: reason.to_string() }];
        Self { failed, ..Self::default() }
    }
}

/// How far an ingestion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A file begins.
    File {
        /// Its name.
        uri: &'a str,
        /// Files before it.
        done: usize,
        /// Files in all.
        total: usize,
    },
    /// Passages of the present file have been embedded.
    Embedded {
        /// So many.
        done: usize,
        /// Of so many that need it.
        total: usize,
    },
}

/// Hears of progress; called between steps, so it should be quick.
pub type OnProgress<'a> = &'a (dyn Fn(Progress<'_>) + Send + Sync);

/// Takes documents in. Cheap to clone.
#[derive(Clone)]
pub struct Ingestor {
    store: Store,
    embedder: Arc<dyn Embedder>,
}

impl Ingestor {
    /// An ingestor that writes to `store` what `embedder` makes of passages.
    pub fn new(store: Store, embedder: Arc<dyn Embedder>) -> Self {
        Self { store, embedder }
    }

    /// The database it writes to.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Takes in a file, or every file of a folder. Only the database can fail as a whole; a file's trouble is in the
    /// report.
    pub async fn ingest_path(
        &self,
        ctx: &TenantCtx,
        collection: &str,
        path: &Path,
        progress: OnProgress<'_>,
    ) -> Result<Report, StoreError> {
        let (files, failed) = load::files_at(path);
        let mut report = Report::default();
        report.failed.extend(failed.into_iter().map(|(uri, why)| Failed { uri, reason: why.to_string() }));
        for (done, file) in files.iter().enumerate() {
            progress(Progress::File { uri: &file.uri, done, total: files.len() });
            report.add(self.ingest_file(ctx, collection, file, progress).await?);
        }
        Ok(report)
    }

    /// Takes in one file.
    pub async fn ingest_file(
        &self,
        ctx: &TenantCtx,
        collection: &str,
        file: &FoundFile,
        progress: OnProgress<'_>,
    ) -> Result<Report, StoreError> {
        let Some(media_type) = MediaType::of_path(&file.path) else {
            return Ok(Report::failed(&file.uri, Unreadable::UnknownKind));
        };
        match load::read(&file.path, media_type).await {
            Err(why) => Ok(Report::failed(&file.uri, why)),
            Ok(bytes) => {
                let new = NewDocument {
                    collection: collection.to_owned(),
                    uri: file.uri.clone(),
                    title: None,
                    bytes,
                    media_type: Some(media_type),
                };
                self.ingest_document(ctx, new, progress).await
            }
        }
    }

    /// Takes in one document, or every document of an archive.
    pub async fn ingest_document(
        &self,
        ctx: &TenantCtx,
        new: NewDocument,
        progress: OnProgress<'_>,
    ) -> Result<Report, StoreError> {
        let uri = tidy(&new.uri);
        match new.media_type.or_else(|| MediaType::of_path(Path::new(&uri))) {
            None => Ok(Report::failed(&uri, Unreadable::UnknownKind)),
            Some(MediaType::Zip) => self.ingest_archive(ctx, new, uri, progress).await,
            Some(media_type) => self.ingest_one(ctx, new, uri, media_type, progress).await,
        }
    }

    /// Takes in the files of an archive, each a document named below it.
    async fn ingest_archive(
        &self,
        ctx: &TenantCtx,
        new: NewDocument,
        uri: String,
        progress: OnProgress<'_>,
    ) -> Result<Report, StoreError> {
        let members = match off_the_runtime(move || balcao_loaders::unpack(&new.bytes, &options())).await {
            Ok(members) => members,
            Err(why) => return Ok(Report::failed(&uri, why)),
        };
        let total = members.len();
        let mut report = Report::default();
        for (done, member) in members.into_iter().enumerate() {
            let uri = tidy(&format!("{uri}/{}", member.path));
            progress(Progress::File { uri: &uri, done, total });
            report.add(match member.content {
                Err(why) => Report::failed(&uri, why),
                Ok((media_type, bytes)) => {
                    let collection = new.collection.clone();
                    let new = NewDocument {
                        collection,
                        uri: uri.clone(),
                        title: None,
                        bytes,
                        media_type: Some(media_type),
                    };
                    self.ingest_one(ctx, new, uri, media_type, progress).await?
                }
            });
        }
        Ok(report)
    }

    async fn ingest_one(
        &self,
        ctx: &TenantCtx,
        new: NewDocument,
        uri: String,
        media_type: MediaType,
        progress: OnProgress<'_>,
    ) -> Result<Report, StoreError> {
        let collection = Some(tidy(&new.collection)).filter(|name| !name.is_empty());
        let collection = collection.unwrap_or_else(|| DEFAULT_COLLECTION.to_owned());
        let content_hash = self.document_hash(&new, media_type);
        if let Some(report) = self.known(ctx, &collection, &uri, &content_hash).await? {
            return Ok(report);
        }
        let bytes = new.bytes.len() as i64;
        let mut prepared = match self.prepare(new, &uri, media_type).await {
            Ok(prepared) => prepared,
            Err(why) => return Ok(Report::failed(&uri, why)),
        };
        let document = knowledge::NewDocument {
            collection,
            uri,
            title: prepared.title.clone(),
            language: prepared.language.code().to_owned(),
            media_type: media_type.as_str().to_owned(),
            content_hash,
            bytes,
        };
        let left_out = std::mem::take(&mut prepared.left_out);
        let mut report = self.write(ctx, &document, prepared, progress).await?;
        let uri = document.uri;
        report.failed.extend(left_out.into_iter().map(|reason| Failed { uri: uri.clone(), reason }));
        Ok(report)
    }

    /// The report of a document that is there already, as it is.
    async fn known(
        &self,
        ctx: &TenantCtx,
        collection: &str,
        uri: &str,
        content_hash: &[u8],
    ) -> Result<Option<Report>, StoreError> {
        let mut tx = self.store.tenant_tx(ctx).await?;
        let known = knowledge::documents::by_uri(&mut tx, collection, uri).await?;
        tx.commit().await?;
        let same =
            known.filter(|doc| doc.content_hash == content_hash && doc.status == knowledge::Status::Ready);
        Ok(same.map(|doc| {
            let passages = doc.passages.max(0) as usize;
            Report { documents: 1, passages, unchanged: passages, ..Report::default() }
        }))
    }

    /// Covers everything that decides what is stored: the bytes, the title given, the loaders, the splitter and the
    /// model.
    fn document_hash(&self, new: &NewDocument, media_type: MediaType) -> Vec<u8> {
        let title = new.title.as_deref().unwrap_or_default();
        let version = [balcao_loaders::VERSION, split::VERSION];
        let parts =
            [self.embedder.model_id().as_bytes(), &version, media_type.as_str().as_bytes(), title.as_bytes()];
        hash(parts.into_iter().chain([&new.bytes[..]]))
    }

    /// From bytes to passages without vectors. Reading and splitting is work for a core, so it leaves the runtime's
    /// threads.
    async fn prepare(
        &self,
        new: NewDocument,
        uri: &str,
        media_type: MediaType,
    ) -> Result<Prepared, Unreadable> {
        let embedder = Arc::clone(&self.embedder);
        let uri = uri.to_owned();
        off_the_runtime(move || {
            let document = balcao_loaders::read(media_type, &new.bytes, &options())?;
            let split = split::split(&document.text, media_type, |chunk| embedder.count_tokens(chunk));
            let titles = [new.title, document.title, split.title.clone()];
            let title =
                titles.into_iter().flatten().map(|title| tidy(&title)).find(|title| !title.is_empty());
            let title = title.unwrap_or_else(|| file_title(&uri));
            let named = split.language.as_deref().and_then(Language::from_code);
            // Portuguese is what most of the shops write; a text that gives no hint is a list of names or numbers,
            // where the choice of stemmer hardly matters.
            let language = named.or_else(|| language::guess(&document.text)).unwrap_or(Language::Portuguese);
            let passages = passages(&title, language, split.chunks);
            Ok(Prepared { passages, title, language, left_out: document.warnings })
        })
        .await
    }

    /// Embeds what needs it and writes the document. Embedding takes time and happens outside the transaction; if
    /// another writer changed the same document meanwhile, what is missing then is embedded in another round.
    async fn write(
        &self,
        ctx: &TenantCtx,
        document: &knowledge::NewDocument,
        prepared: Prepared,
        progress: OnProgress<'_>,
    ) -> Result<Report, StoreError> {
        let model_id = self.embedder.model_id().to_owned();
        let mut passages = prepared.passages;
        let mut embedded = 0;
        let mut trouble = None;
        let mut round = 0;
        loop {
            round += 1;
            let have = self.vectors_at_hand(ctx, document, &passages).await?;
            match self.embed_missing(&document.title, &mut passages, &have, progress).await {
                Ok(count) => embedded += count,
                Err(why) => trouble = Some(why),
            }
            let mut tx = self.store.tenant_tx(ctx).await?;
            let id = knowledge::documents::upsert(&mut tx, document).await?;
            let replaced =
                knowledge::passages::replace(&mut tx, id, &document.title, &model_id, &passages).await?;
            if replaced.without_vector > 0 && trouble.is_none() && round < WRITE_ROUNDS {
                // Rolls back.
                drop(tx);
                continue;
            }
            tx.commit().await?;
            tracing::info!(
                tenant.id = %ctx.tenant_id,
                document.id = %id,
                passages = passages.len(),
                embedded,
                without_vector = replaced.without_vector,
                "document stored",
            );
            let mut report = Report {
                documents: 1,
                passages: passages.len(),
                embedded,
                unchanged: replaced.unchanged,
                failed: Vec::new(),
            };
            if let Some(why) = trouble {
                let reason = format!("stored, but found by its words only until it is ingested again: {why}");
                report.failed.push(Failed { uri: document.uri.clone(), reason });
            }
            return Ok(report);
        }
    }

    /// What needs no embedding: passages this document has with their vectors, and vectors that passages of the same
    /// content have elsewhere.
    async fn vectors_at_hand(
        &self,
        ctx: &TenantCtx,
        document: &knowledge::NewDocument,
        passages: &[knowledge::NewPassage],
    ) -> Result<AtHand, StoreError> {
        let model_id = self.embedder.model_id();
        let mut tx = self.store.tenant_tx(ctx).await?;
        let old = knowledge::documents::by_uri(&mut tx, &document.collection, &document.uri).await?;
        let stay = match &old {
            Some(old) => knowledge::passages::embedded_hashes(&mut tx, old.document_id, model_id).await?,
            None => HashSet::new(),
        };
        let new: Vec<_> =
            passages.iter().map(|p| p.content_hash.clone()).filter(|hash| !stay.contains(hash)).collect();
        let vectors = knowledge::passages::known_vectors(&mut tx, model_id, &new).await?;
        tx.commit().await?;
        Ok(AtHand { stay, vectors })
    }

    /// Gives every passage its vector that needs one. Returns how many the model was asked for.
    async fn embed_missing(
        &self,
        title: &str,
        passages: &mut [knowledge::NewPassage],
        have: &AtHand,
        progress: OnProgress<'_>,
    ) -> Result<usize, balcao_llm::EmbedError> {
        for passage in passages.iter_mut().filter(|passage| passage.embedding.is_none()) {
            passage.embedding = have.vectors.get(&passage.content_hash).cloned();
        }
        let mut missing: Vec<&mut knowledge::NewPassage> = passages
            .iter_mut()
            .filter(|passage| passage.embedding.is_none() && !have.stay.contains(&passage.content_hash))
            .collect();
        // Texts of like length are embedded together: the model pads to the longest.
        missing.sort_by_key(|passage| passage.token_count);
        let total = missing.len();
        let mut done = 0;
        for batch in missing.chunks_mut(EMBED_BATCH) {
            let texts: Vec<String> =
                batch.iter().map(|passage| embedded_text(title, &passage.headings, &passage.text)).collect();
            for (passage, vector) in batch.iter_mut().zip(self.embed(&texts).await?) {
                passage.embedding = Some(vector);
            }
            done += batch.len();
            progress(Progress::Embedded { done, total });
        }
        Ok(total)
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, balcao_llm::EmbedError> {
        let mut tried = 0;
        loop {
            match self.embedder.embed_passages(texts).await {
                Ok(vectors) => return Ok(vectors),
                Err(error) if tried >= EMBED_RETRIES => return Err(error),
                Err(_) => {
                    tried += 1;
                    tokio::time::sleep(Duration::from_millis(200) * tried).await;
                }
            }
        }
    }
}

struct AtHand {
    stay: HashSet<Vec<u8>>,
    vectors: HashMap<Vec<u8>, Vec<f32>>,
}

struct Prepared {
    title: String,
    language: Language,
    passages: Vec<knowledge::NewPassage>,
    /// What the loader could not read of it.
    left_out: Vec<String>,
}

/// The bounds of what is read.
fn options() -> balcao_loaders::Options {
    balcao_loaders::Options::default()
}

/// Runs work for a core where it keeps nobody waiting.
async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Unreadable> + Send + 'static,
) -> Result<T, Unreadable> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Unreadable::Io(error.to_string())))
}

fn passages(title: &str, language: Language, chunks: Vec<split::Chunk>) -> Vec<knowledge::NewPassage> {
    chunks
        .into_iter()
        .map(|chunk| knowledge::NewPassage {
            content_hash: passage_hash(title, language, &chunk),
            headings: chunk.headings,
            text: chunk.text,
            language: language.code().to_owned(),
            token_count: i32::try_from(chunk.tokens).unwrap_or(i32::MAX),
            embedding: None,
        })
        .collect()
}

/// What the model is given of a passage: its words under its title and headings, which say what they are about.
pub fn embedded_text(title: &str, headings: &[String], text: &str) -> String {
    let above =
        [title].into_iter().chain(headings.iter().map(String::as_str)).filter(|line| !line.is_empty());
    above.chain([text]).collect::<Vec<_>>().join("\n")
}

/// Covers everything that is embedded or looked up.
fn passage_hash(title: &str, language: Language, chunk: &split::Chunk) -> Vec<u8> {
    let parts = [language.code(), title, chunk.text.as_str()];
    hash(parts.into_iter().chain(chunk.headings.iter().map(String::as_str)).map(str::as_bytes))
}

/// SHA-256 of parts, each with its length, so that no two lists of parts look alike.
fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().to_vec()
}

/// One line without control characters, of bearable length.
pub(crate) fn tidy(name: &str) -> String {
    balcao_domain::text::clean(name, MAX_NAME).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `faq/politica-de-trocas.md` is called "Politica de trocas".
fn file_title(uri: &str) -> String {
    let stem = Path::new(uri).file_stem().map_or_else(|| uri.into(), |stem| stem.to_string_lossy());
    let words = stem.replace(['-', '_'], " ");
    let mut letters = words.trim().chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_titled_by_its_name() {
        assert_eq!(file_title("faq/politica-de_trocas.md"), "Politica de trocas");
        assert_eq!(file_title("índice.txt"), "Índice");
        assert_eq!(file_title(""), "");
    }

    #[test]
    fn equal_hashes_mean_equal_embeddings() {
        let chunk = |headings: &[&str], text: &str| split::Chunk {
            headings: headings.iter().map(|h| (*h).to_owned()).collect(),
            text: text.to_owned(),
            tokens: 1,
        };
        let hash = |title, chunk: &split::Chunk| passage_hash(title, Language::Portuguese, chunk);
        let base = hash("T", &chunk(&["A", "B"], "x"));
        assert_eq!(base, hash("T", &chunk(&["A", "B"], "x")));
        for other in [
            hash("U", &chunk(&["A", "B"], "x")),
            hash("T", &chunk(&["A"], "x")),
            hash("T", &chunk(&["AB"], "x")),
            hash("T", &chunk(&["A", "B"], "y")),
            passage_hash("T", Language::English, &chunk(&["A", "B"], "x")),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn a_passage_is_embedded_under_its_title_and_headings() {
        assert_eq!(embedded_text("Trocas", &["Prazo".into()], "7 dias."), "Trocas\nPrazo\n7 dias.");
        assert_eq!(embedded_text("", &[], "7 dias."), "7 dias.");
    }
}
