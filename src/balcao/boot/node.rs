//! Who this process is among several: the same name after every restart, as long as no other process has it.

use std::fs::{self, File};

use anyhow::Context;

use crate::config::Config;

/// The name, and the lock that makes it this process's alone.
pub struct Node {
    pub name: String,
    /// Nobody else can be alive under this name: what was left behind under it may be taken back.
    pub is_only_one: bool,
    _lock: Option<File>,
}

/// The name of the settings, else one kept in the data folder; a fresh one where another process holds that.
pub fn node(config: &Config) -> anyhow::Result<Node> {
    if let Some(name) = &config.engine.node {
        return Ok(Node { name: name.clone(), is_only_one: false, _lock: None });
    }
    let fresh = || format!("node-{}", uuid::Uuid::now_v7().simple());
    let path = config.data_dir.join("node");
    let file = File::options()
        .create(true)
        .append(true)
        .read(true)
        .open(&path)
        .with_context(|| format!("failed to open `{}`", path.display()))?;
    if file.try_lock().is_err() {
        return Ok(Node { name: fresh(), is_only_one: false, _lock: None });
    }
    let kept = fs::read_to_string(&path).with_context(|| format!("failed to read `{}`", path.display()))?;
    let name = match kept.trim() {
        "" => {
            let name = fresh();
            fs::write(&path, &name).with_context(|| format!("failed to write `{}`", path.display()))?;
            name
        }
        kept => kept.to_owned(),
    };
    Ok(Node { name, is_only_one: true, _lock: Some(file) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, load};

    fn config(dir: &std::path::Path) -> Config {
        let values = vec![("data.dir".to_owned(), dir.display().to_string())];
        Config::from_loaded(&load(&Overrides { file: None, values }, &[]).expect("loads")).expect("types")
    }

    #[test]
    fn a_node_keeps_its_name_and_shares_it_with_nobody() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = config(dir.path());
        let first = node(&config).expect("a name");
        let beside = node(&config).expect("a name");
        assert!(first.is_only_one && !beside.is_only_one);
        assert_ne!(first.name, beside.name);
        let name = first.name.clone();
        drop(first);
        assert_eq!(node(&config).expect("a name").name, name);
    }
}
