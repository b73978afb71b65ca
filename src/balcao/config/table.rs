//! The one table of settings.

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// `section.name`, as in `balcao.toml`. The environment variable is `BALCAO_SECTION_NAME`.
    pub key: &'static str,
    /// What holds when nobody says otherwise.
    pub default: Option<&'static str>,
    /// Masked when shown; may also come from `BALCAO_…_FILE`.
    pub secret: bool,
    /// The variable other programs use for the same thing.
    pub usual: Option<&'static str>,
    /// One line for people.
    pub help: &'static str,
}

const fn plain(key: &'static str, default: Option<&'static str>, help: &'static str) -> Setting {
    Setting { key, default, secret: false, usual: None, help }
}

const fn usual(
    key: &'static str,
    default: Option<&'static str>,
    name: &'static str,
    secret: bool,
    help: &'static str,
) -> Setting {
    Setting { key, default, secret, usual: Some(name), help }
}

/// Every setting, in the order in which it is shown.
pub const SETTINGS: &[Setting] = &[
    plain("server.listen", Some("127.0.0.1:8080"), "address and port of the HTTP server"),
    plain("server.public_url", None, "how the outside reaches this server, for webhooks and links"),
    plain("server.rate_per_minute", Some("600"), "requests a minute allowed to one API key"),
    usual(
        "database.url",
        None,
        "DATABASE_URL",
        true,
        "Postgres to use; without it the embedded one is started",
    ),
    plain("database.max_connections", Some("16"), "connections kept to Postgres"),
    plain("database.embedded_connections", Some("100"), "connections the embedded Postgres takes in all"),
    plain("data.dir", Some(".balcao"), "where the embedded Postgres and generated keys live"),
    plain("data.assets", None, "where the fetched runtime assets are (default: data.dir)"),
    plain("data.prompts", None, "folder with prompts and rule packs that replace the built-in ones"),
    Setting {
        key: "security.encryption_key",
        default: None,
        secret: true,
        usual: None,
        help: "32 bytes in hex that encrypt channel credentials (`openssl rand -hex 32`)",
    },
    usual("llm.base_url", None, "OPENAI_BASE_URL", false, "OpenAI-compatible endpoint, ending in /v1"),
    usual("llm.api_key", None, "OPENAI_API_KEY", true, "its key"),
    plain("llm.model", None, "the model's name; without one the rule path answers"),
    plain(
        "llm.structured",
        Some("json_schema"),
        "json_schema, json_object or prompt: what the endpoint supports",
    ),
    plain("llm.timeout", Some("20s"), "longest model call"),
    plain("llm.first_token_timeout", Some("5s"), "longest wait for the first token"),
    plain("llm.input_price", Some("0"), "US dollars per million tokens sent"),
    plain("llm.output_price", Some("0"), "US dollars per million tokens received"),
    plain("llm.context_tokens", Some("8000"), "tokens of history and sources given to the model"),
    plain("whatsapp.base_url", Some("https://graph.facebook.com"), "the Cloud API, or an emulator"),
    plain("whatsapp.api_version", Some("v26.0"), "version segment of its paths"),
    plain(
        "webhooks.allow_private",
        Some("false"),
        "let shops' webhooks go to private addresses and without TLS: development only",
    ),
    plain("engine.node", None, "this process's name among several (default: generated)"),
    plain("engine.lease", Some("30s"), "how long a conversation stays this node's without renewal"),
    plain("engine.idle", Some("2m"), "how long an idle conversation keeps its actor"),
    plain("engine.sweep", Some("500ms"), "how often lost wake-ups are looked for"),
    plain("engine.forget", Some("1h"), "how often what the shops need not keep any longer is deleted"),
    plain(
        "engine.unknown_grace",
        Some("90s"),
        "how long to wait for the status of a send whose outcome is unknown",
    ),
    plain(
        "engine.stale_after",
        Some("24h"),
        "messages older than this on arrival are stored but not answered",
    ),
    usual(
        "log.filter",
        Some("info,async_openai=off,sqlx::postgres::notice=off,balcao_retrieval::ingest=warn"),
        "RUST_LOG",
        false,
        "what is logged, as tracing's filters write it",
    ),
    plain("log.format", Some("pretty"), "pretty or json"),
];

/// The setting of a key.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The known key that looks most like `key`; without its section a key is compared by its name alone.
pub fn nearest(key: &str) -> &'static str {
    let likeness = |known: &'static str| match known.split_once('.') {
        Some((_, name)) if !key.contains('.') => strsim::damerau_levenshtein(name, key),
        _ => strsim::damerau_levenshtein(known, key),
    };
    SETTINGS
        .iter()
        .map(|setting| (likeness(setting.key), setting.key))
        .min()
        .map_or("server.listen", |(_, key)| key)
}

/// The environment variable of a key.
pub fn variable(key: &str) -> String {
    format!("BALCAO_{}", key.replace('.', "_").to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_the_one_that_was_meant() {
        for (written, meant) in [
            ("listen", "server.listen"),
            ("serverr.listen", "server.listen"),
            ("llm.modle", "llm.model"),
            ("encryption_key", "security.encryption_key"),
        ] {
            assert_eq!(nearest(written), meant);
        }
    }
}
