//! SHA-256 and size of what was read and of what was written.
//!
//! That of the hardened tar costs a second decoding of the whole image, so the others are made on
//! other cores meanwhile.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::failure;
use crate::error::{Error, Result};
use crate::image::{Bytes as _, Image, Layer, Meter, Phase, Progress, TarStream};
use crate::plan::Plan;

/// The digest and size of a file or stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Digest {
    /// SHA-256, in 64 hexadecimal digits.
    pub sha256: String,
    /// The size in bytes.
    pub bytes: u64,
}

/// What tells a plan's image, and the hardened one, from all others.
///
/// ```
/// # fn main() -> casehard::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let (rootfs, hardened) = (dir.path().join("rootfs"), dir.path().join("hardened.tar"));
/// # std::fs::create_dir_all(rootfs.join("etc")).unwrap();
/// # let (image, recipe) = (casehard::Image::open(&rootfs)?, casehard::Recipe::load("no-setid")?);
/// let plan = image.plan(&recipe)?;
/// plan.write(&hardened)?;
/// let digests = plan.digests(&hardened)?;
/// assert_eq!(digests.output, digests.tar);
/// let report = plan.report().digests(digests).to_json()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Digests {
    /// The image as it came; of a directory, the tar stream made of it.
    pub image: Digest,
    /// The file that the hardened one was written to.
    pub output: Digest,
    /// The same without compression: what OCI calls the layer's `diff_id`.
    pub tar: Digest,
}

impl Plan<'_> {
    /// Reads the image, and the file that the hardened one was written to, for their digests.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn digests(&self, output: impl AsRef<Path>) -> Result<Digests> {
        self.digests_with(output, None)
    }

    /// As [`digests`](Self::digests), with a callback that hears how much of the hardened tar is
    /// done.
    ///
    /// # Errors
    /// As [`digests`](Self::digests), and [`Error::Interrupted`].
    pub fn digests_with(
        &self,
        output: impl AsRef<Path>,
        progress: Progress<'_>,
    ) -> Result<Digests> {
        let (path, name) = (output.as_ref(), Path::new(self.image.name()));
        let file = &File::open(path).map_err(Error::io("open", path))?;
        let (layer, stream) = self.only_layer()?;
        // Where one fails, the others need not go on.
        let stop = &Stop::default();
        thread::scope(|scope| {
            let output = Begun::on(scope, move || stop.unless_good(of_file(file, stop), path));
            let image = Begun::on(scope, move || stop.unless_good(original(layer, stop), name));
            let both = |phase, done, total| match stop.asked() {
                ControlFlow::Continue(()) => {
                    progress.map_or(stop.asked(), |p| p(phase, done, total))
                }
                stopped => stopped,
            };
            let tar = stop.unless_good(of_stream(stream, Some(&both)), name);
            match (output.end(), image.end(), tar) {
                (Ok(output), Ok(image), Ok(tar)) => Ok(Digests { image, output, tar }),
                (output, image, tar) => {
                    let mut errors = [output, image, tar].into_iter().filter_map(Result::err);
                    let first = errors.find(|error| !matches!(error, Error::Interrupted));
                    Err(first.unwrap_or(Error::Interrupted))
                }
            }
        })
    }
}

/// That of an image as it came.
pub(crate) fn of_image(image: &Image) -> Result<Digest> {
    original(image.only_layer()?, &Stop::default())
        .map_err(Error::io("read", Path::new(image.name())))
}

/// Whether threads that work together are to end.
#[derive(Default)]
struct Stop(AtomicBool);

