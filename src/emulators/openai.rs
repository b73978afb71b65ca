//! A stand-in for an OpenAI-compatible endpoint: real HTTP, scripted answers, scripted failures.
//!
//! `POST /v1/chat/completions` (streamed or not, tools, `response_format`) and `GET /v1/models` speak the protocol of
//! the OpenAI API reference, "Chat Completions". Without a script it answers from the sources it finds in the request
//! (see [`echo`]). What it shall do instead is told by [`OpenAiEmulator::push`] and its siblings, or over HTTP:
//!
//! - `POST /_control/script` takes a list of [`Step`]s and replaces the script (`?append=true` adds to it);
//! - `POST /_control/faults` takes [`Faults`], which befall every request;
//! - `GET /_control/requests` gives what was received, `POST /_control/reset` forgets everything.
//!
//! It knows nothing of Balcão: it could serve any program that speaks to such an endpoint.

pub mod echo;
pub mod script;
mod wire;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

pub use script::{Act, Call, Faults, Step};

/// Requests kept for `GET /_control/requests`; older ones are forgotten.
const KEPT_REQUESTS: usize = 10_000;
/// The one model it has, unless a request names another: it answers to any name.
const MODEL: &str = "emulated-model";

/// One request as it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// The path.
    pub path: String,
    /// Whether it carried a bearer token. The token itself is not kept.
    pub authorized: bool,
    /// Its JSON body.
    pub body: Value,
}

type Responder = Arc<dyn Fn(&Value) -> Option<Step> + Send + Sync>;

/// What the emulator shall do and what it saw.
#[derive(Clone, Default)]
pub struct Control {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    script: script::Script,
    responder: Option<Responder>,
    received: Vec<Received>,
    required_key: Option<String>,
}

impl Control {
    /// Adds a step to the end of the script.
    pub fn push(&self, step: impl Into<Step>) {
        self.inner.lock().script.steps.push(step.into());
    }

    /// Replaces the script.
    pub fn set_script(&self, steps: Vec<Step>) {
        self.inner.lock().script.steps = steps;
    }

    /// Decides by code, before the script; `None` leaves the request to the script.
    pub fn set_responder(&self, responder: impl Fn(&Value) -> Option<Step> + Send + Sync + 'static) {
        self.inner.lock().responder = Some(Arc::new(responder));
    }

    /// Sets what befalls every request.
    pub fn set_faults(&self, faults: Faults) {
        self.inner.lock().script.faults = faults;
    }

    /// From now on requests must carry this bearer token.
    pub fn require_key(&self, key: impl Into<String>) {
        self.inner.lock().required_key = Some(key.into());
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Received> {
        self.inner.lock().received.clone()
    }

    /// Forgets script, faults and requests.
    pub fn reset(&self) {
        *self.inner.lock() = Inner::default();
    }

    /// The routes, for a server of one's own.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/v1/chat/completions", post(chat_completions))
            .route("/v1/models", get(models))
            .route("/_control/script", post(set_script))
            .route("/_control/faults", post(set_faults))
            .route("/_control/requests", get(requests))
            .route("/_control/reset", post(reset))
            .with_state(self.clone())
    }

    fn record(&self, path: &str, headers: &HeaderMap, body: Value) {
        let mut inner = self.inner.lock();
        if inner.received.len() == KEPT_REQUESTS {
            inner.received.remove(0);
        }
        let authorized = headers.contains_key(header::AUTHORIZATION);
        inner.received.push(Received { path: path.to_owned(), authorized, body });
    }

    fn refuses(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match &self.inner.lock().required_key {
            Some(key) => given.and_then(|given| given.strip_prefix("Bearer ")) != Some(key),
            None => false,
        }
    }

    fn decide(&self, request: &Value) -> Step {
        let responder = self.inner.lock().responder.clone();
        if let Some(step) = responder.and_then(|responder| responder(request)) {
            return step;
        }
        self.inner.lock().script.next(request)
    }
}

/// A running emulator. It stops when it is dropped.
pub struct OpenAiEmulator {
    address: SocketAddr,
    control: Control,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<io::Result<()>>,
}

impl OpenAiEmulator {
    /// Starts on an address; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn start(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let control = Control::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let app = control.router();
        let server = tokio::spawn(async move {
            let serve = axum::serve(listener, app).into_future();
            tokio::select! { result = serve => result, _ = stopped => Ok(()) }
        });
        Ok(Self { address, control, stop: Some(stop), server })
    }

    /// Starts on a free port of this machine.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start_local() -> io::Result<Self> {
        Self::start(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client takes as its base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What it shall do and what it saw.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Adds a step to the end of the script.
    pub fn push(&self, step: impl Into<Step>) {
        self.control.push(step);
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Received> {
        self.control.requests()
    }

    /// Stops; open connections are cut.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let _ = (&mut self.server).await;
    }
}

impl Drop for OpenAiEmulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn chat_completions(State(control): State<Control>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return wire::error(StatusCode::BAD_REQUEST, "invalid_request_error", None, "the body is not JSON");
    };
    control.record("/v1/chat/completions", &headers, request.clone());
    if control.refuses(&headers) {
        return wire::wrong_key();
    }
    if let Some(problem) = problem_of(&request) {
        return wire::error(StatusCode::BAD_REQUEST, "invalid_request_error", None, problem);
    }
    let step = control.decide(&request);
    tokio::time::sleep(Duration::from_millis(step.first_token_ms)).await;
    wire::answer(&request, step).await
}

/// What a strict endpoint would complain about.
fn problem_of(request: &Value) -> Option<&'static str> {
    if !request["model"].is_string() {
        return Some("you must provide a model parameter");
    }
    match request["messages"].as_array() {
        None => Some("`messages` must be a list"),
        Some(messages) if messages.is_empty() => Some("`messages` is too short"),
        Some(messages) if !messages.iter().all(|m| m["role"].is_string()) => Some("a message has no role"),
        Some(_) => None,
    }
}

async fn models(State(control): State<Control>, headers: HeaderMap) -> Response {
    control.record("/v1/models", &headers, Value::Null);
    if control.refuses(&headers) {
        return wire::wrong_key();
    }
    let faults = control.inner.lock().script.faults.clone();
    tokio::time::sleep(Duration::from_millis(faults.first_token_ms)).await;
    match faults.failure {
        Some(Act::Hang) => std::future::pending().await,
        Some(act) if act.is_refusal() => wire::refusal(&act),
        _ => {
            let model = json!({ "id": MODEL, "object": "model", "created": 0, "owned_by": "emulator" });
            Json(json!({ "object": "list", "data": [model] })).into_response()
        }
    }
}

#[derive(Deserialize)]
struct ScriptOptions {
    #[serde(default)]
    append: bool,
}

async fn set_script(
    State(control): State<Control>,
    Query(options): Query<ScriptOptions>,
    Json(steps): Json<Vec<Step>>,
) -> StatusCode {
    let mut inner = control.inner.lock();
    if !options.append {
        inner.script.steps.clear();
    }
    inner.script.steps.extend(steps);
    StatusCode::NO_CONTENT
}

async fn set_faults(State(control): State<Control>, Json(faults): Json<Faults>) -> StatusCode {
    control.set_faults(faults);
    StatusCode::NO_CONTENT
}

async fn requests(State(control): State<Control>) -> Json<Vec<Received>> {
    Json(control.requests())
}

async fn reset(State(control): State<Control>) -> StatusCode {
    control.reset();
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests;
