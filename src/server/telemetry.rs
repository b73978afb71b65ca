//! Logs, traces and metrics: set up once, by the program.
//!
//! Logs go to standard error, for people or as JSON. Traces go to an OTLP endpoint when one is set. Metrics are
//! rendered at `/metrics`. None of them ever carries message texts, phone numbers or tokens.

pub mod http;
pub mod model;

use std::sync::OnceLock;

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

pub use model::traced;

/// Bounds of the histograms, in seconds: from a fast acknowledgement to a slow turn.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How to log and where to trace.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    /// What to log, as `RUST_LOG` writes it: `info,balcao_actors=debug`.
    pub filter: String,
    /// One JSON object a line instead of text for people.
    pub json: bool,
    /// Where to send traces, as `OTEL_EXPORTER_OTLP_ENDPOINT` writes it: `http://localhost:4318`.
    pub otlp_endpoint: Option<String>,
}

/// Sends what is left of the traces when dropped.
#[derive(Debug, Default)]
pub struct Guard(Option<SdkTracerProvider>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(|provider| provider.shutdown()) {
            // The subscriber may be gone by now.
            eprintln!("failed to send the last traces: {error}");
        }
    }
}

impl Telemetry {
    /// Begins logging, and tracing where an endpoint is set. Keep the guard until the end.
    ///
    /// # Errors
    /// Fails on a filter that cannot be read, an endpoint that is no URL, or when called twice.
    pub fn start(&self) -> anyhow::Result<Guard> {
        let filter = if self.filter.is_empty() { "info" } else { &self.filter };
        let filter: EnvFilter =
            filter.parse().with_context(|| format!("failed to read the filter `{filter}`"))?;
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let lines =
            if self.json { lines.json().flatten_event(true).boxed() } else { lines.compact().boxed() };
        let lines = lines.with_filter(filter);
        let provider = self.otlp_endpoint.as_deref().map(provider).transpose()?;
        // Whoever logs little still gets whole traces: of our spans, not of what the HTTP client says to itself.
        let ours = Targets::new().with_target("balcao", LevelFilter::INFO);
        let traces = provider.as_ref().map(|provider| {
            tracing_opentelemetry::layer().with_tracer(provider.tracer("balcao")).with_filter(ours)
        });
        tracing_subscriber::registry()
            .with(lines)
            .with(traces)
            .try_init()
            .context("failed to begin logging")?;
        Ok(Guard(provider))
    }
}

/// Sends spans to an OTLP endpoint over HTTP, in batches, from a thread of its own.
fn provider(endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(&url)
        .with_protocol(Protocol::HttpBinary)
        .build()
        .with_context(|| format!("failed to send traces to `{url}`"))?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let name = std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "balcao".into());
    let resource = Resource::builder().with_service_name(name).with_attribute(version).build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

/// The process's metrics: installed at the first call, the same ever after.
///
/// # Errors
/// Fails when another recorder is installed already.
pub fn metrics_recorder() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
    let install = || {
        PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|error| error.to_string())
    };
    HANDLE.get_or_init(install).clone().map_err(|error| anyhow::anyhow!("failed to collect metrics: {error}"))
}
