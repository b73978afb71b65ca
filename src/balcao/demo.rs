//! What `serve --demo` leaves for scripts and for the other commands: `demo.json`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// Everything needed to talk to the demo shops.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoFile {
    pub base_url: String,
    pub emulator_url: String,
    pub tenants: Vec<DemoTenant>,
}

/// One demo shop.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoTenant {
    pub slug: String,
    pub language: String,
    pub keys: DemoKeys,
    pub whatsapp: DemoWhatsapp,
}

/// Its API keys, one a scope.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoKeys {
    pub chat: String,
    pub ingest: String,
    pub admin: String,
}

/// Its number on the emulated WhatsApp.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoWhatsapp {
    pub webhook_path: String,
    pub app_secret: String,
    pub verify_token: String,
    pub phone_number_id: String,
}

impl DemoFile {
    /// Where it lies.
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("demo.json")
    }

    /// Reads it; `None` when the demo never ran here.
    pub fn read(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = Self::path(data_dir);
        if !path.exists() {
            return Ok(None);
        }
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read `{}`", path.display()))?;
        let file = serde_json::from_str(&text).with_context(|| {
            format!("`{}` is damaged: remove it and start the demo again", path.display())
        })?;
        Ok(Some(file))
    }

    /// Writes it, readable by its owner alone, in one step.
    pub fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        write_private(&Self::path(data_dir), &serde_json::to_vec_pretty(self)?)
    }

    /// The demo shop of a slug.
    pub fn tenant(&self, slug: &str) -> Option<&DemoTenant> {
        self.tenants.iter().find(|tenant| tenant.slug == slug)
    }
}

/// Writes a file that only its owner may read, so that a crash leaves the old one or the new one.
pub fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt};
    let part = path.with_extension("part");
    let _ = std::fs::remove_file(&part);
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    write().with_context(|| format!("failed to write `{}`", path.display()))
}
