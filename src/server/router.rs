//! All routes on one screen, and the layers around them.

use std::any::Any;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, Request, StatusCode, header},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::CorsLayer,
    request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    timeout::TimeoutLayer,
    trace::TraceLayer,
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        SecurityRequirement, Server,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    ApiError, App, ServerSettings,
    auth::authenticate,
    describe,
    error::{Problem, REQUEST_ID, finish},
    page,
    routes::{
        after, breakers, conversations, customers, dead_letters, demo, documents, events, health, keys,
        messages, money, openai, payments, sales, search, turns, webhook,
    },
    telemetry,
};

/// Everything the server answers.
pub fn router(app: App) -> Router {
    let (api, mut document) = api(&app.settings).split_for_parts();
    describe::complete(&mut document);
    let document = serde_json::to_string(&document).unwrap_or_else(|_| "{}".into());
    let served = move || {
        let document = document.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], document) }
    };
    let talk = api
        .route_layer(from_fn_with_state(app.clone(), authenticate))
        .merge(page::routes())
        .merge(health::routes())
        .route("/demo/session", get(demo::session))
        .route("/openapi.json", get(served))
        .fallback(async || ApiError::NotFound("path"))
        .layer(around(&app.settings));
    // The webhook carries the load: it has no layer but its own code.
    talk.merge(webhook::routes()).merge(payments::routes()).with_state(app)
}

/// The API, and its description. Who may call is in each handler's signature.
fn api(settings: &ServerSettings) -> OpenApiRouter<App> {
    let uploads = OpenApiRouter::new()
        .routes(routes!(documents::put, documents::list))
        .routes(routes!(sales::take_in))
        .layer(DefaultBodyLimit::max(settings.document_body_bytes));
    let mut document = Description::openapi();
    document.servers = Some(vec![Server::new(settings.public_url.trim_end_matches('/'))]);
    OpenApiRouter::with_openapi(document)
        .routes(routes!(messages::say, messages::history))
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::get))
        .routes(routes!(conversations::hand_off, conversations::give_back))
        .routes(routes!(conversations::human_says))
        .routes(routes!(search::search))
        .routes(routes!(documents::get, documents::remove))
        .routes(routes!(turns::get))
        .routes(routes!(events::list))
        .routes(routes!(breakers::list))
        .routes(routes!(breakers::order))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::get))
        .routes(routes!(dead_letters::replay))
        .routes(routes!(dead_letters::resolve))
        .routes(routes!(customers::find))
        .routes(routes!(customers::export))
        .routes(routes!(customers::erase))
        .routes(routes!(sales::find))
        .routes(routes!(sales::list))
        .routes(routes!(sales::get))
        .routes(routes!(sales::cancel))
        .routes(routes!(sales::ledger))
        .routes(routes!(sales::money))
        .routes(routes!(after::ship))
        .routes(routes!(after::deliver))
        .routes(routes!(after::returns))
        .routes(routes!(after::decide))
        .routes(routes!(money::cart))
        .routes(routes!(money::charges))
        .routes(routes!(money::charge))
        .routes(routes!(money::give_back))
        .routes(routes!(money::commissions))
        .routes(routes!(money::compared))
        .routes(routes!(keys::list, keys::issue))
        .routes(routes!(keys::revoke))
        .routes(routes!(openai::models::list))
        .routes(routes!(openai::models::get))
        .routes(routes!(openai::completions::complete))
        .layer(DefaultBodyLimit::max(settings.api_body_bytes))
        .merge(uploads)
}

/// The OpenAPI document, as it is served at `/openapi.json`.
pub fn description(settings: &ServerSettings) -> utoipa::openapi::OpenApi {
    let mut document = api(settings).into_openapi();
    describe::complete(&mut document);
    document
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Balcão",
        description = "The counter where a shop serves its customers. Every request carries a key of one shop \
                       (`Authorization: Bearer bk_…`) and sees that shop alone. Errors are RFC 9457 problems, save \
                       on the OpenAI-compatible routes, which speak OpenAI's.",
    ),
    components(schemas(Problem)),
    modifiers(&Keys),
    tags(
        (name = "conversations", description = "Talk as a customer, and read what was said. Scope `chat`."),
        (name = "hand-off", description = "Let a person of the shop answer. Scope `admin`."),
        (name = "knowledge", description = "What the shop knows. Search: scope `chat`; documents: scope `ingest`."),
        (name = "sales", description = "What the shop sells, orders, money. Search: scope `chat`; catalogues: scope `ingest`; \
                                        the rest: scope `admin`."),
        (name = "openai", description = "The same conversations in OpenAI's protocol. Scope `chat`."),
        (name = "events", description = "What happened. Scope `admin`."),
        (name = "admin", description = "Breakers, dead letters and keys. Scope `admin`."),
    ),
)]
struct Description;

