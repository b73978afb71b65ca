//! Where each value comes from.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, bail};
use secrecy::SecretString;

use super::table::{self, SETTINGS};

/// Variables of the `BALCAO_` family that are not settings.
const OTHER_VARIABLES: &[&str] = &[
    "BALCAO_CONFIG",
    "BALCAO_ASSETS",
    "BALCAO_URL",
    "BALCAO_API_KEY",
    "BALCAO_API_KEY_FILE",
    "BALCAO_FAILPOINT",
];

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The file to read; without it `balcao.toml` where it exists.
    pub file: Option<PathBuf>,
    /// `key=value` pairs.
    pub values: Vec<(String, String)>,
}

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(PathBuf),
    Variable(String),
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "${name}"),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// Every known value and its origin.
#[derive(Debug, Clone)]
pub struct Loaded {
    values: BTreeMap<&'static str, (String, Origin)>,
}

/// One line of `balcao config show`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Shown {
    pub key: &'static str,
    pub value: Option<String>,
    pub origin: String,
    pub help: &'static str,
}

/// Reads the file, the environment and the flags, in this order; the later ones win.
pub fn load(overrides: &Overrides, environment: &[(String, String)]) -> anyhow::Result<Loaded> {
    let mut loaded = Loaded { values: BTreeMap::new() };
    for setting in SETTINGS {
        if let Some(default) = setting.default {
            loaded.values.insert(setting.key, (default.to_owned(), Origin::Default));
        }
    }
    let named = overrides.file.clone().or_else(|| lookup(environment, "BALCAO_CONFIG").map(PathBuf::from));
    let file = named.clone().unwrap_or_else(|| PathBuf::from("balcao.toml"));
    if named.is_some() || file.exists() {
        loaded.read_file(&file)?;
    }
    loaded.read_environment(environment)?;
    for (key, value) in &overrides.values {
        loaded.set(key, value.clone(), Origin::Flag)?;
    }
    Ok(loaded)
}

fn lookup<'a>(environment: &'a [(String, String)], name: &str) -> Option<&'a str> {
    environment.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

impl Loaded {
    fn set(&mut self, key: &str, value: String, origin: Origin) -> anyhow::Result<()> {
        let Some(setting) = table::find(key) else {
            bail!("unknown setting `{key}` ({origin}): did you mean `{}`?", table::nearest(key));
        };
        self.values.insert(setting.key, (value, origin));
        Ok(())
    }

    fn read_file(&mut self, path: &Path) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("failed to read the settings file `{}`", path.display()))?;
        let document: toml::Table = text
            .parse()
            .map_err(|error| anyhow::anyhow!("`{}` is not valid TOML: {error}", path.display()))?;
        for (section, entries) in &document {
            let toml::Value::Table(entries) = entries else {
                bail!(
                    "`{}` line {}: `{section}` stands outside a section: did you mean `{}`?",
                    path.display(),
                    line_of(&text, section),
                    table::nearest(section)
                );
            };
            for (name, value) in entries {
                let value = match value {
                    toml::Value::String(text) => text.clone(),
                    toml::Value::Array(_) | toml::Value::Table(_) => {
                        bail!(
                            "`{}` line {}: `{section}.{name}` is a single value",
                            path.display(),
                            line_of(&text, name)
                        )
                    }
                    other => other.to_string(),
                };
                self.set(&format!("{section}.{name}"), value, Origin::File(path.to_owned()))
                    .with_context(|| format!("`{}` line {}", path.display(), line_of(&text, name)))?;
            }
        }
        Ok(())
    }

    fn read_environment(&mut self, environment: &[(String, String)]) -> anyhow::Result<()> {
        for setting in SETTINGS {
            let own = table::variable(setting.key);
            for name in setting.usual.into_iter().chain([own.as_str()]) {
                if let Some(value) = lookup(environment, name) {
                    self.set(setting.key, value.to_owned(), Origin::Variable(name.to_owned()))?;
                }
                let file = format!("{name}_FILE");
                if let Some(path) = lookup(environment, &file).filter(|_| setting.secret) {
                    let value = std::fs::read_to_string(path)
                        .with_context(|| format!("failed to read `{path}`, named by ${file}"))?;
                    self.set(setting.key, value.trim().to_owned(), Origin::Variable(file))?;
                }
            }
        }
        for (name, _) in environment.iter().filter(|(name, _)| name.starts_with("BALCAO_")) {
            let known = SETTINGS.iter().any(|setting| {
                let own = table::variable(setting.key);
                *name == own || (setting.secret && *name == format!("{own}_FILE"))
            });
            if !known && !OTHER_VARIABLES.contains(&name.as_str()) {
                let key = name["BALCAO_".len()..].to_ascii_lowercase().replacen('_', ".", 1);
                bail!("unknown variable `{name}`: did you mean `{}`?", table::variable(table::nearest(&key)));
            }
        }
        Ok(())
    }

    /// A value, if there is one.
    pub fn text(&self, key: &str) -> Option<String> {
        self.values.get(key).map(|(value, _)| value.clone()).filter(|value| !value.is_empty())
    }

    /// A value that has a default.
    pub fn required(&self, key: &str) -> anyhow::Result<String> {
        self.text(key).with_context(|| format!("the setting `{key}` is empty"))
    }

    /// A secret value, if there is one.
    pub fn secret(&self, key: &str) -> Option<SecretString> {
        self.text(key).map(SecretString::from)
    }

    /// A value of a type; `wanted` says what would be right.
    pub fn parse<T: FromStr>(&self, key: &str, wanted: &str) -> anyhow::Result<T> {
        let value = self.required(key)?;
        value
            .parse()
            .map_err(|_| anyhow::anyhow!("`{key}` is `{value}` ({}): it must be {wanted}", self.origin(key)))
    }

    /// A duration.
    pub fn duration(&self, key: &str) -> anyhow::Result<std::time::Duration> {
        let value = self.required(key)?;
        super::parse_duration(&value).with_context(|| format!("`{key}` is `{value}` ({})", self.origin(key)))
    }

    /// One of a few words.
    pub fn one_of(&self, key: &str, words: &[&str]) -> anyhow::Result<String> {
        let value = self.required(key)?;
        if words.contains(&value.as_str()) {
            return Ok(value);
        }
        bail!("`{key}` is `{value}` ({}): it must be one of {}", self.origin(key), words.join(", "))
    }

    fn origin(&self, key: &str) -> String {
        self.values.get(key).map_or_else(|| "not set".to_owned(), |(_, origin)| origin.to_string())
    }

    /// Every setting for people, secrets masked.
    pub fn show(&self) -> Vec<Shown> {
        let mask = |setting: &table::Setting, value: &String| match setting.secret {
            true => "********".to_owned(),
            false => value.clone(),
        };
        SETTINGS
            .iter()
            .map(|setting| {
                let found = self.values.get(setting.key);
                Shown {
                    key: setting.key,
                    value: found.map(|(value, _)| mask(setting, value)),
                    origin: self.origin(setting.key),
                    help: setting.help,
                }
            })
            .collect()
    }
}

