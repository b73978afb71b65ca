//! Catalogues that are followed: read when they are due, side by side, each host behind its own breaker. While a source is
//! away what was read last stays on the shelf, and its age is known.

use std::{io::Write, time::Duration};

use balcao_catalog::{
    File, Options, Source,
    import::{Import, ImportError},
};
use balcao_domain::{FeedId, TenantCtx, TenantId, breaker::Config};
use balcao_store::{
    StoreError,
    sales::feeds::{self, Feed},
    tenants,
};
use futures::{StreamExt, stream};
use secrecy::ExposeSecret;

use crate::{
    breakers::{CallError, Class},
    shared::Shared,
};

/// Feeds of one sweep, and how many of them at once.
const LIMIT: i32 = 32;
const ABREAST: usize = 4;
/// How long a feed is claimed: longer than reading the largest takes.
const CLAIM: Duration = Duration::from_secs(15 * 60);
/// How long a source may say nothing.
const SILENCE: Duration = Duration::from_secs(60);
/// The largest feed that is read, in bytes.
const LARGEST: u64 = 2 * 1024 * 1024 * 1024;
const SHORTEST_PAUSE: Duration = Duration::from_secs(30);

/// What a source gave.
enum Fetched {
    /// The same as before.
    Unchanged,
    /// This, with what tells the version.
    New { file: tempfile::NamedTempFile, etag: Option<String>, last_modified: Option<String> },
}

/// Why a feed could not be fetched.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("it answers with status {status}")]
    Status { status: u16, retry_after: Option<Duration> },
    #[error("it cannot be reached: {0}")]
    Away(String),
    #[error("it is larger than {} GB", LARGEST >> 30)]
    TooLarge,
    #[error("{0}")]
    Here(String),
    /// The breaker refused.
    #[error("it has been failing and is left alone for a while")]
    LeftAlone,
}

/// Reads what is due; whether there may be more.
pub(crate) async fn poll_due(shared: &Shared) -> Result<bool, StoreError> {
    let due = feeds::due(&shared.store, LIMIT).await?;
    let soon = due.len() >= LIMIT as usize;
    stream::iter(due)
        .for_each_concurrent(ABREAST, |(tenant_id, id)| async move {
            // One feed's trouble is not the others'.
            if let Err(error) = poll(shared, tenant_id, id).await {
                tracing::warn!(tenant.id = %tenant_id, feed.id = %id, %error, "a feed could not be dealt with");
            }
        })
        .await;
    Ok(soon)
}

async fn poll(shared: &Shared, tenant_id: TenantId, id: FeedId) -> Result<(), StoreError> {
    let ctx = TenantCtx::system(tenant_id);
    let mut tx = shared.store.tenant_tx(&ctx).await?;
    let Some(feed) = feeds::take(&mut tx, id, CLAIM).await? else { return Ok(()) };
    let language = tenants::get(&mut tx).await?.language;
    tx.commit().await?;
    let outcome = match guarded(shared, &feed).await {
        Ok(Fetched::Unchanged) => Ok((None, feed.etag.clone(), feed.last_modified.clone())),
        Ok(Fetched::New { file, etag, last_modified }) => {
            let options = Options::new(
                feed.currency.parse().unwrap_or(balcao_domain::money::Currency::BRL),
                language,
                chrono::Utc::now(),
            );
            match import(shared, &ctx, &feed, &file, options).await {
                Ok(products) => Ok((Some(products), etag, last_modified)),
                Err(why) => Err(Trouble::Here(why)),
            }
        }
        Err(trouble) => Err(trouble),
    };
    let mut tx = shared.store.tenant_tx(&ctx).await?;
    match outcome {
        Ok((products, etag, last_modified)) => {
            feeds::read(&mut tx, id, products, etag.as_deref(), last_modified.as_deref()).await?;
        }
        Err(trouble) => {
            metrics::counter!("balcao_feeds_failed_total", "source" => feed.source.clone()).increment(1);
            tracing::warn!(tenant.id = %tenant_id, feed.id = %id, source = feed.source, error = %trouble,
                "a feed could not be read; what was read before stays on the shelf");
            feeds::failed(&mut tx, id, &trouble.to_string(), pause(&feed, &trouble)).await?;
        }
    }
    tx.commit().await
}

