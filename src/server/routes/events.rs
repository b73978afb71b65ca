//! What happened in the shop: read it page by page, or listen.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, header},
    response::{
        IntoResponse, Response,
        sse::{Event as Sent, KeepAlive, Sse},
    },
};
use balcao_domain::TenantCtx;
use balcao_store::events::{self, Event};
use futures::{Stream, stream};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App,
    auth::Admin,
    error::Missing,
    extract::{PageQuery, Query},
};

/// How often a listener's next events are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Events sent at once at most.
const BATCH: i64 = 100;

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub struct Events {
    /// Oldest first.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<Event>,
    /// Give this back as `cursor` for what happened since.
    pub next_cursor: Option<String>,
}

/// What happened: hand-offs, opt-outs, alerts of the account, dead letters.
///
/// With `Accept: text/event-stream` the connection stays open and each event is sent as it happens; its `id` is
/// the cursor, so that a browser goes on where it was.
#[utoipa::path(get, path = "/v1/events", tag = "events", params(PageQuery), responses((status = 200, body = Events)))]
pub async fn list(
    State(app): State<App>,
    Admin(caller): Admin,
    Query(page): Query<PageQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let limit = page.limit()?;
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::ACCEPT).is_some_and(|accept| accept.contains("text/event-stream")) {
        let cursor = text(HeaderName::from_static("last-event-id")).map(str::to_owned);
        let stream = listen(app, caller.ctx(), cursor.or(page.cursor));
        return Ok(Sse::new(stream).keep_alive(KeepAlive::default()).into_response());
    }
    let (items, next_cursor) = read(&app, &caller.ctx(), page.cursor, limit).await?;
    Ok(axum::Json(Events { items, next_cursor }).into_response())
}

/// A page, and where the next one begins: at the end that is where this one ended.
async fn read(
    app: &App,
    ctx: &TenantCtx,
    cursor: Option<String>,
    limit: i64,
) -> Result<(Vec<Event>, Option<String>), ApiError> {
    let mut tx = app.store.tenant_tx(ctx).await?;
    let page = events::list(&mut tx, cursor.as_deref(), limit).await.missing("page")?;
    tx.commit().await?;
    Ok((page.items, page.next_cursor.or(cursor)))
}

fn listen(app: App, ctx: TenantCtx, cursor: Option<String>) -> impl Stream<Item = Result<Sent, Infallible>> {
    let pages = stream::unfold((app, ctx, cursor, false), async |(app, ctx, cursor, wait)| {
        if wait {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = app.stopping.cancelled() => return None,
            }
        }
        // A database that is away for a moment ends nobody's stream.
        let (items, next) = read(&app, &ctx, cursor.clone(), BATCH).await.unwrap_or((Vec::new(), cursor));
        let wait = (items.len() as i64) < BATCH;
        // Only the last of them carries the cursor: a listener cut off in between hears the rest again.
        let last = items.len();
        let cursor = |i: usize| next.as_deref().filter(|_| i + 1 == last);
        let sent: Vec<_> = items.iter().enumerate().map(|(i, event)| sent(event, cursor(i))).collect();
        Some((stream::iter(sent), (app, ctx, next, wait)))
    });
    futures::StreamExt::flatten(pages)
}

fn sent(event: &Event, cursor: Option<&str>) -> Result<Sent, Infallible> {
    let data = serde_json::to_string(event).unwrap_or_else(|_| "null".into());
    let sent = Sent::default().event(&event.kind).data(data);
    Ok(match cursor {
        Some(cursor) => sent.id(cursor),
        None => sent,
    })
}
