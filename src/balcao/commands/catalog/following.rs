//! Addresses that are read again and again.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, bail};
use balcao_domain::{FeedId, TenantCtx, money::Currency};
use balcao_store::sales::feeds::{self, Feed, NewFeed};
use secrecy::SecretString;

use super::source_of;
use crate::{
    boot::Opened,
    cli::{Catalog, Global},
    output,
};

pub(super) async fn run(global: &Global, opened: &Opened, command: Catalog) -> anyhow::Result<()> {
    let (Catalog::Follow { tenant, .. } | Catalog::Feeds { tenant } | Catalog::Unfollow { tenant, .. }) =
        &command
    else {
        return Ok(());
    };
    let shop = opened.tenant(tenant).await?;
    let mut tx = opened.store.tenant_tx(&TenantCtx::system(shop.tenant_id)).await?;
    match command {
        Catalog::Follow { url, from, every, currency, complete, headers_file, .. } => {
            let parsed = reqwest::Url::parse(&url).with_context(|| format!("`{url}` is no address"))?;
            if !matches!(parsed.scheme(), "http" | "https") {
                bail!("`{url}` is neither http nor https");
            }
            let headers = match headers_file {
                Some(path) => {
                    let text = std::fs::read_to_string(&path)
                        .with_context(|| format!("failed to read `{}`", path.display()))?;
                    serde_json::from_str::<BTreeMap<String, String>>(&text).context(
                        "the file of headers is no JSON object of texts, such as {\"authorization\": \"Bearer …\"}",
                    )?;
                    Some(SecretString::from(text))
                }
                None => None,
            };
            let new = NewFeed {
                source: source_of(&from)?.id().to_owned(),
                url,
                currency: currency.parse::<Currency>()?.code().to_owned(),
                complete,
                every: time(&every)?,
                headers,
            };
            let id = feeds::follow(&mut tx, &new).await.context("failed to store the feed")?;
            tx.commit().await?;
            output::print(global.json, &serde_json::json!({ "feed_id": id }), |_| {
                println!("{id} is read by a running server from now on, every {every}");
            })
        }
        Catalog::Unfollow { id, .. } => {
            let feed: FeedId = id.parse().context("a feed is called fed_… (see `balcao catalog feeds`)")?;
            if !feeds::leave(&mut tx, feed).await? {
                bail!("there is no feed `{id}` in this shop (see `balcao catalog feeds`)");
            }
            tx.commit().await?;
            println!("{id} is read no more; what was read from it stays on the shelf");
            Ok(())
        }
        _ => {
            let all = feeds::list(&mut tx).await.context("failed to list the feeds")?;
            output::print(global.json, &all, |all| {
                output::table(
                    ["feed", "source", "address", "every", "read last", "products", "trouble"],
                    all.iter().map(row),
                );
            })
        }
    }
}

fn row(feed: &Feed) -> [String; 7] {
    [
        feed.feed_id.to_string(),
        feed.source.clone(),
        feed.url.clone(),
        format!("{} min", feed.every_seconds / 60),
        feed.last_ok_at
            .map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string())
            .unwrap_or_else(|| "never".into()),
        feed.products.to_string(),
        feed.last_error.clone().unwrap_or_default(),
    ]
}

/// `15m`, `1h`, `1d`: a minute to a week.
fn time(written: &str) -> anyhow::Result<Duration> {
    let (number, unit) =
        written.split_at(written.len() - written.chars().next_back().map_or(0, char::len_utf8));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => bail!("`{written}` is no time: write 15m, 1h or 1d"),
    };
    let number: u64 =
        number.parse().with_context(|| format!("`{written}` is no time: write 15m, 1h or 1d"))?;
    let time = number.saturating_mul(seconds);
    if !(60..=604_800).contains(&time) {
        bail!("`{written}` is not between a minute and a week");
    }
    Ok(Duration::from_secs(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (written, seconds) in [("15m", 900), ("1h", 3_600), ("7d", 604_800), ("60s", 60)] {
            assert_eq!(time(written).expect("a time"), Duration::from_secs(seconds));
        }
        for wrong in ["", "1", "h", "30s", "8d", "1w", "-5m", "15 m", "é"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
