//! Records what a model answered, and plays it back: the same runs again, without the model and its cost.
//!
//! A recording is a file of lines, one call each: the hash of the request, the pieces of the answer with the time
//! between them, and the answer. The same request asked twice is played back in the order it was recorded, and the
//! last answer stays.

use std::{
    collections::{HashMap, VecDeque},
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::model::{ChatRequest, ChatResponse, LanguageModel, LlmError};

/// One recorded call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Recording {
    request: String,
    /// The last words of the customer's side: for the people who look for a line in the file.
    about: String,
    /// Milliseconds since the piece before, and the piece.
    pieces: Vec<(u64, String)>,
    response: ChatResponse,
}

/// The name a request has in recordings: the SHA-256 of its canonical JSON. Tenant and time-out do not count.
pub fn request_hash(request: &ChatRequest) -> String {
    // Sorted here, since whether serde_json keeps the order of keys is for any crate of the program to decide.
    let canonical = serde_json::to_value(request).map(|value| sorted(&value).to_string()).unwrap_or_default();
    hex::encode(Sha256::digest(canonical.as_bytes()))
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            names.into_iter().map(|name| (name.clone(), sorted(&fields[name]))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

fn about(request: &ChatRequest) -> String {
    request.messages.last().map(|message| message.content.chars().take(60).collect()).unwrap_or_default()
}

/// Passes calls on and writes the answers down. Failures are not recorded.
pub struct Recorder<M> {
    model: M,
    file: Mutex<File>,
}

impl<M> Recorder<M> {
    /// Adds to the file `path`, which is made if need be.
    ///
    /// # Errors
    /// When the file cannot be opened for writing.
    pub fn new(model: M, path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { model, file: Mutex::new(file) })
    }
}

#[async_trait]
impl<M: LanguageModel> LanguageModel for Recorder<M> {
    fn name(&self) -> &str {
        self.model.name()
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_text: &mut (dyn for<'t> FnMut(&'t str) + Send),
    ) -> Result<ChatResponse, LlmError> {
        let mut before = Instant::now();
        let mut pieces = Vec::new();
        let mut listen = |text: &str| {
            let now = Instant::now();
            let waited = now.saturating_duration_since(before);
            pieces.push((u64::try_from(waited.as_millis()).unwrap_or(u64::MAX), text.to_owned()));
            before = now;
            on_text(text);
        };
        let response = self.model.chat(request, &mut listen).await?;
        let recording = Recording {
            request: request_hash(request),
            about: about(request),
            pieces,
            response: response.clone(),
        };
        let line =
            serde_json::to_string(&recording).map_err(|error| LlmError::Permanent(error.to_string()))?;
        let written = writeln!(self.file.lock(), "{line}");
        written.map_err(|error| LlmError::Permanent(format!("the recording cannot be written: {error}")))?;
        Ok(response)
    }
}

/// How fast a recording is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// Without waiting.
    AtOnce,
    /// With the pauses of the recording.
    AsRecorded,
}

/// Answers from a recording.
pub struct Replayer {
    model: String,
    speed: Speed,
    /// By request, in the order of recording.
    recordings: Mutex<HashMap<String, VecDeque<Recording>>>,
}

impl Replayer {
    /// Reads a recording. `model` is the name it goes by.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it is no recording.
    pub fn open(path: &Path, model: impl Into<String>, speed: Speed) -> io::Result<Self> {
        let mut recordings: HashMap<String, VecDeque<Recording>> = HashMap::new();
        for (index, line) in
            fs::read_to_string(path)?.lines().enumerate().filter(|(_, line)| !line.is_empty())
        {
            let recording: Recording = serde_json::from_str(line).map_err(|error| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("line {} is no recording: {error}", index + 1),
                )
            })?;
            recordings.entry(recording.request.clone()).or_default().push_back(recording);
        }
        Ok(Self { model: model.into(), speed, recordings: Mutex::new(recordings) })
    }

    fn next(&self, request: &ChatRequest) -> Result<Recording, LlmError> {
        let hash = request_hash(request);
        let mut recordings = self.recordings.lock();
        let queue = recordings.get_mut(&hash);
        let next =
            queue.and_then(|queue| if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() });
        let words = about(request);
        next.ok_or_else(|| {
            LlmError::Permanent(format!("nothing was recorded for request `{hash}` (`{words}`)"))
        })
    }
}

