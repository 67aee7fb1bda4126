//! What was read and written, by digest and size.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::mpsc::sync_channel;
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
        let file = output.map(|path| Begun::on(scope, move || of_file(path)));
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

/// For a directory, those of the tar stream made of it.
fn of_image(image: &Image) -> io::Result<Bytes> {
    match image.original() {
        Some(file) => hash(|buffer, offset| file.read_at(buffer, offset)),
        None => of_stream(image.stream()),
    }
}

fn of_file(path: &Path) -> Result<Bytes> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    hash(|buffer, offset| file.read_at(buffer, offset)).map_err(Error::io("read", path))
}

/// A tar stream may have to be decompressed, which is one thread's work, while another hashes.
fn of_stream(stream: &TarStream) -> io::Result<Bytes> {
    let (sender, chunks) = sync_channel::<Vec<u8>>(4);
    thread::scope(move |scope| {
        let hashing = thread::Builder::new().spawn_scoped(scope, move || {
            let mut sum = Sum::default();
            chunks.iter().for_each(|chunk| sum.add(&chunk));
            sum.finish()
        });
        let Ok(hashing) = hashing else {
            return hash(|buffer, offset| stream.read_at(buffer, offset));
        };
        let mut at = 0;
        loop {
            let mut chunk = vec![0; 64 << 10];
            let n = stream.read_at(&mut chunk, at)?;
            if n == 0 {
                break;
            }
            chunk.truncate(n);
            at += n as u64;
            sender.send(chunk).expect("hashing goes on to the end");
        }
        drop(sender);
        Ok(hashing.join().expect("it does not panic"))
    })
}

/// Hashes by offset, since the image's file has one cursor for all who read it.
fn hash(mut read_at: impl FnMut(&mut [u8], u64) -> io::Result<usize>) -> io::Result<Bytes> {
    let mut sum = Sum::default();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match read_at(&mut buffer, sum.bytes) {
            Ok(0) => return Ok(sum.finish()),
            Ok(n) => sum.add(&buffer[..n]),
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

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    fn finish(self) -> Bytes {
        Bytes {
            sha256: hex(&self.hash.finalize()),
            bytes: self.bytes,
        }
    }
}
