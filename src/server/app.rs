//! What every handler shares.

use std::{ops::Deref, sync::Arc, time::Duration};

use balcao_actors::System;
use balcao_domain::Language;
use balcao_retrieval::{Ingestor, Searcher};
use balcao_store::Store;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::KeyRing,
    limits::Limits,
    people::People,
    routes::{payments, webhook::accounts::Accounts},
};

/// What an [`App`] is made of.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The running actors.
    pub system: System,
    /// Search over a shop's passages.
    pub searcher: Arc<dyn Searcher>,
    /// Takes documents in.
    pub ingestor: Ingestor,
    /// Renders `/metrics`. See [`crate::telemetry::metrics_recorder`].
    pub metrics: PrometheusHandle,
    /// What may be tuned.
    pub settings: ServerSettings,
}

/// What may be tuned about the server.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// How others reach this server, without a slash at the end; written into the OpenAPI document.
    pub public_url: String,
    /// Shops whose chat page works without a key. Empty outside the demo: then the page asks for one.
    pub demo: Vec<DemoShop>,
    /// Requests a minute each API key may make, on average.
    pub requests_per_minute: u32,
    /// How many of them may come at once.
    pub burst: u32,
    /// The longest webhook body, in bytes. Meta sends up to 3 MB, and sends a refused body again for seven days.
    pub webhook_body_bytes: usize,
    /// The longest body of the API, in bytes.
    pub api_body_bytes: usize,
    /// The longest document, in bytes.
    pub document_body_bytes: usize,
    /// How long a caller may wait for an answer. The turn budget of the shops lies well below.
    pub answer_timeout: Duration,
    /// How long any other request may take.
    pub request_timeout: Duration,
    /// Web origins that may call the API from a browser, besides our own page.
    pub cors_origins: Vec<String>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8080".into(),
            demo: Vec::new(),
            requests_per_minute: 1_200,
            burst: 200,
            webhook_body_bytes: 4 * 1024 * 1024,
            api_body_bytes: 1024 * 1024,
            // The largest file, and the form around it.
            document_body_bytes: 33 * 1024 * 1024,
            answer_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(60),
            cors_origins: Vec::new(),
        }
    }
}

/// A shop the chat page offers without a key.
#[derive(Debug, Clone)]
pub struct DemoShop {
    /// Its short name.
    pub slug: String,
    /// Its name as customers know it.
    pub name: String,
    /// Its main language: the page speaks it.
    pub language: Language,
    /// A key of scope `chat`.
    pub chat_key: SecretString,
    /// What the page says before the customer does; a default of the language when empty.
    pub greeting: String,
    /// Questions to try.
    pub suggestions: Vec<String>,
}

/// The parts, and what the server keeps of its own. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// Behind [`App`].
pub struct Shared {
    parts: Parts,
    /// Keys seen a moment ago.
    pub keys: KeyRing,
    /// How often each key calls.
    pub limits: Limits,
    /// WhatsApp accounts by webhook path and by phone number id.
    pub accounts: Accounts,
    /// Accounts of payment providers, by webhook path.
    pub payment_accounts: payments::Accounts,
    /// Which conversation a sender's messages belong to.
    pub people: People,
    /// Cancelled when the server stops: long streams end on it.
    pub stopping: CancellationToken,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Shared {
            keys: KeyRing::default(),
            limits: Limits::new(parts.settings.requests_per_minute, parts.settings.burst),
            accounts: Accounts::default(),
            payment_accounts: payments::Accounts::default(),
            people: People::default(),
            stopping: CancellationToken::new(),
            parts,
        }))
    }
}

impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Deref for Shared {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.parts
    }
}
