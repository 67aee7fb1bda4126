//! A directory on disk as an image: a tar of it in a temporary file, the same for the same tree.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use bstr::ByteSlice as _;
use rustix::fs::{major, minor};
use tar::EntryType;
use walkdir::WalkDir;

use super::acl;
use super::fields::padded;
use super::head::{Format, Head};
use super::holes::{self, Map};
use crate::error::Result;
use crate::image::progress::{Meter, Phase, Progress};
use crate::image::spool::{self, Spool};

/// How many of the sockets that are left out a note names.
const NAMED: usize = 3;

/// Writes the tree below `root` as a PAX tar with `./` names, sorted by name. Sockets have no place
/// in a tar: as GNU tar does, they are left out, and a note says so.
pub(crate) fn spool(
    root: &Path,
    root_owned: bool,
    progress: Progress<'_>,
) -> Result<(File, Option<String>)> {
    // Through a link, if it is given by one.
    let root = &root.join(".");
    let mut out = Spool::new()?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| spool::unread(error, &path)
    };
    let mut meter = Meter::new(progress, Phase::Read, None);
    let mut first_names: BTreeMap<(u64, u64), Vec<u8>> = BTreeMap::new();
    let (mut sockets, mut named) = (0, Vec::new());
    for found in WalkDir::new(root).sort_by_file_name() {
        let found = found.map_err(|e| {
            let path = e.path().unwrap_or(root).to_owned();
            failed(&path)(e.into())
        })?;
        let path = found.path();
        let metadata = fs::symlink_metadata(path).map_err(failed(path))?;
        let name = archive_name(path.strip_prefix(root).unwrap_or(path), metadata.is_dir());
        let Some(kind) = entry_type(&metadata) else {
            sockets += 1;
            if named.len() < NAMED {
                named.push(name);
            }
            continue;
        };
        let mut head = Head::new(Format::Ustar, kind, &name);
        head.set_mode(metadata.mode() & 0o7777);
        let owner = |id: u32| if root_owned { 0 } else { u64::from(id) };
        head.set_uid(owner(metadata.uid()));
        head.set_gid(owner(metadata.gid()));
        head.set_mtime(u64::try_from(metadata.mtime()).unwrap_or_default());
        if metadata.nlink() > 1 && !metadata.is_dir() {
            if let Some(first) = first_names.get(&(metadata.dev(), metadata.ino())) {
                head.set_kind(EntryType::Link);
                head.set_link(first);
                out.write_all(&head.to_bytes()).map_err(failed(path))?;
                continue;
            }
            first_names.insert((metadata.dev(), metadata.ino()), name.clone());
        }
        for (name, value) in xattrs(path).map_err(failed(path))? {
            let (name, value) = acl::in_tar(&name, &value).unwrap_or((name, value));
            head.add_xattr(&name, &value);
        }
        if metadata.is_symlink() {
            let target = fs::read_link(path).map_err(failed(path))?;
            head.set_link(target.as_os_str().as_bytes());
        }
        if metadata.file_type().is_char_device() || metadata.file_type().is_block_device() {
            let device = metadata.rdev();
            head.set_device((major(device), minor(device)));
        }
        let mut file = match metadata.is_file() {
            true => Some(File::open(path).map_err(failed(path))?),
            false => None,
        };
        let mut map = None;
        if let Some(file) = &file {
            map = holes::map(file, &metadata).map_err(failed(path))?;
            let stored = map.as_ref().map_or(metadata.len(), Map::stored);
            if map.is_some() {
                head.make_sparse(&name, metadata.len());
            }
            head.set_size(stored);
        }
        out.write_all(&head.to_bytes()).map_err(failed(path))?;
        if let Some(file) = &mut file {
            let whole = std::iter::once(0..metadata.len());
            if let Some(map) = &map {
                out.write_all(&map.text()).map_err(failed(path))?;
            }
            let mut copied = 0;
            let parts = map.iter().flat_map(|map| map.data.iter().cloned());
            for range in parts.chain(whole.filter(|_| map.is_none())) {
                file.seek(SeekFrom::Start(range.start))
                    .map_err(failed(path))?;
                let length = range.end - range.start;
                let data = meter.reader(Read::by_ref(file).take(length));
                let read = out.copy(data).map_err(failed(path))?;
                if read != length {
                    return Err(failed(path)(io::Error::other(
                        "the file shrank while it was read",
                    )));
                }
                copied += read;
            }
            let pad = usize::try_from(padded(copied) - copied).expect("less than a block");
            out.write_all(&[0; 512][..pad]).map_err(failed(path))?;
        }
    }
    out.write_all(&[0; 1024]).map_err(failed(root))?;
    Ok((out.finish()?, left_out(sockets, &named)))
}

/// Returns the note on sockets that were not packed.
fn left_out(count: usize, first: &[Vec<u8>]) -> Option<String> {
    if count == 0 {
        return None;
    }
    let names = bstr::join(", ", first);
    let names = names.as_bstr();
    Some(match count - first.len() {
        0 => format!("a tar cannot hold sockets; left out: {names}"),
        more => format!("a tar cannot hold sockets; left out: {names} and {more} more"),
    })
}

