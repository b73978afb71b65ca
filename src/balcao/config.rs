//! Settings: `balcao.toml`, overridden by `BALCAO_*` environment variables, overridden by flags.
//!
//! Every setting is one line of [`table::SETTINGS`]; the file's sections, the names of the environment variables,
//! `balcao config show` and the check for unknown keys all follow from it.

mod load;
mod table;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use secrecy::SecretString;

pub use load::{Loaded, Overrides, load};

/// The effective settings, typed.
#[derive(Debug, Clone)]
pub struct Config {
    pub server: Server,
    pub database: Database,
    pub data_dir: PathBuf,
    pub assets_dir: PathBuf,
    pub prompts_dir: Option<PathBuf>,
    pub encryption_key: Option<SecretString>,
    pub llm: Llm,
    pub whatsapp: Whatsapp,
    pub engine: Engine,
    /// Shops' webhooks may go to private addresses, and without TLS.
    pub webhooks_allow_private: bool,
    pub log: Log,
}

/// The HTTP server.
#[derive(Debug, Clone)]
pub struct Server {
    pub listen: SocketAddr,
    /// How the outside reaches us, for the lines we print and the links we give.
    pub public_url: Option<String>,
    /// Requests a minute per API key.
    pub rate_per_minute: u32,
}

/// Which Postgres.
#[derive(Debug, Clone)]
pub struct Database {
    /// `None`: the embedded one.
    pub url: Option<SecretString>,
    pub max_connections: u32,
    /// What the embedded server takes in all: ours, and those of people's tools.
    pub embedded_connections: u32,
}

/// Which language model.
#[derive(Debug, Clone)]
pub struct Llm {
    pub base_url: Option<String>,
    pub api_key: Option<SecretString>,
    pub model: Option<String>,
    /// `json_schema`, `json_object` or `prompt`: how the endpoint is asked for structured output.
    pub structured: String,
    pub timeout: Duration,
    pub first_token_timeout: Duration,
    /// US dollars per million tokens.
    pub input_price: f64,
    pub output_price: f64,
    pub context_tokens: u32,
}

impl Llm {
    /// A model is configured when its name and either an endpoint or a key are known.
    pub fn is_configured(&self) -> bool {
        self.model.is_some() && (self.base_url.is_some() || self.api_key.is_some())
    }
}

/// Where the Cloud API is.
#[derive(Debug, Clone)]
pub struct Whatsapp {
    pub base_url: String,
    pub api_version: String,
}

/// The engine's own times.
#[derive(Debug, Clone)]
pub struct Engine {
    pub node: Option<String>,
    pub lease: Duration,
    pub idle: Duration,
    pub sweep: Duration,
    pub forget: Duration,
    pub unknown_grace: Duration,
    pub stale_after: Duration,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct Log {
    pub filter: String,
    /// `pretty` or `json`.
    pub format: String,
}

impl Config {
    /// Types the loaded values; an error names the key, where its value came from, and what would be right.
    pub fn from_loaded(loaded: &Loaded) -> anyhow::Result<Self> {
        let data_dir = PathBuf::from(loaded.required("data.dir")?);
        let assets_dir = match loaded.text("data.assets") {
            Some(dir) => PathBuf::from(dir),
            None => data_dir.clone(),
        };
        Ok(Self {
            server: Server {
                listen: loaded.parse("server.listen", "an address such as 127.0.0.1:8080")?,
                public_url: loaded.text("server.public_url").map(|url| url.trim_end_matches('/').to_owned()),
                rate_per_minute: loaded.parse("server.rate_per_minute", "a whole number")?,
            },
            database: Database {
                url: loaded.secret("database.url"),
                max_connections: loaded.parse("database.max_connections", "a whole number")?,
                embedded_connections: loaded.parse("database.embedded_connections", "a whole number")?,
            },
            assets_dir,
            data_dir,
            prompts_dir: loaded.text("data.prompts").map(PathBuf::from),
            encryption_key: loaded.secret("security.encryption_key"),
            llm: Llm {
                base_url: loaded.text("llm.base_url"),
                api_key: loaded.secret("llm.api_key"),
                model: loaded.text("llm.model"),
                structured: loaded.one_of("llm.structured", &["json_schema", "json_object", "prompt"])?,
                timeout: loaded.duration("llm.timeout")?,
                first_token_timeout: loaded.duration("llm.first_token_timeout")?,
                input_price: loaded.parse("llm.input_price", "US dollars per million tokens")?,
                output_price: loaded.parse("llm.output_price", "US dollars per million tokens")?,
                context_tokens: loaded.parse("llm.context_tokens", "a whole number")?,
            },
            whatsapp: Whatsapp {
                base_url: loaded.required("whatsapp.base_url")?.trim_end_matches('/').to_owned(),
                api_version: loaded.required("whatsapp.api_version")?,
            },
            webhooks_allow_private: loaded.parse("webhooks.allow_private", "true or false")?,
            engine: Engine {
                node: loaded.text("engine.node"),
                lease: loaded.duration("engine.lease")?,
                idle: loaded.duration("engine.idle")?,
                sweep: loaded.duration("engine.sweep")?,
                forget: loaded.duration("engine.forget")?,
                unknown_grace: loaded.duration("engine.unknown_grace")?,
                stale_after: loaded.duration("engine.stale_after")?,
            },
            log: Log {
                filter: loaded.required("log.filter")?,
                format: loaded.one_of("log.format", &["pretty", "json"])?,
            },
        })
    }
}

/// Reads `90s`, `250ms`, `8h`, `7d`, `5m`.
pub fn parse_duration(text: &str) -> anyhow::Result<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let amount: u64 =
        digits.parse().context("a duration is a whole number and a unit, such as 250ms, 90s, 8h")?;
    let seconds =
        |factor: u64| amount.checked_mul(factor).map(Duration::from_secs).context("the duration is too long");
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(amount)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3_600),
        "d" => seconds(86_400),
        unit => anyhow::bail!("`{unit}` is not a unit of time: use ms, s, m, h or d"),
    }
}