impl Stop {
    fn asked(&self) -> ControlFlow<()> {
        match self.0.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// Asks for it where one of them failed to read, or was stopped itself.
    fn unless_good<T>(&self, done: io::Result<T>, path: &Path) -> Result<T> {
        done.map_err(|error| {
            self.0.store(true, Ordering::Relaxed);
            failure(error, "read", path)
        })
    }
}

/// Work that another thread does; where the system gives no more threads, it is done when it is
/// asked for.
enum Begun<'s, T, W> {
    There(ScopedJoinHandle<'s, T>),
    Here(W),
}

impl<'s, T: Send + 's, W: Fn() -> T + Copy + Send + 's> Begun<'s, T, W> {
    fn on(scope: &'s Scope<'s, '_>, work: W) -> Self {
        let spawned = thread::Builder::new().spawn_scoped(scope, work);
        spawned.map_or(Self::Here(work), Self::There)
    }

    fn end(self) -> T {
        match self {
            Self::There(thread) => thread.join().expect("it does not panic"),
            Self::Here(work) => work(),
        }
    }
}

fn original(layer: &Layer, stop: &Stop) -> io::Result<Digest> {
    let file = layer.original().map(|file| of_file(file, stop));
    file.unwrap_or_else(|| of_stream(layer.stream(), Some(&|_, _, _| stop.asked())))
}

fn of_stream(stream: &TarStream, progress: Progress<'_>) -> io::Result<Digest> {
    let mut sum = Sum::new(progress, Some(stream.len()));
    stream.write_to(&mut sum)?;
    Ok(sum.finish())
}

/// Reads by offset, since a file has one cursor for all who read it.
fn of_file(file: &File, stop: &Stop) -> io::Result<Digest> {
    let heard = |_, _, _| stop.asked();
    let mut sum = Sum::new(Some(&heard), None);
    file.copy_to(0..u64::MAX, &mut sum)?;
    Ok(sum.finish())
}

struct Sum<'a> {
    hash: Sha256,
    bytes: u64,
    meter: Meter<'a>,
}

impl<'a> Sum<'a> {
    fn new(progress: Progress<'a>, total: Option<u64>) -> Self {
        Self {
            hash: Sha256::new(),
            bytes: 0,
            meter: Meter::new(progress, Phase::Digest, total),
        }
    }

    fn finish(self) -> Digest {
        Digest {
            sha256: hex(&self.hash.finalize()),
            bytes: self.bytes,
        }
    }
}

impl Write for Sum<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.meter.advance(bytes.len() as u64)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::recipe::Recipe;
    use crate::rules::harness::open;

    const IMAGE: &str = "file usr/bin/su mode=4755\nfile usr/big fill=3000000\n";

    fn recipe() -> Recipe {
        Recipe::parse("test", "[Recipe]\nSchema=1\n[StripSetid]\n").unwrap()
    }

    #[test]
    fn who_is_stopped_stops_all() {
        let (image, recipe) = (open(IMAGE), recipe());
        let plan = image.plan(&recipe).unwrap();
        let written = tempfile::NamedTempFile::new().unwrap();
        plan.write(written.path()).unwrap();
        let stop = |_, _, _| ControlFlow::Break(());
        let stopped = plan.digests_with(written.path(), Some(&stop));
        assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
        let heard = Cell::new(0);
        let count = |_, done, total| {
            assert_eq!(total, Some(image.layers()[0].stream().len()));
            heard.set(done);
            ControlFlow::Continue(())
        };
        let digests = plan.digests_with(written.path(), Some(&count)).unwrap();
        assert_eq!(heard.get(), digests.tar.bytes);
        assert_eq!(digests.tar, digests.output);
        assert_ne!(digests.tar, digests.image);
    }

    #[test]
    fn what_failed_is_said_and_not_that_the_others_stopped() {
        let (image, recipe, folder) = (open(IMAGE), recipe(), tempfile::tempdir().unwrap());
        let plan = image.plan(&recipe).unwrap();
        // A directory can be opened, and not read.
        let failed = plan.digests(folder.path());
        assert!(
            matches!(&failed, Err(Error::Io { action: "read", path, .. }) if path == folder.path()),
            "{failed:?}"
        );
    }
}
