//! `/webhooks/payments/{account}`: where payment providers and shop systems report.
//!
//! The signature is checked over the raw bytes before anything is read, by the provider's own recipe; 200 is answered
//! only after the events are committed, and a repeated one finds itself there. Nothing is applied here: that is done in
//! the background, so that a report is never lost between "heard" and "booked".

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use balcao_domain::{PaymentAccountId, TenantCtx};
use balcao_payments::webhook::{self, Event, Malformed, Reception, Secrets};
use balcao_store::{
    StoreError,
    sales::reports::{self, Account, NewEvent},
};
use moka::future::Cache;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::App;

/// The longest report that is read. The providers' own are a few kilobytes; API Pix lists up to a thousand receipts.
const MAX_BODY: usize = 1024 * 1024;

/// New keys are felt after this long at most.
const FRESH: Duration = Duration::from_secs(5);

/// Accounts remembered at most, unknown ids among them, so that nobody can make us ask the database for each guess.
const REMEMBERED: u64 = 20_000;

/// A short memory of accounts in front of the store.
pub struct Accounts(Cache<PaymentAccountId, Option<Arc<Account>>>);

impl Default for Accounts {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED).time_to_live(FRESH).build())
    }
}

/// The routes: bare, without the layers of the API. API Pix appends `/pix` to the address it was given.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/webhooks/payments/{account}", post(deliver))
        .route("/webhooks/payments/{account}/pix", post(deliver))
}

async fn deliver(State(app): State<App>, Path(account): Path<String>, request: Request) -> Response {
    let started = std::time::Instant::now();
    let status = match accept(&app, &account, request).await {
        Ok(status) | Err(status) => status,
    };
    metrics::histogram!("balcao_payment_webhook_seconds").record(started.elapsed());
    status.into_response()
}

async fn accept(app: &App, id: &str, request: Request) -> Result<StatusCode, StatusCode> {
    let account = account(app, id).await?;
    let provider = webhook::provider(&account.provider).ok_or(StatusCode::NOT_FOUND)?;
    let secrets = Secrets::from_json(&account.credentials).map_err(|error| {
        tracing::error!(payment_account.id = %account.account_id, %error, "the keys of a payment account cannot be read");
        StatusCode::SERVICE_UNAVAILABLE
    })?;
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let shop = account.tenant_id.to_string();
    let mut call = webhook::Request::new(&shop, parts.uri.query().unwrap_or_default(), &body);
    for (name, value) in &parts.headers {
        // A header that is no text is none of theirs: what needs it fails closed.
        if let Ok(value) = value.to_str() {
            call = call.with_header(name.as_str(), value);
        }
    }
    let reception = webhook::receive(provider, &call, &secrets, chrono::Utc::now().timestamp());
    let status = StatusCode::from_u16(reception.status()).unwrap_or(StatusCode::UNAUTHORIZED);
    let events = match reception {
        Reception::Refused { why, .. } => {
            tracing::warn!(payment_account.id = %account.account_id, %why, "refused a payment webhook");
            return Err(status);
        }
        Reception::Acknowledged => return Ok(status),
        Reception::Trusted(events) | Reception::Hint(events) => events.into_iter().filter_map(kept).collect(),
        Reception::SetAside(malformed) => vec![unreadable(&malformed, &body)],
    };
    if !events.is_empty() {
        keep(app, &account, &events, &body).await.map_err(|error| {
            // The provider will report it again.
            tracing::error!(payment_account.id = %account.account_id, %error, "a payment report could not be stored");
            StatusCode::SERVICE_UNAVAILABLE
        })?;
        app.system.payments_arrived();
    }
    Ok(status)
}

async fn account(app: &App, id: &str) -> Result<Arc<Account>, StatusCode> {
    let id: PaymentAccountId = id.parse().map_err(|_| StatusCode::NOT_FOUND)?;
    let look_up = async { Ok::<_, StoreError>(reports::account(&app.store, id).await?.map(Arc::new)) };
    let found = app.payment_accounts.0.try_get_with(id, look_up).await.map_err(|error| {
        tracing::error!(%error, "a payment account could not be looked up");
        StatusCode::SERVICE_UNAVAILABLE
    })?;
    found.ok_or(StatusCode::NOT_FOUND)
}

/// An event to keep; none where there is nothing to keep it by, for then it says nothing we act upon.
fn kept(event: Event) -> Option<NewEvent> {
    let dedupe_key = event.dedupe_key.clone()?;
    let event = serde_json::to_value(event).ok()?;
    Some(NewEvent { dedupe_key, event })
}

/// A genuine call that cannot be read: kept for a person, once for each body.
fn unreadable(why: &Malformed, body: &[u8]) -> NewEvent {
    NewEvent {
        dedupe_key: format!("body:{}", hex::encode(Sha256::digest(body))),
        event: json!({ "malformed": why.to_string() }),
    }
}

async fn keep(app: &App, account: &Account, events: &[NewEvent], body: &[u8]) -> Result<(), StoreError> {
    let mut tx = app.store.tenant_tx(&TenantCtx::system(account.tenant_id)).await?;
    let new = reports::keep(&mut tx, account.account_id, events, body).await?;
    tx.commit().await?;
    metrics::counter!("balcao_payment_events_total", "provider" => account.provider.clone()).increment(new);
    Ok(())
}
