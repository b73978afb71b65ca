//! axum: routes, extractors, errors, telemetry.
//!
//! What the world sees of Balcão: the webhook of WhatsApp, the chat API, its OpenAI-compatible twin, the chat page,
//! health and metrics. Handlers are thin: they parse into the nouns of `domain`, say in their signature who may
//! call, and hand over to the store or to the running system. Knows nothing of SQL, of models or of actors' insides.
//!
//! Reading order: [`app`] (what every handler shares), [`router`](mod@router) (all routes on one screen), [`error`] and [`auth`]
//! (what may go wrong, who may call), [`converse`] (one turn through the engine, as the API sees it), then
//! [`routes`], one file a noun; [`telemetry`] for logs, traces and metrics.

pub mod app;
pub mod auth;
pub mod converse;
pub mod describe;
pub mod error;
pub mod extract;
pub mod idempotency;
pub mod limits;
pub mod page;
pub mod people;
pub mod router;
pub mod routes;
pub mod serve;
pub mod telemetry;

pub use app::{App, DemoShop, Parts, ServerSettings};
pub use error::ApiError;
pub use router::router;
pub use serve::serve;