/// The line on which a key stands, for messages; the first where it cannot be told.
fn line_of(text: &str, key: &str) -> usize {
    text.lines()
        .position(|line| line.trim_start().trim_start_matches('[').starts_with(key))
        .map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn file(text: &str) -> (tempfile::TempDir, Overrides) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("balcao.toml");
        std::fs::write(&path, text).expect("a writable temporary folder");
        (dir, Overrides { file: Some(path), values: Vec::new() })
    }

    #[test]
    fn flags_win_over_variables_which_win_over_the_file() {
        let (_dir, mut overrides) =
            file("[server]\nlisten = \"127.0.0.1:1\"\nrate_per_minute = 7\n[llm]\nmodel = \"a\"\n");
        overrides.values.push(("llm.model".into(), "c".into()));
        let environment = env(&[("BALCAO_SERVER_LISTEN", "127.0.0.1:2"), ("BALCAO_LLM_MODEL", "b")]);
        let config = Config::from_loaded(&load(&overrides, &environment).expect("loads")).expect("types");
        assert_eq!(config.server.listen.port(), 2);
        assert_eq!(config.server.rate_per_minute, 7);
        assert_eq!(config.llm.model.as_deref(), Some("c"));
    }

    #[test]
    fn an_unknown_key_names_the_nearest_and_its_line() {
        let (_dir, overrides) = file("[server]\nlisten = \"127.0.0.1:1\"\n[llm]\nmodle = \"a\"\n");
        let error = format!("{:#}", load(&overrides, &[]).expect_err("an unknown key"));
        assert!(
            error.contains("line 4") && error.contains("`llm.modle`") && error.contains("`llm.model`"),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_variable_names_the_nearest() {
        let error =
            load(&Overrides::default(), &env(&[("BALCAO_LLM_MODLE", "x")])).expect_err("an unknown variable");
        assert!(error.to_string().contains("BALCAO_LLM_MODEL"), "{error}");
    }

    #[test]
    fn a_secret_may_come_from_a_file_and_is_masked_when_shown() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("key");
        std::fs::write(&path, "sk-secret\n").expect("a writable temporary folder");
        let environment = env(&[("OPENAI_API_KEY_FILE", path.to_str().expect("a UTF-8 path"))]);
        let loaded = load(&Overrides::default(), &environment).expect("loads");
        assert_eq!(loaded.text("llm.api_key").as_deref(), Some("sk-secret"));
        let shown = loaded.show().into_iter().find(|line| line.key == "llm.api_key").expect("is shown");
        assert_eq!(shown.value.as_deref(), Some("********"));
        assert_eq!(shown.origin, "$OPENAI_API_KEY_FILE");
    }

    #[test]
    fn the_usual_variables_have_their_usual_meaning_and_ours_win() {
        let environment = env(&[
            ("DATABASE_URL", "postgres://a"),
            ("BALCAO_DATABASE_URL", "postgres://b"),
            ("RUST_LOG", "debug"),
        ]);
        let loaded = load(&Overrides::default(), &environment).expect("loads");
        assert_eq!(loaded.text("database.url").as_deref(), Some("postgres://b"));
        assert_eq!(loaded.text("log.filter").as_deref(), Some("debug"));
    }

    #[test]
    fn a_value_of_the_wrong_type_says_what_would_be_right() {
        let loaded = load(&Overrides::default(), &env(&[("BALCAO_SERVER_LISTEN", "eighty")])).expect("loads");
        let error = Config::from_loaded(&loaded).expect_err("not an address").to_string();
        assert!(
            error.contains("eighty")
                && error.contains("127.0.0.1:8080")
                && error.contains("BALCAO_SERVER_LISTEN"),
            "{error}"
        );
    }
}
