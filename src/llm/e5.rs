//! The local embedding model: multilingual-e5-small (English and Portuguese, 4-bit), in process.
//!
//! Wang et al., "Multilingual E5 Text Embeddings", arXiv 2402.05672. Questions and passages are told apart by the
//! prefixes `query: ` and `passage: `. A text longer than the model's 512 tokens is cut into windows, and the windows'
//! means are averaged by their length.
//!
//! One text is one thread's work: a question runs on one thread, and passages are spread over as many threads as
//! there are cores, several short ones together. Thread pools inside one product would spin and fight over the
//! cores the server needs for everything else.

mod encoder;
mod file;
mod kernels;
mod quant;
#[cfg(target_arch = "x86_64")]
mod small;
mod tokenizer;

use std::{
    fs, io,
    num::NonZero,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::{sync::Semaphore, task};

use self::{encoder::Encoder, file::ModelFile, tokenizer::Tokenizer};
use crate::embedder::{EmbedError, Embedder};

/// Tokens that go through the network together. Enough to read each weight once for many short texts, and few enough
/// for the numbers in between to stay in the processor's cache.
const PACK_TOKENS: usize = 256;
/// A text of more bytes than this is cut: it would take minutes, and no passage is that long.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// Why the model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file: fetch it.
    #[error("the embedding model is not at `{}`", .0.display())]
    Missing(PathBuf),
    /// The file is there and cannot be read: look at its permissions.
    #[error("the embedding model at `{}` cannot be read: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    /// The file is not what it should be: fetch it again.
    #[error("the embedding model is damaged: {0}")]
    Damaged(String),
}

impl LoadError {
    fn damaged(reason: impl Into<String>) -> Self {
        Self::Damaged(reason.into())
    }
}

/// What a text is: it decides the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something asked.
    Query,
    /// Something that may answer.
    Passage,
}

impl Kind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Query => "query: ",
            Self::Passage => "passage: ",
        }
    }
}

/// The model. Cheap to clone.
#[derive(Clone)]
pub struct E5 {
    inner: Arc<Inner>,
}

struct Inner {
    id: String,
    tokenizer: Tokenizer,
    encoder: Encoder,
    bos: u32,
    eos: u32,
    threads: usize,
    /// Apart, so that a question never waits behind the passages of an import.
    query_slots: Arc<Semaphore>,
    passage_slots: Arc<Semaphore>,
}

/// A part of a text that fits the model.
struct Window {
    text: usize,
    tokens: Vec<u32>,
}

impl E5 {
    /// Loads the model from its file.
    ///
    /// # Errors
    /// When the file is missing, cannot be read, or is not whole.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => LoadError::Missing(path.to_owned()),
            _ => LoadError::Unreadable { path: path.to_owned(), error },
        })?;
        Self::from_bytes(&bytes)
    }

    /// Loads the model from the bytes of its file.
    ///
    /// # Errors
    /// When the file is not whole.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LoadError> {
        Self::build(bytes, true)
    }

    fn build(bytes: &[u8], small_products: bool) -> Result<Self, LoadError> {
        keep_products_on_the_calling_thread();
        let file = ModelFile::parse(bytes)?;
        let encoder = Encoder::load(&file, small_products)?;
        let (bos, eos) = (file.vocabulary.bos, file.vocabulary.eos);
        let tokenizer = Tokenizer::new(file.vocabulary);
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        // The name holds a hash of the weights, so vectors of an exchanged file are never compared with older ones.
        let id = format!("multilingual-e5-small-q4@{}", hex::encode(&Sha256::digest(bytes)[..4]));
        let slots = || Arc::new(Semaphore::new(threads));
        let (query_slots, passage_slots) = (slots(), slots());
        let inner = Inner { id, tokenizer, encoder, bos, eos, threads, query_slots, passage_slots };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Bytes held by the weights and tables.
    pub fn memory_bytes(&self) -> usize {
        self.inner.encoder.memory_bytes()
    }

    /// Threads used for passages: the number of cores.
    pub fn threads(&self) -> usize {
        self.inner.threads
    }

    /// The token ids of a text with its prefix, without the special ones.
    pub fn tokens(&self, kind: Kind, text: &str) -> Vec<u32> {
        self.inner.tokens(kind, text)
    }

    /// The vector of one text, on this thread.
    ///
    /// # Errors
    /// When the mathematics fails, which a whole model file excludes.
    pub fn embed_blocking(&self, kind: Kind, text: &str) -> Result<Vec<f32>, EmbedError> {
        self.inner.embed_one(kind, text)
    }

    /// The vectors of many texts, in their order, on `threads` threads (this one waits).
    ///
    /// # Errors
    /// When the mathematics fails, which a whole model file excludes.
    pub fn embed_batch_blocking<T: AsRef<str> + Sync>(
        &self,
        kind: Kind,
        texts: &[T],
        threads: usize,
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        let inner = &self.inner;
        let packs = inner.packs(kind, texts);
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(packs.len())));
        let work = || {
            while let Some(pack) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let result = inner.run(pack);
                done.lock().push(result);
            }
        };
        thread::scope(|scope| {
            let helpers = threads.clamp(1, packs.len().max(1)) - 1;
            (0..helpers).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        let done = done.into_inner().into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(inner.join(texts.len(), done.into_iter().flatten()))
    }
}

