//! ZIP: archives of documents, and what Word and spreadsheets are made of.
//!
//! An archive says how large its members are, and may lie: members are unpacked with a count, and the whole archive
//! with one budget. Names are names of documents, never paths on a disk; those that would lead out of the archive are
//! refused all the same, since somebody might write them down one day.

use std::io::{Cursor, Read};

use zip::{ZipArchive, read::ZipFile, result::ZipError};

use crate::{MediaType, Options, Unreadable};

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path in the archive, with `/`.
    pub path: String,
    /// Its kind and its bytes, or why they are not read.
    pub content: Result<(MediaType, Vec<u8>), Unreadable>,
}

/// The files of an archive, in its order; folders and hidden files are left out.
///
/// # Errors
/// [`Unreadable::Damaged`], [`Unreadable::TooMuch`] and [`Unreadable::Empty`] speak of the archive as a whole; what is
/// wrong with a member is its own.
pub fn unpack(bytes: &[u8], options: &Options) -> Result<Vec<Member>, Unreadable> {
    let most = MediaType::Zip.max_bytes();
    if bytes.len() > most {
        return Err(Unreadable::TooLarge { bytes: bytes.len() as u64, most: most as u64 });
    }
    let mut archive = open(bytes, MediaType::Zip, options)?;
    let mut left = options.max_unpacked_bytes;
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let path = match archive.name_for_index(index) {
            Some(Ok(name)) => name.replace('\\', "/"),
            _ => format!("file {} of the archive", index + 1),
        };
        let file = match archive.by_index(index) {
            Ok(file) => file,
            Err(why) => {
                members.push(Member { path, content: Err(unreadable(MediaType::Zip, why)) });
                continue;
            }
        };
        if file.is_dir()
            || path.split('/').any(|part| part.starts_with('.') && part != "..")
            || is_litter(&path)
        {
            continue;
        }
        let content = match kind_of(&path) {
            Ok(kind) => member(file, kind, &mut left, options)?.map(|bytes| (kind, bytes)),
            Err(why) => Err(why),
        };
        members.push(Member { path, content });
    }
    if members.is_empty() { Err(Unreadable::Empty) } else { Ok(members) }
}

/// What systems put into archives on their own.
fn is_litter(path: &str) -> bool {
    path.starts_with("__MACOSX/") || path.ends_with("Thumbs.db") || path.ends_with("desktop.ini")
}

fn kind_of(path: &str) -> Result<MediaType, Unreadable> {
    let leads_out = path.starts_with('/') || path.contains(':') || path.split('/').any(|part| part == "..");
    if leads_out || path.contains('\0') {
        return Err(Unreadable::damaged("ZIP archive", "the name of this file leads out of the archive"));
    }
    match MediaType::of_path(path.as_ref()) {
        Some(MediaType::Zip) => {
            Err(Unreadable::damaged("ZIP archive", "archives in archives are not unpacked"))
        }
        Some(kind) => Ok(kind),
        None => Err(Unreadable::UnknownKind),
    }
}

/// A member's bytes, taken from what may still be unpacked. The outer error ends the archive.
fn member(
    file: ZipFile<'_, Cursor<&[u8]>>,
    kind: MediaType,
    left: &mut u64,
    options: &Options,
) -> Result<Result<Vec<u8>, Unreadable>, Unreadable> {
    let most = kind.max_bytes() as u64;
    let take = most.min(*left) + 1;
    let mut bytes = Vec::new();
    let read = file.take(take).read_to_end(&mut bytes);
    *left = left.saturating_sub(bytes.len() as u64);
    if *left == 0 {
        return Err(Unreadable::TooMuch { what: "bytes once unpacked", most: options.max_unpacked_bytes });
    }
    if bytes.len() as u64 > most {
        return Ok(Err(Unreadable::TooLarge { bytes: bytes.len() as u64, most }));
    }
    Ok(read.map(|_| bytes).map_err(|why| Unreadable::damaged(kind.name(), why)))
}

fn open<'a>(
    bytes: &'a [u8],
    kind: MediaType,
    options: &Options,
) -> Result<ZipArchive<Cursor<&'a [u8]>>, Unreadable> {
    let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|why| unreadable(kind, why))?;
    if archive.len() > options.max_members {
        return Err(Unreadable::TooMuch { what: "files in it", most: options.max_members as u64 });
    }
    Ok(archive)
}

fn unreadable(kind: MediaType, why: ZipError) -> Unreadable {
    match why {
        ZipError::UnsupportedArchive(reason) if reason == ZipError::PASSWORD_REQUIRED => {
            Unreadable::Encrypted { kind: kind.name() }
        }
        why => Unreadable::damaged(kind.name(), why),
    }
}

/// What Word or a spreadsheet packed: its parts by name, unpacked within the budget.
pub(crate) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    kind: MediaType,
    left: u64,
    most: u64,
}

