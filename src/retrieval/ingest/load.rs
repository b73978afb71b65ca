//! Files on a disk: which there are below a path, and their bytes. What the bytes say is `balcao-loaders`' to find.

use std::path::{Path, PathBuf};

use balcao_loaders::{MediaType, Unreadable};

/// A file found under a path, with the name it is known by: its path below the folder that was given, with `/`, so
/// that the same folder ingested from elsewhere is the same documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What it is called.
    pub uri: String,
}

/// Every file at or below `root`, by name, hidden ones left out. What cannot be listed is in the second part.
///
/// (langchain-rust's folder walk panics on a folder it may not read, so it is not used here.)
pub fn files_at(root: &Path) -> (Vec<FoundFile>, Vec<(String, Unreadable)>) {
    let mut found = Vec::new();
    let mut failed = Vec::new();
    walk(root, root, 0, &mut found, &mut failed);
    found.sort_by(|a: &FoundFile, b| a.uri.cmp(&b.uri));
    (found, failed)
}

/// Deeper than any folder of documents; a loop of links ends here.
const MAX_DEPTH: usize = 32;

fn walk(
    root: &Path,
    path: &Path,
    depth: usize,
    found: &mut Vec<FoundFile>,
    failed: &mut Vec<(String, Unreadable)>,
) {
    let uri = uri_of(root, path);
    let entries = match std::fs::metadata(path) {
        Err(error) => return failed.push((uri, Unreadable::Io(error.to_string()))),
        Ok(meta) if meta.is_file() => return found.push(FoundFile { path: path.to_owned(), uri }),
        Ok(_) => std::fs::read_dir(path),
    };
    match entries {
        Err(error) => failed.push((uri, Unreadable::Io(error.to_string()))),
        Ok(entries) => {
            for entry in entries.flatten() {
                let hidden = entry.file_name().to_string_lossy().starts_with('.');
                if !hidden && depth < MAX_DEPTH {
                    walk(root, &entry.path(), depth + 1, found, failed);
                }
            }
        }
    }
}

fn uri_of(root: &Path, path: &Path) -> String {
    let below = match path.strip_prefix(root) {
        Ok(below) if !below.as_os_str().is_empty() => below,
        _ => Path::new(path.file_name().unwrap_or(path.as_os_str())),
    };
    below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The bytes of a file, unless it is too large for its kind to look at.
pub async fn read(path: &Path, kind: MediaType) -> Result<Vec<u8>, Unreadable> {
    let io = |error: std::io::Error| Unreadable::Io(error.to_string());
    let bytes = tokio::fs::metadata(path).await.map_err(io)?.len();
    let most = kind.max_bytes() as u64;
    if bytes > most {
        return Err(Unreadable::TooLarge { bytes, most });
    }
    tokio::fs::read(path).await.map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_their_path_below_the_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("entrega")).expect("a folder");
        for name in ["entrega/prazo.md", "faq.txt", ".hidden.md"] {
            std::fs::write(folder.path().join(name), "x").expect("a file");
        }
        let (found, failed) = files_at(folder.path());
        let names: Vec<_> = found.iter().map(|file| file.uri.as_str()).collect();
        assert_eq!(names, ["entrega/prazo.md", "faq.txt"]);
        assert!(failed.is_empty());

        let (one, _) = files_at(&folder.path().join("faq.txt"));
        assert_eq!(one[0].uri, "faq.txt");
        let (none, failed) = files_at(&folder.path().join("missing"));
        assert!(none.is_empty());
        assert!(matches!(&failed[0], (uri, Unreadable::Io(_)) if uri == "missing"));
    }
}
