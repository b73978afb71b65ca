//! Traces, as a collector sees them: the real program sends OTLP to a small server that decodes it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use balcao_emulators::openai::OpenAiEmulator;
use balcao_tests::process::Installation;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
};
use parking_lot::Mutex;
use prost::Message;
use serde_json::json;

/// A span: its name, and its attributes as text.
type Seen = (String, BTreeMap<String, String>);

#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Seen>>>,
    services: Arc<Mutex<Vec<String>>>,
}

impl Collector {
    /// Listens; the address.
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let router = Router::new().route("/v1/traces", post(receive)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    fn find(&self, name: &str) -> Option<Seen> {
        self.spans.lock().iter().find(|(seen, _)| seen.starts_with(name)).cloned()
    }
}

async fn receive(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let sent = ExportTraceServiceRequest::decode(body).expect("OTLP");
    for resource in sent.resource_spans {
        let about = attributes(resource.resource.map(|it| it.attributes).unwrap_or_default());
        collector.services.lock().extend(about.get("service.name").cloned());
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        collector.spans.lock().extend(spans.map(|span| (span.name, attributes(span.attributes))));
    }
}

fn attributes(all: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let value = |one: KeyValue| Some((one.key, text(one.value?.value?)));
    all.into_iter().filter_map(value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_sees_each_model_call_with_the_genai_conventions_and_no_words() {
    let collector = Collector::default();
    let endpoint = collector.start().await;
    let model = OpenAiEmulator::start_local().await.expect("the emulator starts");
    let base_url = model.base_url();
    // Logs of warnings only: that must not cost the traces.
    let place = Installation::new(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("BALCAO_LLM_BASE_URL", &base_url),
        ("BALCAO_LLM_API_KEY", "sk-test"),
        ("BALCAO_LLM_MODEL", "gpt-test"),
    ]);
    place.json(&["tenant", "create", "padaria", "--name", "Padaria"]);
    let key = place.json(&["key", "issue", "--tenant", "padaria", "--name", "t", "--scope", "chat"]);
    let key = key["secret"].as_str().expect("the key is shown once").to_owned();
    let mut server = place.serve(None);
    server.ready().await;
    let said = reqwest::Client::new()
        .post(format!("{}/v1/conversations/segredo-do-cliente/messages", place.url()))
        .bearer_auth(key)
        .json(&json!({ "text": "vocês fazem bolo de abacaxi com doce de leite?" }))
        .send()
        .await
        .expect("the server answers");
    assert_eq!(said.status().as_u16(), 200);
    for _ in 0..200 {
        if collector.find("chat gpt-test").is_some() && collector.find("POST ").is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.interrupt().await;

    let (_, about) = collector.find("chat gpt-test").expect("a span of the model call");
    for (key, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "gpt-test"),
    ] {
        assert_eq!(about.get(key).map(String::as_str), Some(value), "{key}: {about:?}");
    }
    let seen = |key: &str| about.get(key).is_some_and(|value| !value.is_empty());
    assert!(seen("tenant.id") && seen("gen_ai.request.max_tokens"), "{about:?}");
    assert!(
        seen("error.type") || (seen("gen_ai.response.model") && seen("gen_ai.usage.input_tokens")),
        "{about:?}"
    );
    let (name, about) = collector.find("POST ").expect("a span of the request");
    assert_eq!(name, "POST /v1/conversations/{id}/messages", "the route, not the path");
    assert_eq!(about.get("http.route").map(String::as_str), Some("/v1/conversations/{id}/messages"));
    assert!(collector.services.lock().iter().all(|name| name == "balcao"));
    let everything = format!("{:?}", collector.spans.lock());
    assert!(!everything.contains("abacaxi") && !everything.contains("segredo-do-cliente"), "{everything}");
}