/// As long again as it has been failing, but no longer than it would be read anyway, and not before the source wants it.
fn pause(feed: &Feed, trouble: &Trouble) -> Duration {
    let every = Duration::from_secs(u64::try_from(feed.every_seconds).unwrap_or(3_600));
    let doublings = u32::try_from(feed.failures).unwrap_or_default().min(10);
    let own = (SHORTEST_PAUSE * 2_u32.pow(doublings)).min(every);
    match trouble {
        Trouble::Status { retry_after: Some(asked), .. } => own.max(*asked),
        _ => own,
    }
}

async fn guarded(shared: &Shared, feed: &Feed) -> Result<Fetched, Trouble> {
    let url: reqwest::Url = feed.url.parse().map_err(|_| Trouble::Here("its address is none".into()))?;
    let name = format!("catalogue:{}", url.host_str().unwrap_or_default());
    let gate = shared.breakers.gate(&name, Config { slow_total: SILENCE, ..Config::default() }).await;
    match gate.call(class_of, fetch(feed, url)).await {
        Ok(fetched) => Ok(fetched),
        Err(CallError::Rejected(_)) => Err(Trouble::LeftAlone),
        Err(CallError::Failed(trouble)) => Err(trouble),
    }
}

fn class_of(result: &Result<Fetched, Trouble>) -> Class {
    match result {
        Ok(_) => Class::Success,
        Err(Trouble::Status { status: 429, retry_after }) => Class::RateLimited { retry_after: *retry_after },
        Err(Trouble::Status { status: 500.., retry_after }) => Class::Failure { retry_after: *retry_after },
        // About this one address: the host is well.
        Err(Trouble::Status { .. } | Trouble::TooLarge) => Class::ClientBug,
        Err(Trouble::Away(_)) => Class::Failure { retry_after: None },
        Err(Trouble::Here(_) | Trouble::LeftAlone) => Class::LocalReject,
    }
}

/// To disk, since feeds are read more than once and may be larger than the memory.
async fn fetch(feed: &Feed, url: reqwest::Url) -> Result<Fetched, Trouble> {
    let away = |error: reqwest::Error| Trouble::Away(error.without_url().to_string());
    let here = |error: std::io::Error| Trouble::Here(error.to_string());
    let client = reqwest::Client::builder()
        .connect_timeout(SILENCE)
        .read_timeout(SILENCE)
        .user_agent("balcao")
        .build();
    let mut request = client.map_err(away)?.get(url);
    if let Some(headers) = &feed.headers {
        let headers: std::collections::BTreeMap<String, String> =
            serde_json::from_str(headers.expose_secret())
                .map_err(|_| Trouble::Here("its headers cannot be read".into()))?;
        for (name, value) in headers {
            request = request.header(name, value);
        }
    }
    if let Some(etag) = &feed.etag {
        request = request.header("if-none-match", etag);
    }
    if let Some(at) = &feed.last_modified {
        request = request.header("if-modified-since", at);
    }
    let mut answer = request.send().await.map_err(away)?;
    let header =
        |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (etag, last_modified) = (header("etag"), header("last-modified"));
    let status = answer.status().as_u16();
    match status {
        304 => return Ok(Fetched::Unchanged),
        200..=299 => {}
        _ => {
            let retry_after =
                header("retry-after").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
            return Err(Trouble::Status { status, retry_after });
        }
    }
    let mut file = tempfile::NamedTempFile::new().map_err(here)?;
    let mut length = 0_u64;
    while let Some(chunk) = answer.chunk().await.map_err(away)? {
        length += chunk.len() as u64;
        if length > LARGEST {
            return Err(Trouble::TooLarge);
        }
        file.write_all(&chunk).map_err(here)?;
    }
    Ok(Fetched::New { file, etag, last_modified })
}

async fn import(
    shared: &Shared,
    ctx: &TenantCtx,
    feed: &Feed,
    file: &tempfile::NamedTempFile,
    options: Options,
) -> Result<i64, String> {
    let source: Source =
        feed.source.parse().map_err(|error: balcao_catalog::UnknownSource| error.to_string())?;
    let import = Import { source, files: vec![File::at(file.path())], options, complete: feed.complete };
    let report = import.run(&shared.store, ctx, &|_| {}).await.map_err(|error| words(&error))?;
    // A feed that says nothing at all is a broken one.
    if report.products == 0 {
        return Err("there is no product in it".into());
    }
    Ok(i64::try_from(report.products).unwrap_or(i64::MAX))
}

fn words(error: &ImportError) -> String {
    error.to_string()
}