#[async_trait]
impl LanguageModel for Replayer {
    fn name(&self) -> &str {
        &self.model
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_text: &mut (dyn for<'t> FnMut(&'t str) + Send),
    ) -> Result<ChatResponse, LlmError> {
        let recording = self.next(request)?;
        let play = async {
            for (pause_ms, text) in &recording.pieces {
                if self.speed == Speed::AsRecorded {
                    tokio::time::sleep(Duration::from_millis(*pause_ms)).await;
                }
                on_text(text);
            }
        };
        tokio::time::timeout(request.timeout, play).await.map_err(|_| LlmError::TimedOut(request.timeout))?;
        Ok(recording.response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChatMessage, Role};

    /// Answers with how often it was asked.
    #[derive(Default)]
    struct Counting(Mutex<u32>);

    #[async_trait]
    impl LanguageModel for Counting {
        fn name(&self) -> &str {
            "counting"
        }

        async fn chat(
            &self,
            _: &ChatRequest,
            on_text: &mut (dyn for<'t> FnMut(&'t str) + Send),
        ) -> Result<ChatResponse, LlmError> {
            let count = {
                let mut count = self.0.lock();
                *count += 1;
                *count
            };
            tokio::time::sleep(Duration::from_millis(300)).await;
            on_text("call ");
            on_text(&count.to_string());
            Ok(ChatResponse {
                text: format!("call {count}"),
                model: "counting".into(),
                ..ChatResponse::default()
            })
        }
    }

    fn request(text: &str) -> ChatRequest {
        ChatRequest {
            tenant_id: None,
            messages: vec![ChatMessage::new(Role::User, text)],
            tools: Vec::new(),
            response_schema: None,
            temperature: 0.0,
            max_output_tokens: 10,
            seed: None,
            timeout: Duration::from_secs(5),
        }
    }

    async fn text_of(
        model: &impl LanguageModel,
        request: &ChatRequest,
    ) -> Result<(String, String), LlmError> {
        let mut heard = String::new();
        let response = model.chat(request, &mut |text| heard.push_str(text)).await?;
        Ok((heard, response.text))
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_recorded_is_played_back_in_order_and_in_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("calls.jsonl");
        let recorder = Recorder::new(Counting::default(), &path).expect("a file");
        for _ in 0..2 {
            text_of(&recorder, &request("oi")).await.expect("answers");
        }
        let replayer = Replayer::open(&path, "counting", Speed::AsRecorded).expect("a recording");
        let begun = Instant::now();
        for expected in ["call 1", "call 2", "call 2"] {
            let (heard, text) = text_of(&replayer, &request("oi")).await.expect("plays");
            assert_eq!((heard.as_str(), text.as_str()), (expected, expected));
        }
        assert!(begun.elapsed() >= Duration::from_millis(900), "the pauses are kept");
    }

    #[tokio::test]
    async fn a_request_nobody_recorded_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("calls.jsonl");
        fs::write(&path, "").expect("written");
        let replayer = Replayer::open(&path, "m", Speed::AtOnce).expect("an empty recording");
        let error = text_of(&replayer, &request("never asked")).await.expect_err("unknown");
        let hash = request_hash(&request("never asked"));
        assert!(
            matches!(&error, LlmError::Permanent(why) if why.contains(&hash) && why.contains("never asked"))
        );
        fs::write(&path, "\n{\"half\":").expect("written");
        let error = Replayer::open(&path, "m", Speed::AtOnce).err().expect("damaged").to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn the_hash_follows_what_is_asked_and_not_for_whom_or_how_long() {
        let one = request("oi");
        let patient = ChatRequest { timeout: Duration::from_secs(60), ..one.clone() };
        assert_eq!(request_hash(&one), request_hash(&patient));
        assert_ne!(request_hash(&one), request_hash(&request("olá")));
        assert_ne!(request_hash(&one), request_hash(&ChatRequest { temperature: 0.5, ..one.clone() }));
    }
}
