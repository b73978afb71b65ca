//! The service below async-openai: sends once, keeps what the client would throw away, and caps what it would not.
//!
//! Putting a service of our own here takes the client's retries away. Refusals keep their `Retry-After`; bodies are
//! read up to a limit; and an answer that was not streamed, though asked for, is made to look as if it had been.

use std::{
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_openai::{error::OpenAIError, middleware::HttpRequestFactory};
use chrono::DateTime;
use futures::{Stream, StreamExt, TryStreamExt, future, stream};
use reqwest::{
    Body, Client, Response,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
    redirect,
};
use tower::{BoxError, service_fn};

use crate::model::LlmError;

/// How long connecting may take; the call's own limits come on top.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of a refusal is read.
const REFUSAL_BYTES: usize = 64 << 10;

/// An answer with an error status.
#[derive(Debug, thiserror::Error)]
#[error("status {status}")]
pub(super) struct Refusal {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

/// An answer without end.
#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than {0} bytes")]
struct TooLong(usize);

/// The HTTP client. It follows no redirect: a key goes to the address it was meant for, and nowhere else.
pub(super) fn http_client() -> Result<Client, LlmError> {
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|error| LlmError::Permanent(format!("no HTTP client: {error}")))
}

/// The service.
pub(super) fn service(
    http: Client,
    limit: usize,
) -> impl tower::Service<
    HttpRequestFactory,
    Response = Response,
    Error = BoxError,
    Future = impl Future<Output = Result<Response, BoxError>> + Send + 'static,
> + Clone
+ Send
+ Sync
+ 'static {
    service_fn(move |factory: HttpRequestFactory| {
        let http = http.clone();
        async move { send(&http, factory, limit).await }
    })
}

async fn send(http: &Client, factory: HttpRequestFactory, limit: usize) -> Result<Response, BoxError> {
    let request = factory.build().await.map_err(|error: OpenAIError| Box::new(error))?;
    let streamed = request.url().path().ends_with("/chat/completions");
    let response = http.execute(request).await.map_err(reqwest::Error::without_url)?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    if !response.status().is_success() {
        let retry_after = retry_after(&headers, SystemTime::now());
        let body = read_some(response, REFUSAL_BYTES).await;
        return Err(Box::new(Refusal { status, retry_after, body }));
    }
    let capped = capped(response.bytes_stream().map_err(io::Error::other), limit);
    let body = if streamed && is_json(&headers) {
        let parts: Vec<bytes::Bytes> = capped.try_collect().await?;
        Body::from(as_event(&parts.concat()))
    } else {
        Body::wrap_stream(capped)
    };
    let mut response = http::Response::new(body);
    *response.headers_mut() = headers;
    Ok(response.into())
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.trim_start().starts_with("application/json"))
}

/// One event of a stream; an event's data must not hold line breaks, which in JSON mean nothing outside strings.
fn as_event(json: &[u8]) -> Vec<u8> {
    let mut event = b"data: ".to_vec();
    event.extend(json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    event.extend_from_slice(b"\n\n");
    event
}

/// The stream up to `limit` bytes, and an error where it would go on.
fn capped(
    parts: impl Stream<Item = io::Result<bytes::Bytes>> + Send + 'static,
    limit: usize,
) -> impl Stream<Item = io::Result<bytes::Bytes>> + Send + 'static {
    let mut read = 0usize;
    let mut over = false;
    parts
        .map(move |part| {
            let part = part?;
            read += part.len();
            if read > limit { Err(io::Error::other(TooLong(limit))) } else { Ok(part) }
        })
        .take_while(move |part| {
            // The error itself still goes through; nothing after it does.
            let go_on = !over;
            over |= part.is_err();
            future::ready(go_on)
        })
}

async fn read_some(response: Response, limit: usize) -> Vec<u8> {
    let mut parts = std::pin::pin!(response.bytes_stream().chain(stream::empty()));
    let mut body = Vec::new();
    while let Some(Ok(part)) = parts.next().await {
        let room = limit.saturating_sub(body.len());
        body.extend_from_slice(&part[..part.len().min(room)]);
        if body.len() == limit {
            break;
        }
    }
    body
}

/// Seconds, milliseconds or a date. Source: RFC 9110 §10.2.3; `retry-after-ms` is OpenAI's own.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(ms) = text("retry-after-ms").and_then(|ms| ms.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(ms / 1000.0).ok();
    }
    let after = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = after.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = DateTime::parse_from_rfc2822(after).ok()?;
    let now = i64::try_from(now.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()?;
    Some(Duration::from_secs(u64::try_from(date.timestamp() - now).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_milliseconds_or_date() {
        let now = UNIX_EPOCH + Duration::from_secs(1_445_412_470); // Wed, 21 Oct 2015 07:27:50 GMT
        let after = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a header value"));
            retry_after(&headers, now)
        };
        assert_eq!(after("retry-after", "20"), Some(Duration::from_secs(20)));
        assert_eq!(after("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(after("retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(after("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(after("retry-after", "Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(after("retry-after", "-5"), None);
        assert_eq!(after("retry-after", "soon"), None);
    }
}
