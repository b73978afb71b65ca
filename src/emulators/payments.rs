//! Stand-ins of payment providers: they make PIX charges, let one play the payer and the payer's bank, report by signed
//! webhooks, and tell the truth to whoever asks.
//!
//! Each provider's API is under its name (`/mercadopago/v1/payments`), in that provider's own words: see
//! [`dialects`]. What plays the payer, sets faults or looks behind the scenes is under `/_control`. It listens without a
//! password and takes any credentials: bind it to this machine only.
//!
//! Reading order: this file, [`world`] (what there is), [`dialects`] (how each provider says it), [`reports`] (webhooks
//! on their way, and what befalls them).

mod brcode;
mod control;
pub mod dialects;
mod heard;
pub mod reports;
#[cfg(test)]
mod tests;
pub mod world;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{any, get, post, put},
};
use parking_lot::Mutex;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

use dialects::{Dialect, Wish};
use heard::Heard;
pub use reports::Faults;
use world::{News, World};

/// The largest request that is read.
const MAX_BODY: usize = 1024 * 1024;

/// How the emulator behaves unless told otherwise later.
#[derive(Debug, Clone)]
pub struct Options {
    /// Waits before the second, third, … delivery of a report that was not answered with 200.
    pub retries: Vec<Duration>,
    /// The faults to begin with.
    pub faults: Faults,
    /// Makes chances and ids repeatable.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        let seconds = [1, 5, 30, 120, 600, 3_600];
        Self {
            retries: seconds.into_iter().map(Duration::from_secs).collect(),
            faults: Faults::default(),
            seed: 0,
        }
    }
}

/// What the handlers share.
struct Shared {
    world: Mutex<World>,
    faults: Mutex<Faults>,
    rng: Mutex<StdRng>,
    retries: Vec<Duration>,
    http: reqwest::Client,
    /// Reports under way; ended with the emulator.
    tasks: Mutex<JoinSet<()>>,
}

/// A running emulator. Stops when told to, or when dropped.
pub struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<std::io::Result<()>>,
    shared: Arc<Shared>,
}

impl Running {
    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base address of a provider's API.
    pub fn base_url(&self, provider: &str) -> String {
        format!("http://{}/{provider}", self.address)
    }

    /// Ends reports under way, finishes open requests, and stops listening.
    pub async fn stop(mut self) {
        self.shared.tasks.lock().abort_all();
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        // A client that keeps its connection open must not keep us.
        if tokio::time::timeout(Duration::from_secs(2), &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.tasks.lock().abort_all();
        self.server.abort();
    }
}

/// Serves the emulator on a socket.
///
/// # Errors
/// When the socket or the HTTP client cannot be used.
pub async fn serve(listener: TcpListener, options: Options) -> anyhow::Result<Running> {
    let address = listener.local_addr()?;
    let shared = Arc::new(Shared {
        world: Mutex::new(World::new(options.seed)),
        faults: Mutex::new(options.faults),
        rng: Mutex::new(StdRng::seed_from_u64(options.seed)),
        retries: options.retries,
        http: reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build()?,
        tasks: Mutex::default(),
    });
    let app = router(shared.clone());
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(async move {
        axum::serve(listener, app).with_graceful_shutdown(async { drop(stopped.await) }).await
    });
    tracing::info!(%address, "the payment providers' emulator listens");
    Ok(Running { address, stop: Some(stop), server, shared })
}

/// The same on a free port of this machine.
///
/// # Errors
/// As [`serve`].
pub async fn serve_locally(options: Options) -> anyhow::Result<Running> {
    serve(TcpListener::bind("127.0.0.1:0").await?, options).await
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/_control/hooks/{provider}", put(control::hook))
        .route("/_control/pay", post(control::pay))
        .route("/_control/refund", post(control::refund))
        .route("/_control/faults", put(control::faults).get(control::show_faults))
        .route("/_control/charges", get(control::charges))
        .route("/{provider}/{*path}", any(call))
        .fallback(|| async { (StatusCode::NOT_FOUND, Json(json!({ "error": "no such path" }))) })
        .with_state(shared)
}

/// A call of a provider's API.
async fn call(
    State(shared): State<Arc<Shared>>,
    Path((provider, path)): Path<(String, String)>,
    request: Request,
) -> Response {
    let Some(dialect) = dialects::dialect(&provider) else {
        return refused(404, "no such provider is played here");
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return refused(413, "the body is too large");
    };
    let Some(heard) = Heard::read(&parts, &path, &body) else {
        return refused(400, "the body is neither JSON nor a form");
    };
    let faults = shared.faults.lock().clone();
    tokio::time::sleep(Duration::from_millis(faults.latency_ms)).await;
    if shared.chance(faults.fail) {
        return refused(503, "unavailable, as asked for");
    }
    let (status, answer) = shared.carry_out(dialect, &heard);
    if shared.chance(faults.lose_answer) {
        return refused(502, "done, but the answer was lost, as asked for");
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(answer)).into_response()
}

fn refused(status: u16, why: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({ "error": why }))).into_response()
}

impl Shared {
    fn chance(&self, of: f64) -> bool {
        use rand::Rng;
        of > 0.0 && self.rng.lock().random_bool(of.clamp(0.0, 1.0))
    }

    /// Does what a call wants, and answers in the provider's words.
    fn carry_out(self: &Arc<Self>, dialect: &'static dyn Dialect, heard: &Heard) -> (u16, serde_json::Value) {
        if !heard.is_signed() {
            return (401, json!({ "error": "no credentials" }));
        }
        let Some(wish) = dialect.wish(heard) else {
            return (404, json!({ "error": format!("{} {} is not played", heard.method, heard.path) }));
        };
        let mut world = self.world.lock();
        match wish {
            Wish::Token => {
                (200, json!({ "access_token": "emulated", "token_type": "Bearer", "expires_in": 3600 }))
            }
            Wish::Create(new) => match world.create(dialect, new) {
                Ok((charge, is_new)) => (if is_new { 201 } else { 200 }, dialect.charge(charge)),
                Err(why) => (422, json!({ "error": why })),
            },
            Wish::Find(name) => match world.find(dialect.name(), &name) {
                Some(charge) => (200, dialect.charge(charge)),
                None => dialect.not_found(),
            },
            Wish::List(name) => {
                let charge = world.find(dialect.name(), &name);
                (200, dialect.list(&charge.into_iter().collect::<Vec<_>>()))
            }
            Wish::Code(name) => match world.find(dialect.name(), &name) {
                Some(charge) => (200, json!({ "payload": charge.br_code, "encodedImage": "" })),
                None => dialect.not_found(),
            },
            Wish::Received => {
                let all: Vec<_> = world.of(dialect.name()).collect();
                (200, dialect.list(&all))
            }
            Wish::Refund { of, id, minor } => match world.refund(dialect.name(), &of, &id, minor) {
                Ok(Some((charge, index, is_new))) => {
                    let answer = (201, dialect.refund(&charge, index));
                    drop(world);
                    if is_new {
                        self.tell(dialect, charge, News::Refunded(index));
                    }
                    answer
                }
                Ok(None) => dialect.not_found(),
                Err(why) => (422, json!({ "error": why })),
            },
        }
    }
}

/// Reads a JSON body of the controls.
fn parsed<T: serde::de::DeserializeOwned>(body: &Bytes) -> Result<T, Box<Response>> {
    serde_json::from_slice(body).map_err(|error| Box::new(refused(400, &error.to_string())))
}