fn archive_name(relative: &Path, directory: bool) -> Vec<u8> {
    let mut name = PathBuf::from(".").join(relative).into_os_string();
    if directory && !name.as_bytes().ends_with(b"/") {
        name.push("/");
    }
    name.as_bytes().to_vec()
}

fn entry_type(metadata: &fs::Metadata) -> Option<EntryType> {
    let kind = metadata.file_type();
    Some(match () {
        () if kind.is_dir() => EntryType::Directory,
        () if kind.is_symlink() => EntryType::Symlink,
        () if kind.is_file() => EntryType::Regular,
        () if kind.is_char_device() => EntryType::Char,
        () if kind.is_block_device() => EntryType::Block,
        () if kind.is_fifo() => EntryType::Fifo,
        () => return None,
    })
}

/// Returns every attribute that can be read, sorted. A file system without them has none.
fn xattrs(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let names = match xattr::list(path) {
        Ok(names) => names,
        Err(e) if e.kind() == io::ErrorKind::Unsupported => return Ok(BTreeMap::new()),
        Err(e) => return Err(e),
    };
    let mut all = BTreeMap::new();
    for name in names {
        if let Some(value) = xattr::get(path, &name)? {
            all.insert(name.as_bytes().to_vec(), value);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use crate::image::{EntryKind, Image, OpenOptions};
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    #[test]
    fn holes_stay_holes() {
        use std::io::{Seek as _, Write as _};

        let dir = tempfile::tempdir().unwrap();
        let mut file = fs::File::create(dir.path().join("lastlog")).unwrap();
        file.seek(std::io::SeekFrom::Start(2 << 20)).unwrap();
        file.write_all(b"x").unwrap();
        file.set_len(4 << 20).unwrap();
        let small = fs::File::create(dir.path().join("small")).unwrap();
        small.set_len(4096).unwrap();
        let image = Image::open(dir.path()).unwrap();
        assert!(image.entries().map(|entry| entry.stored).sum::<u64>() < 64 << 10);
        let files = image.files().unwrap();
        assert_eq!(files.read("/small").unwrap(), Some(vec![0; 4096]));
        let last = files.rootfs().open("/lastlog").unwrap();
        assert!(files.contains(last, &[b"\0x\0"]).unwrap());
    }

    #[test]
    fn a_tree_becomes_the_same_tar_each_time() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("usr/bin")).unwrap();
        fs::write(dir.path().join("usr/bin/su"), "elf").unwrap();
        fs::set_permissions(
            dir.path().join("usr/bin/su"),
            fs::Permissions::from_mode(0o4755),
        )
        .unwrap();
        fs::hard_link(
            dir.path().join("usr/bin/su"),
            dir.path().join("usr/bin/sudo"),
        )
        .unwrap();
        symlink("usr/bin", dir.path().join("bin")).unwrap();
        fs::write(dir.path().join("n".repeat(150)), "long").unwrap();
        let read = || {
            let image = OpenOptions::new()
                .root_owned(true)
                .open(dir.path())
                .unwrap();
            let mut bytes = Vec::new();
            let stream = image.layers()[0].stream();
            stream
                .reader(0..stream.len())
                .read_to_end(&mut bytes)
                .unwrap();
            (image, bytes)
        };
        let (image, bytes) = read();
        assert_eq!(bytes, read().1);
        let shown: Vec<_> = image
            .entries()
            .map(|e| {
                (
                    e.path.to_string(),
                    e.kind,
                    e.link.to_string(),
                    e.meta.mode & 0o7000,
                )
            })
            .collect();
        let long = format!("./{}", "n".repeat(150));
        assert_eq!(
            shown,
            [
                ("./".into(), EntryKind::Directory, String::new(), 0),
                ("./bin".into(), EntryKind::Symlink, "usr/bin".into(), 0),
                (long, EntryKind::File, String::new(), 0),
                ("./usr/".into(), EntryKind::Directory, String::new(), 0),
                ("./usr/bin/".into(), EntryKind::Directory, String::new(), 0),
                (
                    "./usr/bin/su".into(),
                    EntryKind::File,
                    String::new(),
                    0o4000
                ),
                (
                    "./usr/bin/sudo".into(),
                    EntryKind::HardLink,
                    "./usr/bin/su".into(),
                    0o4000
                ),
            ]
        );
    }

    #[test]
    fn sockets_are_left_out_and_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("run")).unwrap();
        let note = || {
            let image = Image::open(dir.path()).unwrap();
            assert_eq!(image.entries().count(), 2);
            image.rootfs().unwrap().notes().to_vec()
        };
        assert_eq!(note(), [""; 0]);
        let bind = |name| drop(UnixListener::bind(dir.path().join(name)).unwrap());
        bind("run/b");
        let said = "a tar cannot hold sockets; left out: ";
        assert_eq!(note(), [format!("{said}./run/b")]);
        for name in ["run/c", "run/a"] {
            bind(name);
        }
        assert_eq!(note(), [format!("{said}./run/a, ./run/b, ./run/c")]);
        for name in ["run/d", "c"] {
            bind(name);
        }
        assert_eq!(note(), [format!("{said}./c, ./run/a, ./run/b and 2 more")]);
    }

    #[test]
    fn a_missing_directory_is_an_io_error() {
        let error = Image::open("/nonexistent/rootfs").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("cannot open /nonexistent/rootfs"),
            "{error}"
        );
    }
}
