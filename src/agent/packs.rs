//! The rule packs of all shops: the ones in the binary, overridden by a folder, reloadable while running.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use balcao_domain::{
    Language,
    rulebook::{PackError, RulePack},
};

use crate::prompts::EMBEDDED;

/// What stands for a shop that has no file of its own, by its language.
const FALLBACK_PT: &str = "language = \"pt\"\nextends = [\"default.en\", \"default.pt\"]\n";
const FALLBACK_EN: &str = "language = \"en\"\nextends = [\"default.pt\", \"default.en\"]\n";

/// Why rule packs could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum PacksError {
    /// A pack has mistakes; the message lists them with their lines.
    #[error("the rule pack `{name}` has mistakes:\n{error}")]
    Pack {
        /// The name of its file, without `.toml`.
        name: String,
        /// What is wrong.
        error: PackError,
    },
    /// A file or the folder cannot be read.
    #[error("failed to read `{path}`: {error}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The rule packs of all shops. A shop's pack is the file named after its slug.
pub struct RulePacks {
    folder: Option<PathBuf>,
    packs: RwLock<Arc<BTreeMap<String, Arc<RulePack>>>>,
}

impl RulePacks {
    /// Loads the packs of the binary and those of a folder; of the same name the folder's win.
    ///
    /// # Errors
    /// When the folder cannot be read or any pack has a mistake.
    pub fn load(folder: Option<&Path>) -> Result<Self, PacksError> {
        let packs = RwLock::new(Arc::new(read_all(folder)?));
        Ok(Self { folder: folder.map(Path::to_owned), packs })
    }

    /// Reads the files again. On an error the packs in use stay.
    ///
    /// # Errors
    /// As [`RulePacks::load`].
    pub fn reload(&self) -> Result<(), PacksError> {
        let fresh = Arc::new(read_all(self.folder.as_deref())?);
        *self.packs.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The pack of a shop and its name: its own, or the default of its language.
    pub fn of(&self, slug: &str, language: Language) -> (String, Arc<RulePack>) {
        let packs = Arc::clone(&self.packs.read().unwrap_or_else(PoisonError::into_inner));
        let fallback = match language {
            Language::Portuguese => "default.pt",
            Language::English => "default.en",
        };
        let name = if packs.contains_key(slug) { slug } else { fallback };
        (name.to_owned(), Arc::clone(&packs[name]))
    }
}

/// Every pack, by name; `default.pt` and `default.en` answer in both languages here.
fn read_all(folder: Option<&Path>) -> Result<BTreeMap<String, Arc<RulePack>>, PacksError> {
    let mut texts: BTreeMap<String, String> = EMBEDDED
        .get_dir("rules")
        .into_iter()
        .flat_map(|dir| dir.files())
        .filter_map(|file| Some((pack_name(file.path())?, file.contents_utf8()?.to_owned())))
        .collect();
    if let Some(folder) = folder.filter(|folder| folder.exists()) {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| PacksError::Read { path, error }
        };
        for entry in fs::read_dir(folder).map_err(failed(folder))? {
            let path = entry.map_err(failed(folder))?.path();
            if let Some(name) = pack_name(&path) {
                texts.insert(name, fs::read_to_string(&path).map_err(failed(&path))?);
            }
        }
    }
    let mut packs = BTreeMap::new();
    for (name, text) in &texts {
        let text = match name.as_str() {
            "default.pt" => FALLBACK_PT,
            "default.en" => FALLBACK_EN,
            _ => text,
        };
        let pack = RulePack::parse_with(text, &|base| texts.get(base).cloned())
            .map_err(|error| PacksError::Pack { name: name.clone(), error })?;
        packs.insert(name.clone(), Arc::new(pack));
    }
    Ok(packs)
}

fn pack_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".toml")?;
    (!name.starts_with('.')).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pack_in_the_binary_is_sound_and_found_by_its_shop() {
        let packs = RulePacks::load(None).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(packs.of("loja-aurora", Language::Portuguese).0, "loja-aurora");
        assert_eq!(packs.of("harbour-goods", Language::English).0, "harbour-goods");
        let (name, pack) = packs.of("nobody", Language::English);
        assert_eq!((name.as_str(), pack.languages()[0]), ("default.en", Language::English));
        assert!(pack.languages().contains(&Language::Portuguese));
    }

    #[test]
    fn a_folder_overrides_and_a_mistake_in_it_keeps_what_was_in_use() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("loja-aurora.toml");
        fs::write(&file, "language = \"pt\"\nextends = \"default.pt\"\n[facts]\nphone = \"123\"\n")
            .expect("a file");
        let packs = RulePacks::load(Some(folder.path())).unwrap_or_else(|error| panic!("{error}"));
        let version = packs.of("loja-aurora", Language::Portuguese).1.version().to_owned();
        fs::write(&file, "language = \"pt\"\nextends = \"default.pt\"\n[intent.greting]\n").expect("a file");
        let error = packs.reload().expect_err("a mistake").to_string();
        assert!(
            error.contains("`loja-aurora`") && error.contains("line 3: unknown intent `greting`"),
            "{error}"
        );
        assert_eq!(packs.of("loja-aurora", Language::Portuguese).1.version(), version);
    }
}
