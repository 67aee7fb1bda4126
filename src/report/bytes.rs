//! What was read and written, by digest and size.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::thread::{self, Scope, ScopedJoinHandle};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::text::hex;
use crate::error::{Error, Result};
use crate::image::{Image, TarStream};
use crate::plan::Plan;

/// The digest and size of a file or stream.
#[derive(Serialize)]
pub(super) struct Bytes {
    sha256: String,
    bytes: u64,
}

/// The image that was written.
#[derive(Serialize)]
pub(super) struct OutputView {
    #[serde(flatten)]
    content: Bytes,
    /// Without compression: what OCI calls the layer's `diff_id`.
    tar: Bytes,
}

/// Those of a plan's image as it came, and of the file that the hardened one was written to, if it was. All are read at once.
pub(super) fn of(plan: &Plan<'_>, output: Option<&Path>) -> Result<(Bytes, Option<OutputView>)> {
    let failed = || Error::io("read", Path::new(plan.image.name()));
    thread::scope(|scope| {
        let image = Begun::on(scope, || of_image(plan.image));
        let file = output.map(|path| Begun::on(scope, move || of_path(path)));
        let output = match file {
            None => None,
            Some(file) => Some(OutputView {
                tar: of_stream(&plan.output).map_err(failed())?,
                content: file.end()?,
            }),
        };
        Ok((image.end().map_err(failed())?, output))
    })
}

/// Work that another thread does; where the system gives no more threads, it is done when it is asked for.
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

fn of_path(path: &Path) -> Result<Bytes> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    of_file(&file).map_err(Error::io("read", path))
}

/// For a directory, those of the tar stream made of it.
fn of_image(image: &Image) -> io::Result<Bytes> {
    image
        .original()
        .map_or_else(|| of_stream(image.stream()), of_file)
}

fn of_stream(stream: &TarStream) -> io::Result<Bytes> {
    let mut sum = Sum::default();
    stream.write_to(&mut sum)?;
    Ok(sum.finish())
}

/// Read by offset, since the image's file has one cursor for all who read it.
fn of_file(file: &File) -> io::Result<Bytes> {
    let mut sum = Sum::default();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read_at(&mut buffer, sum.bytes) {
            Ok(0) => return Ok(sum.finish()),
            Ok(n) => sum.write_all(&buffer[..n])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[derive(Default)]
struct Sum {
    hash: Sha256,
    bytes: u64,
}

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sum {
    fn finish(self) -> Bytes {
        Bytes {
            sha256: hex(&self.hash.finalize()),
            bytes: self.bytes,
        }
    }
}
