//! The key that encrypts channel credentials: from the settings, else generated once and kept in the data folder.

use anyhow::Context;
use balcao_store::Keyring;
use secrecy::ExposeSecret;

use crate::{config::Config, demo::write_private};

/// The keyring of this installation.
pub fn keyring(config: &Config) -> anyhow::Result<Keyring> {
    if let Some(key) = &config.encryption_key {
        return Keyring::parse(key.expose_secret()).context("`security.encryption_key` cannot be used");
    }
    let path = config.data_dir.join("encryption.key");
    if !path.exists() {
        write_private(&path, Keyring::generate().expose_secret().as_bytes())?;
        if config.database.url.is_some() {
            tracing::warn!(
                path = %path.display(),
                "no `security.encryption_key` is set: one was generated; every node of this database needs the same"
            );
        }
    }
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("failed to read `{}`", path.display()))?;
    Keyring::parse(text.trim()).with_context(|| format!("`{}` cannot be used", path.display()))
}