impl<'a> Package<'a> {
    pub(crate) fn open(bytes: &'a [u8], kind: MediaType, options: &Options) -> Result<Self, Unreadable> {
        // Office writes a file behind a password as an OLE compound file, not as a ZIP.
        if bytes.starts_with(&OLE) {
            return Err(Unreadable::Encrypted { kind: kind.name() });
        }
        let most = options.max_unpacked_bytes;
        Ok(Self { archive: open(bytes, kind, options)?, kind, left: most, most })
    }

    /// The bytes of a part; nothing where there is no such part.
    pub(crate) fn part(&mut self, name: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        let file = match self.archive.by_name(name) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(why) => return Err(unreadable(self.kind, why)),
        };
        let mut bytes = Vec::new();
        let read = file.take(self.left + 1).read_to_end(&mut bytes);
        self.spend(bytes.len() as u64)?;
        read.map_err(|why| Unreadable::damaged(self.kind.name(), why))?;
        Ok(Some(bytes))
    }

    /// Unpacks every part to nowhere, for readers that would unpack without a bound.
    pub(crate) fn check(&mut self) -> Result<(), Unreadable> {
        for index in 0..self.archive.len() {
            let file = self.archive.by_index(index).map_err(|why| unreadable(self.kind, why))?;
            let read = std::io::copy(&mut file.take(self.left + 1), &mut std::io::sink());
            let bytes = read.map_err(|why| Unreadable::damaged(self.kind.name(), why))?;
            self.spend(bytes)?;
        }
        Ok(())
    }

    fn spend(&mut self, bytes: u64) -> Result<(), Unreadable> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or(Unreadable::TooMuch { what: "bytes once unpacked", most: self.most })?;
        Ok(())
    }
}

/// How OLE compound files begin. Source: [MS-CFB] 2.2.
pub(crate) const OLE: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    /// An archive of these files.
    pub(crate) fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            writer.start_file(*name, SimpleFileOptions::default()).expect("a file begins");
            writer.write_all(bytes).expect("its bytes");
        }
        writer.finish().expect("an archive").into_inner()
    }

    #[test]
    fn the_files_of_an_archive_are_its_documents() {
        let bytes = zipped(&[
            ("faq/trocas.md", b"# Trocas"),
            ("faq/", b""),
            ("__MACOSX/faq/._trocas.md", b"x"),
            (".git/x.md", b"x"),
            ("foto.png", b"x"),
            ("outro.zip", b"PK"),
            ("../fora.md", b"x"),
            ("/etc/fora.md", b"x"),
        ]);
        let members = unpack(&bytes, &Options::default()).expect("an archive");
        let paths: Vec<_> = members.iter().map(|member| member.path.as_str()).collect();
        assert_eq!(paths, ["faq/trocas.md", "foto.png", "outro.zip", "../fora.md", "/etc/fora.md"]);
        assert_eq!(members[0].content, Ok((MediaType::Markdown, b"# Trocas".to_vec())));
        assert_eq!(members[1].content, Err(Unreadable::UnknownKind));
        for (member, why) in [(2, "not unpacked"), (3, "leads out"), (4, "leads out")] {
            let error = members[member].content.as_ref().expect_err("refused");
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn a_bomb_is_refused_once_the_budget_is_spent() {
        let options = Options { max_unpacked_bytes: 1_000_000, ..Options::default() };
        let zeros = vec![0; 400_000];
        let files = [("a.txt", &zeros[..]), ("b.txt", &zeros[..]), ("c.txt", &zeros[..])];
        let bomb = zipped(&files);
        assert!(bomb.len() < 10_000);
        let refused = Unreadable::TooMuch { what: "bytes once unpacked", most: 1_000_000 };
        assert_eq!(unpack(&bomb, &options), Err(refused.clone()));
        let mut package = Package::open(&bomb, MediaType::Xlsx, &options).expect("a package");
        assert_eq!(package.check(), Err(refused));

        let many = Options { max_members: 2, ..Options::default() };
        assert_eq!(unpack(&bomb, &many), Err(Unreadable::TooMuch { what: "files in it", most: 2 }));
    }

    #[test]
    fn one_file_too_large_leaves_the_others() {
        let large = vec![b'a'; MediaType::PlainText.max_bytes() + 1];
        let members =
            unpack(&zipped(&[("a.txt", &large), ("b.txt", b"b")]), &Options::default()).expect("two");
        assert!(matches!(members[0].content, Err(Unreadable::TooLarge { .. })));
        assert_eq!(members[1].content, Ok((MediaType::PlainText, b"b".to_vec())));
    }

    #[test]
    fn what_is_no_archive_says_so() {
        let whole = zipped(&[("a.txt", b"a")]);
        for bytes in [&b"PK"[..], b"", &whole[..whole.len() - 10]] {
            let why = unpack(bytes, &Options::default()).expect_err("damaged").to_string();
            assert!(why.starts_with("the ZIP archive is damaged"), "{why}");
        }
        assert_eq!(unpack(&zipped(&[]), &Options::default()), Err(Unreadable::Empty));
    }
}