impl Inner {
    fn tokens(&self, kind: Kind, text: &str) -> Vec<u32> {
        let mut end = text.len().min(MAX_TEXT_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        // Spaces around a text mean nothing, and the tokenizer would make a token of them.
        self.tokenizer.tokens(&format!("{}{}", kind.prefix(), text[..end].trim()))
    }

    fn windows(&self, text: usize, tokens: &[u32]) -> impl Iterator<Item = Window> {
        let most = self.encoder.shape().max_tokens - 2;
        tokens.chunks(most).map(move |part| {
            let mut tokens = Vec::with_capacity(part.len() + 2);
            tokens.push(self.bos);
            tokens.extend_from_slice(part);
            tokens.push(self.eos);
            Window { text, tokens }
        })
    }

    /// Sorts the windows of all texts by length, longest first, and puts short ones together.
    fn packs<T: AsRef<str>>(&self, kind: Kind, texts: &[T]) -> Vec<Vec<Window>> {
        let mut windows: Vec<Window> = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            windows.extend(self.windows(index, &self.tokens(kind, text.as_ref())));
        }
        windows.sort_by_key(|window| std::cmp::Reverse(window.tokens.len()));
        let mut packs: Vec<Vec<Window>> = Vec::new();
        let mut filled = PACK_TOKENS;
        for window in windows {
            let length = window.tokens.len();
            match packs.last_mut() {
                Some(pack) if filled + length <= PACK_TOKENS => {
                    filled += length;
                    pack.push(window);
                }
                _ => {
                    filled = length;
                    packs.push(vec![window]);
                }
            }
        }
        packs
    }

    /// The mean vectors of a pack, each with its text and the weight it has there.
    fn run(&self, pack: &[Window]) -> Result<Vec<(usize, f32, Vec<f32>)>, EmbedError> {
        let inputs: Vec<&[u32]> = pack.iter().map(|window| &window.tokens[..]).collect();
        let means = self.encoder.means(&inputs).map_err(|error| EmbedError::Transient(error.to_string()))?;
        let weigh = |(window, mean): (&Window, _)| (window.text, (window.tokens.len() - 2) as f32, mean);
        Ok(pack.iter().zip(means).map(weigh).collect())
    }

    /// Adds the windows of each text up and brings the sums to length 1, which makes dividing by the weights needless.
    fn join(&self, texts: usize, parts: impl Iterator<Item = (usize, f32, Vec<f32>)>) -> Vec<Vec<f32>> {
        let mut vectors = vec![vec![0.0f32; self.encoder.shape().hidden]; texts];
        // In a fixed order: sums of floating-point numbers depend on it, and threads finish as they like.
        let mut parts: Vec<_> = parts.collect();
        parts.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)).then_with(|| a.2[0].total_cmp(&b.2[0])));
        for (text, weight, mean) in parts {
            vectors[text].iter_mut().zip(&mean).for_each(|(sum, x)| *sum += weight * x);
        }
        for vector in &mut vectors {
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
            vector.iter_mut().for_each(|x| *x /= length);
        }
        vectors
    }

    fn embed_one(&self, kind: Kind, text: &str) -> Result<Vec<f32>, EmbedError> {
        let mut parts = Vec::new();
        for pack in self.packs(kind, &[text]) {
            parts.extend(self.run(&pack)?);
        }
        Ok(self.join(1, parts.into_iter()).swap_remove(0))
    }
}

#[async_trait]
impl Embedder for E5 {
    fn model_id(&self) -> &str {
        &self.inner.id
    }

    fn dimensions(&self) -> usize {
        self.inner.encoder.shape().hidden
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.inner.tokenizer.tokens(text).len()
    }

    async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let (inner, text) = (self.inner.clone(), text.to_owned());
        let slots = inner.query_slots.clone();
        in_slot(slots, move || inner.embed_one(Kind::Query, &text)).await
    }

    async fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let (inner, texts) = (self.inner.clone(), texts.to_vec());
        let count = texts.len();
        let planner = inner.clone();
        let slots = inner.passage_slots.clone();
        let packs = in_slot(slots, move || Ok(planner.packs(Kind::Passage, &texts))).await?;
        let mut running = task::JoinSet::new();
        for pack in packs {
            let (worker, slots) = (inner.clone(), inner.passage_slots.clone());
            running.spawn(in_slot(slots, move || worker.run(&pack)));
        }
        let mut parts = Vec::with_capacity(count);
        while let Some(done) = running.join_next().await {
            parts.extend(done.map_err(|error| EmbedError::Transient(error.to_string()))??);
        }
        Ok(inner.join(count, parts.into_iter()))
    }
}

/// Runs `work` on a thread for blocking work once a slot is free. The slot is held until the work is done, even if
/// nobody waits for it any more: the core is busy all the same.
async fn in_slot<T: Send + 'static>(
    slots: Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, EmbedError> + Send + 'static,
) -> Result<T, EmbedError> {
    let slot = slots.acquire_owned().await.map_err(|error| EmbedError::Transient(error.to_string()))?;
    let handle = task::spawn_blocking(move || {
        let _slot = slot;
        work()
    });
    handle.await.map_err(|error| EmbedError::Transient(error.to_string()))?
}

/// candle hands larger products to rayon's pool of threads; this size is never reached, so that they stay here.
fn keep_products_on_the_calling_thread() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| gemm::set_threading_threshold(usize::MAX));
}

#[cfg(test)]
mod tests;
