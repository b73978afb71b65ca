//! A stand-in for WhatsApp's Cloud API: the send endpoint with its checks, limits and error codes, signed webhooks with
//! their retries, the customer's phone, and faults on request.
//!
//! The real API's paths are `/{version}/{phone_number_id}/messages` and `/{version}/{media_id}`; everything that plays
//! the customer, sets faults or looks behind the scenes is under `/_control`, and `/` is a phone to type on. It listens
//! without a password: bind it to this machine only.

pub mod client;
mod control;
mod deliver;
pub mod error;
pub mod faults;
mod inbound;
mod limits;
mod media;
mod send;
mod sever;
mod statuses;
pub mod validate;
mod wire;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{delete, get, post};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

pub use client::Client;
pub use faults::{Faults, StatusTimes};
pub use world::NewNumber;
use world::World;

/// How the emulator behaves unless told otherwise later.
#[derive(Debug, Clone)]
pub struct Options {
    /// Waits before the second, third, … delivery of a webhook that was not answered with 200. Meta goes on for seven
    /// days; so does the default.
    pub retries: Vec<Duration>,
    /// How long an answer to a webhook is waited for.
    pub webhook_timeout: Duration,
    /// The faults to begin with.
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        let seconds = [0, 1, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200, 86_400, 172_800, 259_200];
        Self {
            retries: seconds.into_iter().map(Duration::from_secs).collect(),
            webhook_timeout: Duration::from_secs(10),
            faults: Faults::default(),
        }
    }
}

/// What the handlers share.
pub(crate) struct Shared {
    world: Mutex<World>,
    options: Options,
    http: reqwest::Client,
    /// Deliveries under way; ended with the emulator.
    tasks: Mutex<JoinSet<()>>,
}

impl Shared {
    fn new(options: Options) -> anyhow::Result<Arc<Self>> {
        let http = reqwest::Client::builder()
            .user_agent("facebookexternalua")
            .timeout(options.webhook_timeout)
            // The receiver is on this machine or in this network, whatever proxies the environment names.
            .no_proxy()
            .build()?;
        let world = World::new(options.faults.clone());
        Ok(Arc::new(Self { world: Mutex::new(world), options, http, tasks: Mutex::default() }))
    }

    /// Does something later, until the emulator stops.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }
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
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as the base of the API.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client for its controls.
    pub fn client(&self) -> Client {
        Client::new(&self.url())
    }

    /// Stops deliveries, finishes open requests, and stops listening.
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

    /// Waits until it ends by itself, which it does only when its socket fails.
    pub async fn ended(&mut self) {
        let _ = (&mut self.server).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.tasks.lock().abort_all();
        self.server.abort();
    }
}

/// Serves the emulator on a socket.
pub async fn serve(listener: TcpListener, options: Options) -> anyhow::Result<Running> {
    let address = listener.local_addr()?;
    let shared = Shared::new(options)?;
    let app = router(shared.clone()).into_make_service_with_connect_info::<sever::Scissors>();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(sever::Listener(listener), app).with_graceful_shutdown(async move {
        let _ = stopped.await;
    });
    let server = tokio::spawn(server.into_future());
    tracing::info!(%address, "the WhatsApp emulator listens");
    Ok(Running { address, stop: Some(stop), server, shared })
}

/// The same on a free port of this machine.
pub async fn serve_locally(options: Options) -> anyhow::Result<Running> {
    serve(TcpListener::bind("127.0.0.1:0").await?, options).await
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(control::phone))
        .route("/_control/numbers", post(control::register).get(control::numbers))
        .route("/_control/people", post(control::person))
        .route("/_control/templates", post(control::template))
        .route("/_control/inbound", post(inbound::receive))
        .route("/_control/flush", post(inbound::flush))
        .route("/_control/webhook", post(inbound::raw))
        .route("/_control/faults", post(control::faults).get(control::show_faults))
        .route("/_control/messages", get(control::messages))
        .route("/_control/inbound_messages", get(control::inbound_messages))
        .route("/_control/calls", get(control::calls))
        .route("/_control/webhooks", get(control::webhooks))
        .route("/_control/reset", delete(control::reset).post(control::reset))
        .route("/_media/{media_id}", get(media::download))
        .route("/{version}/{phone_number_id}/messages", post(send::messages))
        .route("/{version}/{media_id}", get(media::look_up))
        .fallback(send::unknown_path)
        .layer(axum::extract::DefaultBodyLimit::max(4 * 1024 * 1024))
        .with_state(shared)
}

#[cfg(test)]
mod tests;