struct Keys;

impl Modify for Keys {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("bk_…")
            .description(Some("A key of one shop, with the scopes `chat`, `ingest` or `admin`."))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(bearer));
        openapi.security = Some(vec![SecurityRequirement::new("key", Vec::<String>::new())]);
    }
}

/// From the outside in: an id, the shape of errors, counting and tracing, panics, time, origins.
fn around(
    settings: &ServerSettings,
) -> impl tower::Layer<
    axum::routing::Route,
    Service: tower::Service<
        Request<axum::body::Body>,
        Response: IntoResponse + 'static,
        Error: Into<std::convert::Infallible> + 'static,
        Future: Send + 'static,
    > + Clone
                 + Send
                 + Sync
                 + 'static,
> + Clone
+ Send
+ Sync
+ 'static {
    let id = HeaderName::from_static(REQUEST_ID);
    ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(id.clone(), NewId))
        .layer(from_fn(finish))
        .layer(PropagateRequestIdLayer::new(id))
        .layer(from_fn(telemetry::http::count))
        .layer(TraceLayer::new_for_http().make_span_with(telemetry::http::span).on_failure(()))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, settings.request_timeout))
        .layer(cors(settings))
}

#[derive(Debug, Clone, Copy)]
struct NewId;

impl MakeRequestId for NewId {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&format!("req_{}", Uuid::now_v7().simple())).ok().map(RequestId::new)
    }
}

/// A handler panicked: that is a bug, and the caller's answer is civil all the same.
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let what = panic.downcast_ref::<String>().map(String::as_str);
    let what = what.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
    tracing::error!(panic = what, "a handler panicked");
    metrics::counter!("balcao_http_panics_total").increment(1);
    ApiError::Internal.into_response()
}

/// Our own page needs none of this; other sites are let in by name only.
fn cors(settings: &ServerSettings) -> CorsLayer {
    let origins: Vec<HeaderValue> =
        settings.cors_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
        ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_openapi_3_1_and_every_operation_is_documented() {
        let document = serde_json::to_value(description(&ServerSettings::default())).expect("it serialises");
        assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
        let paths = document["paths"].as_object().expect("paths");
        assert!(paths.len() >= 18, "{}", paths.len());
        let mut ids = std::collections::HashSet::new();
        for (path, item) in paths {
            for (method, operation) in item.as_object().expect("an item") {
                let summary = operation["summary"].as_str().unwrap_or_default();
                assert!(!summary.is_empty(), "{method} {path} has no summary");
                assert!(
                    operation["responses"].as_object().is_some_and(|all| !all.is_empty()),
                    "{method} {path}"
                );
                let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
                assert!(!id.is_empty() && ids.insert(id.clone()), "{method} {path}: `{id}` is not its own");
                assert!(
                    operation["responses"]["default"].is_object(),
                    "{method} {path} does not say how it fails"
                );
                assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{method} {path}");
            }
        }
    }

    #[test]
    fn every_reference_in_the_description_leads_somewhere() {
        let document = serde_json::to_value(description(&ServerSettings::default())).expect("it serialises");
        fn walk(value: &serde_json::Value, root: &serde_json::Value) {
            match value {
                serde_json::Value::Object(fields) => {
                    if let Some(target) = fields.get("$ref").and_then(|target| target.as_str()) {
                        let pointer = target.trim_start_matches('#');
                        assert!(root.pointer(pointer).is_some(), "{target} leads nowhere");
                    }
                    fields.values().for_each(|value| walk(value, root));
                }
                serde_json::Value::Array(items) => items.iter().for_each(|value| walk(value, root)),
                _ => {}
            }
        }
        walk(&document, &document);
    }
}
