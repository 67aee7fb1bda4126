//! Files that get their names when they are whole.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tempfile::{Builder, NamedTempFile};

/// A file that is made beside the place where it is to be, and takes that when it is whole. Until
/// then it has no name where the file system can do that, so that nothing is left if the process
/// ends, however it does.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// use std::io::Write as _;
///
/// let path = dir.path().join("greeting");
/// let file = casehard::WholeFile::beside(&path)?;
/// file.file().write_all(b"hello")?;
/// assert!(!path.exists());
/// file.take_name()?;
/// assert_eq!(std::fs::read(&path)?, b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    made: Made,
}

#[derive(Debug)]
enum Made {
    Unnamed(File),
    Named(NamedTempFile),
}

impl WholeFile {
    /// Makes an empty file that is to be at `path`, and may be readable and writable for as many
    /// as the umask lets.
    ///
    /// # Errors
    /// What the system says where no file can be made in that folder.
    pub fn beside(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let made = match unnamed(Self::folder(&path)) {
            Some(file) => Made::Unnamed(file),
            None => Made::Named(builder().tempfile_in(Self::folder(&path))?),
        };
        Ok(Self { path, made })
    }

    /// Returns the folder that a file lies in.
    pub fn folder(path: &Path) -> &Path {
        let parent = path.parent();
        parent
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
    }

    /// Returns the file, to be written.
    pub fn file(&self) -> &File {
        match &self.made {
            Made::Unnamed(file) => file,
            Made::Named(file) => file.as_file(),
        }
    }

    /// Returns whether it would be left, under a temporary name, where the process ended now.
    pub fn has_name(&self) -> bool {
        matches!(self.made, Made::Named(_))
    }

    /// Returns a path by which this process can open it until it takes its name.
    pub fn path(&self) -> PathBuf {
        match &self.made {
            Made::Unnamed(file) => link_name(file),
            Made::Named(file) => file.path().to_owned(),
        }
    }

    /// Brings the file to disk and gives it its name, in the place of what had it.
    ///
    /// # Errors
    /// What the system says; whatever had the name still has it then.
    pub fn take_name(self) -> io::Result<()> {
        self.file().sync_all()?;
        let folder = Self::folder(&self.path);
        match self.made {
            Made::Named(file) => drop(file.persist(&self.path)?),
            // To link does not replace, but to rename does.
            Made::Unnamed(mut file) => match builder().make_in(folder, |name| link(&file, name)) {
                Ok(named) => named.persist(&self.path)?,
                // A security module may refuse it.
                Err(_) => {
                    let mut copy = builder().tempfile_in(folder)?;
                    io::Seek::rewind(&mut file)?;
                    io::copy(&mut file, &mut copy)?;
                    copy.as_file().sync_all()?;
                    drop(copy.persist(&self.path)?);
                }
            },
        }
        Ok(())
    }
}

/// Returns a file without a name, if it can be given one later: that needs /proc.
fn unnamed(folder: &Path) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(folder, flags, Mode::from_raw_mode(0o666)).ok()?;
    let file = File::from(file);
    link_name(&file).exists().then_some(file)
}

fn link(file: &File, name: &Path) -> io::Result<()> {
    let follow = AtFlags::SYMLINK_FOLLOW;
    Ok(rustix::fs::linkat(CWD, link_name(file), CWD, name, follow)?)
}

fn link_name(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

fn builder() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder
        .prefix(".casehard-")
        .permissions(Permissions::from_mode(0o666));
    builder
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;

    #[test]
    fn a_file_takes_its_name_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let named = || Made::Named(builder().tempfile_in(dir.path()).unwrap());
        let unnamed = || Made::Unnamed(unnamed(dir.path()).unwrap());
        let makers: [&dyn Fn() -> Made; 2] = [&named, &unnamed];
        for (content, make) in [b"first", b"other"].iter().zip(makers) {
            let whole = WholeFile {
                path: path.clone(),
                made: make(),
            };
            whole.file().write_all(*content).unwrap();
            let before = fs::read(&path).ok();
            assert_ne!(before.as_deref(), Some(&content[..]));
            whole.take_name().unwrap();
            assert_eq!(fs::read(&path).unwrap(), *content);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
        // Both have the mode that the umask leaves.
        let made = fs::metadata(&path).unwrap().permissions();
        fs::write(dir.path().join("plain"), "").unwrap();
        let plain = fs::metadata(dir.path().join("plain"))
            .unwrap()
            .permissions();
        assert_eq!(made, plain);
        assert!(WholeFile::beside(dir.path().join("no/file")).is_err());
    }
}
